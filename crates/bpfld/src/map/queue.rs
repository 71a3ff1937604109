//! Typed views of queues, stacks and Bloom filters: maps without keys.

use bpfld_sys::{ElemFlags, MapType};

use super::{Map, Plain, view::typed_views};
use crate::Result;

macro_rules! keyless_views {
    ($($(#[$doc:meta])+ $view:ident = $map_type:ident;)*) => { $(
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
            pub fn create(name: &str, max_entries: u32) -> Result<Self> {
                const { assert!(size_of::<V>() <= u32::MAX as usize) };
                Map::builder(MapType::$map_type, name)
                    .value_size(size_of::<V>() as u32)
                    .max_entries(max_entries)
                    .create()?
                    .try_into()
            }
        }
    )* };
}

keyless_views! {
    /// Values that come out in the order in which they went in (4.20).
    ///
    /// ```no_run
    /// use bpfld::Queue;
    ///
    /// let jobs = Queue::<u32>::create("jobs", 16)?;
    /// jobs.push(&1)?;
    /// assert_eq!(jobs.pop()?, Some(1));
    /// assert_eq!(jobs.pop()?, None);
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    Queue = QUEUE;
    /// Values of which the last comes out first (4.20).
    Stack = STACK;
    /// A set that may say yes for a value that was never put in, but never no for one that was (5.16).
    BloomFilter = BLOOM_FILTER;
}

macro_rules! push_and_pop {
    ($($view:ident)*) => { $(
        impl<V: Plain> $view<V> {
            /// Puts a value in.
            ///
            /// # Errors
            ///
            /// E2BIG when it is full, and whenever the kernel refuses.
            pub fn push(&self, value: &V) -> Result<()> {
                self.map.update(&[], value.as_bytes(), ElemFlags::empty())
            }

            /// Puts a value in and, when it is full, drops the oldest.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn push_over(&self, value: &V) -> Result<()> {
                self.map.update(&[], value.as_bytes(), ElemFlags::EXIST)
            }

            /// Takes the next value out; `None` when it is empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn pop(&self) -> Result<Option<V>> {
                let mut value = V::new_zeroed();
                Ok(self.map.take_into(&[], value.as_mut_bytes())?.then_some(value))
            }

            /// Takes out one value after the other, until it is empty; after an error nothing follows.
            ///
            /// It ends also where programs put values in faster than they are taken out: after as many as it has room for.
            pub fn drain(&self) -> impl Iterator<Item = Result<V>> + use<V> {
                let (this, mut left) = (self.clone(), self.map.max_entries());
                std::iter::from_fn(move || {
                    left = left.checked_sub(1)?;
                    let value = this.pop().transpose();
                    if !matches!(value, Some(Ok(_))) {
                        left = 0;
                    }
                    value
                })
            }

            /// The next value, which stays; `None` when it is empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn peek(&self) -> Result<Option<V>> {
                let mut value = V::new_zeroed();
                Ok(self.map.lookup_into(&[], value.as_mut_bytes(), ElemFlags::empty())?.then_some(value))
            }
        }
    )* };
}

push_and_pop! { Queue Stack }

impl<V: Plain> BloomFilter<V> {
    /// Puts a value in.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn insert(&self, value: &V) -> Result<()> {
        self.map.update(&[], value.as_bytes(), ElemFlags::empty())
    }

    /// Whether a value may have been put in.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn contains(&self, value: &V) -> Result<bool> {
        let mut bytes = V::new_zeroed();
        bytes.as_mut_bytes().copy_from_slice(value.as_bytes());
        self.map
            .lookup_into(&[], bytes.as_mut_bytes(), ElemFlags::empty())
    }
}
