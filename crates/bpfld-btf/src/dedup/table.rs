//! Types by hash, the earliest first.

use alloc::{vec, vec::Vec};

/// A hash table of type ids, chained in rings through the ids themselves.
#[derive(Debug)]
pub(super) struct Table {
    /// For each slot the latest type, or zero.
    tails: Vec<u32>,
    /// For each type its hash, and the next one in the same slot; after the latest comes the earliest.
    entries: Vec<(u32, u32)>,
}

impl Table {
    /// A table for this many types.
    pub(super) fn new(types: u32) -> Self {
        Self {
            tails: vec![0; (types as usize).next_power_of_two()],
            entries: vec![(0, 0); types as usize],
        }
    }

    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.tails.len() - 1)
    }

    pub(super) fn insert(&mut self, hash: u32, id: u32) {
        let slot = self.slot(hash);
        let Some(tail) = self.tails.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(tail, id);
        let first = match self.entries.get_mut(before as usize) {
            Some((_, next)) if before != 0 => core::mem::replace(next, id),
            _ => id,
        };
        if let Some(entry) = self.entries.get_mut(id as usize) {
            *entry = (hash, first);
        }
    }

    /// The earliest type with this hash that `is_same` accepts. Each type that is looked at takes one from the budget;
    /// when that is used up, nothing is found.
    pub(super) fn find(
        &self,
        hash: u32,
        budget: &mut u64,
        mut is_same: impl FnMut(u32, &mut u64) -> bool,
    ) -> Option<u32> {
        let tail = self
            .tails
            .get(self.slot(hash))
            .copied()
            .filter(|tail| *tail != 0)?;
        let mut at = tail;
        loop {
            *budget = budget.checked_sub(1)?;
            at = self.entries.get(at as usize)?.1;
            let (other, _) = *self.entries.get(at as usize)?;
            if other == hash && is_same(at, budget) {
                return Some(at);
            }
            if at == tail {
                return None;
            }
        }
    }
}
