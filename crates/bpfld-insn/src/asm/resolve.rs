//! The second half of assembling: values that wait for labels, and the table of symbols.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::{Diagnostic, nearest};
use super::output::{Assembly, Binding, Relocation, RelocationKind, Symbol, SymbolKind};
use super::parser::{Attributes, Fixup, FixupKind, Label, Parse, Parser, Target};
use super::span::Span;
use crate::helper::Helper;
use crate::insn::{Address, Insn};
use crate::slot::Slot;

impl<'a> Parser<'a> {
    /// Fills in what waited, and hands over the result; errors are reported.
    pub(super) fn finish(&mut self) -> Assembly {
        let mut symbols = Symbols::default();
        for fixup in core::mem::take(&mut self.fixups) {
            if let Err(error) = self.resolve(&fixup, &mut symbols) {
                self.report(*error);
            }
        }
        let symbols = self.symbols(symbols);
        Assembly {
            sections: core::mem::take(&mut self.sections),
            symbols,
            maps: core::mem::take(&mut self.maps),
            externs: core::mem::take(&mut self.externs),
            warnings: core::mem::take(&mut self.warnings),
        }
    }

    fn resolve(&mut self, fixup: &Fixup<'a>, symbols: &mut Symbols) -> Parse<()> {
        match &fixup.target {
            Target::Distance(_) => Ok(()),
            Target::Local { number, forward } => self.resolve_local(fixup, *number, *forward),
            Target::Name(name) => match fixup.kind {
                FixupKind::Jump | FixupKind::JumpLong => self.resolve_jump(fixup, name),
                FixupKind::Call => self.resolve_call(fixup, name, symbols),
                FixupKind::Load => self.resolve_load(fixup, name, symbols),
                FixupKind::Data(bytes) => {
                    let kind = if bytes == 4 {
                        RelocationKind::Data32
                    } else {
                        RelocationKind::Data64
                    };
                    self.relocate(fixup, name, kind, symbols)
                }
            },
        }
    }

    /// `1f`, `1b`: the next or the last label of this number.
    fn resolve_local(&mut self, fixup: &Fixup<'a>, number: u64, forward: bool) -> Parse<()> {
        let places = self
            .locals
            .get(&(number, fixup.section))
            .map_or(&[][..], Vec::as_slice);
        // the label of the instruction itself is one before
        let split = places.partition_point(|place| *place <= fixup.at);
        let found = if forward {
            places.get(split)
        } else {
            split.checked_sub(1).and_then(|last| places.get(last))
        };
        match found {
            Some(at) => self.distance_to(fixup, *at),
            None => {
                let side = if forward { "below" } else { "above" };
                Err(Diagnostic::new(
                    fixup.span,
                    format!("there is no label {number}: {side}"),
                ))
            }
        }
    }

