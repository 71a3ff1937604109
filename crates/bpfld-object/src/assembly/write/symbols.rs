//! Sections, and the symbols in them.

use alloc::format;
use alloc::vec::Vec;

use bpfld_insn::SLOT_BYTES;
use bpfld_insn::asm::{Binding, Diagnostic, Function, Section, Span, Symbol, SymbolKind as Kind};
use object::write::{StandardSegment, SymbolId, SymbolSection};
use object::{SectionKind, SymbolFlags, SymbolKind, SymbolScope};

use super::{Object, Role};
use crate::program::TEXT;

impl<'a> Object<'a> {
    pub(super) fn section(&mut self, index: usize, section: &Section) {
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

    pub(super) fn symbols(&mut self) {
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
    pub(super) fn variable_size(&self, home: &Section, symbol: &Symbol) -> u64 {
        if symbol.size != 0 {
            return symbol.size;
        }
        let labels = symbol.section.and_then(|section| self.inside.get(section));
        let labels = labels.map_or(&[][..], Vec::as_slice);
        let later = labels.partition_point(|other| other.at <= symbol.at);
        let end = labels.get(later).map_or(home.data.len(), |later| later.at);
        end.saturating_sub(symbol.at) as u64
    }

    /// The functions of a section.
    pub(super) fn functions_of(&self, section: usize) -> &[Function<'a>] {
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
    pub(super) fn is_lone_program(&self, symbol: &Symbol) -> bool {
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
}
