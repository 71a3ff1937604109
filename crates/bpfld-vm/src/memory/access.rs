//! Single loads and stores: the quick way, for memory that is what it seems.

use super::Memory;
use crate::address::GuestAddr;

/// Bytes of a load or store, in the order of the guest.
pub(crate) type Bytes<const N: usize> = [u8; N];

/// The number that bytes stand for.
#[inline(always)]
pub(crate) fn value_of<const N: usize, const BIG: bool>(bytes: Bytes<N>) -> u64 {
    let mut wide = [0; 8];
    if BIG {
        if let Some(place) = wide.last_chunk_mut::<N>() {
            *place = bytes;
        }
        u64::from_be_bytes(wide)
    } else {
        if let Some(place) = wide.first_chunk_mut::<N>() {
            *place = bytes;
        }
        u64::from_le_bytes(wide)
    }
}

/// The lower bytes of a number.
#[inline(always)]
pub(crate) fn bytes_of<const N: usize, const BIG: bool>(value: u64) -> Bytes<N> {
    let wide = if BIG {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    };
    let part = if BIG {
        wide.last_chunk::<N>()
    } else {
        wide.first_chunk::<N>()
    };
    part.copied().unwrap_or([0; N])
}

impl Memory {
    /// Whether alignment does not stand against an access.
    #[inline]
    pub(crate) fn may_access<const N: usize>(&self, address: u64) -> bool {
        !self.aligned || address.is_multiple_of(N as u64)
    }

    /// Loads from plain memory; `None` where a closer look is needed. Does not look at alignment.
    #[inline(always)]
    pub(crate) fn load<const N: usize, const BIG: bool>(&self, address: u64) -> Option<u64> {
        let address = GuestAddr(address);
        let region = self.regions.get(address.region().index())?;
        let offset = address.offset() as usize;
        if offset < region.start || offset + N > region.read_end {
            return None;
        }
        let bytes = region.bytes.get(offset..offset + N)?.first_chunk::<N>()?;
        if !region.is_written::<N>(offset) {
            return None;
        }
        Some(value_of::<N, BIG>(*bytes))
    }

    /// Loads from a value of a map, of which no byte was ever left unwritten; `None` where a closer look is needed.
    #[inline(never)]
    pub(crate) fn load_value<const N: usize, const BIG: bool>(&self, address: u64) -> Option<u64> {
        let address = GuestAddr(address);
        let region = self.regions.get(address.region().index())?;
        let start = region.in_value(address.offset() as usize, N)?;
        let bytes = region.bytes.get(start..)?.first_chunk::<N>()?;
        region.rights.reads().then(|| value_of::<N, BIG>(*bytes))
    }

    /// Stores to a value of a map; false where a closer look is needed, and then nothing was done.
    #[inline(never)]
    pub(crate) fn store_value<const N: usize, const BIG: bool>(&mut self, address: u64, value: u64) -> bool {
        let address = GuestAddr(address);
        let region = self.regions.get_mut(address.region().index());
        let Some(region) = region.filter(|region| region.rights.writes()) else {
            return false;
        };
        let start = region.in_value(address.offset() as usize, N);
        let rest = start.and_then(|start| region.bytes.get_mut(start..));
        match rest.and_then(|rest| rest.first_chunk_mut::<N>()) {
            Some(place) => {
                *place = bytes_of::<N, BIG>(value);
                true
            }
            None => false,
        }
    }

    /// Stores to plain memory; false where a closer look is needed, and then nothing was done. Does not look at alignment.
    #[inline(always)]
    pub(crate) fn store<const N: usize, const BIG: bool>(&mut self, address: u64, value: u64) -> bool {
        let address = GuestAddr(address);
        let Some(region) = self.regions.get_mut(address.region().index()) else {
            return false;
        };
        let offset = address.offset() as usize;
        if offset < region.start || offset + N > region.write_end {
            return false;
        }
        let place = region.bytes.get_mut(offset..offset + N);
        let Some(place) = place.and_then(|rest| rest.first_chunk_mut::<N>()) else {
            return false;
        };
        *place = bytes_of::<N, BIG>(value);
        region.mark_written::<N>(offset);
        true
    }
}
