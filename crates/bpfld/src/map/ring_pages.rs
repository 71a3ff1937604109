//! What rings of both directions are made of: pages with positions, the data twice so that records never wrap, and headers of records.

use bpfld_sys::{
    Errno,
    mmap::{Access, SharedMmap, page_size},
};

use super::Map;

/// In the first word of a header, whose other bits are the length: the record is being written.
pub(super) const BUSY: u32 = 1 << 31;
/// In the first word of a header: the record is to be passed over.
pub(super) const DISCARDED: u32 = 1 << 30;
/// Bytes of a header.
pub(super) const HEADER: u32 = 8;

/// The mapped parts of a ring.
pub(super) struct RingPages {
    /// A page with the position of who reads.
    pub(super) consumer: SharedMmap,
    /// A page with the positions of who writes, then the data twice.
    pub(super) producer: SharedMmap,
    /// Bytes of a page: where the data begins.
    pub(super) page: usize,
    /// One less than the bytes of the data.
    pub(super) mask: u64,
}

impl RingPages {
    /// Maps a ring of `size` bytes, a power of two, with what this process may do with each part.
    pub(super) fn map(map: &Map, size: usize, consumer: Access, producer: Access) -> Result<Self, Errno> {
        let page = page_size();
        let len = size
            .checked_mul(2)
            .and_then(|len| len.checked_add(page))
            .ok_or(Errno::EOVERFLOW)?;
        if !size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            consumer: SharedMmap::new(map, 0, page, consumer)?,
            producer: SharedMmap::new(map, page as u64, len, producer)?,
            page,
            mask: size as u64 - 1,
        })
    }
}
