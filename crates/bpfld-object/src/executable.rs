//! Programs and shared libraries, as far as probes need them: where in the file a function begins.

mod functions;
mod numbers;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use goblin::container::{Container, Ctx, Endian as ElfEndian};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_X, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{self, SectionHeader};

pub use self::functions::ExecutableFunction;
use self::numbers::{at, bytes_of};
pub(crate) use self::numbers::{u32_at, word_at};
use crate::Error;
use crate::elf::string_at;

/// An executable or shared library: an ELF file of any class, byte order and machine.
///
/// Uprobes want file offsets; this finds them by name.
///
/// ```
/// use bpfld_object::Executable;
///
/// # fn example(bytes: &[u8]) -> Result<(), bpfld_object::Error> {
/// let libc = Executable::parse(bytes)?;
/// let malloc = libc.function("malloc")?;
/// println!("malloc is at offset {:#x} of the file", malloc.file_offset);
/// let old = libc.function("memcpy@GLIBC_2.2.5")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Executable<'d> {
    data: &'d [u8],
    header: Header,
    endian: Endian,
    ctx: Ctx,
    sections: Vec<SectionHeader>,
    segments: Vec<ProgramHeader>,
    names: &'d [u8],
    /// The names of versions by number.
    versions: BTreeMap<u16, &'d str>,
}

/// A section of an [`Executable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutableSection<'d> {
    /// The section's name.
    pub name: &'d str,
    /// The address of its first byte; 0 if it is not loaded.
    pub address: u64,
    /// Where it begins in the file, in bytes.
    pub file_offset: u64,
    /// The bytes; none for sections that have none in the file.
    pub data: &'d [u8],
}

/// What a part of the file is loaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// As something that can be executed.
    Code,
    /// As anything else.
    Data,
}

impl<'d> Executable<'d> {
    /// Reads an ELF file. Nothing is copied.
    ///
    /// # Errors
    ///
    /// If the bytes are no ELF file, or its headers are cut off.
    pub fn parse(data: &'d [u8]) -> Result<Self, Error> {
        if data.get(..4) != Some(header::ELFMAG) {
            return Err(Error::elf("not an ELF file"));
        }
        let (endian, elf_endian) = match data.get(header::EI_DATA) {
            Some(&header::ELFDATA2LSB) => (Endian::Little, ElfEndian::Little),
            Some(&header::ELFDATA2MSB) => (Endian::Big, ElfEndian::Big),
            _ => return Err(Error::elf("unknown byte order")),
        };
        let container = match data.get(header::EI_CLASS) {
            Some(&header::ELFCLASS32) => Container::Little,
            Some(&header::ELFCLASS64) => Container::Big,
            _ => return Err(Error::elf("unknown ELF class")),
        };
        let ctx = Ctx::new(container, elf_endian);
        let header =
            goblin::elf::Elf::parse_header(data).map_err(|_| Error::elf("file header is cut off"))?;
        let sections = if header.e_shoff == 0 {
            Vec::new()
        } else {
            SectionHeader::parse(data, at(header.e_shoff), usize::from(header.e_shnum), ctx).map_err(
                |_| Error::elf("section headers reach beyond the end of the file").at(header.e_shoff),
            )?
        };
        let segments = if header.e_phoff == 0 || header.e_phnum == 0 {
            Vec::new()
        } else {
            let count = usize::from(header.e_phnum);
            if count > data.len() / ProgramHeader::size(ctx) {
                return Err(Error::elf("program headers reach beyond the end of the file").at(header.e_phoff));
            }
            ProgramHeader::parse(data, at(header.e_phoff), count, ctx).map_err(|_| {
                Error::elf("program headers reach beyond the end of the file").at(header.e_phoff)
            })?
        };
        let names = match u32::from(header.e_shstrndx) {
            section_header::SHN_XINDEX => sections.first().map_or(0, |first| first.sh_link),
            names => names,
        };
        let names = sections
            .get(names as usize)
            .and_then(|section| bytes_of(data, section))
            .unwrap_or_default();
        let mut file = Self {
            data,
            header,
            endian,
            ctx,
            sections,
            segments,
            names,
            versions: BTreeMap::new(),
        };
        file.versions = file.read_versions();
        Ok(file)
    }

    /// The number of the ELF machine, such as 62 for x86-64.
    #[must_use]
    pub fn machine(&self) -> u16 {
        self.header.e_machine
    }

