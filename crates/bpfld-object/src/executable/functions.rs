//! Functions of an executable, by name and version.

use alloc::collections::BTreeMap;
use alloc::format;

use goblin::elf::header;
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::sym::{self, Sym, Symtab};

use super::Executable;
use super::numbers::{at, bytes_of, u16_at, u32_at};
use crate::elf::string_at;
use crate::{Error, ErrorKind};

const VERSION_NUMBER: u16 = 0x7fff;
const VERSION_HIDDEN: u16 = 0x8000;
const VERSION_GLOBAL: u16 = 1;
const VERDEF_SIZE: usize = 20;

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

impl core::fmt::Display for ExecutableFunction<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)?;
        match self.version {
            Some(version) => f.write_str(&format!("{}{version}", if self.is_default { "@@" } else { "@" })),
            None => Ok(()),
        }
    }
}

impl<'d> Executable<'d> {
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
    pub(super) fn read_versions(&self) -> BTreeMap<u16, &'d str> {
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
