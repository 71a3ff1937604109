//! What `inspect` shows, as data: this is also the JSON form.

use std::path::Path;

use bpfld_btf::{Btf, TypeId};
use bpfld_object::{
    Extern, ExternKind, Linkage, LinkedProgram, MapDef, MapKind, Object, Pinning, Program, Section,
    SlotValue, Target, Variable,
};
use serde::Serialize;

use super::code;
use super::names::{global_name, map_name};

/// Everything about an object.
#[derive(Serialize)]
pub(super) struct Report {
    /// Of this form of JSON.
    pub(super) version: u32,
    pub(super) file: String,
    pub(super) name: String,
    /// `little` or `big`.
    pub(super) endian: &'static str,
    pub(super) license: Option<String>,
    pub(super) kernel_version: Option<u32>,
    pub(super) programs: Vec<ProgramRow>,
    pub(super) maps: Vec<MapRow>,
    pub(super) globals: Vec<GlobalRow>,
    pub(super) externs: Vec<ExternRow>,
    pub(super) relocations: Vec<RelocationRow>,
    pub(super) sections: Vec<SectionRow>,
}

#[derive(Serialize)]
pub(super) struct ProgramRow {
    pub(super) name: String,
    pub(super) section: String,
    /// The program type; `None` if the section name says none.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) attach_type: Option<String>,
    /// What the section name says it attaches to.
    pub(super) target: Option<String>,
    pub(super) autoload: bool,
    pub(super) sleepable: bool,
    /// Instruction slots of its own.
    pub(super) insns: u32,
    /// With all subprograms that it reaches; `None` if it cannot be linked.
    pub(super) linked_insns: Option<usize>,
    /// Why it cannot be linked.
    pub(super) error: Option<String>,
    /// The instructions as text, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<Vec<String>>,
}

#[derive(Serialize)]
pub(super) struct MapRow {
    pub(super) name: String,
    /// What defines it: `btf`, `legacy`, `rodata`, …
    pub(super) kind: String,
    #[serde(rename = "type")]
    pub(super) map_type: String,
    pub(super) key_size: u32,
    pub(super) key_type: Option<String>,
    pub(super) value_size: u32,
    pub(super) value_type: Option<String>,
    pub(super) max_entries: u32,
    pub(super) flags: String,
    pub(super) map_extra: u64,
    pub(super) numa_node: u32,
    /// Whether it is pinned by its name.
    pub(super) pinned: bool,
    pub(super) autocreate: bool,
    /// The definition of inner maps.
    pub(super) inner: Option<Box<MapRow>>,
    /// What is put in at the start: place and name of a map or program.
    pub(super) slots: Vec<(u32, String)>,
}

#[derive(Serialize)]
pub(super) struct GlobalRow {
    pub(super) name: String,
    pub(super) map: String,
    pub(super) offset: u32,
    pub(super) size: u32,
    #[serde(rename = "type")]
    pub(super) ty: Option<String>,
    pub(super) linkage: &'static str,
}

#[derive(Serialize)]
pub(super) struct ExternRow {
    pub(super) name: String,
    /// `kconfig`, `variable`, `function` or `undefined`.
    pub(super) kind: &'static str,
    #[serde(rename = "type")]
    pub(super) ty: Option<String>,
    pub(super) weak: bool,
}

#[derive(Serialize)]
pub(super) struct RelocationRow {
    pub(super) program: String,
    /// The instruction slot in the linked program.
    pub(super) at: u32,
    pub(super) kind: &'static str,
    pub(super) target: String,
}

#[derive(Serialize)]
pub(super) struct SectionRow {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) kind: String,
    /// As readelf writes them: `A` loaded, `W` writable, `X` executable.
    pub(super) flags: String,
    pub(super) size: u64,
}

