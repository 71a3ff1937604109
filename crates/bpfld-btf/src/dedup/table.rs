//! Types by hash, the latest first.

use alloc::{vec, vec::Vec};

/// A hash table of type ids, chained through the ids themselves.
#[derive(Debug)]
pub(super) struct Table {
    /// For each slot the latest type, or zero.
    heads: Vec<u32>,
    /// For each type its hash, and the one that was entered before it in the same slot.
    entries: Vec<(u32, u32)>,
}

impl Table {
    /// A table for this many types.
    pub(super) fn new(types: u32) -> Self {
        Self {
            heads: vec![0; (types as usize).next_power_of_two()],
            entries: vec![(0, 0); types as usize],
        }
    }

    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.heads.len() - 1)
    }

    pub(super) fn insert(&mut self, hash: u32, id: u32) {
        let slot = self.slot(hash);
        if let (Some(head), Some(entry)) = (self.heads.get_mut(slot), self.entries.get_mut(id as usize)) {
            *entry = (hash, core::mem::replace(head, id));
        }
    }

    /// The latest type with this hash that `is_same` accepts. Each type that is looked at takes one from the budget;
    /// when that is used up, nothing is found.
    pub(super) fn find(
        &self,
        hash: u32,
        budget: &mut u64,
        mut is_same: impl FnMut(u32, &mut u64) -> bool,
    ) -> Option<u32> {
        let mut at = self.heads.get(self.slot(hash)).copied()?;
        while at != 0 {
            *budget = budget.checked_sub(1)?;
            let (other, next) = self.entries.get(at as usize).copied()?;
            if other == hash && is_same(at, budget) {
                return Some(at);
            }
            at = next;
        }
        None
    }
}
