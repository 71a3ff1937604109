//! Everything of ours that reads bytes, each with the bytes to begin with.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, LazyLock},
};

use bpfld_btf::{Btf, BtfExt, BtfFeatures, Resolver, Targets, Type};
use bpfld_insn::{Dialect, Endian, Slot, decode, print, slots_from_bytes};
use bpfld_object::{Executable, Object};
use bpfld_tests::{all_fixtures, btf_of, oracle};
use goblin::elf::Elf;

/// Something that reads bytes.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    /// How large its share of all inputs is.
    pub(crate) share: u64,
    /// Names and bytes of good inputs.
    pub(crate) seeds: fn() -> Vec<(String, Vec<u8>)>,
    /// Reads an input to the last corner. Errors are fine.
    pub(crate) read: fn(&[u8]),
}

pub(crate) const READERS: [Reader; 9] = [
    Reader {
        name: "object",
        share: 10,
        seeds: objects,
        read: read_object,
    },
    Reader {
        name: "btf",
        share: 4,
        seeds: || sections(".BTF"),
        read: read_btf,
    },
    Reader {
        name: "btf_records",
        share: 4,
        seeds: code,
        // what is made of the choices is a few times as long
        read: |choices| bpfld_tests::btf_bytes::types(&btf_of(choices.get(..256).unwrap_or(choices))),
    },
    Reader {
        name: "btf_printed",
        share: 2,
        seeds: || sections(".BTF"),
        read: |bytes| {
            bpfld_tests::btf_bytes::printed(bytes);
            bpfld_tests::btf_bytes::printed(&btf_of(bytes.get(..256).unwrap_or(bytes)));
        },
    },
    Reader {
        name: "btf_ext",
        share: 2,
        seeds: || sections(".BTF.ext"),
        read: read_btf_ext,
    },
    Reader {
        name: "core_target",
        share: 3,
        seeds: || vec![made_up_kernel()],
        read: read_core_target,
    },
    Reader {
        name: "insns",
        share: 1,
        seeds: code,
        // what is printed takes many times the room of the bytes
        read: |bytes| oracle::instructions(bytes.get(..1024).unwrap_or(bytes)),
    },
    Reader {
        name: "asm",
        share: 1,
        seeds: texts,
        read: |bytes| oracle::assembly(&String::from_utf8_lossy(bytes)),
    },
    Reader {
        name: "machine",
        share: 2,
        seeds: code,
        read: oracle::machine,
    },
];

/// Takes text and forgets it.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// Prints in both ways.
fn forget(thing: &(impl fmt::Display + fmt::Debug)) {
    let _ = write!(Nowhere, "{thing} {thing:?}");
}

fn objects() -> Vec<(String, Vec<u8>)> {
    let name = |name: &str, big_endian| format!("{name}.{}", if big_endian { "eb" } else { "el" });
    all_fixtures()
        .iter()
        .map(|fixture| (name(&fixture.name, fixture.big_endian), fixture.bytes()))
        .collect()
}

/// A section of all fixtures that have it.
fn sections(wanted: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in objects() {
        let elf = Elf::parse(&bytes).unwrap();
        for header in &elf.section_headers {
            if elf.shdr_strtab.get_at(header.sh_name) == Some(wanted) {
                all.push((name.clone(), bytes[header.file_range().unwrap()].to_vec()));
            }
        }
    }
    all
}

/// The instructions of all fixtures, one section each.
fn code() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in objects() {
        let elf = Elf::parse(&bytes).unwrap();
        for header in elf
            .section_headers
            .iter()
            .filter(|header| header.is_executable() && header.sh_size > 0)
        {
            all.push((name.clone(), bytes[header.file_range().unwrap()].to_vec()));
        }
    }
    all
}

fn made_up_kernel() -> (String, Vec<u8>) {
    sections(".BTF")
        .into_iter()
        .find(|(name, _)| name.starts_with("made_up_kernel.el"))
        .unwrap()
}

