//! Typed views of arrays that hold programs or maps.

use std::os::fd::{AsFd, AsRawFd};

use bpfld_sys::{ElemFlags, MapType};
use zerocopy::{FromZeros, IntoBytes};

use super::{Map, view::check_type};
use crate::{Error, Program, Result};

macro_rules! fd_arrays {
    ($($(#[$doc:meta])+ $view:ident of $item:ident = $map_type:ident;)*) => { $(
        $(#[$doc])+
        ///
        /// Made from a [`Map`] with `try_into`.
        #[derive(Clone, Debug)]
        pub struct $view {
            map: Map,
        }

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
                let fd = item.as_ref().as_fd().as_raw_fd();
                self.map.update(index.as_bytes(), fd.as_bytes(), ElemFlags::empty())
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
                let mut id = u32::new_zeroed();
                Ok(self.map.lookup_into(index.as_bytes(), id.as_mut_bytes(), ElemFlags::empty())?.then_some(id))
            }

            /// A handle to what is in a slot; `None` if it is empty or beyond the end.
            ///
            /// # Errors
            ///
            /// When the kernel refuses; it needs CAP_SYS_ADMIN.
            pub fn get(&self, index: u32) -> Result<Option<$item>> {
                self.id(index)?.map($item::from_id).transpose()
            }

            /// Slots that are not empty, with the ids of what is in them.
            pub fn ids(&self) -> impl Iterator<Item = Result<(u32, u32)>> {
                (0..self.len()).filter_map(|index| {
                    self.id(index).map(|id| id.map(|id| (index, id))).transpose()
                })
            }

            /// The handle without its type.
            #[must_use]
            pub fn map(&self) -> &Map {
                &self.map
            }
        }

        impl TryFrom<Map> for $view {
            type Error = Error;

            fn try_from(map: Map) -> Result<Self> {
                check_type(&map, stringify!($view), &[MapType::$map_type])?;
                Ok(Self { map })
            }
        }

        impl TryFrom<&Map> for $view {
            type Error = Error;

            fn try_from(map: &Map) -> Result<Self> {
                map.clone().try_into()
            }
        }
    )* };
}

fd_arrays! {
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
    ProgArray of Program = PROG_ARRAY;
    /// An array of maps (4.12).
    ArrayOfMaps of Map = ARRAY_OF_MAPS;
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
