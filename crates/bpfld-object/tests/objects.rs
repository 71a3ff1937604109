//! What is read out of objects, for fixtures of both byte orders: they must say the same.

#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use bpfld_btf::Kind;
use bpfld_insn::Slot;
use bpfld_object::{
    Error, ErrorKind, Executable, ExternKind, KconfigValue, Linkage, MapKind, Object, OpenOptions, Pinning,
    SlotValue, Target,
};
use bpfld_sys::{MapFlags, MapType, ProgramType};

fn bytes(name: &str, order: &str) -> Vec<u8> {
    let path = format!(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/{}.{}.o"),
        name, order
    );
    std::fs::read(path).unwrap()
}

/// Checks a fixture in both byte orders.
#[track_caller]
fn check(name: &str, test: impl Fn(&Object)) {
    for order in ["el", "eb"] {
        test(&Object::options().name(name).parse(bytes(name, order)).unwrap());
    }
}

/// The names of the functions of a linked program, in their order.
#[track_caller]
fn functions(object: &Object, program: &str) -> String {
    let linked = object.link(object.program(program).unwrap()).unwrap();
    let names = linked
        .functions
        .iter()
        .map(|linked| &*object.function(linked.function).unwrap().name);
    names.collect::<Vec<_>>().join(" ")
}

/// ELF-05.
#[test]
fn elf_05_subprograms_follow_in_the_order_of_first_use() {
    check("subprograms", |object| {
        assert_eq!(functions(object, "calls_static"), "calls_static add");
        assert_eq!(functions(object, "calls_global"), "calls_global clamp");
        assert_eq!(
            functions(object, "calls_all"),
            "calls_all deep1 deep2 deep3 twice add clamp preference"
        );
        assert_eq!(functions(object, "callbacks"), "callbacks count_entry step");
        let twice = object
            .functions()
            .iter()
            .find(|function| &*function.name == "twice")
            .unwrap();
        assert!(twice.hidden && twice.linkage == Linkage::Global);
        let weak = object
            .functions()
            .iter()
            .find(|function| &*function.name == "preference")
            .unwrap();
        assert_eq!(weak.linkage, Linkage::Weak);
    });
    check("static_in_section", |object| {
        assert_eq!(functions(object, "calls_neighbour"), "calls_neighbour beside");
        assert!(object.program("beside").is_none());
    });
}

/// ELF-05.
#[test]
fn elf_05_calls_and_callbacks_lead_to_their_functions() {
    check("subprograms", |object| {
        for program in object.programs() {
            let linked = object.link(program).unwrap();
            let mut calls = 0;
            for (at, insn) in linked.insns.iter().enumerate() {
                if insn.is_subprog_call() || insn.is_func_ref() {
                    let target = (at as i64 + 1 + i64::from(insn.imm)) as u32;
                    assert!(
                        linked.functions.iter().any(|function| function.start == target),
                        "{}",
                        program.name
                    );
                    calls += 1;
                }
            }
            assert!(calls > 0, "{}", program.name);
            assert!(linked.relocations.is_sorted_by_key(|relocation| relocation.at));
        }
    });
}

/// ELF-06: each program has records of its own.
#[test]
fn elf_06_types_and_lines_move_with_the_functions() {
    check("subprograms", |object| {
        let btf = object.btf().unwrap();
        let linked = object.link(object.program("calls_all").unwrap()).unwrap();
        assert_eq!(linked.func_info.len(), linked.functions.len());
        for (info, function) in linked.func_info.iter().zip(&linked.functions) {
            assert_eq!(info.slot, function.start);
            let ty = btf.ty(info.type_id).unwrap();
            assert_eq!(ty.kind(), Kind::FUNC);
            assert_eq!(
                ty.name().unwrap(),
                &*object.function(function.function).unwrap().name
            );
            assert!(
                linked
                    .line_info
                    .iter()
                    .any(|line| line.slot == function.start && line.line() > 0)
            );
        }
        assert!(linked.line_info.is_sorted_by_key(|line| line.slot));
    });
    check("legacy_wide", |object| {
        let linked = object.link(&object.programs()[0]).unwrap();
        assert!(object.btf().is_none() && linked.func_info.is_empty() && linked.line_info.is_empty());
        assert_eq!(linked.functions.len(), 2);
    });
}

