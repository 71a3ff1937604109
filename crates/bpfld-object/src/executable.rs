//! Programs and shared libraries, as far as probes need them: where in the file a function begins.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use goblin::container::{Container, Ctx, Endian as ElfEndian};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_X, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym::{self, Sym, Symtab};

use crate::elf::string_at;
use crate::{Error, ErrorKind};

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

/// A function of an [`Executable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutableFunction<'d> {
    /// The function's name.
    pub name: &'d str,
    /// The version of the symbol, such as `GLIBC_2.14`, if it has one.
    pub version: Option<&'d str>,
    /// Whether that is the version which programs are linked to by default. Also true if there is no version.
    pub is_default: bool,
    /// The address that the function has (before the file is moved to where it is loaded).
    pub address: u64,
    /// The function's size in bytes; 0 if unknown.
    pub size: u64,
    /// Where the function begins in the file, in bytes.
    pub file_offset: u64,
    /// Whether another definition of the name would be preferred.
    pub is_weak: bool,
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

    /// All functions that are defined here, those for other files first. A function may be listed twice.
    pub fn functions(&self) -> impl Iterator<Item = ExecutableFunction<'d>> + '_ {
        [section_header::SHT_DYNSYM, section_header::SHT_SYMTAB]
            .into_iter()
            .filter_map(|kind| {
                // a file has one table of each kind
                let mut tables = self.sections.iter().enumerate();
                tables.find(|(_, section)| section.sh_type == kind)
            })
            .flat_map(|(index, table)| self.table_functions(index, table))
    }

    /// The function of this name: `name`, or with a version as in `name@VERSION` or `name@@VERSION`. Without one, the
    /// default version is preferred, and a definition that is not weak.
    ///
    /// # Errors
    ///
    /// If there is no such function, or there are several in different places that are as good.
    pub fn function(&self, name: &str) -> Result<ExecutableFunction<'d>, Error> {
        let (base, version) = match name.split_once('@') {
            Some((base, version)) => (base, Some(version.strip_prefix('@').unwrap_or(version))),
            None => (name, None),
        };
        let rank = |function: &ExecutableFunction<'_>| (!function.is_default, function.is_weak);
        let mut best: Option<ExecutableFunction<'d>> = None;
        let mut is_ambiguous = false;
        for function in self.functions() {
            // static linkers put versions into names
            let (own, own_version) = match function.name.split_once('@') {
                Some((own, version)) => (own, Some(version.strip_prefix('@').unwrap_or(version))),
                None => (function.name, function.version),
            };
            if own != base || (version.is_some() && version != own_version) {
                continue;
            }
            match &best {
                Some(other) if rank(other) < rank(&function) => {}
                Some(other) if rank(other) == rank(&function) => {
                    is_ambiguous |= other.file_offset != function.file_offset;
                }
                _ => (best, is_ambiguous) = (Some(function), false),
            }
        }
        let error = |detail| Error::new(ErrorKind::Program, detail).symbol(name);
        match best {
            Some(_) if is_ambiguous => Err(error("there are several functions of this name")),
            Some(function) => Ok(function),
            None if self.functions().next().is_none() => Err(error("the file has no symbols of functions")),
            None => Err(error("no such function")),
        }
    }

    fn table_functions(
        &self,
        index: usize,
        table: &SectionHeader,
    ) -> impl Iterator<Item = ExecutableFunction<'d>> + '_ {
        let size = Sym::size(self.ctx.container) as u64;
        let count = usize::try_from(table.sh_size / size).unwrap_or(0);
        let symbols = Some(count)
            .filter(|count| *count > 0 && bytes_of(self.data, table).is_some())
            .and_then(|count| Symtab::parse(self.data, at(table.sh_offset), count, self.ctx).ok());
        // a table beyond the end of the file may claim any size
        let count = if symbols.is_some() { count } else { 0 };
        let strings = self
            .sections
            .get(table.sh_link as usize)
            .and_then(|section| bytes_of(self.data, section));
        let strings = strings.unwrap_or_default();
        let is_version = |section: &&SectionHeader| {
            section.sh_type == section_header::SHT_GNU_VERSYM && section.sh_link as usize == index
        };
        let versions = self
            .sections
            .iter()
            .find(is_version)
            .and_then(|section| bytes_of(self.data, section));
        let versions = versions.unwrap_or_default();
        (0..count).filter_map(move |number| {
            let symbol = symbols.as_ref()?.get(number)?;
            let is_defined = symbol.st_shndx != section_header::SHN_UNDEF as usize;
            if !is_defined || !matches!(symbol.st_type(), sym::STT_FUNC | sym::STT_GNU_IFUNC) {
                return None;
            }
            let version = u16_at(versions, number.checked_mul(2)?, self.endian).unwrap_or(0);
            // thumb functions have odd addresses
            let is_arm = self.header.e_machine == header::EM_ARM;
            let address = if is_arm {
                symbol.st_value & !1
            } else {
                symbol.st_value
            };
            Some(ExecutableFunction {
                name: string_at(strings, symbol.st_name).filter(|name| !name.is_empty())?,
                version: self.versions.get(&(version & VERSION_NUMBER)).copied(),
                is_default: version & VERSION_HIDDEN == 0,
                address,
                size: symbol.st_size,
                file_offset: self.symbol_offset(&symbol, address)?,
                is_weak: symbol.st_bind() == sym::STB_WEAK,
            })
        })
    }

    /// By segment, as the kernel maps the file; by section in files that have no segments.
    fn symbol_offset(&self, symbol: &Sym, address: u64) -> Option<u64> {
        if !self.segments.is_empty() {
            return self.file_offset(address);
        }
        let section = self.sections.get(symbol.st_shndx)?;
        let start = if self.header.e_type == header::ET_REL {
            0
        } else {
            section.sh_addr
        };
        address.checked_sub(start)?.checked_add(section.sh_offset)
    }

    /// The names of the versions that the file defines.
    fn read_versions(&self) -> BTreeMap<u16, &'d str> {
        let mut versions = BTreeMap::new();
        let is_definition = |section: &&SectionHeader| section.sh_type == section_header::SHT_GNU_VERDEF;
        let Some(section) = self.sections.iter().find(is_definition) else {
            return versions;
        };
        let data = bytes_of(self.data, section).unwrap_or_default();
        let strings = self
            .sections
            .get(section.sh_link as usize)
            .and_then(|strings| bytes_of(self.data, strings));
        let mut offset = 0_usize;
        for _ in 0..data.len() / VERDEF_SIZE {
            let record = (|| {
                let number = u16_at(data, offset.saturating_add(4), self.endian)?;
                let names = u32_at(data, offset.saturating_add(12), self.endian)? as usize;
                let name = u32_at(data, offset.checked_add(names)?, self.endian)? as usize;
                let next = u32_at(data, offset.saturating_add(16), self.endian)? as usize;
                Some((number, string_at(strings?, name)?, next))
            })();
            let Some((number, name, next)) = record else { break };
            versions.entry(number).or_insert(name);
            match offset.checked_add(next) {
                Some(following) if next != 0 => offset = following,
                _ => break,
            }
        }
        // the first names the file itself
        versions.remove(&VERSION_GLOBAL);
        versions
    }
}

const NT_GNU_BUILD_ID: u32 = 3;
const VERSION_NUMBER: u16 = 0x7fff;
const VERSION_HIDDEN: u16 = 0x8000;
const VERSION_GLOBAL: u16 = 1;
const VERDEF_SIZE: usize = 20;

impl core::fmt::Display for ExecutableFunction<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)?;
        match self.version {
            Some(version) => f.write_str(&format!("{}{version}", if self.is_default { "@@" } else { "@" })),
            None => Ok(()),
        }
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn bytes_of<'d>(data: &'d [u8], section: &SectionHeader) -> Option<&'d [u8]> {
    if section.sh_type == section_header::SHT_NOBITS {
        return None;
    }
    data.get(at(section.sh_offset)..)?.get(..at(section.sh_size))
}

fn u16_at(data: &[u8], offset: usize, endian: Endian) -> Option<u16> {
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

#[cfg(test)]
mod tests {
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
