//! Numbers and sections at places that a file names.

use bpfld_insn::Endian;
use goblin::elf::section_header::{self, SectionHeader};

pub(super) fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(super) fn bytes_of<'d>(data: &'d [u8], section: &SectionHeader) -> Option<&'d [u8]> {
    if section.sh_type == section_header::SHT_NOBITS {
        return None;
    }
    data.get(at(section.sh_offset)..)?.get(..at(section.sh_size))
}

pub(super) fn u16_at(data: &[u8], offset: usize, endian: Endian) -> Option<u16> {
    let bytes = *data.get(offset..)?.first_chunk()?;
    Some(match endian {
        Endian::Little => u16::from_le_bytes(bytes),
        Endian::Big => u16::from_be_bytes(bytes),
    })
}

/// A number of 8 or 4 bytes.
pub(crate) fn word_at(data: &[u8], offset: usize, is_wide: bool, endian: Endian) -> Option<u64> {
    if !is_wide {
        return u32_at(data, offset, endian).map(u64::from);
    }
    let bytes = *data.get(offset..)?.first_chunk()?;
    Some(match endian {
        Endian::Little => u64::from_le_bytes(bytes),
        Endian::Big => u64::from_be_bytes(bytes),
    })
}

pub(crate) fn u32_at(data: &[u8], offset: usize, endian: Endian) -> Option<u32> {
    let bytes = *data.get(offset..)?.first_chunk()?;
    Some(match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    })
}
