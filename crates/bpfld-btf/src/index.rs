//! From names to types: a hash index that is built in one pass, without an allocation per type.

use alloc::{vec, vec::Vec};

use crate::{Btf, Kind, Type, TypeId, record};

/// The flavour-free part of a name: what CO-RE compares. `task_struct___v2` is a flavour of `task_struct`.
///
/// The separator is the last `___` that has a character other than `_` on both sides.
///
/// ```
/// assert_eq!(bpfld_btf::essential_name(b"task_struct___v2"), b"task_struct");
/// assert_eq!(bpfld_btf::essential_name(b"___leading"), b"___leading");
/// ```
pub fn essential_name(name: &[u8]) -> &[u8] {
    let is_separator = |window: &[u8]| match window {
        [before, b'_', b'_', b'_', after] => *before != b'_' && *after != b'_',
        _ => false,
    };
    match name.windows(5).rposition(is_separator) {
        Some(at) => name.get(..=at).unwrap_or(name),
        None => name,
    }
}

/// Types by the hash of their flavour-free name: a table of chain heads, and for each type the next of its chain. Ids
/// within a chain ascend. Both hold an id (relative to the first own id, plus one; zero ends the chain) in the low
/// bits, and above it as many bits of the hash as fit, so that other names are rarely looked at.
#[derive(Debug)]
pub(crate) struct NameIndex {
    heads: Vec<u32>,
    next: Vec<u32>,
    id_bits: u32,
}

impl NameIndex {
    /// Indexes the own types of `btf`.
    pub(crate) fn build(btf: &Btf) -> Self {
        let (types, offsets) = btf.type_data();
        let count = offsets.len();
        // Ids run from 1 to `count`.
        let id_bits = usize::BITS - count.leading_zeros();
        let len = count.max(1).next_power_of_two();
        let mut index = Self {
            heads: vec![0; len],
            next: vec![0; count],
            id_bits: id_bits.min(32),
        };
        let strings = btf.string_data();
        let first_string = btf.first_string();
        let endian = btf.endian();
        // Backwards, since a chain grows at its front.
        for (own, (start, next)) in offsets.iter().zip(index.next.iter_mut()).enumerate().rev() {
            let Some(name) = types.get(*start as usize..).and_then(|tail| tail.first_chunk()) else {
                continue;
            };
            let name = endian.u32(*name);
            let hash = match name.checked_sub(first_string) {
                Some(0) if first_string == 0 => continue,
                Some(at) => hash_terminated(strings.get(at as usize..).unwrap_or_default()),
                None => match btf.string_bytes(name) {
                    Ok(name) if !name.is_empty() => hash_name(essential_name(name)),
                    _ => continue,
                },
            };
            let slot = hash as usize & (len - 1);
            if let Some(head) = index.heads.get_mut(slot) {
                *next = *head;
                *head = entry(own, hash, index.id_bits);
            }
        }
        index
    }

    /// The numbers of the own types whose flavour-free name may be `essential`, ascending.
    fn chain(&self, essential: &[u8]) -> Chain<'_> {
        let hash = hash_name(essential);
        let slot = hash as usize & (self.heads.len() - 1);
        let head = self.heads.get(slot).copied().unwrap_or(0);
        Chain {
            index: self,
            tag: entry(0, hash, self.id_bits) & !self.id_mask(),
            at: head,
        }
    }

    fn id_mask(&self) -> u32 {
        id_mask(self.id_bits)
    }

    /// The memory this index takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        (self.heads.capacity() + self.next.capacity()) * size_of::<u32>()
    }
}

fn id_mask(id_bits: u32) -> u32 {
    1u32.checked_shl(id_bits).unwrap_or(0).wrapping_sub(1)
}

/// What stands in the table for the own type number `own` with this hash: the tag is the top of the hash.
fn entry(own: usize, hash: u64, id_bits: u32) -> u32 {
    let tag = (hash >> 32) as u32 & !id_mask(id_bits);
    tag | (own as u32).wrapping_add(1) & id_mask(id_bits)
}

struct Chain<'a> {
    index: &'a NameIndex,
    tag: u32,
    at: u32,
}

impl Iterator for Chain<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mask = self.index.id_mask();
        loop {
            // Chains are built front to back and end in zero, so that this ends.
            let own = (self.at & mask).checked_sub(1)?;
            let tag = self.at & !mask;
            self.at = self.index.next.get(own as usize).copied().unwrap_or(0);
            if tag == self.tag {
                return Some(own);
            }
        }
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(SEED);
    (product as u64) ^ (product >> 64) as u64
}

/// The hash of a name: over words of eight bytes, the last filled up with zeros.
fn hash_name(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mut hash = SEED;
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    finish(mix(hash, u64::from_le_bytes(last)))
}

fn finish(hash: u64) -> u64 {
    hash.wrapping_mul(SEED) ^ (hash >> 29)
}

const LOW: u64 = 0x0101_0101_0101_0101;
const LOW7: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The highest bit of each byte of `word` that is zero; exact.
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW7) + LOW7) | word | LOW7)
}