impl Report {
    pub(super) fn new(object: &Object, file: &Path, with_code: bool) -> Report {
        let mut programs = Vec::new();
        let mut relocations = Vec::new();
        for program in object.programs() {
            let linked = object.link(program);
            if let Ok(linked) = &linked {
                relocations.extend(relocation_rows(object, linked));
            }
            programs.push(ProgramRow::new(object, program, linked, with_code));
        }
        Report {
            version: 1,
            file: file.display().to_string(),
            name: object.name().to_owned(),
            endian: match object.endian() {
                bpfld_insn::Endian::Little => "little",
                bpfld_insn::Endian::Big => "big",
            },
            license: object.license().map(str::to_owned),
            kernel_version: object.version(),
            programs,
            maps: object.maps().iter().map(|map| MapRow::new(object, map)).collect(),
            globals: object
                .variables()
                .iter()
                .map(|variable| GlobalRow::new(object, variable))
                .collect(),
            externs: object
                .externs()
                .iter()
                .map(|item| ExternRow::new(object, item))
                .collect(),
            relocations,
            sections: object.sections().iter().skip(1).map(SectionRow::new).collect(),
        }
    }
}

impl ProgramRow {
    fn new(
        object: &Object,
        program: &Program,
        linked: Result<LinkedProgram, bpfld_object::Error>,
        with_code: bool,
    ) -> ProgramRow {
        let spec = program.spec.as_ref();
        let (linked, error) = match linked {
            Ok(linked) => (Some(linked), None),
            Err(error) => (None, Some(error.to_string())),
        };
        ProgramRow {
            name: program.name.to_string(),
            section: program.section.to_string(),
            kind: spec.map(|spec| spec.program_type.to_string()),
            attach_type: spec
                .and_then(|spec| spec.attach_type)
                .map(|attach| attach.to_string()),
            target: spec.and_then(|spec| spec.target.clone()),
            autoload: program.autoload,
            sleepable: spec.is_some_and(|spec| spec.flags.sleepable),
            insns: object
                .function(program.function)
                .map_or(0, |function| function.len),
            linked_insns: linked.as_ref().map(|linked| linked.insns.len()),
            error,
            code: linked
                .filter(|_| with_code)
                .map(|linked| code::lines(object, &linked)),
        }
    }

    /// What else is to say, for people.
    pub(super) fn notes(&self) -> String {
        let mut notes = Vec::new();
        if !self.autoload {
            notes.push("not loaded by default");
        }
        if self.sleepable {
            notes.push("may sleep");
        }
        if self.kind.is_none() {
            notes.push("unknown section name");
        }
        notes.extend(self.error.as_deref());
        notes.join("; ")
    }
}

impl MapRow {
    fn new(object: &Object, map: &MapDef) -> MapRow {
        let ty = |id: Option<TypeId>| id.and_then(|id| Some(object.btf()?.type_name(id)));
        let slot = |value: &SlotValue| match value {
            SlotValue::Map(map) => object.maps().get(map.index()).map(|map| &map.name),
            SlotValue::Program(program) => object
                .programs()
                .get(program.index())
                .map(|program| &program.name),
        };
        let name = |value: &SlotValue| slot(value).map_or_else(|| "?".to_owned(), ToString::to_string);
        MapRow {
            name: map.name.to_string(),
            kind: match map.kind {
                MapKind::Btf => "btf",
                MapKind::Legacy => "legacy",
                MapKind::Inner => "inner",
                MapKind::Data => "data",
                MapKind::Rodata => "rodata",
                MapKind::Bss => "bss",
                MapKind::Kconfig => "kconfig",
                MapKind::StructOps => "struct_ops",
                _ => "other",
            }
            .to_owned(),
            map_type: map.map_type.to_string(),
            key_size: map.key_size,
            key_type: ty(map.key_type),
            value_size: map.value_size,
            value_type: ty(map.value_type).filter(|_| !map.is_global_data()),
            max_entries: map.max_entries,
            flags: map.flags.to_string(),
            map_extra: map.map_extra,
            numa_node: map.numa_node,
            pinned: map.pinning == Pinning::ByName,
            autocreate: map.autocreate,
            inner: map
                .inner
                .as_deref()
                .map(|inner| Box::new(MapRow::new(object, inner))),
            slots: map.slots.iter().map(|(at, value)| (*at, name(value))).collect(),
        }
    }

