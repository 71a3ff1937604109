//! The object file: sections, symbols, relocations.

mod code;
mod declarations;
mod definitions;
mod jumps;
mod symbols;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_insn::asm::{Assembly, Diagnostic, Function, RelocationKind, Section, Span, Symbol};
use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::write::{Object as File, SectionId, SymbolId};
use object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind};

use super::lines::Lines;
use super::map::Map;
use super::types::TypeInfo;

/// An object file being made of an assembly.
pub(super) struct Object<'a> {
    assembly: &'a Assembly,
    name: &'a str,
    endian: Endian,
    errors: Vec<Diagnostic>,
    file: File<'static>,
    info: TypeInfo,
    /// The file's section for each of the text's.
    sections: Vec<Option<SectionId>>,
    /// The symbols at their starts, for sections of code.
    starts: Vec<Option<SymbolId>>,
    /// The file's symbol for each of the text's.
    symbols: Vec<Option<SymbolId>>,
    maps: BTreeMap<&'a str, SymbolId>,
    /// By section and place.
    functions: Vec<Function<'a>>,
    /// The symbols of each section of the text, by place.
    inside: Vec<Vec<&'a Symbol>>,
    map_names: BTreeSet<&'a str>,
    extern_names: BTreeSet<&'a str>,
    lines: Lines<'a>,
}

/// What a section of the text is to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Code,
    Data,
    ReadOnly,
    Zeros,
    Empty,
}

impl Role {
    fn of(section: &Section) -> Self {
        let is = |base: &str| {
            section
                .name
                .strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match (section.slots.is_empty(), section.data.is_empty()) {
            (false, _) => Self::Code,
            (_, true) => Self::Empty,
            _ if is(".bss") => Self::Zeros,
            _ if is(".rodata") => Self::ReadOnly,
            _ => Self::Data,
        }
    }
}

impl<'a> Object<'a> {
    pub(super) fn new(assembly: &'a Assembly, text: &'a str, name: &'a str, endian: Endian) -> Self {
        let order = match endian {
            Endian::Little => Endianness::Little,
            Endian::Big => Endianness::Big,
        };
        let mut inside = vec![Vec::new(); assembly.sections.len()];
        for symbol in &assembly.symbols {
            if let Some(list) = symbol.section.and_then(|section| inside.get_mut(section)) {
                list.push(symbol);
            }
        }
        for list in &mut inside {
            list.sort_by_key(|symbol: &&Symbol| symbol.at);
        }
        Self {
            assembly,
            inside,
            map_names: assembly.maps.iter().map(|map| &*map.name).collect(),
            extern_names: assembly.externs.iter().map(|item| &*item.name).collect(),
            name,
            endian,
            errors: Vec::new(),
            file: File::new(BinaryFormat::Elf, Architecture::Bpf, order),
            info: TypeInfo::default(),
            sections: vec![None; assembly.sections.len()],
            starts: vec![None; assembly.sections.len()],
            symbols: vec![None; assembly.symbols.len()],
            lines: Lines::new(text),
            maps: BTreeMap::new(),
            functions: assembly.functions(),
        }
    }

    /// What is wrong.
    pub(super) fn into_errors(self) -> Vec<Diagnostic> {
        self.errors
    }

    /// The file. If the text is known to have mistakes, only what does not follow from these is looked at.
    pub(super) fn write(&mut self, is_whole: bool) -> Vec<u8> {
        let maps: Vec<Map<'a>> = self
            .assembly
            .maps
            .iter()
            .map(|declaration| Map::read(declaration, &mut self.errors))
            .collect();
        let result = self
            .externs()
            .and_then(|()| if is_whole { self.contents(&maps) } else { Ok(()) });
        match result {
            Err(error) => {
                // no text can name a type or string that BTF does not take, but it can be too much
                self.error(Diagnostic::new(Span::default(), error.to_string()));
                Vec::new()
            }
            Ok(()) if !is_whole || !self.errors.is_empty() => Vec::new(),
            Ok(()) => self.finish(),
        }
    }

    fn contents(&mut self, maps: &[Map<'a>]) -> Result<(), bpfld_btf::Error> {
        for (index, section) in self.assembly.sections.iter().enumerate() {
            self.section(index, section);
        }
        self.symbols();
        self.functions()?;
        self.variables()?;
        self.maps(maps)?;
        for (index, section) in self.assembly.sections.iter().enumerate() {
            self.code(index, section)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Vec<u8> {
        let (btf, ext) = self.info.to_bytes(self.endian);
        for (name, bytes) in [(".BTF", btf), (".BTF.ext", ext)] {
            let section = self.file.add_section(Vec::new(), name.into(), SectionKind::Other);
            self.file.set_section_data(section, bytes, 4);
        }
        self.file.write().unwrap_or_else(|error| {
            self.error(Diagnostic::new(Span::default(), error.to_string()));
            Vec::new()
        })
    }

    #[expect(clippy::boxed_local, reason = "this is how they are made")]
    fn error(&mut self, error: Box<Diagnostic>) {
        self.errors.push(*error);
    }

    fn relocate(&mut self, section: SectionId, offset: u64, symbol: SymbolId, kind: RelocationKind) {
        let r_type = if kind == RelocationKind::Call {
            R_BPF_64_32
        } else {
            R_BPF_64_64
        };
        let relocation = object::write::Relocation {
            offset,
            symbol,
            addend: 0,
            flags: RelocationFlags::Elf { r_type },
        };
        if let Err(error) = self.file.add_relocation(section, relocation) {
            self.error(Diagnostic::new(Span::default(), error.to_string()));
        }
    }
}