/// The hash of the flavour-free part of the zero-terminated name at the front of `tail`: [`hash_name`] of it, found
/// in one pass, eight bytes at a time, that also watches for the three underscores of a flavour.
fn hash_terminated(tail: &[u8]) -> u64 {
    let mut hash = SEED;
    let mut previous = 0;
    let mut at = 0;
    while let Some(chunk) = tail.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let ends = zero_bytes(word);
        let underscores = zero_bytes(word ^ (LOW * u64::from(b'_')));
        let run = underscores & (underscores << 8 | previous >> 56) & (underscores << 16 | previous >> 48);
        if ends != 0 {
            let bytes = ends.trailing_zeros() / 8;
            let within = (1u64 << (bytes * 8)) - 1;
            if run & within != 0 {
                break;
            }
            return finish(mix(hash, word & within));
        }
        if run != 0 {
            break;
        }
        hash = mix(hash, word);
        previous = underscores;
        at += 8;
    }
    // A possible flavour, or the end of the section.
    let len = tail.iter().position(|byte| *byte == 0).unwrap_or(tail.len());
    hash_name(essential_name(tail.get(..len).unwrap_or_default()))
}

impl Btf {
    /// The type of this name and kind with the lowest id, the base's types first.
    ///
    /// The first look-up builds the index; later ones take tens of nanoseconds.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.base()
            .and_then(|base| base.find(name, kind))
            .or_else(|| self.find_own(name, kind))
    }

    /// The type of this name and kind with the lowest id among those written here and not in the base.
    pub fn find_own(&self, name: &str, kind: Kind) -> Option<TypeId> {
        let name = name.as_bytes();
        if name.is_empty() {
            return None;
        }
        let (types, offsets) = self.type_data();
        let endian = self.endian();
        let own = self.name_index().chain(essential_name(name)).find(|own| {
            let start = offsets
                .get(*own as usize)
                .map_or(usize::MAX, |start| *start as usize);
            let Some([a, b, c, d, e, f, g, h]) = types.get(start..).and_then(|tail| tail.first_chunk())
            else {
                return false;
            };
            let is_kind = record::kind_of(endian.u32([*e, *f, *g, *h])) == kind;
            is_kind && self.string_is(endian.u32([*a, *b, *c, *d]), name)
        })?;
        Some(TypeId(self.first_id().0.wrapping_add(own)))
    }

    /// Whether the string at this offset is `expected`.
    fn string_is(&self, offset: u32, expected: &[u8]) -> bool {
        match offset.checked_sub(self.first_string()) {
            Some(own) => {
                let tail = self.string_data().get(own as usize..).unwrap_or_default();
                tail.strip_prefix(expected)
                    .is_some_and(|rest| rest.first() == Some(&0))
            }
            None => self.string_bytes(offset) == Ok(expected),
        }
    }

    /// All types of this name, of any kind; the base's first, and by ascending id.
    pub fn find_all(&self, name: &str) -> impl Iterator<Item = Type<'_>> {
        let name = name.as_bytes();
        self.chains(essential_name(name))
            .filter(move |ty| ty.name_bytes() == Ok(name))
    }

    /// All types whose flavour-free name (see [`essential_name`]) is `essential`; the base's first, and by ascending
    /// id.
    pub fn flavors(&self, essential: &[u8]) -> impl Iterator<Item = Type<'_>> {
        self.chains(essential).filter(move |ty| is_flavor(ty, essential))
    }

    /// The same for the types written here only.
    pub fn own_flavors(&self, essential: &[u8]) -> impl Iterator<Item = Type<'_>> {
        self.own_chain(essential)
            .filter(move |ty| is_flavor(ty, essential))
    }

    fn chains(&self, essential: &[u8]) -> impl Iterator<Item = Type<'_>> {
        let mut bases = Vec::new();
        let mut base = self.base();
        while let Some(btf) = base {
            bases.push(&**btf);
            base = btf.base();
        }
        bases
            .into_iter()
            .rev()
            .chain([self])
            .flat_map(move |btf| btf.own_chain(essential))
    }

    /// The own types that may have this flavour-free name.
    fn own_chain(&self, essential: &[u8]) -> impl Iterator<Item = Type<'_>> {
        let first = self.first_id().0;
        let chain = (!essential.is_empty()).then(|| self.name_index().chain(essential));
        let own = chain.into_iter().flatten();
        own.filter_map(move |own| self.ty(TypeId(first.wrapping_add(own))).ok())
    }

    /// The memory taken besides the data itself, in bytes: type offsets, and the name index (which is built if it was
    /// not yet).
    pub fn index_memory(&self) -> usize {
        size_of_val(self.type_data().1) + self.name_index().memory()
    }
}

fn is_flavor(ty: &Type<'_>, essential: &[u8]) -> bool {
    ty.name_bytes()
        .is_ok_and(|name| essential_name(name) == essential)
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    #[test]
    fn essential_names() {
        for (name, expected) in [
            ("a___b", "a"),
            ("a___b___c", "a___b"),
            ("a____b", "a____b"),
            ("a__b", "a__b"),
            ("___a", "___a"),
            ("a___", "a___"),
            ("", ""),
            ("task_struct___old___", "task_struct"),
        ] {
            assert_eq!(essential_name(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn both_hashes_agree() {
        for prefix in 0..20 {
            for suffix in [
                "", "_", "__", "___", "___x", "___x___y", "____x", "x___", "__x", "___x_", "_x___yy",
            ] {
                let name = format!("{}{suffix}", "abcdefghijklmnopqrst".get(..prefix).unwrap());
                for padding in [
                    "\0",
                    "\0________________",
                    "\0\0\0\0\0\0\0\0\0\0\0\0\0",
                    "\0a___bcdefghijkl\0",
                ] {
                    let text = String::from(name.as_str()) + padding;
                    assert_eq!(
                        hash_terminated(text.as_bytes()),
                        hash_name(essential_name(name.as_bytes())),
                        "{text:?}"
                    );
                }
            }
        }
    }
}
