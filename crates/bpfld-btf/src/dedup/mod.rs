//! Merging types that are the same: what makes one BTF of those of many compilation units.

mod equivalence;
mod table;

use alloc::vec::Vec;

use hashbrown::HashMap;

use self::{
    equivalence::Equivalence,
    table::{Buckets, Table},
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
    /// For each old id, by number, the id of the type that stands for it now.
    pub ids: Vec<TypeId>,
}

impl Builder {
    /// Merges types that are the same, by the rules of libbpf: numbers, enumerations and forward declarations that are
    /// equal; structs, unions and typedefs whose whole graphs of referenced types agree, a forward declaration agreeing
    /// with what it declares; forward declarations with the only struct or union of their name; then whatever refers
    /// to the same types in the same way. Variables and sections stay as they are.
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
    /// When this is split BTF, a type refers to one that does not exist, or types other than structs and unions contain
    /// each other in a circle.
    pub fn dedup(&self) -> Result<Deduplicated, Error> {
        if self.first_id() != TypeId(1) {
            return Err(Error::new(ErrorKind::TypeId(self.first_id()), 0));
        }
        let mut pass = Pass {
            builder: self.clone(),
            map: Map::new(self.len()),
        };
        pass.check_references()?;
        pass.merge_primitives();
        pass.merge_graphs();
        pass.resolve_forwards();
        pass.merge_references()?;
        pass.compact()
    }
}

/// For each type the one that stands for it, or will: itself, or one further along.
#[derive(Debug)]
struct Map(Vec<Option<u32>>);

impl Map {
    fn new(len: u32) -> Self {
        let mut map = alloc::vec![None; len as usize];
        if let Some(void) = map.first_mut() {
            *void = Some(0);
        }
        Self(map)
    }

    fn is_set(&self, id: u32) -> bool {
        self.0.get(id as usize).is_some_and(Option::is_some)
    }

    fn set(&mut self, id: u32, to: u32) {
        if let Some(entry) = self.0.get_mut(id as usize) {
            *entry = Some(to);
        }
    }

    /// The end of the chain that begins at `id`.
    fn resolve(&self, id: u32) -> u32 {
        let mut at = id;
        // Chains have no circles; but nothing hangs on it.
        for _ in 0..self.0.len() {
            match self.0.get(at as usize) {
                Some(Some(next)) if *next != at => at = *next,
                _ => break,
            }
        }
        at
    }
}

struct Pass {
    builder: Builder,
    map: Map,
}

impl Pass {
    fn ids(&self) -> core::ops::Range<u32> {
        1..self.builder.len()
    }

    fn words(&self, id: u32) -> &[u32] {
        self.builder.record(TypeId(id)).unwrap_or_default()
    }

    fn kind(&self, id: u32) -> Kind {
        self.words(id)
            .get(1)
            .map_or(Kind::VOID, |info| record::kind_of(*info))
    }

