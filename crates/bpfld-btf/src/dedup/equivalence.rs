//! Whether two graphs of types are the same.

use alloc::{vec, vec::Vec};

use super::{
    Map,
    types::{Types, enums_are_compatible, for_each_type, forward_kind, kind, same_shape},
};
use crate::Kind;

/// How deeply two types are compared that must be identical, not just equivalent.
const IDENTICAL_DEPTH: usize = 16;

const UNKNOWN: u32 = u32::MAX;

/// Compares graphs. Types within one graph are assumed to correspond until that leads to a contradiction; so circles
/// are no trouble.
#[derive(Debug)]
pub(super) struct Equivalence {
    /// Which type of the candidate's graph corresponds to one of the canonical graph.
    assumed: Vec<u32>,
    order: Vec<u32>,
    pending: Vec<(u32, u32)>,
    /// Whether a forward declaration of the base was met by a struct or union written here. The base cannot change, so
    /// that the graphs are then not equal; but its declaration stands for that type from then on.
    pub(super) adjusts_base: bool,
}

impl Equivalence {
    pub(super) fn new(types: u32) -> Self {
        Self {
            assumed: vec![UNKNOWN; types as usize],
            order: Vec::new(),
            pending: Vec::new(),
            adjusts_base: false,
        }
    }

    /// The correspondences found by the last comparison that held: canonical type and candidate.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let candidate = |canonical: u32| self.assumed.get(canonical as usize).copied().unwrap_or(UNKNOWN);
        self.order
            .iter()
            .map(move |canonical| (*canonical, candidate(*canonical)))
    }

    /// Whether the graph from `candidate` agrees with that from `canonical`. Each step takes one from the budget; when
    /// that is used up, nothing agrees.
    pub(super) fn holds(
        &mut self,
        types: &Types,
        map: &Map,
        candidate: u32,
        canonical: u32,
        budget: &mut u64,
    ) -> bool {
        for canonical in self.order.drain(..) {
            if let Some(assumed) = self.assumed.get_mut(canonical as usize) {
                *assumed = UNKNOWN;
            }
        }
        self.adjusts_base = false;
        self.pending.clear();
        self.pending.push((candidate, canonical));
        while let Some((candidate, canonical)) = self.pending.pop() {
            if !self.agrees(types, map, candidate, canonical, budget) {
                return false;
            }
        }
        true
    }

    /// Compares two types by themselves, and puts what they refer to on the list.
    fn agrees(&mut self, types: &Types, map: &Map, candidate: u32, canonical: u32, budget: &mut u64) -> bool {
        if map.resolve(candidate) == map.resolve(canonical) {
            return true;
        }
        let canonical = resolve_forward(types, map, canonical);
        let Some(assumed) = self.assumed.get_mut(canonical as usize) else {
            return false;
        };
        if *assumed != UNKNOWN {
            // Compilers write identical arrays and anonymous types several times over within one unit.
            return *assumed == candidate || identical(types, *assumed, candidate, IDENTICAL_DEPTH, budget);
        }
        *assumed = candidate;
        self.order.push(canonical);
        let (ours, theirs) = (types.record(candidate), types.record(canonical));
        if ours.first() != theirs.first() {
            return false;
        }
        let (kind, other) = (kind(ours), kind(theirs));
        if kind != other {
            return match (forward_kind(ours), forward_kind(theirs)) {
                (Some(declared), None) => declared == other,
                (None, Some(declared)) => {
                    self.adjusts_base |= declared == kind && canonical < types.first_own;
                    declared == kind
                }
                _ => kind.is_enumeration() && enums_are_compatible(ours, theirs),
            };
        }
        match kind {
            Kind::ENUM | Kind::ENUM64 => return enums_are_compatible(ours, theirs),
            Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return false,
            _ => {}
        }
        same_shape(ours, theirs) && self.enter(types, map, ours, theirs, budget)
    }

    /// Puts what two records of the same shape refer to on the list, unless it is the same already. False if some of it
    /// cannot agree.
    fn enter(&mut self, types: &Types, map: &Map, ours: &[u32], theirs: &[u32], budget: &mut u64) -> bool {
        let first = self.pending.len();
        for_each_type(ours, |candidate| self.pending.push((candidate, 0)));
        let Some(new) = self.pending.get_mut(first..) else {
            return false;
        };
        let Some(left) = budget.checked_sub(1 + new.len() as u64) else {
            return false;
        };
        *budget = left;
        let mut pairs = new.iter_mut();
        for_each_type(theirs, |canonical| {
            if let Some(pair) = pairs.next() {
                pair.1 = canonical;
            }
        });
        let (mut kept, mut agrees) = (0, true);
        for at in 0..new.len() {
            let Some((candidate, canonical)) = new.get(at).copied() else {
                break;
            };
            if map.resolve(candidate) == map.resolve(canonical) {
                continue;
            }
            // Whatever else, names must be the same.
            agrees &= types.name(candidate) == types.name(canonical);
            if let Some(place) = new.get_mut(kept) {
                *place = (candidate, canonical);
            }
            kept += 1;
        }
        // The first goes on top.
        if let Some(new) = new.get_mut(..kept) {
            new.reverse();
        }
        self.pending.truncate(first + kept);
        agrees
    }
}

/// Whether two types are written the same way all the way down.
fn identical(types: &Types, a: u32, b: u32, depth: usize, budget: &mut u64) -> bool {
    if a == b {
        return true;
    }
    let (Some(depth), Some(left)) = (depth.checked_sub(1), budget.checked_sub(1)) else {
        return false;
    };
    *budget = left;
    let (a, b) = (types.record(a), types.record(b));
    if kind(a) != kind(b) {
        return false;
    }
    match kind(a) {
        Kind::ENUM | Kind::ENUM64 => return enums_are_compatible(a, b),
        Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return false,
        _ => {}
    }
    if !same_shape(a, b) {
        return false;
    }
    let [mut ours, mut theirs] = [Vec::new(), Vec::new()];
    for_each_type(a, |id| ours.push(id));
    for_each_type(b, |id| theirs.push(id));
    let mut pairs = ours.into_iter().zip(theirs);
    pairs.all(|(a, b)| identical(types, a, b, depth, budget))
}

/// What a forward declaration was found to declare; else the type itself.
fn resolve_forward(types: &Types, map: &Map, id: u32) -> u32 {
    if types.kind(id) != Kind::FWD {
        return id;
    }
    let to = map.resolve(id);
    if types.kind(to) == Kind::FWD { id } else { to }
}
