//! The types of what the text defines: functions and variables.

use alloc::format;
use alloc::vec::Vec;

use bpfld_btf::{Linkage, SectionEntry};
use bpfld_insn::asm::{Binding, Diagnostic, Function};

use super::{Object, Role};
use crate::assembly::types::TypeInfo;
use crate::program::TEXT;

impl Object<'_> {
    pub(super) fn functions(&mut self) -> Result<(), bpfld_btf::Error> {
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

    pub(super) fn variables(&mut self) -> Result<(), bpfld_btf::Error> {
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
}
