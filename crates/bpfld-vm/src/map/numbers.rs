//! Values that are numbers: of sockets, of control groups.

use alloc::vec::Vec;

use bpfld_insn::Endian;

use super::Map;
use crate::memory::Memory;

impl Map {
    /// The value at a place, as a number of as many bytes as values have.
    pub(crate) fn number_at(&self, memory: &Memory, place: u32, endian: Endian) -> Option<u64> {
        let bytes = self.value(memory, place, 0)?;
        let start = match endian {
            Endian::Little => 0,
            Endian::Big => 8usize.checked_sub(bytes.len())?,
        };
        let mut wide = [0; 8];
        wide.get_mut(start..start + bytes.len())?.copy_from_slice(bytes);
        Some(match endian {
            Endian::Little => u64::from_le_bytes(wide),
            Endian::Big => u64::from_be_bytes(wide),
        })
    }

    /// A number as a value: its lower bytes, if it is too large.
    pub(crate) fn number_bytes(&self, number: u64, endian: Endian) -> Vec<u8> {
        let size = (self.spec.value_size as usize).min(8);
        match endian {
            Endian::Little => number.to_le_bytes().iter().take(size).copied().collect(),
            Endian::Big => number.to_be_bytes().iter().skip(8 - size).copied().collect(),
        }
    }
}
