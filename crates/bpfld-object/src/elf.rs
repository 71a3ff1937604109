//! The container: header, sections, symbols and relocations of an ELF file, with every offset checked once, here.

mod section;
mod symbol;

use alloc::format;
use alloc::vec::Vec;

use bpfld_btf::Bytes;
use bpfld_insn::Endian;
use goblin::container::{Container, Ctx, Endian as ElfEndian};
use goblin::elf::header::{self, Header};
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym::Symtab;
use hashbrown::HashMap;

pub use self::section::Section;
pub(crate) use self::symbol::Symbol;
use crate::{Error, ErrorKind, SectionIndex};

/// Larger files are refused: every offset and count then fits in 32 bits.
const MAX_FILE: usize = u32::MAX as usize;
/// The total length of all names, in multiples of the file's: names may share bytes, but not all of them all.
const MAX_NAMES: usize = 8;
const SYMBOL_SIZE: u64 = 24;
const REL_SIZE: u64 = 16;

/// A relocation, as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRelocation {
    pub(crate) offset: u64,
    pub(crate) symbol: u32,
}

/// An ELF file of which header, sections and symbols have been read.
#[derive(Debug)]
pub(crate) struct Elf<'d> {
    pub(crate) data: &'d [u8],
    pub(crate) endian: Endian,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol<'d>>,
    /// The first section of each name.
    by_name: HashMap<&'d str, SectionIndex>,
}

impl<'d> Elf<'d> {
    pub(crate) fn parse(data: &'d [u8]) -> Result<Self, Error> {
        let (header, endian, ctx) = read_header(data)?;
        check_header(&header)?;
        let (sections, by_name) = read_sections(data, &header, ctx)?;
        let symbols = read_symbols(data, &sections, ctx)?;
        Ok(Self {
            data,
            endian,
            sections,
            symbols,
            by_name,
        })
    }

    /// The sections alone, of a file for any machine: object, executable or kernel image.
    pub(crate) fn parse_sections(data: &'d [u8]) -> Result<Self, Error> {
        let (header, endian, ctx) = read_header(data)?;
        check_section_headers(&header)?;
        let (sections, by_name) = read_sections(data, &header, ctx)?;
        Ok(Self {
            data,
            endian,
            sections,
            symbols: Vec::new(),
            by_name,
        })
    }

    /// What is to be kept.
    pub(crate) fn into_parts(self) -> (Endian, Vec<Section>) {
        (self.endian, self.sections)
    }

    pub(crate) fn section(&self, index: SectionIndex) -> Option<&Section> {
        self.sections.get(index.index())
    }

    /// The first section of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Section> {
        self.by_name.get(name).and_then(|index| self.section(*index))
    }

    /// The bytes of a section that must have some.
    pub(crate) fn section_data(&self, section: &Section) -> Result<&'d [u8], Error> {
        if section.is_nobits() {
            return Ok(&[]);
        }
        section
            .file_range()
            .and_then(|range| self.data.get(range))
            .ok_or_else(|| {
                Error::new(ErrorKind::Section, "reaches beyond the end of the file").section(&section.name)
            })
    }

    /// The bytes of the section of this name, if it has any, shared with those of the file.
    pub(crate) fn shared(&self, bytes: &Bytes, name: &str) -> Result<Option<Bytes>, Error> {
        let Some(section) = self.named(name).filter(|section| section.size > 0) else {
            return Ok(None);
        };
        if !section.is_progbits() {
            return Err(Error::new(ErrorKind::Section, "has no bytes").section(name));
        }
        self.section_data(section)?;
        Ok(section.file_range().and_then(|range| bytes.slice(range)))
    }

    pub(crate) fn symbol(&self, index: u32) -> Option<&Symbol<'d>> {
        self.symbols.get(index as usize)
    }

    /// The relocations of a `SHT_REL` section.
    pub(crate) fn relocations(
        &self,
        section: &Section,
    ) -> Result<impl ExactSizeIterator<Item = RawRelocation> + use<'d>, Error> {
        let data = self.section_data(section)?;
        if section.entry_size != REL_SIZE || !(data.len() as u64).is_multiple_of(REL_SIZE) {
            return Err(
                Error::new(ErrorKind::Section, "relocation records are not of 16 bytes")
                    .section(&section.name),
            );
        }
        let endian = self.endian;
        Ok(data.as_chunks::<16>().0.iter().map(move |record| {
            let (offset, info) = (word64(record, 0, endian), word64(record, 8, endian));
            RawRelocation {
                offset,
                symbol: (info >> 32) as u32,
            }
        }))
    }

    pub(crate) fn u32(&self, bytes: [u8; 4]) -> u32 {
        match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }
}

fn word64(record: &[u8; 16], half: usize, endian: Endian) -> u64 {
    let bytes = record
        .get(half..)
        .and_then(|tail| tail.first_chunk())
        .copied()
        .unwrap_or_default();
    match endian {
        Endian::Little => u64::from_le_bytes(bytes),
        Endian::Big => u64::from_be_bytes(bytes),
    }
}

/// The file header, if it is of a 64-bit ELF file.
fn read_header(data: &[u8]) -> Result<(Header, Endian, Ctx), Error> {
    if data.len() > MAX_FILE {
        return Err(Error::new(ErrorKind::Limit, "file is larger than 4 GiB"));
    }
    if data.get(..4) != Some(header::ELFMAG) {
        return Err(Error::elf("not an ELF file"));
    }
    match data.get(header::EI_CLASS) {
        Some(&header::ELFCLASS64) => {}
        Some(&header::ELFCLASS32) => return Err(Error::elf("a 32-bit ELF file; BPF objects are 64-bit")),
        _ => return Err(Error::elf("unknown ELF class")),
    }
    let (endian, elf_endian) = match data.get(header::EI_DATA) {
        Some(&header::ELFDATA2LSB) => (Endian::Little, ElfEndian::Little),
        Some(&header::ELFDATA2MSB) => (Endian::Big, ElfEndian::Big),
        _ => return Err(Error::elf("unknown byte order")),
    };
    let header = goblin::elf::Elf::parse_header(data).map_err(|_| Error::elf("file header is cut off"))?;
    Ok((header, endian, Ctx::new(Container::Big, elf_endian)))
}