    fn resolve_jump(&mut self, fixup: &Fixup<'a>, name: &str) -> Parse<()> {
        let Some(label) = self.labels.get(name).copied() else {
            if let Some(distance) = self.known_constant(name) {
                return self.write_distance(fixup, distance);
            }
            let near = nearest(name, self.labels.keys().map(|name| &**name));
            return Err(Diagnostic::new(fixup.span, format!("there is no label `{name}`"))
                .maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
        };
        if label.section != fixup.section {
            return Err(Diagnostic::new(fixup.span, "jumps cannot leave the section")
                .other(label.span, "the label is here"));
        }
        self.distance_to(fixup, label.at)
    }

    /// Writes the distance to a slot of the same section.
    fn distance_to(&mut self, fixup: &Fixup<'a>, target: usize) -> Parse<()> {
        self.write_distance(fixup, target as i64 - fixup.at as i64 - 1)
    }

    fn write_distance(&mut self, fixup: &Fixup<'a>, distance: i64) -> Parse<()> {
        let too_far = |reach: &str| {
            Diagnostic::new(
                fixup.span,
                format!("the target is {distance} slots away; this instruction reaches {reach}"),
            )
        };
        let slot = self.slot(fixup);
        match fixup.kind {
            FixupKind::Jump => match i16::try_from(distance) {
                Ok(offset) => slot.map(|slot| slot.offset = offset),
                Err(_) => return Err(too_far("32767").help("jump over a `gotol`, which reaches everything")),
            },
            FixupKind::JumpLong | FixupKind::Call => match i32::try_from(distance) {
                Ok(imm) => slot.map(|slot| slot.imm = imm),
                Err(_) => return Err(too_far("2147483647")),
            },
            FixupKind::Load | FixupKind::Data(_) => None,
        };
        Ok(())
    }

    fn slot(&mut self, fixup: &Fixup<'a>) -> Option<&mut Slot> {
        self.sections.get_mut(fixup.section)?.slots.get_mut(fixup.at)
    }

    /// A function of this text, else a helper, else something declared to be elsewhere.
    fn resolve_call(&mut self, fixup: &Fixup<'a>, name: &str, symbols: &mut Symbols) -> Parse<()> {
        if let Some(label) = self.labels.get_mut(name) {
            label.function = true;
            let (at, same) = (label.at, label.section == fixup.section);
            if same && !(self.options.relocatable && self.is_global(name)) {
                return self.distance_to(fixup, at);
            }
        } else if !self
            .attributes
            .get(name)
            .is_some_and(|attributes| attributes.external)
            && let Some(helper) = Helper::from_name(name)
        {
            let encoded = Insn::CallHelper { helper }.encode();
            if let (Some(slot), Some(call)) = (self.slot(fixup), encoded.first()) {
                *slot = *call;
            }
            return Ok(());
        }
        if let Some(slot) = self.slot(fixup) {
            slot.imm = -1;
        }
        self.relocate(fixup, name, RelocationKind::Call, symbols)
    }

    fn is_global(&self, name: &str) -> bool {
        self.attributes
            .get(name)
            .is_some_and(|attributes| attributes.binding != Binding::Local)
    }

    fn resolve_load(&mut self, fixup: &Fixup<'a>, name: &str, symbols: &mut Symbols) -> Parse<()> {
        let is_code = |section: usize| {
            self.sections
                .get(section)
                .is_some_and(|section| section.data.is_empty())
        };
        let function = self.labels.get(name).copied().filter(|label| {
            !self.options.relocatable
                && label.section == fixup.section
                && is_code(label.section)
                && fixup.addend == 0
        });
        let Some(label) = function else {
            if let Some(label) = self.labels.get_mut(name) {
                label.function = true;
            }
            return self.relocate(fixup, name, RelocationKind::Load, symbols);
        };
        if let Some(label) = self.labels.get_mut(name) {
            label.function = true;
        }
        let distance = label.at as i64 - fixup.at as i64 - 1;
        let Ok(offset) = i32::try_from(distance) else {
            return Err(Diagnostic::new(fixup.span, "the function is too far away"));
        };
        let dst = self.slot(fixup).and_then(|slot| slot.dst_reg());
        let slots = self
            .sections
            .get_mut(fixup.section)
            .and_then(|section| section.slots.get_mut(fixup.at..fixup.at + 2));
        if let (Some(dst), Some(slots)) = (dst, slots) {
            slots.copy_from_slice(
                &Insn::LoadAddr {
                    dst,
                    address: Address::Func { offset },
                }
                .encode(),
            );
        }
        Ok(())
    }

    /// Leaves a value to the linker.
    fn relocate(
        &mut self,
        fixup: &Fixup<'a>,
        name: &str,
        kind: RelocationKind,
        symbols: &mut Symbols,
    ) -> Parse<()> {
        let known = self.labels.contains_key(name)
            || self
                .attributes
                .get(name)
                .is_some_and(|attributes| attributes.external)
            || self.is_gobpfld_map(name)
            || self.section_named(name).is_some();
        if !known && !self.options.relocatable {
            return Err(self.undefined(fixup, name, kind));
        }
        let symbol = symbols.index(name, fixup.span);
        let relocation = Relocation {
            at: fixup.at,
            symbol,
            addend: fixup.addend,
            kind,
        };
        if let Some(section) = self.sections.get_mut(fixup.section) {
            section.relocations.push(relocation);
        }
        Ok(())
    }

    /// The section of this name: it can be used like a symbol at its start.
    fn section_named(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.name == name)
    }

