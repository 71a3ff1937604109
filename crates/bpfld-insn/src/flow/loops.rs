//! Dominators and loops.

use alloc::vec;
use alloc::vec::Vec;

use super::graph::{BlockId, Flow};

/// Which blocks every way to a block leads through.
#[derive(Clone, Debug)]
pub struct Dominators {
    /// For each block the one right above it in the tree of dominators; entries have themselves, unreachable ones none.
    immediate: Vec<Option<BlockId>>,
    /// For each reachable block its place in an order where, but for loops, blocks come before those that follow them.
    order: Vec<Option<u32>>,
    /// For each reachable block the range that the blocks below it have in a walk of the tree, for quick answers.
    below: Vec<core::ops::Range<u32>>,
}

impl Dominators {
    /// The closest block that every way to this one leads through; `None` for entries and for what is not reachable.
    #[must_use]
    pub fn immediate(&self, block: BlockId) -> Option<BlockId> {
        self.immediate
            .get(block.index())
            .copied()
            .flatten()
            .filter(|above| *above != block)
    }

    /// Does every way to `block` lead through `above`? Each reachable block dominates itself.
    #[must_use]
    pub fn dominates(&self, above: BlockId, block: BlockId) -> bool {
        match (self.below.get(above.index()), self.below.get(block.index())) {
            (Some(above), Some(block)) => above.contains(&block.start),
            _ => false,
        }
    }

    /// Walks the tree from the entries and notes when each block is entered and left.
    fn number(&mut self, entries: impl Iterator<Item = BlockId>) {
        let mut children = vec![Vec::new(); self.immediate.len()];
        for index in 0..self.immediate.len() {
            let block = BlockId::new(index);
            if let Some(children) = self
                .immediate(block)
                .and_then(|above| children.get_mut(above.index()))
            {
                children.push(block);
            }
        }
        let mut clock = 1;
        let mut path: Vec<(BlockId, usize)> = Vec::new();
        for entry in entries {
            path.push((entry, 0));
            while let Some((block, child)) = path.last_mut() {
                let block = *block;
                if *child == 0
                    && let Some(below) = self.below.get_mut(block.index())
                {
                    below.start = clock;
                    clock += 1;
                }
                let next = children
                    .get(block.index())
                    .and_then(|children| children.get(*child))
                    .copied();
                *child += 1;
                match next {
                    Some(next) => path.push((next, 0)),
                    None => {
                        if let Some(below) = self.below.get_mut(block.index()) {
                            below.end = clock;
                        }
                        path.pop();
                    }
                }
            }
        }
    }

    fn order(&self, block: BlockId) -> Option<u32> {
        self.order.get(block.index()).copied().flatten()
    }

    /// The closest block above both.
    fn meet(&self, mut a: BlockId, mut b: BlockId) -> BlockId {
        while a != b {
            let (lower, upper) = if self.order(a) > self.order(b) {
                (&mut a, b)
            } else {
                (&mut b, a)
            };
            match self.immediate.get(lower.index()).copied().flatten() {
                Some(above) if above != *lower => *lower = above,
                _ => return upper,
            }
        }
        a
    }
}

/// A loop: blocks that control can go around in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The block that closes the circle: the target of the jumps back.
    pub header: BlockId,
    /// The blocks that jump back to the header, in order.
    pub latches: Vec<BlockId>,
    /// All blocks of the loop, in order; those of inner loops included.
    pub blocks: Vec<BlockId>,
    /// Is the header the only way in? Compilers make no other loops.
    pub reducible: bool,
}

impl Flow {
    /// Blocks in the order in which a depth-first walk from the entries leaves them, last first.
    fn reverse_postorder(&self) -> Vec<BlockId> {
        let mut order = Vec::with_capacity(self.blocks().len());
        let mut seen = vec![false; self.blocks().len()];
        for function in self.functions().iter().rev() {
            let mut path = Vec::from([(function.blocks.start, 0)]);
            if let Some(seen) = seen.get_mut(function.blocks.start) {
                *seen = true;
            }
            while let Some((block, edge)) = path.last_mut() {
                let edges = self.blocks().get(*block).map_or(&[][..], |block| &block.edges);
                // the last edge first, so that blocks come out in the order of the program where they can
                let next = edges.len().checked_sub(*edge + 1).and_then(|at| edges.get(at));
                *edge += 1;
                match next {
                    Some(next) => {
                        let to = next.to.index();
                        if let Some(seen) = seen.get_mut(to).filter(|seen| !**seen) {
                            *seen = true;
                            path.push((to, 0));
                        }
                    }
                    None => {
                        order.push(BlockId::new(*block));
                        path.pop();
                    }
                }
            }
        }
        order.reverse();
        order
    }

