//! Typed views of maps whose keys are found by value: the hash family and prefix tries, from one table.

use std::marker::PhantomData;

use bpfld_sys::{ElemFlags, Errno, MapFlags, MapType};
use zerocopy::IntoBytes;

use super::{
    Entries, Map, PerCpuValues, Plain,
    view::{Stored, copy, typed_views},
};
use crate::{Error, Result};

macro_rules! keyed_views {
    ($($(#[$doc:meta])+ $view:ident<K, V> = $stored:ty, $map_type:ident, $flags:expr;)*) => { $(
        typed_views! {
            $(#[$doc])+
            $view<K, V> = $map_type, check_key::<K>, check_value::<V>;
        }

        impl<K: Plain, V: Plain> $view<K, V> {
            /// Makes a map that belongs to no object.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn create(name: &str, max_entries: u32) -> Result<Self> {
                const { assert!(size_of::<K>() <= u32::MAX as usize && size_of::<V>() <= u32::MAX as usize) };
                Map::builder(MapType::$map_type, name)
                    .key_size(size_of::<K>() as u32)
                    .value_size(size_of::<V>() as u32)
                    .max_entries(max_entries)
                    .flags($flags)
                    .create()?
                    .try_into()
            }

            /// Value of a key; `None` if the key is not there.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn get(&self, key: &K) -> Result<Option<$stored>> {
                let mut value = <$stored>::room(self.map.cpus());
                Ok(self.get_into(key, &mut value, ElemFlags::empty())?.then_some(value))
            }

            /// Value of a key into a place that exists; false if the key is not there.
            ///
            /// # Errors
            ///
            /// When the kernel refuses; [`ElemFlags::F_LOCK`] needs a map whose values have a spin lock (5.1).
            pub fn get_into(&self, key: &K, value: &mut $stored, flags: ElemFlags) -> Result<bool> {
                self.map.lookup_into(key.as_bytes(), value.stored_mut(), flags)
            }

            /// Whether a key is there.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn contains(&self, key: &K) -> Result<bool> {
                self.get_into(key, &mut <$stored>::room(self.map.cpus()), ElemFlags::empty())
            }

            /// Sets the value of a key, whether the key is there or not.
            ///
            /// # Errors
            ///
            /// E2BIG when the map is full, and whenever the kernel refuses.
            pub fn insert(&self, key: &K, value: &$stored) -> Result<()> {
                self.update(key, value, ElemFlags::empty())
            }

            /// Sets the value of a key that is not there yet; false if it is.
            ///
            /// # Errors
            ///
            /// As [`insert`](Self::insert).
            pub fn insert_new(&self, key: &K, value: &$stored) -> Result<bool> {
                let answer = Some(Errno::EEXIST);
                self.map.update_unless(key.as_bytes(), value.stored(), ElemFlags::NOEXIST, answer)
            }

            /// Sets the value of a key that is there; false if it is not.
            ///
            /// # Errors
            ///
            /// As [`insert`](Self::insert).
            pub fn replace(&self, key: &K, value: &$stored) -> Result<bool> {
                let answer = Some(Errno::ENOENT);
                self.map.update_unless(key.as_bytes(), value.stored(), ElemFlags::EXIST, answer)
            }

            /// Sets the value of a key as flags say.
            ///
            /// # Errors
            ///
            /// As [`Map::update`].
            pub fn update(&self, key: &K, value: &$stored, flags: ElemFlags) -> Result<()> {
                self.map.update(key.as_bytes(), value.stored(), flags)
            }

            /// Removes a key; false if it was not there.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn remove(&self, key: &K) -> Result<bool> {
                self.map.delete(key.as_bytes())
            }

            /// Sets many elements at once, as [`Map::update_batch`].
            ///
            /// # Errors
            ///
            /// When there are not as many keys as values, or at the first element that cannot be set.
            pub fn insert_batch(&self, keys: &[K], values: &[$stored], flags: ElemFlags) -> Result<()> {
                if keys.len() != values.len() {
                    return Err(Error::invalid(self.map.subject(), "there must be as many keys as values"));
                }
                let mut bytes = Vec::with_capacity(values.len().saturating_mul(self.map.value_size()));
                for value in values {
                    bytes.extend_from_slice(value.stored());
                }
                self.map.update_batch(keys.as_bytes(), &bytes, flags)
            }

            /// Removes many keys at once and tells how many were there, as [`Map::delete_batch`].
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn remove_batch(&self, keys: &[K]) -> Result<usize> {
                self.map.delete_batch(keys.as_bytes())
            }

            /// All elements; see [`Map::entries`] for what is promised while the map changes.
            #[must_use]
            pub fn iter(&self) -> MapIter<K, $stored> {
                MapIter::new(self.map.entries())
            }

            /// All keys.
            pub fn keys(&self) -> impl Iterator<Item = Result<K>> + use<K, V> {
                self.iter().map(|entry| entry.map(|(key, _)| key))
            }

            /// All values.
            pub fn values(&self) -> impl Iterator<Item = Result<$stored>> + use<K, V> {
                self.iter().map(|entry| entry.map(|(_, value)| value))
            }

            /// Takes all elements out of the map, as [`Map::drain`].
            pub fn drain(&self) -> MapIter<K, $stored> {
                MapIter::new(self.map.drain())
            }
        }

        impl<K: Plain, V: Plain> IntoIterator for &$view<K, V> {
            type Item = Result<(K, $stored)>;
            type IntoIter = MapIter<K, $stored>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    )* };
}

