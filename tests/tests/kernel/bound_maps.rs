//! Maps that programs keep without referring to them.

use bpfld::{Array, Loader, Object, Program, ProgramType};
use bpfld_object::MapKind;
use bpfld_tests::{Need, require};

use crate::counter::{eventually, exit, mov};

#[test]
fn constants_are_tied_to_all_programs() {
    require!(Need::Root, Need::Linux(5, 10));
    let text = r#"
        .license "GPL"
        .section .rodata
        .globl bpf_metadata_answer
bpf_metadata_answer: .quad 42
        .section .rodata.more
        .globl bpf_metadata_more
bpf_metadata_more: .quad 43
        .section .data
        .globl variable
variable: .quad 1
        .section socket
one:
        r0 = 0
        exit
        .section tc
two:
        r1 = bpf_metadata_answer ll
        r0 = *(u32 *)(r1 + 0)
        exit
    "#;
    let object = Object::parse(text.as_bytes()).unwrap();
    let loaded = Loader::new().load(&object).unwrap();
    let constants: Vec<u32> = object
        .maps()
        .iter()
        .filter(|map| map.kind == MapKind::Rodata)
        .map(|map| loaded.map(&map.name).unwrap().info().unwrap().id())
        .collect();
    assert_eq!(constants.len(), 2);
    for name in ["one", "two"] {
        let mut of_program = loaded.program(name).unwrap().info().unwrap().map_ids().to_vec();
        of_program.sort_unstable();
        assert_eq!(of_program, constants, "{name}");
    }
    // What is loaded alone has only what it uses.
    let alone = Loader::new();
    let alone = alone.prepare(&object).unwrap().load_alone("one").unwrap();
    assert!(alone.program.info().unwrap().map_ids().is_empty());
}

#[test]
fn a_program_keeps_a_map_that_is_tied_to_it() {
    require!(Need::Root, Need::Linux(5, 10));
    let load = || Program::builder(ProgramType::SOCKET_FILTER, "keeper", &[mov(0, 0), exit()]).load();
    let (program, map) = (load().unwrap(), Array::<u64>::create("kept", 1).unwrap());
    let id = map.map().info().unwrap().id();
    program.bind_map(map.map()).unwrap();
    program.bind_map(map.map()).unwrap();
    assert_eq!(program.info().unwrap().map_ids(), [id]);
    drop(map);
    assert_eq!(bpfld::Map::from_id(id).unwrap().name(), "kept");
    drop(program);
    eventually(|| bpfld::Map::from_id(id).is_err());
}
