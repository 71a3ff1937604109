//! Merging types that are the same: what makes one BTF of those of many compilation units.

mod equivalence;
mod table;
mod types;

use alloc::{vec, vec::Vec};

use hashbrown::HashMap;

use self::{
    equivalence::Equivalence,
    table::Table,
    types::{Types, enums_are_compatible, for_each_type, forward_kind, same_shape, vlen},
};
use crate::{
    Builder, Error, ErrorKind, Kind, TypeId,
    record::{self, Reference},
};

/// What [`Builder::dedup`] has made.
#[derive(Clone, Debug)]
pub struct Deduplicated {
    /// The types that are left.
    pub builder: Builder,
    /// For each old id, by number, the id of the type that stands for it now. Those of a base are among them.
    pub ids: Vec<TypeId>,
}

impl Builder {
    /// Merges types that are the same, by the rules of libbpf: numbers, enumerations and forward declarations that are
    /// equal; structs, unions and typedefs whose whole graphs of referenced types agree, a forward declaration agreeing
    /// with what it declares; forward declarations with the only struct or union of their name; then whatever refers
    /// to the same types in the same way. Variables and sections stay as they are.
    ///
    /// Split BTF is compared with its base too, which stays as it is: types that the base has are left out here.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding, TypeId};
    ///
    /// let mut builder = Builder::new();
    /// for _ in 0..2 {
    ///     let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    ///     builder.pointer(int)?;
    /// }
    /// let merged = builder.dedup()?;
    /// assert_eq!(merged.builder.len(), 3);
    /// assert_eq!(merged.ids, [0, 1, 2, 1, 2].map(TypeId));
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a type refers to one that does not exist, or types other than structs and unions contain each other in a
    /// circle.
    pub fn dedup(&self) -> Result<Deduplicated, Error> {
        let types = Types::new(self)?;
        let mut pass = Pass {
            map: Map::new(types.len(), types.first_own),
            table: Table::new(types.len()),
            // Compilers' types need a few steps each. When these are used up, nothing more is found equal, which is
            // never wrong.
            budget: u64::from(types.len()) * 256 + (1 << 20),
            types,
        };
        pass.enter_base();
        pass.merge_primitives();
        pass.merge_graphs();
        pass.resolve_forwards();
        pass.merge_references()?;
        pass.compact(self)
    }
}

/// For each type the one that stands for it, or will: itself, or one further along.
#[derive(Debug)]
struct Map(Vec<u32>);

/// Nothing is known of this type yet.
const UNSET: u32 = u32::MAX;
/// What this type refers to is being looked at.
const OPEN: u32 = u32::MAX - 1;

impl Map {
    /// All own types are open questions; `void` and the types of the base stand for themselves.
    fn new(len: u32, first_own: u32) -> Self {
        let own = core::iter::repeat_n(UNSET, len.saturating_sub(first_own) as usize);
        Self((0..first_own.min(len)).chain(own).collect())
    }

    fn at(&self, id: u32) -> u32 {
        self.0.get(id as usize).copied().unwrap_or(UNSET)
    }

    fn is_set(&self, id: u32) -> bool {
        self.at(id) < OPEN
    }

    fn set(&mut self, id: u32, to: u32) {
        if let Some(entry) = self.0.get_mut(id as usize) {
            *entry = to;
        }
    }

    /// The end of the chain that begins at `id`.
    fn resolve(&self, id: u32) -> u32 {
        let mut at = id;
        // Chains have no circles; but nothing hangs on it.
        for _ in 0..self.0.len() {
            let next = self.at(at);
            if next == at || next >= OPEN {
                break;
            }
            at = next;
        }
        at
    }
}

struct Pass {
    types: Types,
    map: Map,
    table: Table,
    budget: u64,
}

impl Pass {
    /// The types that are written here and not in the base.
    fn ids(&self) -> core::ops::Range<u32> {
        self.types.first_own..self.types.len()
    }

    /// Makes the types of the base known.
    fn enter_base(&mut self) {
        for id in 1..self.types.first_own {
            let words = self.types.record(id);
            let hash = match self.types.kind(id) {
                Kind::VAR | Kind::DATASEC => continue,
                Kind::STRUCT | Kind::UNION | Kind::TYPEDEF => types::shape_hash(words),
                kind if kind.is_enumeration() => enum_hash(words),
                _ => types::hash(words),
            };
            self.table.insert(hash, id);
        }
    }

