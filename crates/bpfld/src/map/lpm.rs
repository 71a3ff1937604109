//! Keys of prefix tries.

use std::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Plain;

/// A key of an [`LpmTrie`](super::LpmTrie): so many leading bits of some data, in network byte order.
///
/// ```
/// use bpfld::LpmKey;
///
/// let net = LpmKey::new(24, [192, 0, 2, 0]);
/// assert_eq!((net.prefix_len(), net.data()), (24, [192, 0, 2, 0]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed)]
pub struct LpmKey<D> {
    prefix_len: u32,
    data: D,
}

impl<D: Plain + Copy> LpmKey<D> {
    /// The first `prefix_len` bits of `data`; at most as many as it has.
    #[must_use]
    pub const fn new(prefix_len: u32, data: D) -> Self {
        LpmKey { prefix_len, data }
    }

    /// Number of leading bits that count.
    #[must_use]
    pub const fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    /// The data, of which only the leading bits count.
    #[must_use]
    pub const fn data(&self) -> D {
        self.data
    }
}

impl<D: Plain + Copy + fmt::Debug> fmt::Debug for LpmKey<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.data(), self.prefix_len())
    }
}
