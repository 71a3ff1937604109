//! Assembly as objects: a text in, what the object says out.

#![cfg(feature = "asm")]
#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::error::Error as _;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bpfld_insn::{Dialect, Endian, print};
use bpfld_object::{ErrorKind, MapKind, Object, ObjectAssembler, SlotValue, Target, TextError};

/// Everything that a text can say of an object.
fn describe(object: &Object) -> String {
    let mut out = String::new();
    if let Some(license) = object.license() {
        writeln!(out, "license {license}").unwrap();
    }
    for map in object.maps() {
        if map.kind == MapKind::StructOps {
            continue;
        }
        write!(
            out,
            "map {} {} key={} value={} entries={}",
            map.name, map.map_type, map.key_size, map.value_size, map.max_entries
        )
        .unwrap();
        if !map.flags.is_empty() {
            write!(out, " flags={}", map.flags).unwrap();
        }
        if map.map_extra != 0 {
            write!(out, " extra={:#x}", map.map_extra).unwrap();
        }
        if let Some(inner) = &map.inner {
            write!(out, " inner={}/{}", inner.map_type, inner.value_size).unwrap();
        }
        for (slot, value) in &map.slots {
            let name = match value {
                SlotValue::Map(index) => &object.maps()[index.index()].name,
                SlotValue::Program(index) => &object.programs()[index.index()].name,
            };
            write!(out, " [{slot}]={name}").unwrap();
        }
        let initial = object.initial_value(map);
        if !initial.is_empty() {
            write!(out, " contents={initial:02x?}").unwrap();
        }
        writeln!(out).unwrap();
    }
    for variable in object.variables() {
        let map = &object.maps()[variable.map.index()].name;
        writeln!(
            out,
            "variable {} {map}+{} size={} {:?}",
            variable.name, variable.offset, variable.size, variable.linkage
        )
        .unwrap();
    }
    for item in object.externs() {
        writeln!(out, "{item}{}", if item.weak { " (weak)" } else { "" }).unwrap();
    }
    for program in object.programs() {
        let kind = program.spec.as_ref().map(|spec| spec.program_type);
        writeln!(out, "program {} {} {kind:?}", program.name, program.section).unwrap();
        let mut linked = object.link(program).unwrap();
        // until the relocation is applied, what stands there means nothing
        for relocation in &linked.relocations {
            if !matches!(relocation.target, Target::Core(_)) {
                linked.insns[relocation.at as usize].imm = 0;
            }
        }
        for line in print(&linked.insns).to_string().lines() {
            writeln!(out, "{line}").unwrap();
        }
        for relocation in &linked.relocations {
            if matches!(relocation.target, Target::Core(_)) {
                continue;
            }
            let target = match relocation.target {
                Target::Map(map) => format!("map {}", object.maps()[map.index()].name),
                Target::MapValue { map, offset } => format!("{}+{offset}", object.maps()[map.index()].name),
                Target::Ksym(index) | Target::Kfunc(index) | Target::KfuncAddress(index) => {
                    object.extern_at(index).unwrap().to_string()
                }
                other => format!("{other:?}"),
            };
            writeln!(out, "  {}: {target}", relocation.at).unwrap();
        }
    }
    out
}

/// A text becomes this object: in both byte orders, directly and by way of a file.
#[track_caller]
fn check(text: &str, expected: &str) {
    let direct = Object::parse(text.as_bytes().to_vec()).unwrap_or_else(|error| {
        panic!("{error}: {:#}", error.source().unwrap());
    });
    assert_eq!(describe(&direct), expected);
    let file = ObjectAssembler::new().assemble(text).unwrap();
    assert_eq!(file.bytes, direct.bytes().as_slice());
    for endian in [Endian::Little, Endian::Big] {
        let file = ObjectAssembler::new().endian(endian).assemble(text).unwrap();
        let object = Object::parse(file.bytes).unwrap();
        assert_eq!(object.endian(), endian);
        assert_eq!(describe(&object), expected);
    }
}