/// Makes what all inputs share, so that it is on no input's account.
pub(crate) fn prepare() {
    bpfld_tests::btf_bytes::prepare();
    // the machines that copies are made of
    oracle::machine(&[]);
    LazyLock::force(&TARGETS);
    LazyLock::force(&LOCALS);
}

/// The kernel that objects are relocated against, with its index of names.
static TARGETS: LazyLock<Targets> = LazyLock::new(|| {
    let (_, bytes) = made_up_kernel();
    let targets = Targets::new(Arc::new(Btf::parse(bytes).unwrap()));
    targets.vmlinux().find_all("task_struct").count();
    targets
});

/// An object whose relocations ask all there is to ask.
static LOCALS: LazyLock<Vec<(Btf, BtfExt)>> = LazyLock::new(|| {
    let section = |name: &str, wanted: &str| {
        sections(wanted)
            .into_iter()
            .find(|(file, _)| *file == format!("{name}.el"))
            .unwrap()
            .1
    };
    let names = ["core_fields", "core_types"];
    let parse = |name| {
        (
            Btf::parse(section(name, ".BTF")).unwrap(),
            BtfExt::parse(section(name, ".BTF.ext")).unwrap(),
        )
    };
    names.map(parse).into()
});

fn read_object(bytes: &[u8]) {
    if let Ok(executable) = Executable::parse(bytes) {
        let _ = write!(
            Nowhere,
            "{:?}",
            executable
                .sections()
                .map(|section| section.data.len())
                .sum::<usize>()
        );
        let _ = (executable.build_id(), executable.debug_link());
        for probe in executable.usdt_probes().unwrap_or_default() {
            let _ = probe.parse_arguments();
        }
        for function in executable.functions() {
            let _ = write!(Nowhere, "{function:?}");
        }
        let _ = executable.function("count").is_ok();
    }
    let object = match Object::parse(bytes.to_vec()) {
        Ok(object) => object,
        Err(error) => return forget(&error),
    };
    let _ = write!(
        Nowhere,
        "{:?} {:?} {:?}",
        object.license(),
        object.version(),
        object.name()
    );
    let _ = write!(
        Nowhere,
        "{:?} {:?} {:?}",
        object.sections(),
        object.functions(),
        object.data_sections()
    );
    let _ = write!(
        Nowhere,
        "{:?} {:?} {:?}",
        object.maps(),
        object.externs(),
        object.variables()
    );
    for map in object.maps() {
        let _ = object.initial_value(map).len();
    }
    if let Some((btf, ext)) = object.btf().zip(object.btf_ext()) {
        walk_ext(ext, btf);
    }
    for function in object.functions() {
        print_insns(object.insns(function));
    }
    for program in object.programs() {
        let _ = write!(Nowhere, "{program:?}");
        match object.link(program) {
            Ok(mut linked) => {
                for report in linked.apply_core(&object, &TARGETS) {
                    let _ = write!(Nowhere, "{report} {report:?}");
                }
                let _ = write!(
                    Nowhere,
                    "{:?} {:?} {:?}",
                    linked.relocations, linked.func_info, linked.line_info
                );
                print_insns(&linked.insns);
            }
            Err(error) => forget(&error),
        }
    }
}

fn read_btf(bytes: &[u8]) {
    bpfld_tests::btf_bytes::types(bytes);
    let Ok(btf) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    walk_btf(&btf);
    if let Ok(bytes) = bpfld_btf::sanitize(&btf, BtfFeatures::default()) {
        let _ = Btf::parse(bytes).map(|btf| walk_btf(&btf));
    }
}

/// Looks at all there is to see.
fn walk_btf(btf: &Btf) {
    let _ = btf.validate();
    for ty in btf.types() {
        walk_type(btf, &ty);
    }
    for id in [0, 1, btf.len(), u32::MAX] {
        let _ = btf.ty(bpfld_btf::TypeId(id)).is_ok();
    }
}

