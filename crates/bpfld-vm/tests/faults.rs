//! What is found to be wrong, and what is told about it.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Access, FaultKind, MapSpec, MapType, Problem, ProgramType, RegionKind, Vm, Xdp};

#[track_caller]
fn check(text: &str, expected: &str) {
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(Endian::Little);
    vm.add_map(MapSpec::new("values", MapType::ARRAY, 4, 16, 4))
        .unwrap();
    let mut program = vm
        .add_program("wrong", ProgramType::XDP, assembly.slots())
        .unwrap();
    let fault = program.run_on(&mut Xdp::new(&[0; 60])).unwrap_err();
    assert_eq!(fault.to_string(), expected);
}

/// Registers that no instruction, argument or call has given a value.
#[test]
fn registers_that_hold_nothing_are_found() {
    check("r0 = r3\n exit", "wrong, slot 0: r3 is read, but holds nothing");
    check("exit", "wrong, slot 0: r0 is read, but holds nothing");
    check(
        "r6 = r1\n call 5\n r2 = r1\n exit",
        "wrong, slot 2: r1 is read, but holds nothing",
    );
    check(
        "r2 = 1\n call f\n exit\n f: r0 = r6\n exit",
        "wrong, slot 3: r6 is read, but holds nothing",
    );
    // what only some ways leave open is found on those
    check(
        "r2 = *(u32 *)(r1 + 12)\n if r2 == 1 goto l\n r3 = 1\n l: r0 = r3\n exit",
        "wrong, slot 3: r3 is read, but holds nothing",
    );
    let text = "r2 = *(u32 *)(r1 + 12)\n if r2 == 7 goto l\n r3 = 1\n l: r0 = r3\n exit";
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm
        .add_program("right", ProgramType::XDP, assembly.slots())
        .unwrap();
    assert_eq!(program.run_on(&mut Xdp::new(&[0; 60])), Ok(1));
    // functions need not return anything, if nobody asks
    let assembly = assemble("call f\n r0 = 3\n exit\n f: exit").unwrap();
    let mut program = vm
        .add_program("nothing", ProgramType::XDP, assembly.slots())
        .unwrap();
    assert_eq!(program.run_on(&mut Xdp::new(&[0; 60])), Ok(3));
}

#[test]
fn faults_say_what_and_where() {
    check(
        "r0 = 0\n r0 = *(u64 *)(r0 + 8)\n exit",
        "wrong, slot 1: read of 8 bytes at 0x8: null pointer",
    );
    check(
        "r0 = *(u64 *)(r10 - 16)\n exit",
        "wrong, slot 0: read of 8 bytes at 0x800000001f0 (stack of frame 0 at r10-16): byte 0 of it was never written",
    );
    check(
        "*(u32 *)(r10 - 8) = 1\n r0 = *(u64 *)(r10 - 8)\n exit",
        "wrong, slot 1: read of 8 bytes at 0x800000001f8 (stack of frame 0 at r10-8): byte 4 of it was never written",
    );
    check(
        "*(u64 *)(r10 - 4) = 1\n exit",
        "wrong, slot 0: write of 8 bytes at 0x800000001fc (stack of frame 0 at r10-4): out of bounds",
    );
    check(
        "r2 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r2 + 60)\n exit",
        "wrong, slot 1: read of 1 bytes at 0x4000000013c (packet of 60 bytes at 60): out of bounds",
    );
    check(
        "*(u32 *)(r1 + 0) = 1\n exit",
        "wrong, slot 0: write of 4 bytes at 0x30000000000 (context at 0): no field that may be accessed so",
    );
    check(
        "r0 = 77\n call 9999\n exit",
        "wrong, slot 1: helper 9999 does not exist",
    );
    check(
        "call 1\n exit",
        "wrong, slot 0: argument 1 of bpf_map_lookup_elem: no map",
    );
    check("call 2000\n exit", "wrong, slot 0: helper 2000 does not exist");
    check(
        "call 55\n exit",
        "wrong, slot 0: helper bpf_perf_event_read_value is not there; it can be registered",
    );
}

#[test]
fn values_of_maps_are_apart() {
    let text = "
        *(u32 *)(r10 - 4) = 1
        r2 = r10
        r2 += -4
        r1 = 0 ll
        call 1
        r0 = *(u64 *)(r0 + 12)
        exit";
    let mut slots = assemble(text).unwrap().slots().to_vec();
    // the 64-bit load is of map number 0
    slots[3] = slots[3].with_src(1);
    let mut vm = Vm::builder().empty(Endian::Little);
    vm.add_map(MapSpec::new("values", MapType::ARRAY, 4, 16, 4))
        .unwrap();
    let mut program = vm.add_program("over", ProgramType::XDP, &slots).unwrap();
    let fault = program.run_on(&mut ()).unwrap_err();
    let FaultKind::Access(access) = &fault.kind else {
        panic!("{fault}");
    };
    assert_eq!(
        (access.size, access.access, access.problem),
        (8, Access::Read, Problem::Bounds)
    );
    let region = access.region.as_ref().unwrap();
    assert_eq!((region.kind, &*region.name), (RegionKind::MapValue, "values"));
    assert_eq!(region.bounds.end - region.bounds.start, 16);
    assert_eq!(region.offset - region.bounds.start, 12);
    assert_eq!((fault.place.slot, fault.registers[10] > 0), (6, true));
    assert!(
        format!("{fault:#}").contains("r0 = *(u64 *)(r0 + 12)"),
        "{fault:#}"
    );
}

#[test]
fn strict_alignment_is_asked_for() {
    let assembly = assemble("r2 = *(u32 *)(r1 + 0)\n r0 = *(u32 *)(r2 + 1)\n exit").unwrap();
    let packet = || Xdp::new(&[1; 60]);
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm.add_program("odd", ProgramType::XDP, assembly.slots()).unwrap();
    assert_eq!(program.run_on(&mut packet()), Ok(0x0101_0101));
    let mut vm = Vm::builder().strict_alignment().empty(Endian::Little);
    let mut program = vm.add_program("odd", ProgramType::XDP, assembly.slots()).unwrap();
    let fault = program.run_on(&mut packet()).unwrap_err();
    assert!(fault.to_string().ends_with("not aligned"), "{fault}");
}

#[test]
fn a_frame_that_is_gone_is_no_memory() {
    let text = "
        call inner
        r0 = *(u64 *)(r0 - 8)
        exit
    inner:
        *(u64 *)(r10 - 8) = 1
        r0 = r10
        exit";
    check(
        text,
        "wrong, slot 1: read of 8 bytes at 0x900000001f8 (stack of frame 1, which has ended): out of bounds",
    );
}