/// All that is wrong with a text, a line each: line, column, message, help.
#[track_caller]
fn check_errors(text: &str, expected: &str) {
    let error = Object::parse(text.as_bytes().to_vec()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Assembly);
    let error = error.source().unwrap().downcast_ref::<TextError>().unwrap();
    let mut lines = String::new();
    for diagnostic in error.errors().diagnostics() {
        let (line, column) = diagnostic.span.line_column(text);
        let help = diagnostic.help.as_deref().map(|help| format!(" ({help})"));
        writeln!(
            lines,
            "{line}:{column} {}{}",
            diagnostic.message,
            help.unwrap_or_default()
        )
        .unwrap();
    }
    assert_eq!(lines, expected);
}

#[test]
fn a_program_with_a_map_and_data() {
    check(
        r#"
        .license "GPL"
        .map counts hash key=4 value=u64 max_entries=16 flags=no_prealloc
        .data
        .globl seen
seen:   .byte 7, 0, 0, 0
low:    .byte 1, 2
        .balign 8
        .bss
        .comm total, 8
        .section .rodata.text
hello:  .asciz "hi"
        .section "xdp"
main:
        r1 = counts ll
        r2 = low+1 ll
        r3 = total ll
        r4 = .rodata.text+1 ll
        call next
        exit
next:
        r0 = XDP_PASS
        exit
        "#,
        "\
license GPL
map counts hash key=4 value=8 entries=16 flags=NO_PREALLOC
map .data array key=4 value=8 entries=1 flags=MMAPABLE contents=[07, 00, 00, 00, 01, 02, 00, 00]
map .bss array key=4 value=8 entries=1
map .rodata.text array key=4 value=3 entries=1 flags=RDONLY_PROG contents=[68, 69, 00]
variable seen .data+0 size=4 Global
variable low .data+4 size=4 Static
variable total .bss+0 size=8 Static
variable hello .rodata.text+0 size=3 Static
program main xdp Some(ProgramType::XDP)
    r1 = 0 ll
    r2 = 0 ll
    r3 = 0 ll
    r4 = 0 ll
    call F1
    exit
F1:
    r0 = 2
    exit
  0: map counts
  2: .data+5
  4: .bss+0
  6: .rodata.text+1
",
    );
}

#[test]
fn subprograms_and_callbacks() {
    check(
        r#"
        .section tc
        .globl first
first:  r1 = 10
        r2 = step ll
        r3 = 0
        r4 = 0
        call bpf_loop
        call shared
        exit
        .globl second
second: call shared
        exit
        .text
helper: r0 = 0
        exit
        .globl shared
shared: call helper
        exit
step:   r0 = 1
        exit
        "#,
        "\
program first tc Some(ProgramType::SCHED_CLS)
    r1 = 10
    r2 = F1 ll
    r3 = 0
    r4 = 0
    call bpf_loop
    call F2
    exit
F1:
    r0 = 1
    exit
F2:
    call F3
    exit
F3:
    r0 = 0
    exit
program second tc Some(ProgramType::SCHED_CLS)
    call F1
    exit
F1:
    call F2
    exit
F2:
    r0 = 0
    exit
",
    );
}

#[test]
fn maps_of_maps_and_program_arrays() {
    check(
        r#"
        .map shape array key=4 value=8 max_entries=1 template
        .map one array, key=4, value=8, max_entries=1
        .map outer array_of_maps key=4 max_entries=3 inner=shape values="one - one"
        .map jumps prog_array key=4 max_entries=2 values="- later"
        .map arena type=BPF_MAP_TYPE_ARENA max_entries=10 flags=mmapable map_extra=0x100000000000
        .section tc
        .globl now, later
now:    r2 = jumps ll
        r3 = 1
        call bpf_tail_call
        r0 = 0
        exit
later:  r1 = outer ll
        r0 = 1
        exit
        "#,
        "\
map one array key=4 value=8 entries=1
map outer array_of_maps key=4 value=4 entries=3 inner=array/8 [0]=one [2]=one
map jumps prog_array key=4 value=4 entries=2 [1]=later
map arena arena key=0 value=0 entries=10 flags=MMAPABLE extra=0x100000000000
program now tc Some(ProgramType::SCHED_CLS)
    r2 = 0 ll
    r3 = 1
    call bpf_tail_call
    r0 = 0
    exit
  0: map jumps
program later tc Some(ProgramType::SCHED_CLS)
    r1 = 0 ll
    r0 = 1
    exit
  0: map outer
",
    );
}