    /// The tree of dominators of all functions.
    #[must_use]
    pub fn dominators(&self) -> Dominators {
        let order = self.reverse_postorder();
        let count = self.blocks().len();
        let mut dominators = Dominators {
            immediate: vec![None; count],
            order: vec![None; count],
            below: vec![0..0; count],
        };
        for (place, block) in order.iter().enumerate() {
            if let Some(slot) = dominators.order.get_mut(block.index()) {
                *slot = u32::try_from(place).ok();
            }
        }
        let entries = || {
            self.functions()
                .iter()
                .map(|function| BlockId::new(function.blocks.start))
        };
        for entry in entries() {
            if let Some(immediate) = dominators.immediate.get_mut(entry.index()) {
                *immediate = Some(entry);
            }
        }
        let mut changed = true;
        while changed {
            changed = false;
            for block in &order {
                if dominators.immediate.get(block.index()) == Some(&Some(*block)) {
                    continue;
                }
                let known = |block: &&BlockId| {
                    dominators
                        .immediate
                        .get(block.index())
                        .copied()
                        .flatten()
                        .is_some()
                };
                let met = self
                    .predecessors(*block)
                    .iter()
                    .filter(known)
                    .copied()
                    .reduce(|a, b| dominators.meet(a, b));
                if let Some(immediate) = dominators.immediate.get_mut(block.index())
                    && *immediate != met
                {
                    *immediate = met;
                    changed = true;
                }
            }
        }
        dominators.number(entries());
        dominators
    }

    /// Whether there are loops. This takes one walk, where [`loops`](Self::loops) lists the blocks of each, which for loops within loops
    /// are more than the program has.
    #[must_use]
    pub fn has_loops(&self) -> bool {
        let mut places = vec![None; self.blocks().len()];
        for (place, block) in self.reverse_postorder().into_iter().enumerate() {
            if let Some(slot) = places.get_mut(block.index()) {
                *slot = Some(place);
            }
        }
        let place = |index: usize| places.get(index).copied().flatten();
        self.blocks().iter().enumerate().any(|(index, block)| {
            let mut to = block.edges.iter().filter_map(|edge| place(edge.to.index()));
            place(index).is_some_and(|from| to.any(|to| to <= from))
        })
    }

    /// The loops, by the place of their headers.
    #[must_use]
    pub fn loops(&self) -> Vec<Loop> {
        let dominators = self.dominators();
        let mut loops: Vec<Loop> = Vec::new();
        let mut of_header: Vec<Option<usize>> = vec![None; self.blocks().len()];
        for (index, block) in self.blocks().iter().enumerate() {
            let latch = BlockId::new(index);
            for edge in &block.edges {
                let (Some(from), Some(to)) = (dominators.order(latch), dominators.order(edge.to)) else {
                    continue;
                };
                let Some(of_header) = of_header.get_mut(edge.to.index()).filter(|_| to <= from) else {
                    continue;
                };
                let reducible = dominators.dominates(edge.to, latch);
                let found = *of_header.get_or_insert(loops.len());
                if found == loops.len() {
                    loops.push(Loop {
                        header: edge.to,
                        latches: Vec::new(),
                        blocks: Vec::new(),
                        reducible,
                    });
                }
                if let Some(found) = loops.get_mut(found) {
                    if found.latches.last() != Some(&latch) {
                        found.latches.push(latch);
                    }
                    found.reducible &= reducible;
                }
            }
        }
        let mut stamps = vec![0; self.blocks().len()];
        for (stamp, found) in loops.iter_mut().enumerate() {
            self.fill(found, &dominators, &mut stamps, stamp + 1);
        }
        loops.sort_by_key(|found| found.header);
        loops
    }

    /// Finds the blocks of a loop: those from which a latch can be reached without passing the header. `stamps` tells
    /// which loop found a block last, so that it need not be cleared.
    fn fill(&self, found: &mut Loop, dominators: &Dominators, stamps: &mut [usize], stamp: usize) {
        let mut waiting = found.latches.clone();
        waiting.push(found.header);
        while let Some(block) = waiting.pop() {
            let Some(last) = stamps.get_mut(block.index()).filter(|last| **last != stamp) else {
                continue;
            };
            if dominators.order(block).is_none() {
                continue;
            }
            *last = stamp;
            found.blocks.push(block);
            if block != found.header {
                waiting.extend_from_slice(self.predecessors(block));
            }
        }
        found.blocks.sort_unstable();
    }
}