    /// Types that refer to no other. An enumeration without values stands for any of its name.
    fn merge_primitives(&mut self) {
        for id in self.ids() {
            let Self {
                types,
                map,
                table,
                budget,
            } = self;
            let words = types.record(id);
            let (hash, same) = match types.kind(id) {
                Kind::INT | Kind::FLOAT | Kind::FWD => {
                    let hash = types::hash(words);
                    (
                        hash,
                        table.find(hash, budget, |other, _| types.record(other) == words),
                    )
                }
                Kind::ENUM | Kind::ENUM64 => {
                    let hash = enum_hash(words);
                    let is_same = |other, _: &mut u64| {
                        let known = types.record(other);
                        if !types.kind(other).is_enumeration() || !enums_are_compatible(known, words) {
                            return false;
                        }
                        if known == words || vlen(words) == 0 {
                            return true;
                        }
                        // The known one has no values: this one stands for it.
                        map.set(other, id);
                        false
                    };
                    (hash, table.find(hash, budget, is_same))
                }
                Kind::VAR | Kind::DATASEC => {
                    map.set(id, id);
                    continue;
                }
                _ => continue,
            };
            map.set(id, same.unwrap_or(id));
            if same.is_none() {
                table.insert(hash, id);
            }
        }
    }

    /// Structs, unions and typedefs, each with the graph of all it refers to.
    fn merge_graphs(&mut self) {
        let mut equivalence = Equivalence::new(self.types.len());
        for id in self.ids() {
            let kind = self.types.kind(id);
            if !kind.is_composite() && kind != Kind::TYPEDEF || self.map.is_set(id) {
                continue;
            }
            let Self {
                types,
                map,
                table,
                budget,
            } = self;
            let words = types.record(id);
            let hash = types::shape_hash(words);
            let same = table.find(hash, budget, |other, budget| {
                if !same_shape(words, types.record(other))
                    || !equivalence.holds(types, map, id, other, budget)
                {
                    return false;
                }
                for (canonical, candidate) in equivalence.pairs() {
                    merge_pair(types, map, canonical, candidate, equivalence.adjusts_base);
                }
                !equivalence.adjusts_base
            });
            map.set(id, same.unwrap_or(id));
            if same.is_none() {
                table.insert(hash, id);
            }
        }
    }

    /// Forward declarations for which there is only one struct or union of that name.
    fn resolve_forwards(&mut self) {
        let mut by_name = HashMap::new();
        for id in self.ids() {
            let name = self.types.name(id);
            if name != 0 && self.types.kind(id).is_composite() && self.map.at(id) == id {
                by_name
                    .entry(name)
                    .and_modify(|only| *only = None)
                    .or_insert(Some(id));
            }
        }
        for id in self.ids() {
            let Some(wanted) = forward_kind(self.types.record(id)).filter(|_| self.map.at(id) == id) else {
                continue;
            };
            match by_name.get(&self.types.name(id)) {
                Some(Some(only)) if self.types.kind(*only) == wanted => self.map.set(id, *only),
                _ => {}
            }
        }
    }

    /// All other types: those that refer to the same types in the same way.
    fn merge_references(&mut self) -> Result<(), Error> {
        let mut stack = Vec::new();
        for root in self.ids() {
            if self.map.is_set(root) {
                continue;
            }
            stack.push(root);
            while let Some(id) = stack.last().copied() {
                let Self {
                    types,
                    map,
                    table,
                    budget,
                } = self;
                if map.is_set(id) {
                    stack.pop();
                    continue;
                }
                let waiting = stack.len();
                for_each_type(types.record(id), |target| {
                    let to = map.resolve(target);
                    if !map.is_set(to) {
                        stack.push(to);
                    }
                });
                if stack.len() > waiting {
                    if map.at(id) == OPEN {
                        return Err(Error::new(ErrorKind::Depth(TypeId(id)), 0));
                    }
                    map.set(id, OPEN);
                    continue;
                }
                stack.pop();
                record::visit(types.record_mut(id), |reference, word| {
                    if reference == Reference::Type {
                        *word = map.resolve(*word);
                    }
                    Ok::<(), Error>(())
                })?;
                let words = types.record(id);
                let hash = types::hash(words);
                let same = table.find(hash, budget, |other, _| types.record(other) == words);
                map.set(id, same.unwrap_or(id));
                if same.is_none() {
                    table.insert(hash, id);
                }
            }
        }
        Ok(())
    }