keyed_views! {
    /// A hash map (3.19).
    ///
    /// ```no_run
    /// use bpfld::Hash;
    ///
    /// let ports = Hash::<u16, u64>::create("ports", 64)?;
    /// ports.insert(&443, &1)?;
    /// assert_eq!(ports.get(&443)?, Some(1));
    /// for entry in &ports {
    ///     let (port, count) = entry?;
    ///     println!("{port}: {count}");
    /// }
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    Hash<K, V> = V, HASH, MapFlags::empty();
    /// A hash map that makes room by forgetting what was not used for longest (4.10).
    LruHash<K, V> = V, LRU_HASH, MapFlags::empty();
    /// A hash map with a value for each CPU (4.6).
    ///
    /// ```no_run
    /// use bpfld::{Map, PerCpuHash};
    ///
    /// # fn example(map: &Map) -> Result<(), bpfld::Error> {
    /// let hits: PerCpuHash<u32, u64> = map.try_into()?;
    /// for entry in hits.iter() {
    ///     let (address, counts) = entry?;
    ///     println!("{address:08x}: {}", counts.iter().sum::<u64>());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    PerCpuHash<K, V> = PerCpuValues<V>, PERCPU_HASH, MapFlags::empty();
    /// A hash map with a value for each CPU, that makes room by forgetting what was not used for longest (4.10).
    LruPerCpuHash<K, V> = PerCpuValues<V>, LRU_PERCPU_HASH, MapFlags::empty();
    /// A hash map that grows and shrinks with what is in it, up to its size (7.2).
    ///
    /// A walk through it promises less than one through other maps: the kernel moves elements to a larger or smaller table a little after
    /// elements came or went, and while it does, a walk may miss some or see them twice (`rhashtable_next_key`, Linux 7.2). Once the map
    /// has been left alone for a moment, all of them come, once.
    ResizableHash<K, V> = V, RHASH, MapFlags::NO_PREALLOC;
    /// A trie of prefixes: looking up an address finds the longest prefix of it (4.11). Keys are [`LpmKey`](super::LpmKey).
    ///
    /// ```no_run
    /// use std::net::Ipv4Addr;
    ///
    /// use bpfld::{LpmKey, LpmTrie};
    ///
    /// let routes = LpmTrie::<LpmKey<[u8; 4]>, u32>::create("routes", 1024)?;
    /// routes.insert(&LpmKey::new(8, Ipv4Addr::new(10, 0, 0, 0).octets()), &1)?;
    /// let found = routes.get(&LpmKey::new(32, Ipv4Addr::new(10, 1, 2, 3).octets()))?;
    /// assert_eq!(found, Some(1));
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    LpmTrie<K, V> = V, LPM_TRIE, MapFlags::NO_PREALLOC;
}

macro_rules! take {
    ($($view:ident<K, V> = $stored:ty;)*) => { $(
        impl<K: Plain, V: Plain> $view<K, V> {
            /// Takes a key out of the map and returns its value; `None` if it was not there.
            ///
            /// In one step since 5.14; before, by reading and deleting, between which a program may change the value.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn take(&self, key: &K) -> Result<Option<$stored>> {
                let mut value = <$stored>::room(self.map.cpus());
                match self.map.take_into(key.as_bytes(), value.stored_mut()) {
                    Err(error) if matches!(error.errno(), Some(Errno::EINVAL | Errno::ENOTSUPP | Errno::EOPNOTSUPP)) => {
                        let found = self.get_into(key, &mut value, ElemFlags::empty())? && self.remove(key)?;
                        Ok(found.then_some(value))
                    }
                    taken => Ok(taken?.then_some(value)),
                }
            }
        }
    )* };
}

take! {
    ResizableHash<K, V> = V;
    Hash<K, V> = V;
    LruHash<K, V> = V;
    PerCpuHash<K, V> = PerCpuValues<V>;
    LruPerCpuHash<K, V> = PerCpuValues<V>;
}

/// Elements of a typed view: key and value.
#[derive(Debug)]
pub struct MapIter<K, S> {
    entries: Entries,
    cpus: usize,
    types: PhantomData<fn() -> (K, S)>,
}

impl<K, S> MapIter<K, S> {
    pub(super) fn new(entries: Entries) -> Self {
        let cpus = entries.source().cpus();
        MapIter {
            entries,
            cpus,
            types: PhantomData,
        }
    }
}

impl<K: Plain, S: Stored> Iterator for MapIter<K, S> {
    type Item = Result<(K, S)>;

    fn next(&mut self) -> Option<Self::Item> {
        let cpus = self.cpus;
        let typed = |(key, value): (&[u8], &[u8])| (copy(cpus, key), copy(cpus, value));
        self.entries.lend().map(|element| element.map(typed)).transpose()
    }
}
