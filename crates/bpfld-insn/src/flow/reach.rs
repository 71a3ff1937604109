//! What control can reach, and functions that call themselves.

use alloc::vec;
use alloc::vec::Vec;

use super::graph::Flow;

impl Flow {
    /// For each block whether control can reach it from the entry of its function. Targets of indirect jumps are not
    /// known here, so a function that has one counts as reached as a whole.
    #[must_use]
    pub fn reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.blocks().len()];
        let mut waiting: Vec<usize> = Vec::new();
        for function in self.functions() {
            let indirect = self
                .blocks()
                .get(function.blocks.clone())
                .unwrap_or_default()
                .iter()
                .any(|block| block.indirect);
            waiting.extend(
                function
                    .blocks
                    .clone()
                    .take(if indirect { usize::MAX } else { 1 }),
            );
        }
        while let Some(index) = waiting.pop() {
            match reached.get_mut(index) {
                Some(reached) if !*reached => *reached = true,
                _ => continue,
            }
            let edges = self.blocks().get(index).map_or(&[][..], |block| &block.edges);
            waiting.extend(edges.iter().map(|edge| edge.to.index()));
        }
        reached
    }

    /// For each function whether it can be reached from the first by calls and taken addresses.
    #[must_use]
    pub fn reachable_functions(&self) -> Vec<bool> {
        let mut reached = vec![false; self.functions().len()];
        let mut waiting = Vec::from([0]);
        while let Some(index) = waiting.pop() {
            match reached.get_mut(index) {
                Some(reached) if !*reached => *reached = true,
                _ => continue,
            }
            waiting.extend(
                self.calls()
                    .iter()
                    .filter(|call| call.caller == index)
                    .map(|call| call.callee),
            );
        }
        reached
    }

    /// Does some function call itself, directly or through others? Kernels do not allow it.
    #[must_use]
    pub fn is_recursive(&self) -> bool {
        // remove functions without callees until nothing changes: what is left calls in circles
        let mut callees = vec![0_usize; self.functions().len()];
        let mut callers = vec![Vec::new(); self.functions().len()];
        for call in self.calls().iter().filter(|call| !call.by_address) {
            if let (Some(count), Some(callers)) = (callees.get_mut(call.caller), callers.get_mut(call.callee))
            {
                *count += 1;
                callers.push(call.caller);
            }
        }
        let mut leaves: Vec<usize> = (0..callees.len())
            .filter(|function| callees.get(*function) == Some(&0))
            .collect();
        let mut removed = 0;
        while let Some(leaf) = leaves.pop() {
            removed += 1;
            for caller in callers.get(leaf).map_or(&[][..], Vec::as_slice) {
                if let Some(count) = callees.get_mut(*caller) {
                    *count -= 1;
                    if *count == 0 {
                        leaves.push(*caller);
                    }
                }
            }
        }
        removed < self.functions().len()
    }
}
