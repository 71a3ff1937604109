//! What may be a key or a value of a map.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Types that a map may hold: plain bytes without padding, for which every bit pattern is a value.
///
/// Implemented for all that qualifies: integers, arrays of them, and structs that derive the zerocopy traits.
///
/// ```
/// use bpfld::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
/// #[zerocopy(crate = "bpfld::zerocopy")] // not needed where zerocopy is among the dependencies
/// #[repr(C)]
/// struct Stats {
///     packets: u64,
///     bytes: u64,
/// }
///
/// fn is_plain<T: bpfld::Plain>() {}
/// is_plain::<Stats>();
/// is_plain::<[u8; 16]>();
/// ```
///
/// A struct with padding does not qualify, because its padding would leak to the kernel and a key with
/// it would not be found again: write the padding as a field.
pub trait Plain: FromBytes + IntoBytes + KnownLayout + Immutable {}

impl<T: FromBytes + IntoBytes + KnownLayout + Immutable> Plain for T {}
