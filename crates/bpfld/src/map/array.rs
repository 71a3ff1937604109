//! Typed views of arrays.

use bpfld_sys::{ElemFlags, MapType};
use zerocopy::IntoBytes;

use super::{
    Map, PerCpuValues, Plain,
    keyed::MapIter,
    view::{Stored, typed_views},
};
use crate::Result;

macro_rules! array_views {
    ($($(#[$doc:meta])+ $view:ident<V> = $stored:ty, $map_type:ident;)*) => { $(
        typed_views! {
            $(#[$doc])+
            $view<V> = $map_type, check_value::<V>;
        }

        impl<V: Plain> $view<V> {
            /// Makes a map that belongs to no object.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn create(name: &str, len: u32) -> Result<Self> {
                const { assert!(size_of::<V>() <= u32::MAX as usize) };
                Map::builder(MapType::$map_type, name)
                    .key_size(4)
                    .value_size(size_of::<V>() as u32)
                    .max_entries(len)
                    .create()?
                    .try_into()
            }

            /// Number of elements.
            #[must_use]
            pub fn len(&self) -> u32 {
                self.map.max_entries()
            }

            /// Whether there are no elements, which the kernel does not allow.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Value of an element; `None` beyond the end.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn get(&self, index: u32) -> Result<Option<$stored>> {
                let mut value = <$stored>::room(self.map.cpus());
                Ok(self.get_into(index, &mut value, ElemFlags::empty())?.then_some(value))
            }

            /// Value of an element into a place that exists; false beyond the end.
            ///
            /// # Errors
            ///
            /// When the kernel refuses; [`ElemFlags::F_LOCK`] needs a map whose values have a spin lock (5.1).
            pub fn get_into(&self, index: u32, value: &mut $stored, flags: ElemFlags) -> Result<bool> {
                self.map.lookup_into(index.as_bytes(), value.stored_mut(), flags)
            }

            /// Sets the value of an element.
            ///
            /// # Errors
            ///
            /// E2BIG beyond the end, and whenever the kernel refuses.
            pub fn set(&self, index: u32, value: &$stored) -> Result<()> {
                self.update(index, value, ElemFlags::empty())
            }

            /// Sets the value of an element as flags say.
            ///
            /// # Errors
            ///
            /// As [`Map::update`].
            pub fn update(&self, index: u32, value: &$stored, flags: ElemFlags) -> Result<()> {
                self.map.update(index.as_bytes(), value.stored(), flags)
            }

            /// All elements with their indices.
            #[must_use]
            pub fn iter(&self) -> MapIter<u32, $stored> {
                MapIter::new(self.map.entries())
            }
        }

        impl<V: Plain> IntoIterator for &$view<V> {
            type Item = Result<(u32, $stored)>;
            type IntoIter = MapIter<u32, $stored>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    )* };
}

array_views! {
    /// An array (3.19).
    ///
    /// ```no_run
    /// use bpfld::Array;
    ///
    /// let limits = Array::<u64>::create("limits", 4)?;
    /// limits.set(2, &1500)?;
    /// assert_eq!(limits.get(2)?, Some(1500));
    /// assert_eq!(limits.get(4)?, None);
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    Array<V> = V, ARRAY;
    /// An array with a value for each CPU in every element (4.6).
    PerCpuArray<V> = PerCpuValues<V>, PERCPU_ARRAY;
}