    fn check_references(&self) -> Result<(), Error> {
        let len = self.builder.len();
        let mut words = Vec::new();
        for id in self.ids() {
            words.clear();
            words.extend_from_slice(self.words(id));
            record::visit(&mut words, |reference, word| match reference {
                Reference::Type if *word >= len => Err(Error::new(ErrorKind::TypeId(TypeId(*word)), 0)),
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Types that refer to no other. An enumeration without values stands for any of its name.
    fn merge_primitives(&mut self) {
        let mut table = Table::new();
        // By name: the latest one, and the one without values.
        let mut enums = HashMap::new();
        let mut empty_enums = HashMap::new();
        for id in self.ids() {
            let words = self.builder.record(TypeId(id)).unwrap_or_default();
            match self.kind(id) {
                Kind::INT | Kind::FLOAT | Kind::FWD => {
                    let same = table.find(words, |other| self.words(other) == words);
                    if same.is_none() {
                        table.insert(words, id);
                    }
                    self.map.set(id, same.unwrap_or(id));
                }
                Kind::ENUM | Kind::ENUM64 => {
                    let name = words.first().copied().unwrap_or(0);
                    let equal = table.find(words, |other| self.words(other) == words);
                    let of_name = enums.get(&name).copied();
                    let to = match (equal, of_name) {
                        (Some(other), _) => other,
                        (None, Some(other)) if vlen(words) == 0 => other,
                        _ => id,
                    };
                    if to == id {
                        table.insert(words, id);
                        enums.insert(name, id);
                        if vlen(words) == 0 {
                            empty_enums.insert(name, id);
                        } else if let Some(empty) = empty_enums.get(&name) {
                            self.map.set(*empty, id);
                        }
                    }
                    self.map.set(id, to);
                }
                Kind::VAR | Kind::DATASEC => self.map.set(id, id),
                _ => {}
            }
        }
    }

    /// Structs, unions and typedefs, each with the graph of all it refers to.
    fn merge_graphs(&mut self) {
        let mut table = Buckets::new();
        let mut equivalence = Equivalence::new(self.builder.len());
        let mut shapes = [Vec::new(), Vec::new()];
        for id in self.ids() {
            let kind = self.kind(id);
            if !kind.is_composite() && kind != Kind::TYPEDEF || self.map.is_set(id) {
                continue;
            }
            let [shape, other_shape] = &mut shapes;
            equivalence::shape(self.words(id), shape, None);
            let bucket = table.of(shape);
            let mut same = None;
            for other in bucket.iter().rev().copied() {
                if equivalence.is_exhausted() {
                    break;
                }
                equivalence::shape(self.words(other), other_shape, None);
                if shape == other_shape && equivalence.holds(&self.builder, &self.map, id, other) {
                    same = Some(other);
                    break;
                }
            }
            match same {
                Some(other) => {
                    for (canonical, candidate) in equivalence.pairs() {
                        self.merge_pair(canonical, candidate);
                    }
                    self.map.set(id, other);
                }
                None => {
                    self.map.set(id, id);
                    // Where nothing more can be found equal, nothing more need be looked at.
                    if !equivalence.is_exhausted() {
                        bucket.push(id);
                    }
                }
            }
        }
    }

    /// Notes what the equivalence of two graphs says of two types in them.
    fn merge_pair(&mut self, canonical: u32, candidate: u32) {
        let (canonical, candidate) = (self.map.resolve(canonical), self.map.resolve(candidate));
        if canonical == candidate {
            return;
        }
        let (kind, candidate_kind) = (self.kind(canonical), self.kind(candidate));
        match (kind == Kind::FWD, candidate_kind == Kind::FWD) {
            (true, false) => self.map.set(canonical, candidate),
            (false, true) => self.map.set(candidate, canonical),
            _ => {
                let is_settled = self.map.is_set(canonical) && !self.map.is_set(candidate);
                if candidate_kind.is_composite() && is_settled {
                    self.map.set(candidate, canonical);
                }
            }
        }
    }

    /// Forward declarations for which there is only one struct or union of that name.
    fn resolve_forwards(&mut self) {
        let mut by_name = HashMap::new();
        for id in self.ids() {
            let name = self.words(id).first().copied().unwrap_or(0);
            if self.kind(id).is_composite() && self.map.resolve(id) == id && name != 0 {
                by_name
                    .entry(name)
                    .and_modify(|only| *only = None)
                    .or_insert(Some(id));
            }
        }
        for id in self.ids() {
            let [name, info, ..] = *self.words(id) else {
                continue;
            };
            if record::kind_of(info) != Kind::FWD || self.map.resolve(id) != id {
                continue;
            }
            let wanted = if info >> 31 == 0 {
                Kind::STRUCT
            } else {
                Kind::UNION
            };
            match by_name.get(&name) {
                Some(Some(only)) if self.kind(*only) == wanted => self.map.set(id, *only),
                _ => {}
            }
        }
    }

    /// All other types: those that refer to the same types in the same way.
    fn merge_references(&mut self) -> Result<(), Error> {
        let mut table = Table::new();
        let mut stack = Vec::new();
        let mut is_open = alloc::vec![false; self.builder.len() as usize];
        for root in self.ids() {
            stack.push(root);
            while let Some(id) = stack.last().copied() {
                if self.map.is_set(id) {
                    stack.pop();
                    continue;
                }
                let Some(open) = is_open.get_mut(id as usize) else {
                    break;
                };
                let is_second_visit = core::mem::replace(open, true);
                let mut words = self.words(id).to_vec();
                let waiting = stack.len();
                // Taken out of the closure's sight below.
                let map = &self.map;
                record::visit(&mut words, |reference, word| {
                    if reference == Reference::Type {
                        let to = map.resolve(*word);
                        if map.is_set(to) {
                            *word = to;
                        } else if is_second_visit {
                            return Err(Error::new(ErrorKind::Depth(TypeId(id)), 0));
                        } else {
                            stack.push(to);
                        }
                    }
                    Ok(())
                })?;
                if stack.len() > waiting {
                    continue;
                }
                stack.pop();
                let same = table.find(&words, |other| self.words(other) == words);
                self.map.set(id, same.unwrap_or(id));
                if let Some(record) = self.builder.record_mut(TypeId(id)) {
                    record.copy_from_slice(&words);
                }
                if same.is_none() {
                    table.insert(&words, id);
                }
            }
        }
        Ok(())
    }

    /// Leaves out all that something else stands for, and numbers the rest anew.
    fn compact(self) -> Result<Deduplicated, Error> {
        let is_kept = |id: u32| self.map.resolve(id) == id;
        let mut ids = alloc::vec![TypeId::VOID; self.builder.len() as usize];
        let mut next = 1;
        for id in self.ids().filter(|id| is_kept(*id)) {
            if let Some(new) = ids.get_mut(id as usize) {
                *new = TypeId(next);
                next += 1;
            }
        }
        for id in self.ids() {
            let new = ids
                .get(self.map.resolve(id) as usize)
                .copied()
                .unwrap_or_default();
            if let Some(entry) = ids.get_mut(id as usize) {
                *entry = new;
            }
        }
        let mut builder = Builder::new();
        for id in self.ids().filter(|id| is_kept(*id)) {
            let mut words = self.words(id).to_vec();
            record::visit(&mut words, |reference, word| {
                *word = match reference {
                    Reference::Type => ids.get(*word as usize).map_or(0, |id| id.0),
                    Reference::String => {
                        let string = self.builder.string_at(*word);
                        let missing = || Error::new(ErrorKind::StringOffset(*word), 0);
                        builder.string_bytes(string.ok_or_else(missing)?)?
                    }
                };
                Ok::<(), Error>(())
            })?;
            builder.push(&words)?;
        }
        Ok(Deduplicated { builder, ids })
    }
}

fn vlen(words: &[u32]) -> u32 {
    words.get(1).map_or(0, |info| info & record::MAX_VLEN)
}