#[test]
fn global_data() {
    check("globals", |object| {
        let flags = |name: &str| object.map(name).unwrap().flags;
        assert_eq!(flags(".rodata"), MapFlags::RDONLY_PROG | MapFlags::MMAPABLE);
        assert_eq!(flags(".data"), MapFlags::MMAPABLE);
        // nothing but strings of the compiler
        assert_eq!(flags(".rodata.str1.1"), MapFlags::RDONLY_PROG);
        let data = object.map(".data").unwrap();
        assert_eq!(
            (&*data.kernel_name, data.kind, data.max_entries),
            ("globals.data", MapKind::Data, 1)
        );
        assert_eq!(
            &*object.map(".rodata.settings").unwrap().kernel_name,
            ".rodata.setting"
        );
        assert_eq!(object.map("globals.bss").unwrap().kind, MapKind::Bss);
        assert!(object.initial_value(object.map(".bss").unwrap()).is_empty());

        let value = |name: &str| {
            let variable = object.variable(name).unwrap();
            let map = &object.maps()[variable.map.index()];
            let (start, size) = (variable.offset as usize, variable.size as usize);
            let mut bytes = object.initial_value(map)[start..start + size].to_vec();
            if object.endian() == bpfld_insn::Endian::Big {
                bytes.reverse();
            }
            bytes
        };
        assert_eq!(value("counter"), 0xff_eeff_u64.to_le_bytes());
        assert_eq!(value("small"), (-2_i16).to_le_bytes());
        assert_eq!(value("in_own_rodata"), 6_u32.to_le_bytes());
        assert_eq!(
            object.variable("hidden_counter").unwrap().linkage,
            Linkage::Static
        );
        assert_eq!(
            object.variable("private_counter").unwrap().linkage,
            Linkage::Static
        );
        let histogram = object.variable("histogram").unwrap();
        let ty = object.btf().unwrap().ty(histogram.ty.unwrap()).unwrap();
        assert_eq!(ty.array().unwrap().len, 32);
    });
}

/// ELF-04: static and global symbols.
#[test]
fn elf_04_references_to_global_data_tell_the_variable() {
    check("globals", |object| {
        let linked = object.link(object.program("numbers").unwrap()).unwrap();
        let named = |name: &str| {
            let variable = object.variable(name).unwrap();
            Target::MapValue {
                map: variable.map,
                offset: variable.offset,
            }
        };
        for name in [
            "counter",
            "private_counter",
            "hidden_counter",
            "runs",
            "private_runs",
            "in_own_bss",
            "limit",
        ] {
            assert!(
                linked
                    .relocations
                    .iter()
                    .any(|relocation| relocation.target == named(name)),
                "{name}"
            );
        }
    });
}

#[test]
fn maps_of_maps_and_program_arrays_begin_filled() {
    check("map_of_maps", |object| {
        let map = |name: &str| SlotValue::Map(object.map_index(name).unwrap());
        let program = |name: &str| SlotValue::Program(object.program_index(name).unwrap());
        let array = object.map("array_of_maps").unwrap();
        assert_eq!(array.slots, [(0, map("left")), (2, map("right"))]);
        let inner = array.inner.as_ref().unwrap();
        assert_eq!(
            (&*inner.name, inner.map_type, inner.max_entries),
            ("array_of_maps.inner", MapType::ARRAY, 2)
        );
        assert_eq!(
            object.map("jumps").unwrap().slots,
            [(1, program("other")), (3, program("third"))]
        );
        let inner = object.map("hash_of_maps").unwrap().inner.as_ref().unwrap();
        assert_eq!((inner.map_type, inner.value_size), (MapType::HASH, 4));
    });
}

/// ELF-02: maps defined by types.
#[test]
fn elf_02_attributes_of_maps() {
    check("pinned", |object| {
        assert_eq!(object.map("kept").unwrap().pinning, Pinning::ByName);
        assert_eq!(object.map("private").unwrap().pinning, Pinning::None);
        let kept = object.map("kept").unwrap();
        let btf = object.btf().unwrap();
        assert_eq!(btf.resolve_size(kept.key_type.unwrap()).unwrap(), 4);
        assert_eq!((kept.key_size, kept.value_size, kept.max_entries), (4, 8, 32));
    });
    check("arena", |object| {
        let arena = object.map("arena").unwrap();
        assert_eq!(
            (arena.map_type, arena.flags),
            (MapType::ARENA, MapFlags::MMAPABLE)
        );
        assert!(arena.map_extra >= 0x1000_0000_0000);
        assert_eq!(object.initial_value(arena).len(), 8);
        let variable = object.variable("counter").unwrap();
        assert_eq!(
            (variable.map, variable.offset),
            (object.map_index("arena").unwrap(), 4)
        );
    });
}