    /// The byte order.
    #[must_use]
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Whether it is a file for 64-bit machines.
    #[must_use]
    pub fn is_64_bit(&self) -> bool {
        self.ctx.container.is_big()
    }

    /// Whether it can be loaded at any address: a shared library or position-independent program.
    #[must_use]
    pub fn is_position_independent(&self) -> bool {
        self.header.e_type == header::ET_DYN
    }

    /// Where in the file the byte is that is loaded to an address.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        self.segment_offset(address).map(|(offset, _)| offset)
    }

    /// As [`file_offset`](Self::file_offset), with what the byte is loaded as.
    pub(crate) fn segment_offset(&self, address: u64) -> Option<(u64, Segment)> {
        let within = |start: u64, size: u64| address.checked_sub(start).filter(|distance| *distance < size);
        let loaded = self.segments.iter().filter(|segment| segment.p_type == PT_LOAD);
        let in_segment = |segment: &ProgramHeader| {
            let offset = within(segment.p_vaddr, segment.p_filesz)?.checked_add(segment.p_offset)?;
            let is_code = segment.p_flags & PF_X != 0;
            Some((offset, if is_code { Segment::Code } else { Segment::Data }))
        };
        loaded.filter_map(in_segment).next()
    }

    /// Takes the layout of another file: of the one that this one, a separate debug file, was split from. Symbols then have
    /// their places there.
    #[must_use]
    pub fn with_layout_of(mut self, other: &Executable<'_>) -> Self {
        self.segments.clone_from(&other.segments);
        self
    }

    /// The number that the linker gave the file, which a separate debug file shares (`.note.gnu.build-id`).
    #[must_use]
    pub fn build_id(&self) -> Option<&'d [u8]> {
        let notes = self.section(".note.gnu.build-id")?;
        let (owner, kind, content, _) = self.note(notes.data, 0)?;
        (owner == b"GNU\0" && kind == NT_GNU_BUILD_ID && !content.is_empty()).then_some(content)
    }

    /// Name and checksum (CRC-32) of the file that has the symbols which were taken out of this one (`.gnu_debuglink`).
    #[must_use]
    pub fn debug_link(&self) -> Option<(&'d str, u32)> {
        let data = self.section(".gnu_debuglink")?.data;
        let name = string_at(data, 0).filter(|name| !name.is_empty())?;
        let checksum = name.len().checked_add(1)?.checked_next_multiple_of(4)?;
        Some((name, u32_at(data, checksum, self.endian)?))
    }

    /// The sections that have a valid name.
    pub fn sections(&self) -> impl Iterator<Item = ExecutableSection<'d>> + '_ {
        self.sections.iter().skip(1).filter_map(|section| {
            Some(ExecutableSection {
                name: string_at(self.names, section.sh_name)?,
                address: section.sh_addr,
                file_offset: section.sh_offset,
                data: bytes_of(self.data, section).unwrap_or_default(),
            })
        })
    }

    /// The section of this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<ExecutableSection<'d>> {
        self.sections().find(|section| section.name == name)
    }
}

const NT_GNU_BUILD_ID: u32 = 3;
#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn refuses_other_files() {
        for bytes in [&b""[..], b"\x7fELF", b"\x7fELF\x02\x01\x01", b"#!/bin/sh\n"] {
            assert!(Executable::parse(bytes).is_err());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn finds_functions_of_this_program() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let file = Executable::parse(&bytes).unwrap();
        assert_eq!(file.endian(), Endian::NATIVE);
        let main = file.function("main").unwrap();
        assert!(main.size > 0);
        assert_eq!(file.file_offset(main.address), Some(main.file_offset));
        let error = file.function("no such function").unwrap_err();
        assert_eq!(error.symbol_name(), Some("no such function"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn finds_versions_of_the_c_library() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let Some(path) = maps.lines().find_map(|line| {
            line.split_whitespace()
                .last()
                .filter(|path| path.contains("libc.so"))
        }) else {
            return; // another C library, or none
        };
        let bytes = std::fs::read(path).unwrap();
        let file = Executable::parse(&bytes).unwrap();
        let malloc = file.function("malloc").unwrap();
        let version = malloc.version.unwrap();
        assert_eq!(file.function(&format!("malloc@{version}")).unwrap(), malloc);
        assert_eq!(file.function(&format!("malloc@@{version}")).unwrap(), malloc);
        assert!(file.function("malloc@NO_SUCH_VERSION").is_err());
    }
}
