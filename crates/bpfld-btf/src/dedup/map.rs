//! Which type stands for which.

use alloc::vec::Vec;

/// For each type the one that stands for it, or will: itself, or one further along.
#[derive(Debug)]
pub(super) struct Map(Vec<u32>);

/// Nothing is known of this type yet.
const UNSET: u32 = u32::MAX;
/// What this type refers to is being looked at.
pub(super) const OPEN: u32 = u32::MAX - 1;

impl Map {
    /// All own types are open questions; `void` and the types of the base stand for themselves.
    pub(super) fn new(len: u32, first_own: u32) -> Self {
        let own = core::iter::repeat_n(UNSET, len.saturating_sub(first_own) as usize);
        Self((0..first_own.min(len)).chain(own).collect())
    }

    pub(super) fn at(&self, id: u32) -> u32 {
        self.0.get(id as usize).copied().unwrap_or(UNSET)
    }

    pub(super) fn is_set(&self, id: u32) -> bool {
        self.at(id) < OPEN
    }

    pub(super) fn set(&mut self, id: u32, to: u32) {
        if let Some(entry) = self.0.get_mut(id as usize) {
            *entry = to;
        }
    }

    /// The end of the chain that begins at `id`.
    pub(super) fn resolve(&self, id: u32) -> u32 {
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