/// ELF-02: records of any size.
#[test]
fn elf_02_legacy_maps() {
    check("legacy_maps", |object| {
        let map = object.map("by_address").unwrap();
        assert_eq!(
            (map.kind, map.map_type, map.flags),
            (MapKind::Legacy, MapType::HASH, MapFlags::NO_PREALLOC)
        );
        assert_eq!((map.key_size, map.value_size, map.max_entries), (4, 8, 100));
        assert!(object.program("count").unwrap().spec.is_some());
    });
    check("legacy_wide", |object| {
        assert_eq!(object.map("counters").unwrap().legacy_tail, [0; 8]);
        assert_eq!(object.map("pinned").unwrap().legacy_tail.len(), 8);
    });
}

#[test]
fn externs_are_in_order_and_have_their_places() {
    check("kconfig", |object| {
        let names: Vec<_> = object.externs().iter().map(|item| &*item.name).collect();
        assert_eq!(names[..3], ["CONFIG_LOG_BUF_SHIFT", "CONFIG_HZ", "CONFIG_NET"]);
        assert_eq!(names.last(), Some(&"CONFIG_CC_VERSION_TEXT"));
        let mut end = 0;
        for item in object.externs() {
            let ExternKind::Kconfig { offset, size, .. } = item.kind else {
                panic!("{item}")
            };
            assert!(offset >= end);
            end = offset + size;
        }
        let map = object.map(".kconfig").unwrap();
        assert_eq!(map.value_size, end);
        assert_eq!(map.flags, MapFlags::RDONLY_PROG | MapFlags::MMAPABLE);
        let value = |name: &str| {
            let item = object.externs().iter().find(|item| &*item.name == name).unwrap();
            let ExternKind::Kconfig { value, .. } = item.kind else {
                panic!("{item}")
            };
            (value, item.weak)
        };
        assert_eq!(value("CONFIG_CC_VERSION_TEXT"), (KconfigValue::String, false));
        assert_eq!(value("CONFIG_BPF_SYSCALL").0, KconfigValue::Bool);
    });
    check("ksyms", |object| {
        let kind = |name: &str| {
            object
                .externs()
                .iter()
                .find(|item| &*item.name == name)
                .unwrap()
                .kind
        };
        assert!(matches!(kind("runqueues"), ExternKind::Ksym { ty: Some(_) }));
        assert!(matches!(kind("schedule"), ExternKind::Ksym { ty: None }));
    });
    check("kfuncs", |object| {
        let flavour = object
            .externs()
            .iter()
            .find(|item| item.name.contains("___"))
            .unwrap();
        assert_eq!(
            (flavour.essential_name(), flavour.weak),
            ("bpf_task_from_pid", true)
        );
        assert!(matches!(flavour.kind, ExternKind::Kfunc { .. }));
        let linked = object.link(object.program("call").unwrap()).unwrap();
        let calls = linked
            .relocations
            .iter()
            .filter(|relocation| matches!(relocation.target, Target::Kfunc(_)));
        assert!(calls.count() >= 4);
    });
}

#[test]
fn struct_ops_have_their_programs() {
    check("struct_ops", |object| {
        let map = object.map("plain").unwrap();
        assert_eq!(
            (map.kind, map.map_type, map.flags),
            (MapKind::StructOps, MapType::STRUCT_OPS, MapFlags::empty())
        );
        let programs = map
            .members
            .iter()
            .map(|member| &*object.programs()[member.program.index()].name);
        assert_eq!(
            programs.collect::<Vec<_>>(),
            ["slow_start", "avoid", "state", "undo"]
        );
        assert_eq!(
            map.members.iter().map(|member| member.offset).collect::<Vec<_>>(),
            [0, 8, 16, 24]
        );
        assert!(
            object
                .initial_value(map)
                .windows(11)
                .any(|window| window == b"bpfld_plain")
        );
        assert_eq!(object.map("linked").unwrap().flags, MapFlags::LINK);
        let spec = object.program("slow_start").unwrap().spec.as_ref().unwrap();
        assert_eq!(
            (spec.program_type, spec.target.as_deref()),
            (ProgramType::STRUCT_OPS, Some("ssthresh"))
        );
    });
}

#[test]
fn the_kernel_gets_complete_btf() {
    check("globals", |object| {
        let btf = object.btf_draft().unwrap().unwrap().finish().unwrap();
        let section = btf.ty(btf.find(".data", Kind::DATASEC).unwrap()).unwrap();
        assert_eq!(
            section.size_bytes(),
            Some(object.map(".data").unwrap().value_size)
        );
        for entry in section.variables() {
            let name = btf.ty(entry.type_id).unwrap().name().unwrap();
            assert_eq!(entry.offset, object.variable(name).unwrap().offset, "{name}");
        }
    });
    for name in ["kconfig", "ksyms", "kfuncs", "struct_ops", "subprograms", "maps"] {
        check(name, |object| {
            object
                .btf_draft()
                .unwrap()
                .unwrap()
                .finish()
                .unwrap()
                .validate()
                .unwrap();
        });
    }
}