    /// Leaves out all that something else stands for, and numbers the rest anew.
    fn compact(mut self, source: &Builder) -> Result<Deduplicated, Error> {
        let mut ids: Vec<TypeId> = (0..self.types.len()).map(TypeId).collect();
        let mut next = self.types.first_own;
        for id in self.ids().filter(|id| self.map.at(*id) == *id) {
            if let Some(new) = ids.get_mut(id as usize) {
                *new = TypeId(next);
                next += 1;
            }
        }
        // Chains end in types that stay, so that these are not disturbed by what is written here.
        for id in 1..self.types.len() {
            let to = self.map.resolve(id);
            let new = ids.get(to as usize).copied().unwrap_or_default();
            if let Some(entry) = ids.get_mut(id as usize).filter(|_| to != id) {
                *entry = new;
            }
        }
        // Types that are merged have the same strings, so that none is left over: they can stay where they are. Not so
        // where the base has the same types.
        let mut strings = Moved::new(source);
        let mut builder = strings.builder(source);
        for id in self.ids() {
            if self.map.at(id) != id {
                continue;
            }
            let words = self.types.record_mut(id);
            record::visit(words, |reference, word| {
                match reference {
                    Reference::Type => *word = ids.get(*word as usize).map_or(0, |id| id.0),
                    Reference::String => *word = strings.place(*word, source, &mut builder)?,
                }
                Ok::<(), Error>(())
            })?;
            builder.push(words)?;
        }
        Ok(Deduplicated { builder, ids })
    }
}

/// Where the strings of a builder are in another one.
enum Moved {
    /// Where they were.
    No,
    /// By offset in the own section; zero if not known.
    To(Vec<u32>),
}

impl Moved {
    fn new(source: &Builder) -> Self {
        match source.base() {
            None => Self::No,
            Some(_) => Self::To(vec![0; source.string_len()]),
        }
    }

    /// A builder without types.
    fn builder(&self, source: &Builder) -> Builder {
        match self {
            Self::No => source.without_types(),
            Self::To(_) => source.empty_like(),
        }
    }

    fn place(&mut self, offset: u32, source: &Builder, builder: &mut Builder) -> Result<u32, Error> {
        let missing = || Error::new(ErrorKind::StringOffset(offset), 0);
        let places = match self {
            Self::No if (offset as usize) < source.string_len() => return Ok(offset),
            Self::No => return Err(missing()),
            Self::To(places) => places,
        };
        // The base's strings stay where they are.
        let Some(own) = offset.checked_sub(builder.first_string()) else {
            return Ok(offset);
        };
        let place = places.get_mut(own as usize).ok_or_else(missing)?;
        if *place == 0 {
            *place = builder.string_bytes(source.string_at(offset).ok_or_else(missing)?)?;
        }
        Ok(*place)
    }
}

/// Notes what the equivalence of two graphs says of two types in them.
fn merge_pair(types: &Types, map: &mut Map, canonical: u32, candidate: u32, adjusts_base: bool) {
    let (canonical, candidate) = (map.resolve(canonical), map.resolve(candidate));
    if canonical == candidate {
        return;
    }
    let (kind, candidate_kind) = (types.kind(canonical), types.kind(candidate));
    match (kind == Kind::FWD, candidate_kind == Kind::FWD) {
        (true, false) => map.set(canonical, candidate),
        _ if adjusts_base => {}
        (false, true) => map.set(candidate, canonical),
        _ => {
            let is_settled = map.is_set(canonical) && !map.is_set(candidate);
            if candidate_kind.is_composite() && is_settled {
                map.set(candidate, canonical);
            }
        }
    }
}

/// The hash of an enumeration: of its name, since one without values is to be found too; of all of it if it has none.
fn enum_hash(words: &[u32]) -> u32 {
    match words.first() {
        Some(0) => types::hash(words),
        Some(name) => types::hash(&[*name]),
        None => 0,
    }
}
