//! The steps of merging: what stands for what, from types that refer to none to those that refer to others.

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::{
    equivalence::Equivalence,
    map::{Map, OPEN},
    table::Table,
    types::{self, Types, enums_are_compatible, for_each_type, forward_kind, same_shape, vlen},
};
use crate::{
    Error, ErrorKind, Kind, TypeId,
    record::{self, Reference},
};

pub(super) struct Pass {
    pub(super) types: Types,
    pub(super) map: Map,
    table: Table,
    budget: u64,
}

impl Pass {
    pub(super) fn new(types: Types) -> Self {
        Self {
            map: Map::new(types.len(), types.first_own),
            table: Table::new(types.len()),
            // Compilers' types need a few steps each. When these are used up, nothing more is found equal, which is
            // never wrong.
            budget: u64::from(types.len()) * 256 + (1 << 20),
            types,
        }
    }

    /// The types that are written here and not in the base.
    pub(super) fn ids(&self) -> core::ops::Range<u32> {
        self.types.first_own..self.types.len()
    }

    /// Notes what stands for a type: another that is the same, or itself, which others will then be compared with.
    fn settle(&mut self, id: u32, hash: u32, same: Option<u32>) {
        self.map.set(id, same.unwrap_or(id));
        if same.is_none() {
            self.table.insert(hash, id);
        }
    }

    /// Makes the types of the base known.
    pub(super) fn enter_base(&mut self) {
        for id in 1..self.types.first_own {
            let words = self.types.record(id);
            let hash = match self.types.kind(id) {
                Kind::VAR | Kind::DATASEC => continue,
                Kind::STRUCT | Kind::UNION | Kind::TYPEDEF => types::shape_hash(words),
                kind if kind.is_enumeration() => types::enum_hash(words),
                _ => types::hash(words),
            };
            self.table.insert(hash, id);
        }
    }

    /// Types that refer to no other. An enumeration without values stands for any of its name.
    pub(super) fn merge_primitives(&mut self) {
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
                    let hash = types::enum_hash(words);
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
            self.settle(id, hash, same);
        }
    }

    /// Structs, unions and typedefs, each with the graph of all it refers to.
    pub(super) fn merge_graphs(&mut self) {
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
            self.settle(id, hash, same);
        }
    }

    /// Forward declarations for which there is only one struct or union of that name.
    pub(super) fn resolve_forwards(&mut self) {
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
    pub(super) fn merge_references(&mut self) -> Result<(), Error> {
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
                self.settle(id, hash, same);
            }
        }
        Ok(())
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
