//! The object file: sections, symbols, relocations.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_btf::{Linkage, SectionEntry, TypeId};
use bpfld_insn::asm::{
    Assembly, Binding, Diagnostic, ExternKind, Function, Relocation, RelocationKind, Section, Span, Symbol,
    SymbolKind as Kind,
};
use bpfld_insn::{Endian, SLOT_BYTES, Slot, pseudo};
use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::write::{Object as File, SectionId, StandardSegment, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

use super::declaration::Declared;
use super::lines::Lines;
use super::map::Map;
use super::types::TypeInfo;
use crate::datasec::{KCONFIG, KSYMS};
use crate::map_btf::MAPS;
use crate::program::TEXT;

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

    // sections and symbols

    fn section(&mut self, index: usize, section: &Section) {
        let (kind, segment) = match Role::of(section) {
            Role::Code => (SectionKind::Text, StandardSegment::Text),
            Role::Data => (SectionKind::Data, StandardSegment::Data),
            Role::ReadOnly => (SectionKind::ReadOnlyData, StandardSegment::Data),
            Role::Zeros => (SectionKind::UninitializedData, StandardSegment::Data),
            Role::Empty => return,
        };
        let segment = self.file.segment_name(segment).to_vec();
        let id = self
            .file
            .add_section(segment, section.name.clone().into_bytes(), kind);
        match kind {
            // instructions follow when their references are known
            SectionKind::Text => {
                let start = self.file.section_symbol(id);
                if let Some(place) = self.starts.get_mut(index) {
                    *place = Some(start);
                }
            }
            SectionKind::UninitializedData => {
                if let Some(at) = section.data.iter().position(|byte| *byte != 0) {
                    let span = self.data_span(index, at);
                    let error = Diagnostic::new(span, format!("what is in {} is zero", section.name));
                    self.error(error.help("data with other values belongs into `.section .data`"));
                }
                self.file.append_section_bss(id, section.data.len() as u64, 8);
            }
            _ => self.file.set_section_data(id, section.data.clone(), 8),
        }
        if let Some(place) = self.sections.get_mut(index) {
            *place = Some(id);
        }
        for relocation in section.relocations.iter().filter(|_| kind != SectionKind::Text) {
            let symbol = self.assembly.symbols.get(relocation.symbol);
            let name = symbol.map_or("", |symbol| &symbol.name);
            let error = Diagnostic::new(
                self.data_span(index, relocation.at),
                format!("nobody fills in the address of `{name}` in data"),
            );
            self.error(error.help("only instructions can refer to symbols"));
        }
    }

    /// A place to blame for a byte of a section of data: the last label before.
    fn data_span(&self, section: usize, at: usize) -> Span {
        let labels = self.inside.get(section).map_or(&[][..], Vec::as_slice);
        let after = labels.partition_point(|symbol| symbol.at <= at);
        let last = after.checked_sub(1).and_then(|last| labels.get(last));
        last.map_or(Span::default(), |symbol| symbol.span)
    }

    fn symbols(&mut self) {
        for (index, symbol) in self.assembly.symbols.iter().enumerate() {
            let id = match symbol.section {
                Some(section) => self.defined(section, symbol),
                None => self.undefined(symbol),
            };
            if let Some(place) = self.symbols.get_mut(index) {
                *place = id;
            }
        }
    }

    fn defined(&mut self, section: usize, symbol: &Symbol) -> Option<SymbolId> {
        let id = (*self.sections.get(section)?)?;
        let home = self.assembly.sections.get(section)?;
        if home.name == symbol.name {
            return Some(self.file.section_symbol(id));
        }
        let (kind, value, size) = match symbol.kind {
            Kind::Label => return None,
            Kind::Function => {
                let functions = self.functions_of(section);
                let from = functions.partition_point(|other| other.slots.start < symbol.at);
                let mut here = functions.get(from..).unwrap_or_default().iter();
                let function = here.find(|function| function.symbol == symbol)?;
                let bytes = |slots: usize| (slots * SLOT_BYTES) as u64;
                (
                    SymbolKind::Text,
                    bytes(function.slots.start),
                    bytes(function.slots.len()),
                )
            }
            Kind::Object => (
                SymbolKind::Data,
                symbol.at as u64,
                self.variable_size(home, symbol),
            ),
        };
        let is_local = symbol.binding == Binding::Local && !self.is_lone_program(symbol);
        Some(self.file.add_symbol(object::write::Symbol {
            name: symbol.name.clone().into_bytes(),
            value,
            size,
            kind,
            scope: if is_local {
                SymbolScope::Compilation
            } else {
                SymbolScope::Dynamic
            },
            weak: symbol.binding == Binding::Weak,
            section: SymbolSection::Section(id),
            flags: SymbolFlags::None,
        }))
    }

    fn undefined(&mut self, symbol: &Symbol) -> Option<SymbolId> {
        if self.map_names.contains(&*symbol.name) {
            return None;
        }
        if symbol.kind == Kind::Object && !self.extern_names.contains(&*symbol.name) {
            let declared = symbol.binding == Binding::Local;
            if declared {
                let error = Diagnostic::new(
                    symbol.span,
                    format!("`{}` is declared, but defined nowhere", symbol.name),
                );
                self.error(error.help(format!(
                    "if it is a map, say which: `.map {} hash key=4 …`",
                    symbol.name
                )));
                return None;
            }
        }
        Some(self.file.add_symbol(object::write::Symbol {
            name: symbol.name.clone().into_bytes(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Unknown,
            weak: symbol.binding == Binding::Weak,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        }))
    }

    /// The size of a variable: as said, or else up to the next label.
    fn variable_size(&self, home: &Section, symbol: &Symbol) -> u64 {
        if symbol.size != 0 {
            return symbol.size;
        }
        let labels = symbol.section.and_then(|section| self.inside.get(section));
        let labels = labels.map_or(&[][..], Vec::as_slice);
        let later = labels.partition_point(|other| other.at <= symbol.at);
        let end = labels.get(later).map_or(home.data.len(), |later| later.at);
        end.saturating_sub(symbol.at) as u64
    }

    // functions and variables

    /// The functions of a section.
    fn functions_of(&self, section: usize) -> &[Function<'a>] {
        let from = self
            .functions
            .partition_point(|function| function.section < section);
        let to = self
            .functions
            .partition_point(|function| function.section <= section);
        self.functions.get(from..to).unwrap_or_default()
    }

    /// Whether a function is the program of its section although nothing says so: it is the first, and no other is
    /// visible to others.
    fn is_lone_program(&self, symbol: &Symbol) -> bool {
        let Some(section) = symbol
            .section
            .filter(|_| symbol.at == 0 && symbol.kind == Kind::Function)
        else {
            return false;
        };
        let is_text = self
            .assembly
            .sections
            .get(section)
            .is_none_or(|home| home.name == TEXT);
        let mut siblings = self.functions_of(section).iter();
        !is_text && siblings.all(|function| function.symbol.binding == Binding::Local)
    }

    fn functions(&mut self) -> Result<(), bpfld_btf::Error> {
        for (index, section) in self.assembly.sections.iter().enumerate() {
            if Role::of(section) != Role::Code {
                continue;
            }
            let first = self.functions_of(index).first();
            if first.is_none_or(|first| first.slots.start > 0) {
                let span = section.spans.first().copied().unwrap_or_default();
                let error = Diagnostic::new(
                    span,
                    format!(
                        "instructions of section `{}` before its first function",
                        section.name
                    ),
                );
                self.error(error.help("name the function by a label: `main:`"));
            }
        }
        let mut before = None;
        for function in self.functions.clone() {
            let Function {
                symbol,
                section,
                slots,
            } = function;
            if slots.is_empty() {
                let error = Diagnostic::new(
                    symbol.span,
                    format!("function `{}` has no instructions", symbol.name),
                );
                self.error(error);
                continue;
            }
            let Some(home) = self.assembly.sections.get(section) else {
                continue;
            };
            let is_program =
                home.name != TEXT && (symbol.binding != Binding::Local || self.is_lone_program(symbol));
            let linkage = if is_program {
                Linkage::GLOBAL
            } else {
                Linkage::STATIC
            };
            // of two names for one function, BTF knows the first
            let is_new = before != Some((section, slots.start));
            before = Some((section, slots.start));
            if is_new && TypeInfo::takes(&symbol.name) {
                self.info
                    .function(&home.name, slots.start, &symbol.name, linkage)?;
            }
        }
        Ok(())
    }

    fn variables(&mut self) -> Result<(), bpfld_btf::Error> {
        for (index, section) in self.assembly.sections.iter().enumerate() {
            let role = Role::of(section);
            if matches!(role, Role::Code | Role::Empty) || !section.name.starts_with('.') {
                continue;
            }
            let symbols = self.inside.get(index).cloned().unwrap_or_default();
            let (mut entries, mut end) = (Vec::new(), 0);
            for symbol in symbols {
                let size = self.variable_size(section, symbol);
                // BTF has no two variables in one place
                if size == 0 || symbol.at < end || !TypeInfo::takes(&symbol.name) {
                    continue;
                }
                let whole = (symbol.at as u64).checked_add(size);
                if whole.is_none_or(|end| end > section.data.len() as u64) {
                    let error = Diagnostic::new(
                        symbol.span,
                        format!("`{}` reaches beyond the end of its section", symbol.name),
                    );
                    self.error(error);
                    continue;
                }
                let (offset, size) = (symbol.at as u32, size as u32);
                end = symbol.at + size as usize;
                let linkage = match symbol.binding {
                    Binding::Local => Linkage::STATIC,
                    Binding::Global | Binding::Weak => Linkage::GLOBAL,
                };
                let type_id = self.info.variable(&symbol.name, size, offset, linkage)?;
                entries.push(SectionEntry {
                    type_id,
                    offset,
                    size,
                });
            }
            self.info
                .section(&section.name, section.data.len() as u32, &entries)?;
        }
        Ok(())
    }

    // declarations

    fn externs(&mut self) -> Result<(), bpfld_btf::Error> {
        let (mut ksyms, mut kconfig) = (Vec::new(), Vec::new());
        for item in &self.assembly.externs {
            let declared = match &item.c_type {
                Some((text, span)) => self
                    .info
                    .types
                    .read(&mut self.info.builder, text, *span)
                    .map(Some),
                None => Ok(None),
            };
            let declared = match declared {
                Ok(declared) => declared,
                Err(error) => {
                    self.error(error);
                    continue;
                }
            };
            let span = item.c_type.as_ref().map_or(item.span, |(_, span)| *span);
            let (type_id, size) = match (item.kind, declared) {
                (ExternKind::Kfunc, Some(Declared::Prototype(prototype))) => (
                    self.info
                        .builder
                        .function(&item.name, Linkage::EXTERN, prototype)?,
                    0,
                ),
                (ExternKind::Kfunc, _) => {
                    let error = Diagnostic::new(span, "the type of a kernel function is needed");
                    self.error(error.help(format!(
                        "for example `.kfunc {}, \"int (struct sock *, u64)\"`",
                        item.name
                    )));
                    continue;
                }
                (_, Some(Declared::Prototype(_))) => {
                    let error = Diagnostic::new(span, "this is the type of a function");
                    self.error(error.help("functions of the kernel are declared by `.kfunc`"));
                    continue;
                }
                (ExternKind::Kconfig, None) => {
                    let error = Diagnostic::new(span, "the type of a configuration value is needed");
                    self.error(error.help(format!("for example `.kconfig {}, \"bool\"`", item.name)));
                    continue;
                }
                (_, Some(Declared::Type(ty))) => (
                    self.info.builder.variable(&item.name, ty.id, Linkage::EXTERN)?,
                    ty.size,
                ),
                (_, None) => (
                    self.info
                        .builder
                        .variable(&item.name, TypeId::VOID, Linkage::EXTERN)?,
                    0,
                ),
            };
            let list = match item.kind {
                ExternKind::Kconfig => &mut kconfig,
                ExternKind::Kfunc | ExternKind::Ksym => &mut ksyms,
            };
            list.push(SectionEntry {
                type_id,
                offset: 0,
                size,
            });
        }
        // compilers leave the places to the loader
        self.info.section(KCONFIG, 0, &kconfig)?;
        self.info.section(KSYMS, 0, &ksyms)
    }

    fn maps(&mut self, maps: &[Map<'a>]) -> Result<(), bpfld_btf::Error> {
        let real: Vec<&Map<'a>> = maps.iter().filter(|map| !map.template).collect();
        if real.is_empty() {
            return Ok(());
        }
        let segment = self.file.segment_name(StandardSegment::Data).to_vec();
        let section = self.file.add_section(segment, MAPS.into(), SectionKind::Data);
        let (mut end, mut entries, mut values) = (0_u32, Vec::new(), Vec::new());
        for map in &real {
            let inner = map.inner.and_then(|(name, span)| {
                let found = maps.iter().find(|other| other.name == name);
                if found.is_none() {
                    let error = Diagnostic::new(span, format!("there is no map `{name}`"));
                    let names = maps.iter().map(|map| map.name);
                    self.error(
                        error
                            .did_you_mean(name, names)
                            .other(map.span, "for this map of maps"),
                    );
                }
                found.filter(|inner| inner.inner.is_none())
            });
            if let (Some((name, span)), None) = (map.inner, inner)
                && maps.iter().any(|other| other.name == name)
            {
                self.error(Diagnostic::new(span, "an inner map cannot have inner maps"));
            }
            let (ty, start) = self.info.map(map, inner)?;
            let count = map.values.as_ref().map_or(0, |(values, _)| values.len() as u32);
            let size = start + 8 * count;
            let type_id = self.info.builder.variable(map.name, ty, Linkage::GLOBAL)?;
            entries.push(SectionEntry {
                type_id,
                offset: end,
                size,
            });
            let symbol = self.file.add_symbol(object::write::Symbol {
                name: map.name.into(),
                value: end.into(),
                size: size.into(),
                kind: SymbolKind::Data,
                scope: SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
            self.maps.insert(map.name, symbol);
            let (list, span) = map.values.clone().unwrap_or_default();
            let places = (end + start..).step_by(8);
            values.extend(places.zip(list).map(|(place, name)| (place, name, span)));
            end += size;
        }
        self.file.set_section_data(section, vec![0; end as usize], 8);
        for (offset, name, span) in values.into_iter().filter(|(_, name, _)| *name != "-") {
            match self.maps.get(name).copied().or_else(|| self.program(name)) {
                Some(symbol) => self.relocate(section, offset.into(), symbol, RelocationKind::Load),
                None => {
                    let names = self.maps.keys().copied();
                    let names = names.chain(self.functions.iter().map(|function| &*function.symbol.name));
                    let error = Diagnostic::new(span, format!("there is no map or program `{name}`"));
                    let error = error.did_you_mean(name, names);
                    self.error(error);
                }
            }
        }
        self.info.section(MAPS, end, &entries)
    }

    /// The symbol of a function.
    fn program(&self, name: &str) -> Option<SymbolId> {
        let is = |symbol: &Symbol| symbol.name == name && symbol.kind == Kind::Function;
        let index = self.assembly.symbols.iter().position(is)?;
        *self.symbols.get(index)?
    }

    // instructions

    fn code(&mut self, index: usize, section: &Section) -> Result<(), bpfld_btf::Error> {
        let Some(id) = self.sections.get(index).copied().flatten() else {
            return Ok(());
        };
        if Role::of(section) != Role::Code {
            return Ok(());
        }
        let mut slots = section.slots.clone();
        for relocation in &section.relocations {
            let span = section.spans.get(relocation.at).copied().unwrap_or_default();
            let second = slots.get(relocation.at + 1).copied();
            let Some(slot) = slots.get_mut(relocation.at) else {
                continue;
            };
            match self.reference(relocation, slot, span) {
                // that it is nowhere has been said of the symbol
                Err(_) if self.is_nowhere(relocation.symbol) => {}
                Ok(symbol) => self.relocate(id, (relocation.at * SLOT_BYTES) as u64, symbol, relocation.kind),
                Err(error) => self.error(error),
            }
            if let (RelocationKind::Load, Some(second), Some(place)) =
                (relocation.kind, second, slots.get_mut(relocation.at + 1))
            {
                *place = Slot::new(second.opcode, 0, 0, 0, 0);
            }
        }
        self.function_addresses(id, &mut slots);
        let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.to_bytes(self.endian)).collect();
        self.file.set_section_data(id, bytes, 8);
        self.lines(index, section)
    }

    /// Prepares an instruction for its relocation, and finds the symbol.
    fn reference(
        &self,
        relocation: &Relocation,
        slot: &mut Slot,
        span: Span,
    ) -> Result<SymbolId, Box<Diagnostic>> {
        let Relocation {
            symbol: index,
            addend,
            kind,
            ..
        } = *relocation;
        let error = |message: &str| Diagnostic::new(span, message.to_string());
        let Some(symbol) = self.assembly.symbols.get(index) else {
            return Err(error("refers to nothing"));
        };
        let is_call = kind == RelocationKind::Call;
        if let Some(map) = self.maps.get(&*symbol.name).filter(|_| symbol.section.is_none()) {
            return match (is_call, addend) {
                (true, _) => Err(error("a map cannot be called")),
                (_, 0) => Ok(*map),
                _ => Err(error("a map itself has no places; only its elements have")),
            };
        }
        if self.map_names.contains(&*symbol.name) {
            return Err(error("this map is a template only"));
        }
        let home = symbol.section.and_then(|home| self.assembly.sections.get(home));
        let id = self.symbols.get(index).copied().flatten();
        if home.is_some_and(|home| Role::of(home) == Role::Code) {
            let start = symbol
                .section
                .and_then(|home| self.starts.get(home).copied().flatten());
            let target = (symbol.at as i64).saturating_add(addend / SLOT_BYTES as i64);
            // a local function is a place in its section, as compilers write it
            let (value, id) = match id.filter(|_| symbol.binding != Binding::Local) {
                Some(id) => (addend / SLOT_BYTES as i64, Some(id)),
                None => (target, start),
            };
            let value = if is_call {
                value - 1
            } else {
                value * SLOT_BYTES as i64
            };
            let imm = i32::try_from(value).map_err(|_| error("the function is too far away"))?;
            if addend % SLOT_BYTES as i64 != 0 {
                return Err(error("not at an instruction"));
            }
            slot.imm = imm;
            return id.ok_or_else(|| error("refers to nothing"));
        }
        if is_call && home.is_some() {
            return Err(error("this is data and cannot be called"));
        }
        if home.is_none() && addend != 0 {
            return Err(error("what is elsewhere has no places here"));
        }
        if !is_call {
            slot.imm = i32::try_from(addend).map_err(|_| error("too far from the symbol"))?;
        }
        id.ok_or_else(|| error("refers to nothing: its section is empty"))
    }

    /// Whether a symbol is declared to be here and is not.
    fn is_nowhere(&self, index: usize) -> bool {
        let known = self.symbols.get(index).copied().flatten();
        let symbol = self.assembly.symbols.get(index);
        known.is_none()
            && symbol
                .is_some_and(|symbol| symbol.section.is_none() && !self.map_names.contains(&*symbol.name))
    }

    /// Addresses of functions in the same section, which the assembler has resolved: to loaders they are relocations.
    fn function_addresses(&mut self, id: SectionId, slots: &mut [Slot]) {
        for at in 0..slots.len() {
            let Some(slot) = slots.get_mut(at) else { continue };
            if !slot.is_ldimm64() || slot.src() != pseudo::LOAD_FUNC {
                continue;
            }
            let target = at as i64 + i64::from(slot.imm) + 1;
            let Ok(imm) = i32::try_from(target * SLOT_BYTES as i64) else {
                continue;
            };
            *slot = slot.with_src(0);
            slot.imm = imm;
            let symbol = self.file.section_symbol(id);
            self.relocate(id, (at * SLOT_BYTES) as u64, symbol, RelocationKind::Load);
        }
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

    /// Line information: where in the text each instruction stands.
    fn lines(&mut self, index: usize, section: &Section) -> Result<(), bpfld_btf::Error> {
        let functions = self.functions_of(index).iter();
        let starts: Vec<usize> = functions.map(|function| function.slots.start).collect();
        let mut before = None;
        for (at, span) in section.spans.iter().enumerate() {
            if before == Some(*span) && starts.binary_search(&at).is_err() {
                continue;
            }
            before = Some(*span);
            self.info
                .line(&section.name, at, self.name, self.lines.of(*span))?;
        }
        Ok(())
    }
}
