//! Whether two graphs of types are the same.

use alloc::{vec, vec::Vec};

use super::{
    map::Map,
    types::{Types, enums_are_compatible, for_each_type, forward_kind, kind, same_shape},
};
use crate::{Kind, record};

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
        let mut next = Some((candidate, canonical));
        while let Some((candidate, canonical)) = next.take().or_else(|| self.pending.pop()) {
            match self.compare(types, map, candidate, canonical, budget) {
                Step::Differ => return false,
                Step::Agree => {}
                Step::Follow(pair) => next = Some(pair),
            }
        }
        true
    }

    /// Compares two types by themselves, and puts what they refer to on the list.
    fn compare(
        &mut self,
        types: &Types,
        map: &Map,
        candidate: u32,
        canonical: u32,
        budget: &mut u64,
    ) -> Step {
        if map.resolve(candidate) == map.resolve(canonical) {
            return Step::Agree;
        }
        let Some(left) = budget.checked_sub(1) else {
            return Step::Differ;
        };
        *budget = left;
        let canonical = resolve_forward(types, map, canonical);
        let Some(assumed) = self.assumed.get_mut(canonical as usize) else {
            return Step::Differ;
        };
        if *assumed != UNKNOWN {
            // Compilers write identical arrays and anonymous types several times over within one unit.
            let is_same =
                *assumed == candidate || identical(types, *assumed, candidate, IDENTICAL_DEPTH, budget);
            return Step::of(is_same);
        }
        *assumed = candidate;
        self.order.push(canonical);
        let (ours, theirs) = (types.record(candidate), types.record(canonical));
        let (Some((&[name, info, target], our_body)), Some((&[other_name, _, other_target], their_body))) =
            (ours.split_first_chunk(), theirs.split_first_chunk())
        else {
            // One of them is `void`, and not both.
            return Step::Differ;
        };
        if name != other_name {
            return Step::Differ;
        }
        let (kind, other) = (record::kind_of(info), kind(theirs));
        if kind != other {
            return Step::of(match (forward_kind(ours), forward_kind(theirs)) {
                (Some(declared), None) => declared == other,
                (None, Some(declared)) => {
                    self.adjusts_base |= declared == kind && canonical < types.first_own;
                    declared == kind
                }
                _ => kind.is_enumeration() && enums_are_compatible(ours, theirs),
            });
        }
        match kind {
            Kind::ENUM | Kind::ENUM64 => Step::of(enums_are_compatible(ours, theirs)),
            Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => Step::Differ,
            _ if !same_shape(ours, theirs) => Step::Differ,
            Kind::STRUCT | Kind::UNION => {
                let members = our_body.as_chunks().0.iter().zip(their_body.as_chunks().0);
                let pairs = members.map(|([_, a, _], [_, b, _]): (&[u32; 3], &[u32; 3])| (*a, *b));
                Step::of(self.enter(types, map, pairs.rev(), budget))
            }
            Kind::FUNC_PROTO => {
                let params = our_body.as_chunks().0.iter().zip(their_body.as_chunks().0);
                let pairs = params.map(|([_, a], [_, b]): (&[u32; 2], &[u32; 2])| (*a, *b));
                if self.enter(types, map, pairs.rev(), budget) {
                    Step::Follow((target, other_target))
                } else {
                    Step::Differ
                }
            }
            Kind::ARRAY => {
                let pairs = our_body.iter().copied().zip(their_body.iter().copied());
                Step::of(self.enter(types, map, pairs.take(2), budget))
            }
            kind if kind.has_target() => Step::Follow((target, other_target)),
            _ => Step::Agree,
        }
    }

    /// Puts pairs on the list that are not the same already, the last on top. False if some of them cannot agree.
    fn enter(
        &mut self,
        types: &Types,
        map: &Map,
        pairs: impl ExactSizeIterator<Item = (u32, u32)>,
        budget: &mut u64,
    ) -> bool {
        let Some(left) = budget.checked_sub(pairs.len() as u64) else {
            return false;
        };
        *budget = left;
        for (candidate, canonical) in pairs {
            if map.resolve(candidate) == map.resolve(canonical) {
                continue;
            }
            // Looking at all neighbours first finds most differences before the way through the graph begins.
            if !may_agree(types.head(candidate), types.head(canonical)) {
                return false;
            }
            self.pending.push((candidate, canonical));
        }
        true
    }
}

/// Whether types with these heads can be equivalent at all.
fn may_agree(ours: [u32; 3], theirs: [u32; 3]) -> bool {
    let ([name, info, size], [other_name, other_info, other_size]) = (ours, theirs);
    let (kind, other) = (record::kind_of(info), record::kind_of(other_info));
    name == other_name
        && match kind {
            Kind::FWD => other == Kind::FWD || other.is_composite(),
            Kind::STRUCT | Kind::UNION => other == Kind::FWD || (info, size) == (other_info, other_size),
            Kind::ENUM | Kind::ENUM64 => other.is_enumeration(),
            _ => info == other_info,
        }
}

/// What comes of comparing two types by themselves.
enum Step {
    Differ,
    Agree,
    /// They agree if these do.
    Follow((u32, u32)),
}

impl Step {
    fn of(agrees: bool) -> Self {
        if agrees { Self::Agree } else { Self::Differ }
    }
}

/// Whether two types are written the same way all the way down. `depth` is how many structs, unions, arrays and
/// prototypes may be within each other.
fn identical(types: &Types, a: u32, b: u32, depth: usize, budget: &mut u64) -> bool {
    let (mut a, mut b) = (a, b);
    while a != b {
        let Some(left) = budget.checked_sub(1) else {
            return false;
        };
        *budget = left;
        let (ours, theirs) = (types.record(a), types.record(b));
        let kind = kind(ours);
        match kind {
            _ if kind != self::kind(theirs) => return false,
            Kind::ENUM | Kind::ENUM64 => return enums_are_compatible(ours, theirs),
            Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return false,
            _ if !same_shape(ours, theirs) => return false,
            Kind::STRUCT | Kind::UNION | Kind::ARRAY | Kind::FUNC_PROTO => {
                let Some(depth) = depth.checked_sub(1) else {
                    return false;
                };
                let (mut our_ids, mut their_ids) = (Vec::new(), Vec::new());
                for_each_type(ours, |id| our_ids.push(id));
                for_each_type(theirs, |id| their_ids.push(id));
                let mut pairs = our_ids.into_iter().zip(their_ids);
                return pairs.all(|(a, b)| identical(types, a, b, depth, budget));
            }
            kind if kind.has_target() => {
                let target = |words: &[u32]| words.get(2).copied().unwrap_or(0);
                (a, b) = (target(ours), target(theirs));
            }
            _ => return true,
        }
    }
    true
}

/// What a forward declaration was found to declare; else the type itself.
fn resolve_forward(types: &Types, map: &Map, id: u32) -> u32 {
    if types.kind(id) != Kind::FWD {
        return id;
    }
    let to = map.resolve(id);
    if types.kind(to) == Kind::FWD { id } else { to }
}
