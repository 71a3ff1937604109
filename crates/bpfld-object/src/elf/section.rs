//! A section, as its header describes it.

use alloc::boxed::Box;
use core::ops::Range;

use goblin::elf::section_header::{self, SectionHeader};

use crate::SectionIndex;

/// A section of an object file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Section {
    /// The section's number.
    pub index: SectionIndex,
    /// The section's name.
    pub name: Box<str>,
    /// The ELF section type, such as 1 (`SHT_PROGBITS`) or 8 (`SHT_NOBITS`).
    pub kind: u32,
    /// The ELF section flags, such as 4 (`SHF_EXECINSTR`).
    pub flags: u64,
    /// The size in bytes. That of a section without bytes in the file (`.bss`) may be anything.
    pub size: u64,
    /// A type-dependent reference to another section.
    pub link: u32,
    /// Type-dependent information; of relocations, the section they apply to.
    pub info: u32,
    pub(crate) entry_size: u64,
    /// Where in the file; `None` if that is outside of it.
    range: Option<(u32, u32)>,
}

impl Section {
    /// Whether the section has no bytes in the file, and consists of zeros.
    #[must_use]
    pub fn is_nobits(&self) -> bool {
        self.kind == section_header::SHT_NOBITS
    }

    /// Whether the section holds data of the program (`SHT_PROGBITS`).
    #[must_use]
    pub fn is_progbits(&self) -> bool {
        self.kind == section_header::SHT_PROGBITS
    }

    /// Whether the section holds instructions.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.is_progbits() && self.flags & u64::from(section_header::SHF_EXECINSTR) != 0
    }

    /// Where the section's bytes are in the file: nowhere for `.bss`, and for a section that reaches beyond the end.
    #[must_use]
    pub fn file_range(&self) -> Option<Range<usize>> {
        self.range.map(|(start, end)| start as usize..end as usize)
    }

    pub(super) fn from_header(index: usize, name: &str, header: &SectionHeader, file_len: usize) -> Self {
        let range = usize::try_from(header.sh_offset).ok().and_then(|start| {
            let end = start.checked_add(usize::try_from(header.sh_size).ok()?)?;
            (end <= file_len).then_some((u32::try_from(start).ok()?, u32::try_from(end).ok()?))
        });
        // the first header is a placeholder, or holds counts too large for the file header
        let is_placeholder = index == 0;
        let has_bytes = header.sh_type != section_header::SHT_NOBITS && !is_placeholder;
        Self {
            index: SectionIndex::new(index),
            name: name.into(),
            kind: if is_placeholder {
                section_header::SHT_NULL
            } else {
                header.sh_type
            },
            flags: header.sh_flags,
            size: if is_placeholder { 0 } else { header.sh_size },
            link: header.sh_link,
            info: header.sh_info,
            entry_size: header.sh_entsize,
            range: range.filter(|_| has_bytes),
        }
    }
}