#[test]
fn what_the_kernel_has() {
    check(
        r#"
        .kfunc bpf_task_from_pid, "struct task_struct *(s32)"
        .kfunc perhaps, "void (void)"
        .weak perhaps
        .ksym bpf_prog_active, "int"
        .ksym init_task
        .kconfig CONFIG_HZ, "u32"
        .kconfig CONFIG_BPF, "enum libbpf_tristate"
        .kconfig CONFIG_CC_VERSION_TEXT, "char[20]"
        .section syscall
main:   call bpf_task_from_pid
        r1 = perhaps ll
        r1 = bpf_prog_active ll
        r1 = init_task ll
        r1 = CONFIG_HZ ll
        r2 = CONFIG_BPF ll
        r3 = CONFIG_CC_VERSION_TEXT ll
        r0 = 0
        exit
        "#,
        "\
map .kconfig array key=4 value=28 entries=1 flags=RDONLY_PROG | MMAPABLE
variable CONFIG_BPF .kconfig+0 size=4 Global
variable CONFIG_HZ .kconfig+4 size=4 Global
variable CONFIG_CC_VERSION_TEXT .kconfig+8 size=20 Global
configuration value CONFIG_BPF
configuration value CONFIG_HZ
configuration value CONFIG_CC_VERSION_TEXT
kernel symbol bpf_prog_active
kernel function bpf_task_from_pid
kernel symbol init_task
kernel function perhaps (weak)
program main syscall Some(ProgramType::SYSCALL)
    call F1
F1:
    r1 = 0 ll
    r1 = 0 ll
    r1 = 0 ll
    r1 = 0 ll
    r2 = 0 ll
    r3 = 0 ll
    r0 = 0
    exit
  0: kernel function bpf_task_from_pid
  1: kernel function perhaps
  3: kernel symbol bpf_prog_active
  5: kernel symbol init_task
  7: .kconfig+4
  9: .kconfig+0
  11: .kconfig+8
",
    );
}

#[test]
fn all_mistakes_at_once() {
    check_errors(
        r#"
        .map a hahs key=4
        .map b hash kye=4 key=5 key_size=6 flags=no_preallocate max_entries=-1 pinning=2
        .map c
        .map d array inner=e values=x
        .map later array_of_maps key=4
        .map now array_of_maps key=4 values="a"
        .kfunc f, "int"
        .kfunc g
        .kconfig h
        .ksym i, "void (void)"
        .kconfig j, "task_struct"
        .section xdp
main:   r0 = r99
        "#,
        "\
2:16 there is no type of maps `hahs` (did you mean `hash`?)
3:21 maps have no attribute `kye` (did you mean `key`?)
3:33 `key` is given twice
3:44 there is no flag of maps `no_preallocate` (did you mean `no_prealloc`?)
3:65 `max_entries` is a number of 32 bits
3:80 pinning is `none` or `by_name`
4:14 map `c` has no type (write it behind the name: `.map c hash …`)
5:22 a map of type array has no inner maps
5:30 only maps of maps and program arrays have values from the start
7:14 a map of type array_of_maps with values needs `inner=`, a map that is like them
8:19 the type of a kernel function is needed (for example `.kfunc f, \"int (struct sock *, u64)\"`)
9:16 the type of a kernel function is needed (for example `.kfunc g, \"int (struct sock *, u64)\"`)
10:18 the type of a configuration value is needed (for example `.kconfig h, \"bool\"`)
11:18 this is the type of a function (functions of the kernel are declared by `.kfunc`)
12:21 there is no type `task_struct`; those of the kernel need `struct`, `union` or `enum`
14:14 there is no register 99 (registers are r0 to r10, or w0 to w10 for their lower halves)
",
    );
}

