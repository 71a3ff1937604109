//! Keys: how they are read, and which there are.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::MapType;

use super::{Contents, Map};

/// A key, as bytes in the order of the guest.
pub(crate) type Key = Box<[u8]>;

/// The first four bytes as a number in the order of the guest.
pub(crate) fn number(key: &[u8], endian: Endian) -> u32 {
    let bytes = key.first_chunk().copied().unwrap_or([0xff; 4]);
    match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    }
}

/// A number as a key.
pub(crate) fn number_key(number: u32, endian: Endian) -> [u8; 4] {
    match endian {
        Endian::Little => number.to_le_bytes(),
        Endian::Big => number.to_be_bytes(),
    }
}

/// The key of a prefix trie with what lies behind the prefix cleared; `None` if the prefix is longer than the key.
pub(crate) fn prefix_key(key: &[u8], len: u32, endian: Endian) -> Option<Vec<u8>> {
    let mut out = number_key(len, endian).to_vec();
    let data = key.get(4..)?;
    if len as usize > data.len() * 8 {
        return None;
    }
    for (at, byte) in data.iter().enumerate() {
        let kept = (len as usize).saturating_sub(at * 8).min(8) as u32;
        out.push(byte & !(0xffu32 >> kept) as u8);
    }
    Some(out)
}

impl Map {
    /// All keys there are now, in no promised order.
    pub(crate) fn keys(&self, endian: Endian) -> Vec<Key> {
        let numbered = |count: usize| {
            (0..count as u32)
                .map(|index| Box::from(number_key(index, endian)))
                .collect()
        };
        let present = |slots: &[Option<usize>]| {
            let indices = slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
            indices
                .map(|(index, _)| Box::from(number_key(index as u32, endian)))
                .collect()
        };
        match &self.contents {
            Contents::Array => numbered(self.spec.max_entries as usize),
            Contents::Hash(hash) | Contents::HashOfMaps(hash, _) => {
                hash.iter().map(|(key, _)| key.into()).collect()
            }
            Contents::Programs(slots) | Contents::Maps(slots) => present(slots),
            _ => Vec::new(),
        }
    }

    /// The place of the value of exactly this key, which does not count as use of it.
    pub(crate) fn peek(&self, key: &[u8], endian: Endian) -> Option<u32> {
        match &self.contents {
            Contents::Array => Some(number(key, endian)).filter(|index| *index < self.spec.max_entries),
            Contents::Hash(hash) => hash.peek(key),
            _ => None,
        }
    }

    /// What it costs to find a key, in instructions.
    pub(crate) fn key_work(&self) -> usize {
        let size = self.spec.key_size as usize;
        match self.is_trie() {
            // one look for each bit of the prefix
            true => size.saturating_mul(size) / 32,
            false => size / 64,
        }
    }

    /// What it costs to copy a value, in instructions.
    pub(crate) fn value_work(&self) -> usize {
        match &self.contents {
            Contents::Bloom(_) => self.spec.value_size as usize / 4,
            _ => (self.spec.value_size as usize).saturating_mul(self.copies as usize) / 64,
        }
    }

    /// The key of the value at a place.
    pub(crate) fn key_at(&self, place: u32, endian: Endian) -> Option<Key> {
        match &self.contents {
            Contents::Array => Some(Box::from(number_key(place, endian))),
            Contents::Hash(hash) => hash.key_at(place).map(Box::from),
            _ => None,
        }
    }

    /// The place where the value of a key is written: that of its prefix, in a trie.
    pub(crate) fn own_place(&self, key: &[u8], endian: Endian) -> Option<u32> {
        match self.is_trie() {
            true => self.peek(&prefix_key(key, number(key, endian), endian)?, endian),
            false => self.peek(key, endian),
        }
    }

    pub(crate) fn is_trie(&self) -> bool {
        self.spec.map_type == MapType::LPM_TRIE
    }

    /// Whether values may hold a lock.
    pub(crate) fn may_lock(&self) -> bool {
        let may = matches!(self.spec.map_type, MapType::HASH | MapType::ARRAY);
        may && self.special.as_ref().is_none_or(|special| special.has_lock)
    }

    /// Whether values are sockets.
    pub(crate) fn holds_sockets(&self) -> bool {
        matches!(self.spec.map_type, MapType::SOCKMAP | MapType::SOCKHASH)
    }

    /// Whether keys are numbers below the number of entries.
    pub(crate) fn is_indexed(&self) -> bool {
        matches!(
            self.spec.map_type,
            MapType::DEVMAP
                | MapType::CPUMAP
                | MapType::XSKMAP
                | MapType::SOCKMAP
                | MapType::REUSEPORT_SOCKARRAY
                | MapType::CGROUP_ARRAY
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn prefixes_are_cut() {
        let key = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        let cut = |len| prefix_key(&key, len, Endian::Little).map(|key| key[4..].to_vec());
        assert_eq!(cut(0), Some(vec![0, 0, 0, 0]));
        assert_eq!(cut(12), Some(vec![0xff, 0xf0, 0, 0]));
        assert_eq!(cut(32), Some(vec![0xff; 4]));
        assert_eq!(cut(33), None);
    }
}
