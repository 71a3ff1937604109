//! A string section that grows, with each string in it once.

use alloc::{vec, vec::Vec};
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{Btf, Error, ErrorKind};

/// The largest string section the format can address.
const MAX_LEN: usize = 0x7fff_ffff;

/// What comes before the first zero; `None` if there is none.
#[inline]
pub(crate) fn before_zero(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..memchr::memchr(0, bytes)?)
}

/// Strings, each followed by a zero; offsets count from `first`.
#[derive(Clone, Debug)]
pub(crate) struct StringPool {
    first: u32,
    data: Vec<u8>,
    offsets: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl StringPool {
    /// A pool for BTF that stands alone: the empty string is at zero.
    pub(crate) fn new() -> Self {
        Self {
            first: 0,
            data: vec![0],
            offsets: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// A pool that continues the strings of a base.
    pub(crate) fn after(first: u32) -> Self {
        Self {
            first,
            data: Vec::new(),
            offsets: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// A pool that begins with an existing section, whose offsets stay valid. Its strings are not searched for when one
    /// is added.
    pub(crate) fn from_data(data: &[u8]) -> Self {
        Self {
            data: data.to_vec(),
            ..Self::new()
        }
    }

    /// The string at an offset, without its zero; `None` if the offset is out of bounds.
    pub(crate) fn at(&self, offset: u32) -> Option<&[u8]> {
        before_zero(self.data.get(offset.checked_sub(self.first)? as usize..)?)
    }

    /// The offset of the first string here.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The offset of `string`, which is added if it is new.
    pub(crate) fn add(&mut self, string: &[u8]) -> Result<u32, Error> {
        let Self {
            first,
            data,
            offsets,
            hasher,
        } = self;
        if string.is_empty() {
            return Ok(0);
        }
        if string.contains(&0) {
            return Err(Error::new(ErrorKind::NulInName, 0));
        }
        let at = |offset: u32| data.get(offset as usize..).unwrap_or_default();
        let is_same = |offset: &u32| {
            at(*offset)
                .strip_prefix(string)
                .is_some_and(|rest| rest.first() == Some(&0))
        };
        let hash = hasher.hash_one(string);
        if let Some(offset) = offsets.find(hash, is_same) {
            return Ok(*first + *offset);
        }
        let offset = data.len();
        if offset
            .saturating_add(*first as usize)
            .saturating_add(string.len())
            >= MAX_LEN
        {
            return Err(Error::new(ErrorKind::TooMany("strings"), 0));
        }
        let rehash = |offset: &u32| {
            let tail = at(*offset);
            hasher.hash_one(before_zero(tail).unwrap_or(tail))
        };
        let offset = offset as u32;
        offsets.insert_unique(hash, offset, rehash);
        data.extend_from_slice(string);
        data.push(0);
        Ok(*first + offset)
    }
}

/// How much longer strings may grow by what is copied from one source. Strings that are ends of each other are copied each:
/// hostile ones would grow with the square of their size, while compilers write none twice.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// Room for the strings of a source, those of its base too.
    pub(crate) fn of(source: &Btf) -> Self {
        Self(
            (source.string_end() as usize)
                .saturating_mul(2)
                .saturating_add(1 << 10),
        )
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<(), Error> {
        let left = self.0.checked_sub(len);
        self.0 = left.ok_or_else(|| Error::new(ErrorKind::TooMany("strings that overlap"), 0))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_zero() {
        for len in 0..100 {
            for (fill, after) in [(b'a', 0), (0x80, 1), (0xff, 0x80), (1, 0)] {
                let mut bytes = vec![fill; len];
                assert_eq!(before_zero(&bytes), None);
                bytes.extend([0, after, 0, after]);
                assert_eq!(before_zero(&bytes), bytes.get(..len));
            }
        }
    }

    #[test]
    fn strings_are_pooled() {
        let mut pool = StringPool::new();
        let a = pool.add(b"alpha").unwrap();
        let b = pool.add(b"alp").unwrap();
        assert_eq!((a, b), (1, 7));
        assert_eq!(pool.add(b"alpha").unwrap(), a);
        assert_eq!(pool.add(b"").unwrap(), 0);
        assert_eq!(pool.data(), b"\0alpha\0alp\0");
        assert!(pool.add(b"a\0b").is_err());
    }
}
