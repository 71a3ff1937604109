//! Where values lie: by their place, in the region of their map.

use core::ops::Range;

use super::Map;
use crate::address::GuestAddr;
use crate::memory::{Memory, Shape};

impl Map {
    /// The address of the value at a place, for one CPU.
    pub(crate) fn value_address(&self, memory: &Memory, place: u32, cpu: u32) -> Option<u64> {
        let region = memory.region(self.region)?;
        let number =
            u64::from(place) * u64::from(self.copies) + u64::from(if self.copies > 1 { cpu } else { 0 });
        let offset = match region.shape {
            Shape::Values { shift, .. } => number << shift,
            _ => 0,
        };
        Some(GuestAddr::new(self.region, offset).0)
    }

    /// The addresses of the value at a place, of one CPU.
    pub(crate) fn value_addresses(&self, memory: &Memory, place: u32) -> Range<u64> {
        let start = self.value_address(memory, place, 0).unwrap_or(0);
        start..start.saturating_add(self.spec.value_size.into())
    }

    /// The place of the value that an address is in.
    pub(crate) fn place_at(&self, memory: &Memory, address: u64) -> Option<u32> {
        let number = match memory.region(self.region)?.shape {
            Shape::Values { shift, .. } => GuestAddr(address).offset() >> shift,
            _ => 0,
        };
        u32::try_from(number / u64::from(self.copies.max(1))).ok()
    }

    /// The bytes of a value, whatever programs may do with them.
    pub(crate) fn value<'m>(&self, memory: &'m Memory, place: u32, cpu: u32) -> Option<&'m [u8]> {
        let (start, size) = self.value_range(place, cpu);
        memory.region(self.region)?.bytes.get(start..start + size)
    }

    /// The same, to be changed.
    pub(crate) fn value_mut<'m>(&self, memory: &'m mut Memory, place: u32, cpu: u32) -> Option<&'m mut [u8]> {
        let (start, size) = self.value_range(place, cpu);
        memory.region_mut(self.region)?.bytes.get_mut(start..start + size)
    }

    /// Makes room for the value at a place, for all CPUs, and fills it with zeros.
    pub(crate) fn clear_value(&self, memory: &mut Memory, place: u32) {
        let (start, _) = self.value_range(place, 0);
        let end = start + self.stride() * self.copies as usize;
        let Some(region) = memory.region_mut(self.region) else {
            return;
        };
        if region.bytes.len() < end {
            region.bytes.resize(end, 0);
        }
        if let Some(bytes) = region.bytes.get_mut(start..end) {
            bytes.fill(0);
        }
    }

    fn value_range(&self, place: u32, cpu: u32) -> (usize, usize) {
        let cpu = if self.copies > 1 { cpu as usize } else { 0 };
        let number = place as usize * self.copies as usize + cpu;
        (number * self.stride(), self.spec.value_size as usize)
    }

    /// Bytes that another entry takes: its values, its key, which is there twice, and the account of it.
    pub(super) fn room_of_entry(&self) -> usize {
        const ACCOUNT: usize = 64;
        let key = 2 * self.spec.key_size as usize;
        self.stride() * self.copies as usize + key + ACCOUNT
    }

    fn stride(&self) -> usize {
        (self.spec.value_size as usize).next_multiple_of(8).max(8)
    }
}