fn check_header(header: &Header) -> Result<(), Error> {
    if header.e_type != header::ET_REL {
        return Err(Error::elf(
            "not an object file: BPF objects are relocatable (ET_REL)",
        ));
    }
    // compilers before LLVM 3.9 or so knew no number for BPF
    if header.e_machine != header::EM_BPF && header.e_machine != header::EM_NONE {
        return Err(Error::elf(format!(
            "an object for ELF machine {}, not for BPF (247)",
            header.e_machine
        )));
    }
    check_section_headers(header)
}

fn check_section_headers(header: &Header) -> Result<(), Error> {
    if header.e_shoff != 0 && u64::from(header.e_shentsize) != section_header_size() {
        return Err(Error::elf(format!(
            "section headers of {} bytes",
            header.e_shentsize
        )));
    }
    Ok(())
}

fn section_header_size() -> u64 {
    SectionHeader::size(Ctx::new(Container::Big, ElfEndian::Little)) as u64
}

fn read_sections<'d>(
    data: &'d [u8],
    header: &Header,
    ctx: Ctx,
) -> Result<(Vec<Section>, HashMap<&'d str, SectionIndex>), Error> {
    let start = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let headers = SectionHeader::parse(data, start, usize::from(header.e_shnum), ctx)
        .map_err(|_| Error::elf("section headers reach beyond the end of the file").at(header.e_shoff))?;
    let names = match u32::from(header.e_shstrndx) {
        section_header::SHN_XINDEX => headers.first().map_or(0, |first| first.sh_link),
        names => names,
    };
    let names = headers
        .get(names as usize)
        .filter(|section| section.sh_type == section_header::SHT_STRTAB)
        .and_then(|section| {
            let start = usize::try_from(section.sh_offset).ok()?;
            data.get(start..start.checked_add(usize::try_from(section.sh_size).ok()?)?)
        })
        .ok_or_else(|| Error::elf("section names are missing"))?;
    let mut budget = data.len() * MAX_NAMES;
    let mut sections = Vec::with_capacity(headers.len());
    let mut by_name = HashMap::with_capacity(headers.len());
    for (index, header) in headers.iter().enumerate() {
        let name = if index == 0 {
            Some("")
        } else {
            string_at(names, header.sh_name)
        };
        let name = name.ok_or_else(|| Error::elf(format!("section {index} has no valid name")))?;
        budget = budget.checked_sub(name.len()).ok_or_else(names_too_long)?;
        let section = Section::from_header(index, name, header, data.len());
        if index != 0 {
            by_name.entry(name).or_insert(section.index);
        }
        sections.push(section);
    }
    Ok((sections, by_name))
}

fn read_symbols<'d>(data: &'d [u8], sections: &[Section], ctx: Ctx) -> Result<Vec<Symbol<'d>>, Error> {
    let mut tables = sections
        .iter()
        .filter(|section| section.kind == section_header::SHT_SYMTAB);
    let table = tables
        .next()
        .ok_or_else(|| Error::elf("no symbol table; is the object stripped?"))?;
    if tables.next().is_some() {
        return Err(Error::elf("several symbol tables"));
    }
    let malformed = |detail: &'static str| Error::new(ErrorKind::Section, detail).section(&table.name);
    let range = table
        .file_range()
        .ok_or_else(|| malformed("reaches beyond the end of the file"))?;
    if table.entry_size != SYMBOL_SIZE || !(range.len() as u64).is_multiple_of(SYMBOL_SIZE) {
        return Err(malformed("symbols are not of 24 bytes"));
    }
    let names = sections
        .get(table.link as usize)
        .filter(|section| section.kind == section_header::SHT_STRTAB)
        .and_then(|section| data.get(section.file_range()?))
        .ok_or_else(|| malformed("names of the symbols are missing"))?;
    let count = range.len() / SYMBOL_SIZE as usize;
    if count == 0 {
        return Ok(Vec::new());
    }
    let symtab = Symtab::parse(data, range.start, count, ctx)
        .map_err(|_| malformed("reaches beyond the end of the file"))?;
    let mut symbols = Vec::with_capacity(count);
    let mut budget = data.len() * MAX_NAMES;
    for symbol in symtab.iter() {
        let offset = symbols.len() as u64 * SYMBOL_SIZE;
        let name = string_at(names, symbol.st_name)
            .ok_or_else(|| malformed("the symbol has no valid name").at(offset))?;
        budget = budget.checked_sub(name.len()).ok_or_else(names_too_long)?;
        symbols.push(Symbol {
            name,
            kind: symbol.st_type(),
            binding: symbol.st_bind(),
            visibility: symbol.st_visibility(),
            section: u32::try_from(symbol.st_shndx).unwrap_or(u32::MAX),
            value: symbol.st_value,
            size: symbol.st_size,
        });
    }
    Ok(symbols)
}

fn names_too_long() -> Error {
    Error::new(ErrorKind::Limit, "names are far longer than the file")
}

/// The string that begins at `offset`, if it ends, and is UTF-8.
pub(crate) fn string_at(strings: &[u8], offset: usize) -> Option<&str> {
    let tail = strings.get(offset..)?;
    let end = tail.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(&tail[..end]).ok()
}
