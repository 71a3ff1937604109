//! Whether two graphs of types are the same.

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::{Map, vlen};
use crate::{
    Builder, Kind, TypeId,
    record::{self, Reference},
};

/// How deeply two types are compared that must be identical, not just equivalent.
const IDENTICAL_DEPTH: usize = 16;

/// Compares graphs. Types within one graph are assumed to correspond until that leads to a contradiction; so circles
/// are no trouble.
#[derive(Debug)]
pub(super) struct Equivalence {
    /// Which type of the candidate's graph corresponds to one of the canonical graph.
    assumed: HashMap<u32, u32>,
    order: Vec<u32>,
    pending: Vec<(u32, u32)>,
    shapes: [Vec<u32>; 2],
    children: [Vec<u32>; 2],
    /// How many more comparisons may be made in all. When they are used up, nothing more is found equal, which is
    /// never wrong.
    budget: u64,
}

impl Equivalence {
    pub(super) fn new(types: u32) -> Self {
        Self {
            assumed: HashMap::new(),
            order: Vec::new(),
            pending: Vec::new(),
            shapes: [Vec::new(), Vec::new()],
            children: [Vec::new(), Vec::new()],
            budget: u64::from(types) * 256 + (1 << 20),
        }
    }

    /// The correspondences found by the last comparison that held: canonical type and candidate.
    pub(super) fn pairs(&self) -> Vec<(u32, u32)> {
        let pair = |canonical: &u32| {
            self.assumed
                .get(canonical)
                .map(|candidate| (*canonical, *candidate))
        };
        self.order.iter().filter_map(pair).collect()
    }

    /// Whether the budget is used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget == 0
    }

    /// Whether the graph from `candidate` agrees with that from `canonical`.
    pub(super) fn holds(&mut self, types: &Builder, map: &Map, candidate: u32, canonical: u32) -> bool {
        self.assumed.clear();
        self.order.clear();
        self.pending.clear();
        self.pending.push((candidate, canonical));
        while let Some((candidate, canonical)) = self.pending.pop() {
            if !self.agrees(types, map, candidate, canonical) {
                return false;
            }
        }
        true
    }

    /// Compares two types by themselves, and puts what they refer to on the list.
    fn agrees(&mut self, types: &Builder, map: &Map, candidate: u32, canonical: u32) -> bool {
        let Some(budget) = self.budget.checked_sub(1) else {
            return false;
        };
        self.budget = budget;
        if map.resolve(candidate) == map.resolve(canonical) {
            return true;
        }
        let canonical = resolve_forward(types, map, canonical);
        if let Some(assumed) = self.assumed.get(&canonical) {
            // Compilers write identical arrays and anonymous types several times over within one unit.
            return *assumed == candidate
                || identical(types, *assumed, candidate, IDENTICAL_DEPTH, &mut self.budget);
        }
        self.assumed.insert(canonical, candidate);
        self.order.push(canonical);
        let (ours, theirs) = (words(types, candidate), words(types, canonical));
        if ours.first() != theirs.first() {
            return false;
        }
        let (kind, other) = (kind(ours), kind(theirs));
        if kind != other {
            return match (forward_kind(ours), forward_kind(theirs)) {
                (Some(declared), None) => declared == other,
                (None, Some(declared)) => declared == kind,
                _ => kind.is_enumeration() && enums_are_compatible(ours, theirs),
            };
        }
        match kind {
            Kind::ENUM | Kind::ENUM64 => return enums_are_compatible(ours, theirs),
            Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return false,
            _ => {}
        }
        let [our_shape, their_shape] = &mut self.shapes;
        let [our_children, their_children] = &mut self.children;
        shape(ours, our_shape, Some(our_children));
        shape(theirs, their_shape, Some(their_children));
        if our_shape != their_shape {
            return false;
        }
        let children = our_children.iter().copied().zip(their_children.iter().copied());
        self.pending.extend(children.rev());
        true
    }
}

/// Whether two types are written the same way all the way down.
fn identical(types: &Builder, a: u32, b: u32, depth: usize, budget: &mut u64) -> bool {
    if a == b {
        return true;
    }
    let (Some(depth), Some(left)) = (depth.checked_sub(1), budget.checked_sub(1)) else {
        return false;
    };
    *budget = left;
    let (a, b) = (words(types, a), words(types, b));
    if kind(a) != kind(b) {
        return false;
    }
    match kind(a) {
        Kind::ENUM | Kind::ENUM64 => return enums_are_compatible(a, b),
        Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return false,
        _ => {}
    }
    let [mut shapes, mut children] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for ((words, to), children) in [a, b].into_iter().zip(&mut shapes).zip(&mut children) {
        shape(words, to, Some(children));
    }
    let [a, b] = shapes;
    let [ours, theirs] = children;
    a == b
        && ours
            .into_iter()
            .zip(theirs)
            .all(|(a, b)| identical(types, a, b, depth, budget))
}

/// Writes the record without the ids in it to `to`, and the ids to `children`.
pub(super) fn shape(words: &[u32], to: &mut Vec<u32>, children: Option<&mut Vec<u32>>) {
    to.clear();
    to.extend_from_slice(words);
    let mut none = Vec::new();
    let children = children.unwrap_or(&mut none);
    children.clear();
    let take = |reference, word: &mut u32| {
        if reference == Reference::Type {
            children.push(core::mem::take(word));
        }
        Ok::<(), ()>(())
    };
    let _ = record::visit(to, take);
}

/// Whether enumerations are equal, or one has a name only and it is the other's.
pub(super) fn enums_are_compatible(a: &[u32], b: &[u32]) -> bool {
    let has_name_only = vlen(a) == 0 || vlen(b) == 0;
    a == b || has_name_only && a.first() == b.first()
}

fn words(types: &Builder, id: u32) -> &[u32] {
    types.record(TypeId(id)).unwrap_or_default()
}

fn kind(words: &[u32]) -> Kind {
    words.get(1).map_or(Kind::VOID, |info| record::kind_of(*info))
}

fn forward_kind(words: &[u32]) -> Option<Kind> {
    let union = if words.get(1)? >> 31 == 0 {
        Kind::STRUCT
    } else {
        Kind::UNION
    };
    (kind(words) == Kind::FWD).then_some(union)
}

/// What a forward declaration was found to declare; else the type itself.
fn resolve_forward(types: &Builder, map: &Map, id: u32) -> u32 {
    if kind(words(types, id)) != Kind::FWD {
        return id;
    }
    let to = map.resolve(id);
    if kind(words(types, to)) == Kind::FWD {
        id
    } else {
        to
    }
}