    /// Is this declared by `.type name,@object` without being defined, as gobpfld does for maps?
    fn is_gobpfld_map(&self, name: &str) -> bool {
        self.attributes
            .get(name)
            .is_some_and(|attributes| attributes.kind == Some(SymbolKind::Object))
    }

    fn undefined(&self, fixup: &Fixup<'a>, name: &str, kind: RelocationKind) -> Box<Diagnostic> {
        let labels = self
            .labels
            .keys()
            .chain(self.attributes.keys())
            .map(|name| &**name);
        let (what, near) = match kind {
            RelocationKind::Call => {
                let helpers: Vec<_> = Helper::ALL.iter().filter_map(|helper| helper.name()).collect();
                let plain = name.strip_prefix("bpf_").unwrap_or(name);
                let near = nearest(plain, helpers.iter().copied()).map(|near| format!("bpf_{near}"));
                (
                    "function or helper",
                    near.or_else(|| nearest(name, labels).map(Into::into)),
                )
            }
            _ => ("symbol", nearest(name, labels).map(Into::into)),
        };
        Diagnostic::new(fixup.span, format!("there is no {what} `{name}`"))
            .help(format!("if it is elsewhere, declare it: `.extern {name}`"))
            .maybe_help(near.map(|near| format!("did you mean `{near}`?")))
    }

    /// The table of symbols: those relocations refer to, in the order of first use, then all others.
    fn symbols(&self, used: Symbols) -> Vec<Symbol> {
        let is_code = |section: usize| {
            self.sections
                .get(section)
                .is_some_and(|section| section.data.is_empty())
        };
        let mut defined: Vec<(&str, Label)> = self
            .labels
            .iter()
            .map(|(name, label)| (&**name, *label))
            .collect();
        defined.sort_by_key(|(_, label)| (label.section, label.at, label.span));
        let symbol = |name: &str, used_at: Span| {
            let label = self.labels.get(name);
            let new = Attributes {
                span: used_at,
                kind: None,
                binding: Binding::Global,
                size: 0,
                external: true,
            };
            let local = Attributes {
                binding: Binding::Local,
                ..new
            };
            let default = if label.is_some() { local } else { new };
            let attributes = self.attributes.get(name).copied().unwrap_or(default);
            let kind = attributes.kind.unwrap_or(match label {
                Some(label) if !is_code(label.section) => SymbolKind::Object,
                Some(label) if label.function || label.at == 0 || attributes.binding != Binding::Local => {
                    SymbolKind::Function
                }
                Some(_) => SymbolKind::Label,
                None => SymbolKind::Object,
            });
            let section = label.map(|label| label.section);
            Symbol {
                name: name.to_string(),
                section: section.or_else(|| {
                    let declared = self.attributes.contains_key(name);
                    self.section_named(name).filter(|_| !declared)
                }),
                at: label.map_or(0, |label| label.at),
                kind,
                binding: attributes.binding,
                size: attributes.size,
                span: label.map_or(attributes.span, |label| label.span),
            }
        };
        let mut symbols: Vec<Symbol> = used.list.iter().map(|(name, span)| symbol(name, *span)).collect();
        let rest = defined.into_iter().map(|(name, label)| (name, label.span));
        let declared = self
            .attributes
            .iter()
            .map(|(name, attributes)| (&**name, attributes));
        let declared =
            declared.filter(|(name, attributes)| attributes.external && !self.labels.contains_key(*name));
        let rest = rest.chain(declared.map(|(name, attributes)| (name, attributes.span)));
        symbols.extend(
            rest.filter(|(name, _)| !used.by_name.contains_key(*name))
                .map(|(name, span)| symbol(name, span)),
        );
        symbols
    }
}

/// The symbols that relocations refer to.
#[derive(Default)]
struct Symbols {
    list: Vec<(String, Span)>,
    by_name: BTreeMap<String, usize>,
}

impl Symbols {
    fn index(&mut self, name: &str, span: Span) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        self.by_name.insert(name.to_string(), self.list.len());
        self.list.push((name.to_string(), span));
        self.list.len() - 1
    }
}
