//! Typed views of maps that hold programs or maps.

use std::os::fd::{AsFd, AsRawFd};

use bpfld_sys::ElemFlags;
use zerocopy::{FromZeros, IntoBytes};

use super::{
    Map, Plain,
    keyed::MapIter,
    view::{handle_views, typed_views},
};
use crate::{Error, Program, Result};

handle_views! {
    /// An array of programs to jump to by `bpf_tail_call` (4.2).
    ///
    /// A slot can only be filled while the map is held by somebody: when the last handle and pin are gone, the kernel
    /// empties all slots.
    ///
    /// ```no_run
    /// use bpfld::{Map, ProgArray, Program};
    ///
    /// # fn example(map: &Map, parse_ipv6: &Program) -> Result<(), bpfld::Error> {
    /// let parsers: ProgArray = map.try_into()?;
    /// parsers.set(6, parse_ipv6)?;
    /// # Ok(())
    /// # }
    /// ```
    ProgArray = PROG_ARRAY;
    /// An array of maps (4.12). What is put in must be like the map it was made with, but for the size where that had the flag
    /// [`MapFlags::INNER_MAP`](crate::MapFlags::INNER_MAP) (5.10).
    ///
    /// ```no_run
    /// use bpfld::{Array, ArrayOfMaps, Map};
    ///
    /// # fn example(map: &Map) -> Result<(), bpfld::Error> {
    /// let pages: ArrayOfMaps = map.try_into()?;
    /// pages.set(0, &Array::<u64>::create("page", 512)?)?;
    /// let page: Array<u64> = pages.get_as(0)?.expect("just put in");
    /// # let _ = page;
    /// # Ok(())
    /// # }
    /// ```
    ArrayOfMaps = ARRAY_OF_MAPS;
}

macro_rules! slots {
    ($($view:ident of $item:ident;)*) => { $(
        impl $view {
            /// Number of slots.
            #[must_use]
            pub fn len(&self) -> u32 {
                self.map.max_entries()
            }

            /// Whether there are no slots, which the kernel does not allow.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Fills a slot. The map keeps what is in it alive.
            ///
            /// # Errors
            ///
            /// E2BIG beyond the end, EINVAL when it does not fit to what is in the map already.
            pub fn set(&self, index: u32, item: &impl AsRef<$item>) -> Result<()> {
                set_fd(&self.map, index.as_bytes(), item.as_ref())
            }

            /// Empties a slot; false if it was empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn clear(&self, index: u32) -> Result<bool> {
                self.map.delete(index.as_bytes())
            }

            /// Id of what is in a slot; `None` if it is empty or beyond the end.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn id(&self, index: u32) -> Result<Option<u32>> {
                id(&self.map, index.as_bytes())
            }

            /// A handle to what is in a slot; `None` if it is empty or beyond the end.
            ///
            /// # Errors
            ///
            /// When the kernel refuses; it needs CAP_SYS_ADMIN.
            pub fn get(&self, index: u32) -> Result<Option<$item>> {
                self.id(index)?.map($item::from_id).transpose()
            }

            /// A typed view of what is in a slot; `None` if it is empty or beyond the end.
            ///
            /// # Errors
            ///
            /// As [`get`](Self::get), and when it is of another type.
            pub fn get_as<T: TryFrom<$item, Error = Error>>(&self, index: u32) -> Result<Option<T>> {
                self.get(index)?.map(T::try_from).transpose()
            }

            /// Slots that are not empty, with the ids of what is in them.
            pub fn ids(&self) -> impl Iterator<Item = Result<(u32, u32)>> {
                (0..self.len()).filter_map(|index| {
                    self.id(index).map(|id| id.map(|id| (index, id))).transpose()
                })
            }
        }
    )* };
}

slots! {
    ProgArray of Program;
    ArrayOfMaps of Map;
}

typed_views! {
    /// A hash map of maps (4.12). What is put in must be like the map it was made with.
    ///
    /// ```no_run
    /// use bpfld::{Hash, HashOfMaps, Map};
    ///
    /// # fn example(map: &Map) -> Result<(), bpfld::Error> {
    /// let tables: HashOfMaps<u32> = map.try_into()?;
    /// tables.insert(&7, &Hash::<u32, u64>::create("seven", 16)?)?;
    /// let seven: Hash<u32, u64> = tables.get_as(&7)?.expect("just put in");
    /// # let _ = seven;
    /// # Ok(())
    /// # }
    /// ```
    HashOfMaps<K> = HASH_OF_MAPS, check_key::<K>;
}

impl<K: Plain> HashOfMaps<K> {
    /// Puts a map in, in place of the one that may be there. The map of maps keeps it alive.
    ///
    /// # Errors
    ///
    /// E2BIG when it is full, EINVAL when the map does not fit.
    pub fn insert(&self, key: &K, item: &impl AsRef<Map>) -> Result<()> {
        set_fd(&self.map, key.as_bytes(), item.as_ref())
    }

    /// Takes a map out; false if there was none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove(&self, key: &K) -> Result<bool> {
        self.map.delete(key.as_bytes())
    }

    /// Id of the map of a key; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn id(&self, key: &K) -> Result<Option<u32>> {
        id(&self.map, key.as_bytes())
    }

    /// The map of a key; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; it needs CAP_SYS_ADMIN.
    pub fn get(&self, key: &K) -> Result<Option<Map>> {
        self.id(key)?.map(Map::from_id).transpose()
    }

    /// A typed view of the map of a key; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and when it is of another type.
    pub fn get_as<T: TryFrom<Map, Error = Error>>(&self, key: &K) -> Result<Option<T>> {
        self.get(key)?.map(T::try_from).transpose()
    }

    /// All keys, with the ids of their maps.
    #[must_use]
    pub fn ids(&self) -> MapIter<K, u32> {
        MapIter::new(self.map.entries())
    }
}

fn set_fd(map: &Map, key: &[u8], item: &impl AsFd) -> Result<()> {
    let fd = item.as_fd().as_raw_fd();
    map.update(key, fd.as_bytes(), ElemFlags::empty())
}

fn id(map: &Map, key: &[u8]) -> Result<Option<u32>> {
    let mut id = u32::new_zeroed();
    let found = map.lookup_into(key, id.as_mut_bytes(), ElemFlags::empty())?;
    Ok(found.then_some(id))
}

impl AsRef<Map> for Map {
    fn as_ref(&self) -> &Map {
        self
    }
}

impl AsRef<Program> for Program {
    fn as_ref(&self) -> &Program {
        self
    }
}
