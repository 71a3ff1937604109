//! What the text declares: externs and maps.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_btf::{Linkage, SectionEntry, TypeId};
use bpfld_insn::asm::{Diagnostic, ExternKind, RelocationKind, Span, SymbolKind as Kind};
use object::write::{SectionId, StandardSegment, SymbolSection};
use object::{SectionKind, SymbolFlags, SymbolKind, SymbolScope};

use super::Object;
use crate::assembly::declaration::Declared;
use crate::assembly::map::Map;
use crate::datasec::{KCONFIG, KSYMS};
use crate::map_btf::MAPS;

impl<'a> Object<'a> {
    pub(super) fn externs(&mut self) -> Result<(), bpfld_btf::Error> {
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

    pub(super) fn maps(&mut self, maps: &[Map<'a>]) -> Result<(), bpfld_btf::Error> {
        let real = || maps.iter().filter(|map| !map.template);
        if real().next().is_none() {
            return Ok(());
        }
        let mut by_name = BTreeMap::new();
        for map in maps {
            by_name.entry(map.name).or_insert(map);
        }
        let segment = self.file.segment_name(StandardSegment::Data).to_vec();
        let section = self.file.add_section(segment, MAPS.into(), SectionKind::Data);
        let (mut end, mut entries, mut values) = (0_u32, Vec::new(), Vec::new());
        for map in real() {
            let inner = self.inner(map, &by_name);
            let (ty, start) = self.info.map(map, inner)?;
            let (list, span) = map.values.clone().unwrap_or_default();
            let size = start + 8 * list.len() as u32;
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
            let places = (end + start..).step_by(8);
            values.extend(places.zip(list).map(|(place, name)| (place, name, span)));
            end += size;
        }
        self.file.set_section_data(section, vec![0; end as usize], 8);
        self.values(section, values);
        self.info.section(MAPS, end, &entries)
    }

    /// The map that the elements of a map are like.
    fn inner<'m>(&mut self, map: &Map<'a>, by_name: &BTreeMap<&str, &'m Map<'a>>) -> Option<&'m Map<'a>> {
        let (name, span) = map.inner?;
        let Some(inner) = by_name.get(name) else {
            let error = Diagnostic::new(span, format!("there is no map `{name}`"));
            let error = error.did_you_mean(name, by_name.keys().copied());
            self.error(error.other(map.span, "for this map of maps"));
            return None;
        };
        if inner.inner.is_some() {
            self.error(Diagnostic::new(span, "an inner map cannot have inner maps"));
            return None;
        }
        Some(inner)
    }

    /// What elements hold from the start, by their places in the section: maps or programs, or nothing.
    fn values(&mut self, section: SectionId, values: Vec<(u32, &'a str, Span)>) {
        let mut targets = self.maps.clone();
        for (symbol, id) in self.assembly.symbols.iter().zip(&self.symbols) {
            if let (Kind::Function, Some(id)) = (symbol.kind, id) {
                targets.entry(&symbol.name).or_insert(*id);
            }
        }
        for (offset, name, span) in values.into_iter().filter(|(_, name, _)| *name != "-") {
            match targets.get(name) {
                Some(symbol) => self.relocate(section, offset.into(), *symbol, RelocationKind::Load),
                None => {
                    let error = Diagnostic::new(span, format!("there is no map or program `{name}`"));
                    self.error(error.did_you_mean(name, targets.keys().copied()));
                }
            }
        }
    }
}
