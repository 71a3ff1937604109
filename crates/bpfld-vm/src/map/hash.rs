//! Keys and the places of their values.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bpfld_sys::{Errno, MapType};
use hashbrown::HashMap;

use super::MapSpec;

/// What to do when there is no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// Refuse it.
    Never,
    /// Forget the one that was not used for longest.
    LeastRecent,
}

/// Which key has its value where.
#[derive(Clone, Debug)]
pub(crate) struct Hash {
    places: HashMap<Box<[u8]>, u32>,
    /// The key of each place that is in use.
    keys: Vec<Option<Box<[u8]>>>,
    free: Vec<u32>,
    max_entries: usize,
    eviction: Eviction,
    /// When each place was last used, and the other way round. Only if something is to be evicted.
    used: Vec<u64>,
    by_use: BTreeMap<u64, u32>,
    clock: u64,
    /// What a full map answers.
    full: Errno,
}

impl Hash {
    pub(crate) fn new(spec: &MapSpec, eviction: Eviction) -> Self {
        Self {
            places: HashMap::new(),
            keys: Vec::new(),
            free: Vec::new(),
            max_entries: spec.max_entries as usize,
            eviction,
            used: Vec::new(),
            by_use: BTreeMap::new(),
            clock: 0,
            full: match spec.map_type {
                MapType::LPM_TRIE => Errno::ENOSPC,
                _ => Errno::E2BIG,
            },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The place of a key's value.
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<u32> {
        let place = *self.places.get(key)?;
        self.touch(place);
        Some(place)
    }

    /// The same, without counting as use.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// The key whose value is at a place.
    pub(crate) fn key_at(&self, place: u32) -> Option<&[u8]> {
        self.keys.get(place as usize)?.as_deref()
    }

    /// Whether another key takes more memory.
    pub(crate) fn grows(&self) -> bool {
        self.free.is_empty() && self.places.len() < self.max_entries
    }

    /// The place for a key that is not there yet.
    pub(crate) fn insert(&mut self, key: &[u8]) -> Result<u32, Errno> {
        if self.places.len() >= self.max_entries {
            let oldest = self.by_use.first_key_value().map(|(_, place)| *place);
            match oldest.filter(|_| self.eviction == Eviction::LeastRecent) {
                Some(oldest) => self.forget(oldest),
                None => return Err(self.full),
            }
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.keys.push(None);
                self.used.push(0);
                self.keys.len() as u32 - 1
            }
        };
        if let Some(slot) = self.keys.get_mut(place as usize) {
            *slot = Some(key.into());
        }
        self.places.insert(key.into(), place);
        self.touch(place);
        Ok(place)
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<u32> {
        let place = self.peek(key)?;
        self.forget(place);
        Some(place)
    }

    fn forget(&mut self, place: u32) {
        let key = self.keys.get_mut(place as usize).and_then(Option::take);
        if let Some(key) = key {
            self.places.remove(&key);
            self.free.push(place);
        }
        if let Some(used) = self.used.get(place as usize) {
            self.by_use.remove(used);
        }
    }

    fn touch(&mut self, place: u32) {
        if self.eviction == Eviction::Never {
            return;
        }
        self.clock += 1;
        if let Some(used) = self.used.get_mut(place as usize) {
            self.by_use.remove(used);
            *used = self.clock;
            self.by_use.insert(self.clock, place);
        }
    }

    /// Keys and places, in the order of places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let keys = self.keys.iter().enumerate();
        keys.filter_map(|(place, key)| Some((&**key.as_ref()?, place as u32)))
    }
}