    /// What else is to say, for people.
    pub(super) fn notes(&self) -> String {
        let mut notes = Vec::new();
        if self.flags != "0" {
            notes.push(self.flags.clone());
        }
        if self.map_extra != 0 {
            notes.push(format!("extra {:#x}", self.map_extra));
        }
        if self.numa_node != 0 {
            notes.push(format!("node {}", self.numa_node));
        }
        if self.pinned {
            notes.push("pinned by name".to_owned());
        }
        if !self.autocreate {
            notes.push("not created by default".to_owned());
        }
        if let Some(inner) = &self.inner {
            let MapRow {
                map_type,
                key_size,
                value_size,
                max_entries,
                ..
            } = &**inner;
            notes.push(format!("of {map_type} {key_size}/{value_size}/{max_entries}"));
        }
        if !self.slots.is_empty() {
            let slots: Vec<String> = self
                .slots
                .iter()
                .map(|(at, name)| format!("{at}: {name}"))
                .collect();
            notes.push(format!("[{}]", slots.join(", ")));
        }
        notes.join("; ")
    }
}

impl GlobalRow {
    fn new(object: &Object, variable: &Variable) -> GlobalRow {
        let Variable {
            name,
            map,
            offset,
            size,
            ty,
            linkage,
            ..
        } = variable;
        GlobalRow {
            name: name.to_string(),
            map: map_name(object, map.index()),
            offset: *offset,
            size: *size,
            ty: type_name(object.btf().map(|btf| &**btf), *ty),
            linkage: match linkage {
                Linkage::Static => "static",
                Linkage::Global => "global",
                Linkage::Weak => "weak",
            },
        }
    }
}

impl ExternRow {
    fn new(object: &Object, item: &Extern) -> ExternRow {
        let (kind, ty) = match item.kind {
            ExternKind::Kconfig { ty, .. } => ("kconfig", Some(ty)),
            ExternKind::Ksym { ty } => ("variable", ty),
            ExternKind::Kfunc { prototype } => ("function", Some(prototype)),
            _ => ("undefined", None),
        };
        let ty = type_name(object.btf().map(|btf| &**btf), ty);
        ExternRow {
            name: item.name.to_string(),
            kind,
            ty,
            weak: item.weak,
        }
    }
}

impl SectionRow {
    fn new(section: &Section) -> SectionRow {
        let kind = match section.kind {
            1 => "progbits".to_owned(),
            2 => "symtab".to_owned(),
            3 => "strtab".to_owned(),
            4 => "rela".to_owned(),
            8 => "nobits".to_owned(),
            9 => "rel".to_owned(),
            0x6fff_4c03 => "llvm_addrsig".to_owned(),
            other => format!("{other:#x}"),
        };
        let letters = [(1, 'W'), (2, 'A'), (4, 'X'), (0x10, 'M'), (0x20, 'S')];
        let flags = letters
            .iter()
            .filter(|(bit, _)| section.flags & bit != 0)
            .map(|(_, letter)| letter)
            .collect();
        SectionRow {
            index: section.index.0,
            name: section.name.to_string(),
            kind,
            flags,
            size: section.size,
        }
    }
}

fn relocation_rows(object: &Object, linked: &LinkedProgram) -> Vec<RelocationRow> {
    let extern_name = |index| {
        object
            .extern_at(index)
            .map_or_else(|| "?".to_owned(), |item| item.name.to_string())
    };
    let rows = linked.relocations.iter().map(|relocation| {
        let (kind, target) = match &relocation.target {
            Target::Map(map) => ("map", map_name(object, map.index())),
            Target::MapValue { map, offset } => ("global", global_name(object, map.index(), *offset)),
            Target::Ksym(index) => ("variable", extern_name(*index)),
            Target::KfuncAddress(index) => ("function address", extern_name(*index)),
            Target::Kfunc(index) => ("function", extern_name(*index)),
            Target::JumpTable(table) => ("jump table", table.to_string()),
            Target::Core(record) => {
                let spec = object
                    .btf()
                    .and_then(|btf| Some(record.spec(btf).ok()?.to_string()));
                ("core", spec.unwrap_or_else(|| "malformed".to_owned()))
            }
            _ => ("other", String::new()),
        };
        RelocationRow {
            program: linked.name.to_string(),
            at: relocation.at,
            kind,
            target,
        }
    });
    rows.collect()
}

fn type_name(btf: Option<&Btf>, ty: Option<TypeId>) -> Option<String> {
    Some(btf?.type_name(ty?))
}
