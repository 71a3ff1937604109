//! From names to types: hash tables that are built in one pass, without an allocation per type.

use alloc::{vec, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::{
    Btf, Kind, Type, TypeId, essential_name,
    hash::{hash_name, hash_terminated},
    lazy::Lazy,
    record,
};

/// The names of one BTF's own types, in two tables: in kernels, most names are those of functions, and who looks for
/// a struct need not wait for them.
#[derive(Debug)]
pub(crate) struct NameIndex {
    types: Table,
    functions: Table,
}

#[derive(Debug)]
struct Table {
    lazy: Lazy<Chains>,
    /// How many look-ups there were before the table was built.
    scans: AtomicU32,
}

/// How many look-ups do without the table: building it takes as long as several of them.
const SCANS: u32 = 2;

impl NameIndex {
    pub(crate) fn new() -> Self {
        let table = || Table {
            lazy: Lazy::new(),
            scans: AtomicU32::new(0),
        };
        Self {
            types: table(),
            functions: table(),
        }
    }

    fn table(&self, class: Class) -> &Table {
        match class {
            Class::Types => &self.types,
            Class::Functions => &self.functions,
        }
    }
}

/// Which types one table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Types,
    Functions,
}

impl Class {
    fn of(kind: Kind) -> Self {
        if kind == Kind::FUNC {
            Self::Functions
        } else {
            Self::Types
        }
    }
}

/// A hash table with chains. A head, or the link of an entry to the next of its chain, holds in its low bits the number
/// of an entry plus one (zero ends the chain), and above as many bits of the hash as fit, so that other names are rarely
/// looked at. Entries of a chain ascend by type.
#[derive(Debug)]
struct Chains {
    heads: Vec<u32>,
    links: Vec<u32>,
    /// The own types that the entries are, counted from the first own id, if that is not [`Btf::named`].
    functions: Vec<u32>,
    number_bits: u32,
}

/// How many names are entered at a time.
const BLOCK: usize = 64;

impl Chains {
    /// Enters the named own types of a class under their flavour-free names.
    fn build(btf: &Btf, class: Class) -> Self {
        let (endian, strings) = (btf.endian(), btf.strings());
        let (types, offsets) = btf.type_data();
        let functions = match class {
            Class::Types => Vec::new(),
            Class::Functions => functions(btf),
        };
        let owns = match class {
            Class::Types => btf.named(),
            Class::Functions => &functions,
        };
        let name_of = |own: u32| {
            let offset = offsets.get(own as usize)?;
            head(types, *offset).map(|(name, _)| endian.u32(name))
        };
        let number_bits = (usize::BITS - owns.len().leading_zeros()).min(32);
        let mut heads = vec![0; owns.len().max(1).next_power_of_two()];
        let mut links = vec![0; owns.len()];
        // Backwards, since a chain grows at its front; and in blocks, so that the processor waits for many names, and
        // then for many heads, at once.
        let mut end = owns.len();
        while let Some(block) = owns
            .get(end.saturating_sub(BLOCK)..end)
            .filter(|block| !block.is_empty())
        {
            let start = end - block.len();
            let mut hashes = [None; BLOCK];
            for (own, hash) in block.iter().zip(&mut hashes) {
                *hash = name_of(*own).and_then(|name| strings.hash(name));
            }
            let links = links.get_mut(start..end).unwrap_or_default();
            for (number, (to, hash)) in links.iter_mut().zip(&hashes).enumerate().rev() {
                let Some(hash) = hash else { continue };
                let slot = *hash as usize & (heads.len() - 1);
                if let Some(head) = heads.get_mut(slot) {
                    *to = *head;
                    *head = link(start + number, *hash, number_bits);
                }
            }
            end = start;
        }
        Self {
            heads,
            links,
            functions,
            number_bits,
        }
    }