#[track_caller]
fn refused(options: OpenOptions, bytes: Vec<u8>, kind: ErrorKind, expected: &str) -> Error {
    let error = options.parse(bytes).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, expected));
    error
}

/// ELF-01: what is no object is refused.
#[test]
fn elf_01_refusals_name_the_culprit() {
    for order in ["el", "eb"] {
        refused(
            Object::options(),
            bytes("broken_static_map", order),
            ErrorKind::Map,
            r#"section ".maps": map "local": a map must be a global variable"#,
        );
        let error = refused(
            Object::options(),
            bytes("broken_undefined", order),
            ErrorKind::Extern,
            "extern \"also_elsewhere\": defined neither here nor by the kernel; is another object to be linked to this one?",
        );
        assert_eq!(error.symbol_name(), Some("also_elsewhere"));
        let object = Object::options()
            .allow_undefined()
            .parse(bytes("broken_undefined", order))
            .unwrap();
        let error = object.link(object.program("use").unwrap()).unwrap_err();
        assert_eq!(
            (error.kind(), error.section_name()),
            (ErrorKind::Relocation, Some("tc"))
        );
    }
    refused(
        Object::options(),
        b"te\0xt".to_vec(),
        ErrorKind::Elf,
        "not an ELF file",
    );
    let program = std::fs::read("/proc/self/exe").unwrap_or_else(|_| b"\x7fELF\x02\x01".to_vec());
    assert_eq!(Object::parse(program).unwrap_err().kind(), ErrorKind::Elf);
}

/// Sets a field of a section's header; fields are counted in bytes from its start.
fn with_header(name: &str, section: &str, field: usize, value: &[u8]) -> Vec<u8> {
    let mut file = bytes(name, "el");
    let headers = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
    let object = Object::parse(file.clone()).unwrap();
    let index = object
        .sections()
        .iter()
        .find(|other| &*other.name == section)
        .unwrap()
        .index;
    let at = headers + index.index() * 64 + field;
    file[at..at + value.len()].copy_from_slice(value);
    file
}

const SIZE: usize = 32;
const KIND: usize = 4;

#[test]
fn large_sections_cost_nothing() {
    let object = Object::parse(with_header(
        "globals",
        ".bss",
        SIZE,
        &0xffff_ff00_u64.to_le_bytes(),
    ))
    .unwrap();
    let bss = object.map(".bss").unwrap();
    assert_eq!(
        (bss.value_size, object.initial_value(bss).len()),
        (0xffff_ff00, 0)
    );
    refused(
        Object::options(),
        with_header("globals", ".bss", SIZE, &(1_u64 << 32).to_le_bytes()),
        ErrorKind::Limit,
        r#"section ".bss": global data of 4 GiB or more fits in no map"#,
    );
    let error = Object::parse(with_header(
        "globals",
        ".data",
        SIZE,
        &(1_u64 << 40).to_le_bytes(),
    ))
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.section_name()),
        (ErrorKind::Limit, Some(".data"))
    );
}

#[test]
fn relocations_with_addends_are_refused() {
    let object = Object::parse(bytes("maps", "el")).unwrap();
    let target = |info: u32| {
        object
            .sections()
            .get(info as usize)
            .is_some_and(|section| section.is_executable())
    };
    let relocations = object
        .sections()
        .iter()
        .find(|section| section.kind == 9 && target(section.info));
    let name = &*relocations.unwrap().name;
    let error = Object::parse(with_header("maps", name, KIND, &4_u32.to_le_bytes())).unwrap_err();
    assert_eq!(
        (error.kind(), error.section_name()),
        (ErrorKind::Relocation, Some(name))
    );
}

#[test]
fn instructions_are_those_of_the_host() {
    let slots = |order: &str| -> Vec<Slot> {
        let object = Object::parse(bytes("plain", order)).unwrap();
        object
            .functions()
            .iter()
            .flat_map(|function| object.insns(function).to_vec())
            .collect()
    };
    let (little, big) = (slots("el"), slots("eb"));
    assert_eq!(little.last(), big.last());
    assert!(
        little
            .iter()
            .chain(&big)
            .any(|slot| slot.opcode == 0x95 && slot.regs == 0)
    );
}

#[test]
fn objects_are_files_with_functions_too() {
    let file = bytes("subprograms", "eb");
    let file = Executable::parse(&file).unwrap();
    let text = file.section(".text").unwrap();
    assert_eq!(file.function("clamp").unwrap().file_offset % 8, 0);
    assert!(file.function("clamp").unwrap().file_offset >= text.file_offset);
}
