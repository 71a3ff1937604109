//! Instructions, what they refer to, and where in the text they stand.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use bpfld_insn::asm::{Binding, Diagnostic, Relocation, RelocationKind, Section, Span};
use bpfld_insn::{SLOT_BYTES, Slot, pseudo};
use object::write::{SectionId, SymbolId};

use super::{Object, Role};

impl Object<'_> {
    pub(super) fn code(&mut self, index: usize, section: &Section) -> Result<(), bpfld_btf::Error> {
        let Some(id) = self.sections.get(index).copied().flatten() else {
            return Ok(());
        };
        if Role::of(section) != Role::Code {
            return Ok(());
        }
        self.jumps(index, section);
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