    /// The own types whose flavour-free name may be `essential`, ascending.
    fn chain<'a>(&'a self, btf: &'a Btf, class: Class, essential: &[u8]) -> Chain<'a> {
        let hash = hash_name(essential);
        let head = self.heads.get(hash as usize & (self.heads.len() - 1)).copied();
        let mask = mask(self.number_bits);
        Chain {
            owns: match class {
                Class::Types => btf.named(),
                Class::Functions => &self.functions,
            },
            links: &self.links,
            mask,
            tag: link(0, hash, self.number_bits) & !mask,
            at: head.unwrap_or(0),
        }
    }

    fn memory(&self) -> usize {
        [&self.heads, &self.links, &self.functions]
            .iter()
            .map(|part| size_of_val(part.as_slice()))
            .sum()
    }
}

/// The own types that are functions with a name, counted from the first own id.
fn functions(btf: &Btf) -> Vec<u32> {
    let (types, offsets) = btf.type_data();
    let endian = btf.endian();
    let is_function = |offset: &u32| {
        head(types, *offset).is_some_and(|(name, info)| {
            name != [0; 4] && Class::of(record::kind_of(endian.u32(info))) == Class::Functions
        })
    };
    let mut functions: Vec<u32> = (0..)
        .zip(offsets)
        .filter(|(_, offset)| is_function(offset))
        .map(|(own, _)| own)
        .collect();
    functions.shrink_to_fit();
    functions
}

fn mask(number_bits: u32) -> u32 {
    1u32.checked_shl(number_bits).unwrap_or(0).wrapping_sub(1)
}

/// The number of an entry, plus one, with the top of the hash above it.
fn link(number: usize, hash: u64, number_bits: u32) -> u32 {
    let mask = mask(number_bits);
    (hash >> 32) as u32 & !mask | (number as u32).wrapping_add(1) & mask
}

struct Chain<'a> {
    owns: &'a [u32],
    links: &'a [u32],
    mask: u32,
    tag: u32,
    at: u32,
}

impl Iterator for Chain<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            // Links lead forwards only, so that this ends.
            let number = (self.at & self.mask).checked_sub(1)? as usize;
            let tag = self.at & !self.mask;
            self.at = *self.links.get(number)?;
            if tag == self.tag {
                return self.owns.get(number).copied();
            }
        }
    }
}

/// Name and info word of the record at this offset.
fn head(types: &[u8], offset: u32) -> Option<([u8; 4], [u8; 4])> {
    let [a, b, c, d, e, f, g, h] = *types.get(offset as usize..)?.first_chunk()?;
    Some(([a, b, c, d], [e, f, g, h]))
}

