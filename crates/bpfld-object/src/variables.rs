//! Global variables: what lies where in `.data`, `.rodata`, `.bss`, `.kconfig` and arenas.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_btf::{Btf, Kind, TypeId};
use bpfld_sys::MapType;
use hashbrown::HashMap;

use crate::datasec::Findings;
use crate::elf::Elf;
use crate::externs::Externs;
use crate::map_data::ARENA;
use crate::{ExternKind, Linkage, MapDef, MapIndex, MapKind, SectionIndex};

/// A global variable, constant or configuration value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// The name. Static variables of different source files may share one.
    pub name: Box<str>,
    /// The map that holds it.
    pub map: MapIndex,
    /// Where in the map's value, in bytes; for an arena, where in its initial contents.
    pub offset: u32,
    /// The size in bytes.
    pub size: u32,
    /// Its type, if BTF tells.
    pub ty: Option<TypeId>,
    /// Who sees it. Hidden variables count as static.
    pub linkage: Linkage,
}

/// Lists the variables, by map and place.
pub(crate) fn collect(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    found: &Findings,
    externs: &Externs,
    maps: &[MapDef],
) -> Vec<Variable> {
    let holders = holders(elf, maps);
    let types = Types::new(btf, found, &holders);
    let mut variables = Vec::new();
    for symbol in elf
        .symbols
        .iter()
        .filter(|symbol| symbol.is_object() && !symbol.name.is_empty())
    {
        let section = SectionIndex(symbol.section);
        let Some(map) = holders.get(&section) else {
            continue;
        };
        let (Ok(offset), Ok(size)) = (u32::try_from(symbol.value), u32::try_from(symbol.size)) else {
            continue;
        };
        let linkage = if symbol.is_hidden() {
            Linkage::Static
        } else {
            Linkage::of(symbol)
        };
        let ty = types.find(section, symbol.name, offset);
        variables.push(Variable {
            name: symbol.name.into(),
            map: *map,
            offset,
            size,
            ty,
            linkage,
        });
    }
    if let Some(map) = maps.iter().position(|map| map.kind == MapKind::Kconfig) {
        for item in &externs.list {
            let ExternKind::Kconfig { ty, offset, size, .. } = item.kind else {
                continue;
            };
            let (name, map) = (item.name.clone(), MapIndex::new(map));
            variables.push(Variable {
                name,
                map,
                offset,
                size,
                ty: Some(ty),
                linkage: Linkage::Global,
            });
        }
    }
    variables.sort_by_key(|variable| (variable.map, variable.offset));
    variables
}

/// The map for each section of variables.
fn holders(elf: &Elf<'_>, maps: &[MapDef]) -> HashMap<SectionIndex, MapIndex> {
    let mut holders = HashMap::new();
    for (index, map) in maps.iter().enumerate() {
        let section = if map.is_global_data() {
            map.section
        } else if map.map_type == MapType::ARENA {
            elf.named(ARENA).map(|section| section.index)
        } else {
            None
        };
        if let Some(section) = section {
            holders.insert(section, MapIndex::new(index));
        }
    }
    holders
}

/// The types of variables: by section and name, and by place too where BTF tells places.
struct Types<'b>(HashMap<(SectionIndex, &'b str, Option<u32>), TypeId>);

impl<'b> Types<'b> {
    fn new(btf: Option<&'b Btf>, found: &Findings, holders: &HashMap<SectionIndex, MapIndex>) -> Self {
        let mut types = HashMap::new();
        let Some(btf) = btf else { return Self(types) };
        for data in &found.sections {
            let Some(section) = data.section.filter(|section| holders.contains_key(section)) else {
                continue;
            };
            for variable in &data.variables {
                let Ok(var) = btf.ty(variable.id) else { continue };
                let (Kind::VAR, Ok(name), Some(ty)) = (var.kind(), var.name(), var.target()) else {
                    continue;
                };
                types.insert((section, name, Some(variable.offset)), ty);
                types.entry((section, name, None)).or_insert(ty);
            }
        }
        Self(types)
    }

    fn find(&self, section: SectionIndex, name: &str, offset: u32) -> Option<TypeId> {
        self.0
            .get(&(section, name, Some(offset)))
            .or_else(|| self.0.get(&(section, name, None)))
            .copied()
    }
}
