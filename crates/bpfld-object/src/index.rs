//! Numbers of things within an object: one type each, so that they cannot be mixed up.

use core::fmt;

macro_rules! index {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in the list.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }

            #[allow(dead_code, reason = "not every list is built here")]
            pub(crate) fn new(index: usize) -> Self {
                // every list is shorter than the file, and files beyond 4 GiB are refused
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

index! {
    /// A section of the file; see [`Object::sections`](crate::Object::sections). Number 0 is never used.
    SectionIndex;
    /// A function; see [`Object::functions`](crate::Object::functions).
    FunctionIndex;
    /// A program; see [`Object::programs`](crate::Object::programs).
    ProgramIndex;
    /// A map; see [`Object::maps`](crate::Object::maps).
    MapIndex;
    /// An extern; see [`Object::externs`](crate::Object::externs).
    ExternIndex;
}
