//! Records by their hash.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// Type ids under keys.
#[derive(Debug)]
pub(super) struct Table {
    entries: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            entries: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// A type with this key that `is_same` accepts.
    pub(super) fn find(&self, key: &[u32], mut is_same: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.entries
            .find(hash, |(other, id)| *other == hash && is_same(*id))
            .map(|(_, id)| *id)
    }

    pub(super) fn insert(&mut self, key: &[u32], id: u32) {
        let hash = self.hasher.hash_one(key);
        self.entries.insert_unique(hash, (hash, id), |(hash, _)| *hash);
    }
}

/// Type ids under keys, of which many may have the same.
#[derive(Debug)]
pub(super) struct Buckets {
    buckets: HashMap<u64, Vec<u32>>,
    hasher: DefaultHashBuilder,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self {
            buckets: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The types that may have this key, in the order in which they were added.
    pub(super) fn of(&mut self, key: &[u32]) -> &mut Vec<u32> {
        self.buckets.entry(self.hasher.hash_one(key)).or_default()
    }
}
