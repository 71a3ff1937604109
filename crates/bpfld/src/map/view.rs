//! What the typed views have in common: the check of types and sizes, and how values lie in memory.

use bpfld_sys::MapType;

use super::{Map, PerCpuValues, Plain};
use crate::{Error, Result};

/// Fails unless the map is of a type that a view takes.
pub(super) fn check_type(map: &Map, view: &'static str, accepted: &[MapType]) -> Result<()> {
    let found = map.map_type();
    if accepted.contains(&found) {
        return Ok(());
    }
    let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
    let message = format!(
        "is of type {found}; a `{view}` views maps of type {}",
        accepted.join(" or ")
    );
    Err(Error::invalid(map.subject(), message))
}

/// Views that hold nothing but the handle: the type, and the ways from a handle to it and back.
macro_rules! handle_views {
    ($($(#[$doc:meta])+ $view:ident = $($map_type:ident)|+;)*) => { $(
        $(#[$doc])+
        ///
        /// Made from a [`Map`](super::Map) with `try_into`.
        #[derive(Clone, Debug)]
        pub struct $view {
            map: super::Map,
        }

        impl $view {
            /// The handle without its type.
            #[must_use]
            pub fn map(&self) -> &super::Map {
                &self.map
            }
        }

        impl TryFrom<super::Map> for $view {
            type Error = crate::Error;

            fn try_from(map: super::Map) -> crate::Result<Self> {
                super::view::check_type(&map, stringify!($view), &[$(bpfld_sys::MapType::$map_type),+])?;
                Ok(Self { map })
            }
        }

        impl TryFrom<&super::Map> for $view {
            type Error = crate::Error;

            fn try_from(map: &super::Map) -> crate::Result<Self> {
                map.clone().try_into()
            }
        }

        impl AsRef<super::Map> for $view {
            fn as_ref(&self) -> &super::Map {
                &self.map
            }
        }
    )* };
}
pub(super) use handle_views;

/// Views with types of keys or values: the type, and the ways from a handle to it, which compare sizes, and back.
macro_rules! typed_views {
    ($($(#[$doc:meta])+ $view:ident<$($parameter:ident),+> = $map_type:ident, $($check:ident::<$checked:ident>),+;)*) => { $(
        $(#[$doc])+
        ///
        /// Made from a [`Map`](super::Map) with `try_into`, which compares sizes.
        #[derive(Debug)]
        pub struct $view<$($parameter),+> {
            map: super::Map,
            types: std::marker::PhantomData<fn() -> ($($parameter,)+)>,
        }

        impl<$($parameter: super::Plain),+> $view<$($parameter),+> {
            /// The handle without its types.
            #[must_use]
            pub fn map(&self) -> &super::Map {
                &self.map
            }
        }

        impl<$($parameter: super::Plain),+> TryFrom<super::Map> for $view<$($parameter),+> {
            type Error = crate::Error;

            fn try_from(map: super::Map) -> crate::Result<Self> {
                super::view::check_type(&map, stringify!($view), &[bpfld_sys::MapType::$map_type])?;
                $(super::layout::$check::<$checked>(&map)?;)+
                Ok(Self { map, types: std::marker::PhantomData })
            }
        }

        impl<$($parameter: super::Plain),+> TryFrom<&super::Map> for $view<$($parameter),+> {
            type Error = crate::Error;

            fn try_from(map: &super::Map) -> crate::Result<Self> {
                map.clone().try_into()
            }
        }

        impl<$($parameter),+> AsRef<super::Map> for $view<$($parameter),+> {
            fn as_ref(&self) -> &super::Map {
                &self.map
            }
        }

        impl<$($parameter),+> Clone for $view<$($parameter),+> {
            fn clone(&self) -> Self {
                Self { map: self.map.clone(), types: std::marker::PhantomData }
            }
        }
    )* };
}
pub(super) use typed_views;

/// How the value of one key is kept on this side: plain, or one for each CPU.
pub trait Stored: Sized {
    /// The type of a single value.
    type Value: Plain;

    /// Room for a value on a machine with so many possible CPUs.
    fn room(cpus: usize) -> Self;

    /// As the kernel reads it.
    fn stored(&self) -> &[u8];

    /// As the kernel writes it.
    fn stored_mut(&mut self) -> &mut [u8];
}

impl<V: Plain> Stored for V {
    type Value = V;

    fn room(_: usize) -> V {
        V::new_zeroed()
    }

    fn stored(&self) -> &[u8] {
        self.as_bytes()
    }

    fn stored_mut(&mut self) -> &mut [u8] {
        self.as_mut_bytes()
    }
}

impl<V: Plain> Stored for PerCpuValues<V> {
    type Value = V;

    fn room(cpus: usize) -> Self {
        PerCpuValues::zeroed(cpus)
    }

    fn stored(&self) -> &[u8] {
        self.as_bytes()
    }

    fn stored_mut(&mut self) -> &mut [u8] {
        self.as_mut_bytes()
    }
}

/// A value of its own out of bytes that the kernel wrote.
pub(super) fn copy<S: Stored>(cpus: usize, bytes: &[u8]) -> S {
    let mut value = S::room(cpus);
    value.stored_mut().copy_from_slice(bytes);
    value
}