#[test]
fn mistakes_that_only_objects_have() {
    check_errors(
        r#"
        .type gone, @object
        .extern other
        .map shape array key=4 value=4 max_entries=1 template
        .map outer hash_of_maps key=4 max_entries=1 inner=shap values="outr"
        .map m array key=4 value=4 max_entries=1
        .section .bss
bad:    .byte 1
        .data
address: .quad bad
        .section xdp
        r0 = 0
main:   call m
        call bad
        r1 = m+4 ll
        r1 = shape ll
        r1 = gone ll
        exit
        .globl empty
empty:
        "#,
        "\
2:15 `gone` is declared, but defined nowhere (if it is a map, say which: `.map gone hash key=4 …`)
5:53 there is no map `shap` (did you mean `shape`?)
5:64 there is no map or program `outr` (did you mean `outer`?)
8:1 what is in .bss is zero (data with other values belongs into `.section .data`)
10:1 nobody fills in the address of `bad` in data (only instructions can refer to symbols)
12:9 instructions of section `xdp` before its first function (name the function by a label: `main:`)
13:9 a map cannot be called
14:9 this is data and cannot be called
15:9 a map itself has no places; only its elements have
16:9 this map is a template only
20:1 function `empty` has no instructions
",
    );
}

#[test]
fn other_texts_are_no_objects() {
    for text in ["r0 = 0\nexit\n", "int main() { return 0; }"] {
        let error = Object::parse(text.as_bytes().to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Elf, "{text}");
    }
}

/// Every fixture as assembly, in this dialect, and back.
#[track_caller]
fn check_round_trip(dialect: Dialect) {
    let mut count = 0;
    for path in fixtures() {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(object) = Object::parse(bytes) else {
            continue;
        };
        let text = object.to_assembly().dialect(dialect).lines();
        let text = if count % 2 == 0 { text } else { text.raw() };
        let text = text.to_string();
        let name = path.display();
        let handles = |program| {
            object
                .link(program)
                .is_ok_and(|linked| linked.exception_callback.is_some())
        };
        if object.programs().iter().any(handles) {
            // Which function that is stands in a tag.
            assert!(
                text.contains("declaration tags are not in this text"),
                "{name}\n{text}"
            );
            continue;
        }
        let again = ObjectAssembler::new().endian(object.endian()).assemble(&text);
        let again = again.unwrap_or_else(|error| panic!("{name}: {error:#}\n{text}"));
        let again = Object::parse(again.bytes).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let (ours, theirs) = (describe(&again), describe(&object));
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs, "{name}\n{text}");
        }
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{name}\n{text}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "o"))
        .collect();
    files.sort();
    files
}

#[test]
fn objects_as_text_and_back() {
    check_round_trip(Dialect::Llvm);
}

#[test]
fn objects_as_text_of_other_dialects_and_back() {
    check_round_trip(Dialect::Kernel);
    check_round_trip(Dialect::Gnu);
}

/// Lines that mean something, to be put together in any order.
const LINES: &[&str] = &[
    ".section xdp",
    ".section .data",
    ".section .maps",
    ".section license",
    ".text",
    ".bss",
    "main: r0 = 0",
    "other:",
    "main:",
    "exit",
    "call other",
    "call main",
    "call m",
    "r1 = m ll",
    "r1 = main ll",
    "r1 = other+8 ll",
    "r1 = other-9223372036854775807 ll",
    "r1 = .data+4 ll",
    "r1 = subprog[-2147483648]",
    ".globl main, other",
    ".weak other",
    ".type other,@object",
    ".type main,@function",
    ".size other, 18446744073709551615",
    ".size main, 4",
    ".quad other",
    ".byte 1, 2, 3",
    ".zero 3",
    ".comm total, 8",
    ".p2align 3",
    ".extern other",
    ".map m hash key=4 value=u64 max_entries=4294967295",
    ".map n array_of_maps inner=m values=\"m - main other\" key=4",
    ".map m prog_array values=\"main\" template",
    ".map o hash_of_maps inner=n",
    ".kfunc other, \"int (struct x *, u64)\"",
    ".ksym other, \"struct x\"",
    ".kconfig other, \"char[4294967295]\"",
    ".license \"GPL\"",
];

proptest::proptest! {
    /// Whatever the text: an object or errors, and what becomes a file can be read.
    #[test]
    fn any_lines_in_any_order(lines in proptest::collection::vec(0..LINES.len(), 0..24)) {
        let text: String = lines.iter().map(|line| format!("{}\n", LINES[*line])).collect();
        if let Ok(made) = ObjectAssembler::new().assemble(&text) {
            // what is declared to be elsewhere, or is no map, may still be refused
            if let Ok(object) = Object::options().allow_undefined().parse(made.bytes) {
                let _ = object.to_assembly().to_string();
            }
        }
        let _ = ObjectAssembler::new().assemble_flat(&text);
    }
}