fn walk_type(btf: &Btf, ty: &Type<'_>) {
    let id = ty.id();
    let _ = write!(Nowhere, "{ty:?}");
    if let Ok(name) = ty.name() {
        let _ = btf.find(name, ty.kind());
        let _ = btf.find_all(name).count();
    }
    let _ = (
        ty.int(),
        ty.array(),
        ty.target(),
        ty.linkage(),
        ty.component(),
        ty.forward_kind(),
        ty.size_bytes(),
    );
    for member in ty.members() {
        let _ = write!(Nowhere, "{member:?} {:?}", member.byte_offset());
    }
    for value in ty.enum_values() {
        let _ = write!(Nowhere, "{value:?} {}", value.value());
    }
    for parameter in ty.params() {
        let _ = write!(Nowhere, "{parameter:?}");
    }
    for variable in ty.variables() {
        let _ = write!(Nowhere, "{variable:?} {:?}", variable.name());
    }
    let _ = (
        btf.resolve_size(id),
        btf.align_of(id),
        btf.skip_modifiers(id),
        btf.resolve(id),
        btf.is_signed(id),
    );
}

fn read_btf_ext(bytes: &[u8]) {
    bpfld_tests::btf_bytes::ext(bytes);
    let Ok(ext) = BtfExt::parse(bytes.to_vec()) else {
        return;
    };
    for (btf, _) in &*LOCALS {
        walk_ext(&ext, btf);
    }
}

fn walk_ext(ext: &BtfExt, btf: &Btf) {
    for section in ext.func_info().sections() {
        let _ = write!(
            Nowhere,
            "{:?} {:?}",
            section.name(btf),
            section.records().collect::<Vec<_>>()
        );
    }
    for section in ext.line_info().sections() {
        let _ = section.name(btf);
        for line in section.records() {
            let _ = write!(Nowhere, "{line:?} {} {}", line.line(), line.column());
        }
    }
    resolve(ext, btf, &TARGETS);
}

/// Resolves and prints every CO-RE relocation.
fn resolve(ext: &BtfExt, btf: &Btf, targets: &Targets) {
    let mut resolver = Resolver::new(btf, targets);
    for section in ext.core_relos().sections() {
        for relocation in section.records() {
            match resolver.resolve(&relocation) {
                Ok(resolution) => forget(&resolution),
                Err(error) => forget(&error),
            }
        }
    }
}

fn read_core_target(bytes: &[u8]) {
    let Ok(kernel) = Btf::parse(bytes.to_vec()) else {
        return;
    };
    let targets = Targets::new(Arc::new(kernel));
    for (btf, ext) in &*LOCALS {
        resolve(ext, btf, &targets);
    }
}

/// Programs of the fixtures as text, in all dialects.
fn texts() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, bytes) in code() {
        let endian = if name.ends_with(".eb") {
            Endian::Big
        } else {
            Endian::Little
        };
        // a few dozen instructions say all there is to say, and mutations then meet something
        let slots: Vec<Slot> = slots_from_bytes(&bytes, endian).0.take(40).collect();
        for dialect in Dialect::ALL {
            all.push((
                name.clone(),
                print(&slots).dialect(dialect).to_string().into_bytes(),
            ));
        }
    }
    let directives = include_str!("directives.s");
    all.push(("directives.s".to_owned(), directives.into()));
    all
}

/// Decodes and prints; what decodes must encode to the same again.
fn print_insns(slots: &[Slot]) {
    for (at, insn) in decode(slots) {
        match insn {
            Ok(insn) => {
                assert_eq!(
                    insn.encode().as_slice(),
                    &slots[at..at + insn.width()],
                    "{insn:?}"
                );
                let _ = write!(Nowhere, "{insn:?}");
            }
            Err(error) => forget(&error),
        }
    }
    for dialect in Dialect::ALL {
        let _ = print(slots).dialect(dialect).write(&mut Nowhere);
    }
}