impl Btf {
    /// The type of this name and kind with the lowest id, the base's types first.
    ///
    /// The first look-ups search; if there are more, a table is built, after which each takes some ten nanoseconds.
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
        let (endian, strings) = (self.endian(), self.strings());
        let is_wanted = |own: &u32| {
            let head = offsets.get(*own as usize).and_then(|offset| head(types, *offset));
            head.is_some_and(|(at, info)| {
                record::kind_of(endian.u32(info)) == kind && strings.is(endian.u32(at), name)
            })
        };
        let class = Class::of(kind);
        let table = self.name_index().table(class);
        let is_early = table.lazy.peek().is_none() && table.scans.fetch_add(1, Ordering::Relaxed) < SCANS;
        let own = match class {
            Class::Types if is_early => self.named().iter().copied().find(is_wanted),
            Class::Functions if is_early => (0..offsets.len() as u32).find(is_wanted),
            _ => self
                .chains(class)
                .chain(self, class, essential_name(name))
                .find(is_wanted),
        };
        Some(TypeId(self.first_id().0.wrapping_add(own?)))
    }

    /// All types of this name, of any kind; the base's first, and by ascending id.
    pub fn find_all(&self, name: &str) -> impl Iterator<Item = Type<'_>> {
        let name = name.as_bytes();
        self.flavors(essential_name(name))
            .filter(move |ty| ty.name_bytes() == Ok(name))
    }

    /// All types whose flavour-free name (see [`essential_name`]) is `essential`; the base's first, and by ascending
    /// id.
    pub fn flavors(&self, essential: &[u8]) -> impl Iterator<Item = Type<'_>> {
        let mut all = Vec::new();
        self.collect_flavors(essential, &mut all);
        all.into_iter()
    }

    fn collect_flavors<'a>(&'a self, essential: &[u8], all: &mut Vec<Type<'a>>) {
        if let Some(base) = self.base() {
            base.collect_flavors(essential, all);
        }
        let base = all.len();
        all.extend(self.own_flavors(essential, Kind::VOID));
        all.extend(self.own_flavors(essential, Kind::FUNC));
        all.get_mut(base..).unwrap_or_default().sort_by_key(|ty| ty.id());
    }

    /// The own types with this flavour-free name, if functions are asked for: functions, else: all others.
    pub(crate) fn own_flavors(&self, essential: &[u8], kind: Kind) -> impl Iterator<Item = Type<'_>> {
        let first = self.first_id().0;
        let class = Class::of(kind);
        let chain = (!essential.is_empty()).then(|| self.chains(class).chain(self, class, essential));
        chain.into_iter().flatten().filter_map(move |own| {
            let ty = self.ty(TypeId(first.wrapping_add(own))).ok()?;
            (essential_name(ty.name_bytes().ok()?) == essential).then_some(ty)
        })
    }

    fn chains(&self, class: Class) -> &Chains {
        self.name_index()
            .table(class)
            .lazy
            .get(|| Chains::build(self, class))
    }

    /// The own strings, to compare many with one.
    pub(crate) fn strings(&self) -> Strings<'_> {
        Strings {
            btf: self,
            own: self.string_data(),
            first: self.first_string(),
        }
    }

    /// Whether looking up types by name takes no more than a few steps.
    pub(crate) fn is_indexed(&self) -> bool {
        self.name_index().types.lazy.peek().is_some()
    }

    /// Whether the own strings have `name` in them, as a whole string or the flavour-free part of one: if not, no own
    /// type has this name, unless it has it from the strings of a base.
    pub(crate) fn mentions(&self, name: &[u8]) -> bool {
        let finder = memchr::memmem::Finder::new(name);
        let mut rest = self.string_data();
        while let Some(at) = finder.find(rest) {
            if matches!(rest.get(at + name.len()), Some(0 | b'_')) {
                return true;
            }
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        false
    }

    /// The memory taken besides the data itself, in bytes: type offsets, numbers of named types, and the name tables (which are built if they
    /// were not yet).
    pub fn index_memory(&self) -> usize {
        let tables = self.chains(Class::Types).memory() + self.chains(Class::Functions).memory();
        size_of_val(self.type_data().1) + size_of_val(self.named()) + tables
    }
}

/// The strings that a BTF refers to.
#[derive(Clone, Copy)]
pub(crate) struct Strings<'a> {
    btf: &'a Btf,
    own: &'a [u8],
    first: u32,
}

impl Strings<'_> {
    /// The hash of the flavour-free part of the string at this offset; `None` if it is empty.
    fn hash(&self, offset: u32) -> Option<u64> {
        let Some(own) = offset.checked_sub(self.first) else {
            let name = self
                .btf
                .string_bytes(offset)
                .ok()
                .filter(|name| !name.is_empty())?;
            return Some(hash_name(essential_name(name)));
        };
        let tail = self.own.get(own as usize..)?;
        match tail.first()? {
            0 => None,
            _ => Some(hash_terminated(tail)),
        }
    }

    /// Whether the string at this offset is `expected`.
    pub(crate) fn is(&self, offset: u32, expected: &[u8]) -> bool {
        let Some(own) = offset.checked_sub(self.first) else {
            return self.btf.string_bytes(offset) == Ok(expected);
        };
        let tail = self.own.get(own as usize..).unwrap_or_default();
        // Most differ in the first byte already.
        match expected.first() {
            Some(first) if tail.first() != Some(first) => false,
            _ => tail
                .strip_prefix(expected)
                .is_some_and(|rest| rest.first() == Some(&0)),
        }
    }
}
