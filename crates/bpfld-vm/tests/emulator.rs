//! What gobpfld's emulator does or gets wrong, row by row: each test has the name of its row in the list of what it can do (`emu`)
//! or of its known mistakes (`bug`).
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{AluOp, Endian, JmpOp, Operand, Slot, Width, assemble};
use bpfld_vm::{
    Bytes, Control, ElemFlags, FaultKind, MapSpec, MapType, Object, Observed, Problem, ProgramType,
    RegionKind, Skb, Vm, Xdp,
};

/// A machine with a few maps, and this program.
fn machine(text: &str) -> Vm {
    let mut vm = Vm::builder().budget(100_000).empty(Endian::Little);
    for (name, map_type, key, value, entries) in [
        ("array", MapType::ARRAY, 4, 8, 4),
        ("hash", MapType::HASH, 4, 8, 2),
        ("queue", MapType::QUEUE, 0, 8, 2),
        ("stack", MapType::STACK, 0, 8, 2),
        ("programs", MapType::PROG_ARRAY, 4, 4, 4),
        ("events", MapType::PERF_EVENT_ARRAY, 4, 4, 1),
    ] {
        vm.add_map(MapSpec::new(name, map_type, key, value, entries))
            .unwrap();
    }
    add(&mut vm, "main", text);
    vm
}

const ARRAY: &str = "r1 = map[fd:0] ll";
const HASH: &str = "r1 = map[fd:1] ll";
const QUEUE: &str = "r1 = map[fd:2] ll";
const STACK: &str = "r1 = map[fd:3] ll";

fn add(vm: &mut Vm, name: &str, text: &str) {
    let assembly = assemble(text).unwrap_or_else(|errors| panic!("{errors:#}\n{text}"));
    vm.add_program(name, ProgramType::XDP, assembly.slots()).unwrap();
}

fn run(vm: &mut Vm) -> Result<u64, FaultKind> {
    let result = vm.program("main").unwrap().run_on(&mut Xdp::new(&[7; 64]));
    result.map_err(|fault| fault.kind.clone())
}

#[track_caller]
fn check(text: &str, expected: u64) {
    assert_eq!(run(&mut machine(text)), Ok(expected), "{text}");
}

#[test]
fn emu_01_all_of_the_stack_is_there() {
    check("*(u64 *)(r10 - 512) = 5\n r0 = *(u64 *)(r10 - 512)\n exit", 5);
    let below = run(&mut machine("*(u64 *)(r10 - 520) = 5\n r0 = 0\n exit"));
    assert!(matches!(below, Err(FaultKind::Access(_))));
}

#[test]
fn emu_02_programs_are_added_as_slots_and_found_by_name() {
    let mut vm = machine("r0 = 1\n exit");
    add(&mut vm, "other", "r0 = 2\n exit");
    assert_eq!(vm.program("other").unwrap().run_on(&mut ()), Ok(2));
    assert!(
        vm.add_program("bad", ProgramType::XDP, &[Slot::new(0xff, 0, 0, 0, 0)])
            .is_err()
    );
}

#[test]
fn emu_03_objects_run_as_they_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    let object = Object::open(format!("{folder}/map_of_maps.el.o")).unwrap();
    assert!(Vm::load(&object).unwrap().program_names().count() > 0);
}

#[test]
fn emu_04_steps_snapshots_and_endless_loops() {
    let mut vm = machine("r0 = 1\n r0 += 2\n r0 *= 5\n exit");
    let mut seen = Vec::new();
    let mut program = vm.program("main").unwrap();
    program
        .observe(&mut (), &mut |step: &Observed<'_>| {
            seen.push(step.registers()[0]);
            Control::Continue
        })
        .unwrap();
    assert_eq!(seen, [0, 1, 3, 15]);
    assert!(matches!(
        run(&mut machine("l: goto l")),
        Err(FaultKind::Budget { .. })
    ));
    let mut before = machine("r0 = 0\n exit");
    before.map("hash").unwrap().insert(&1u32, &1u64).unwrap();
    let mut after = before.clone();
    after.map("hash").unwrap().insert(&1u32, &2u64).unwrap();
    assert_eq!(before.map("hash").unwrap().get::<u64>(&1u32), Ok(Some(1)));
}

#[test]
fn emu_05_errors_tell_everything_and_can_be_printed() {
    let mut vm = machine("r6 = 9\n r0 = *(u64 *)(r1 + 400)\n exit");
    let fault = vm.program("main").unwrap().run_on(&mut ()).unwrap_err();
    assert_eq!((fault.place.slot, fault.registers[6]), (1, 9));
    assert!(format!("{fault:#}").contains("r6=0x9"));
}

#[test]
fn emu_06_the_frame_pointer_is_read_everywhere() {
    check("r1 = r10\n r1 -= r10\n r0 = r1\n exit", 0);
    check("r0 = 1\n if r10 == r10 goto l\n r0 = 2\n l: exit", 1);
    check(
        "*(u64 *)(r10 - 8) = r10\n r0 = *(u64 *)(r10 - 8)\n r0 -= r10\n exit",
        0,
    );
}

#[test]
fn emu_07_memory_is_bytes() {
    check("*(u64 *)(r10 - 8) = 0x01020304\n r0 = *(u8 *)(r10 - 6)\n exit", 2);
    check(
        "*(u32 *)(r10 - 8) = 1\n *(u32 *)(r10 - 4) = 2\n r0 = *(u64 *)(r10 - 8)\n exit",
        2 << 32 | 1,
    );
    let unwritten = run(&mut machine(
        "*(u32 *)(r10 - 8) = 1\n r0 = *(u64 *)(r10 - 8)\n exit",
    ));
    let Err(FaultKind::Access(fault)) = unwritten else {
        panic!("{unwritten:?}")
    };
    assert_eq!(fault.problem, Problem::Uninitialised { first: 4 });
    assert!(matches!(
        fault.region.unwrap().kind,
        RegionKind::Stack { frame: 0 }
    ));
}

#[test]
fn emu_08_every_operation_and_condition_in_every_form() {
    for width in [Width::W32, Width::W64] {
        for src in [Operand::Imm(3), Operand::Reg(bpfld_insn::Reg::R2)] {
            for op in AluOp::ALL {
                let alu = bpfld_insn::Insn::Alu {
                    width,
                    op: *op,
                    dst: bpfld_insn::Reg::R0,
                    src,
                };
                check(&format!("r0 = 7\n r2 = 3\n {alu}\n r0 = 1\n exit"), 1);
            }
            for op in JmpOp::ALL {
                let jump = bpfld_insn::Insn::JumpIf {
                    width,
                    op: *op,
                    dst: bpfld_insn::Reg::R1,
                    src,
                    offset: 0,
                };
                check(&format!("r0 = 1\n r1 = 7\n r2 = 3\n {jump}\n exit"), 1);
            }
        }
    }
    let mut vm = machine("r6 = r1\n r0 = *(u16 *)skb[12]\n exit");
    let r0 = vm.program("main").unwrap().run_on(&mut Skb::new(&[7; 64]));
    assert_eq!(r0, Ok(0x0707));
}

#[test]
fn emu_09_the_end_of_a_packet_is_compared_as_on_linux() {
    let text = |len: u32| {
        format!(
            "r2 = *(u32 *)(r1 + 0)\n r3 = *(u32 *)(r1 + 4)\n r2 += {len}\n r0 = 1\n if r2 > r3 goto l\n r0 = 2\n l: exit"
        )
    };
    check(&text(64), 2);
    check(&text(65), 1);
}

#[test]
fn emu_10_eight_functions_deep_with_registers_kept() {
    let nested = |calls: usize| {
        let mut text = "r6 = r10\n call f1\n r6 -= r10\n r0 += r6\n exit\n".to_owned();
        for number in 1..calls {
            text += &format!("f{number}: r6 = {number}\n call f{}\n exit\n", number + 1);
        }
        text + &format!("f{calls}: r0 = {calls}\n exit")
    };
    check(&nested(7), 7);
    assert_eq!(
        run(&mut machine(&nested(8))),
        Err(FaultKind::CallDepth { limit: 8 })
    );
}

#[test]
fn emu_11_helpers_answer_as_on_linux() {
    let key = "*(u32 *)(r10 - 4) = 1\n r2 = r10\n r2 += -4";
    let value = "*(u64 *)(r10 - 16) = 5\n r3 = r10\n r3 += -16\n r4 = 0";
    check(&format!("{HASH}\n {key}\n call 1\n exit"), 0);
    check(&format!("{HASH}\n {key}\n {value}\n call 2\n exit"), 0);
    check(&format!("{HASH}\n {key}\n call 3\n exit"), -2i64 as u64);
    check("call 14\n exit", 1000 << 32 | 1000);
    check("r6 = r1\n r0 = 0\n exit", 0);
    let mut vm = machine(
        "*(u64 *)(r10 - 8) = 5\n r2 = map[fd:5] ll\n r3 = 0xffffffff ll\n r4 = r10\n r4 += -8\n r5 = 8\n call 25\n exit",
    );
    assert_eq!(run(&mut vm), Ok(0));
    assert_eq!(
        vm.map("events").unwrap().take_events()[0].data,
        [5, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn emu_12_maps_have_flags_and_limits() {
    let mut vm = machine("r0 = 0\n exit");
    let mut hash = vm.map("hash").unwrap();
    assert!(hash.update(&1u32, &1u64, ElemFlags::EXIST).is_err());
    hash.update(&1u32, &1u64, ElemFlags::NOEXIST).unwrap();
    assert!(hash.update(&1u32, &1u64, ElemFlags::NOEXIST).is_err());
    hash.insert(&2u32, &1u64).unwrap();
    assert!(hash.insert(&3u32, &1u64).is_err());
}

#[test]
fn emu_13_tail_calls_fall_through_where_nothing_is() {
    let text = |index: u32| format!("r2 = map[fd:4] ll\n r3 = {index}\n call 12\n r0 = 3\n exit");
    check(&text(0), 3);
    check(&text(99), 3);
    // calls itself until the limit is reached
    let mut vm = machine(&text(1));
    vm.map("programs").unwrap().set_program(1, "main").unwrap();
    let program = vm.program("main").unwrap().run_on(&mut ());
    assert_eq!(program, Ok(3));
    assert_eq!(vm.program("main").unwrap().slots_taken(), 34 * 4 + 2);
}

#[test]
fn emu_14_maps_in_maps_are_looked_up() {
    let mut vm = machine("r0 = 0\n exit");
    vm.add_map(MapSpec::new("outer", MapType::ARRAY_OF_MAPS, 4, 4, 2))
        .unwrap();
    vm.map("outer").unwrap().set_map(&0u32, "array").unwrap();
    vm.map("array").unwrap().insert(&0u32, &77u64.to_le()).unwrap();
    let key = "*(u32 *)(r10 - 4) = 0\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto l\n r1 = r0\n";
    let text = format!("r1 = map[fd:6] ll\n {key} {key} r0 = *(u64 *)(r0 + 0)\n l: exit").replacen(
        " r1 = r0\n r0 =",
        " r0 =",
        1,
    );
    add(&mut vm, "main", &text);
    assert_eq!(run(&mut vm), Ok(77));
}

#[test]
fn bug_01_32_bits_are_zero_extended() {
    check("r0 = -1 ll\n w0 += 0\n exit", 0xffff_ffff);
    check("r1 = -1 ll\n w0 = w1\n exit", 0xffff_ffff);
    check("w0 = -1\n exit", 0xffff_ffff);
    check("r0 = 1\n w0 = -w0\n exit", 0xffff_ffff);
}

#[test]
fn bug_02_division_has_no_sign_and_no_error() {
    check("r0 = -8\n r1 = 2\n r0 /= r1\n exit", (-8i64 as u64) / 2);
    check("r0 = 8\n r1 = 0\n r0 /= r1\n exit", 0);
    check("r0 = 8\n r1 = 0\n r0 %= r1\n exit", 8);
    check("r0 = 8\n r1 = 0x100000000 ll\n w0 /= w1\n exit", 0);
}

#[test]
fn bug_03_conversions_are_those_of_the_byte_order() {
    check("r0 = 0x1122\n r0 = be16 r0\n exit", 0x2211);
    check("r0 = 0x1122\n r0 = le16 r0\n exit", 0x1122);
}

#[test]
fn bug_04_shifts_are_masked() {
    check("r0 = 1\n r1 = 65\n r0 <<= r1\n exit", 2);
    check("r0 = 4\n r1 = -63\n r0 >>= r1\n exit", 2);
    check("r0 = 1\n r1 = 33\n w0 <<= w1\n exit", 2);
}

#[test]
fn bug_05_to_07_bit_tests_and_comparisons() {
    for (condition, taken) in [
        ("r1 & 4", true),
        ("r1 & 2", false),
        ("r1 s< 5", false),
        ("r1 s< 6", true),
        ("r1 < 5", false),
        ("r1 <= 5", true),
        ("w1 <= 4", false),
    ] {
        check(
            &format!("r0 = 1\n r1 = 5\n if {condition} goto l\n r0 = 0\n l: exit"),
            taken.into(),
        );
    }
}

#[test]
fn bug_08_registers_do_not_alias_memory() {
    check(
        "*(u64 *)(r10 - 8) = 5\n r1 = *(u64 *)(r10 - 8)\n r1 += 1\n r0 = *(u64 *)(r10 - 8)\n exit",
        5,
    );
}

#[test]
fn bug_09_a_constant_replaces_a_pointer() {
    check("r1 = r10\n r1 = 7 ll\n r0 = r1\n exit", 7);
}

#[test]
fn bug_11_and_12_programs_without_an_end() {
    let mut vm = Vm::builder().empty(Endian::Little);
    assert!(vm.add_program("none", ProgramType::XDP, &[]).is_err());
    assert!(
        vm.add_program("out", ProgramType::XDP, &[Slot::new(5, 0, 0, -9, 0)])
            .is_err()
    );
    assert!(matches!(
        run(&mut machine("r0 = 0")),
        Err(FaultKind::Jump { target: 1 })
    ));
}

#[test]
fn bug_13_pointers_in_kept_registers_stay_pointers() {
    check(
        "r6 = r10\n r6 += -8\n *(u64 *)(r6 + 0) = 1\n call f\n *(u64 *)(r6 + 0) = 2\n r0 = *(u64 *)(r10 - 8)\n exit\n f: r0 = 0\n exit",
        2,
    );
}

#[test]
fn bug_14_a_copy_has_maps_helpers_and_programs() {
    let mut vm = machine(&format!(
        "{HASH}\n *(u32 *)(r10 - 4) = 1\n r2 = r10\n r2 += -4\n call 1\n if r0 == 0 goto l\n r0 = *(u64 *)(r0 + 0)\n l: exit"
    ));
    vm.map("hash")
        .unwrap()
        .insert(&1u32.to_le(), &9u64.to_le())
        .unwrap();
    assert_eq!(run(&mut vm.clone()), Ok(9));
}

#[test]
fn bug_16_a_negative_helper_number_is_none() {
    let mut vm = Vm::builder().empty(Endian::Little);
    let code = [Slot::new(0x85, 0, 0, 0, -1), Slot::new(0x95, 0, 0, 0, 0)];
    vm.add_program("main", ProgramType::XDP, &code).unwrap();
    assert!(matches!(run(&mut vm), Err(FaultKind::UnknownHelper(_))));
}

#[test]
fn bug_17_and_18_array_updates_take_any_memory_and_refuse_bad_pointers() {
    let text = |value: &str| {
        format!(
            "*(u64 *)(r10 - 24) = 6\n *(u32 *)(r10 - 4) = 3\n {ARRAY}\n r2 = r10\n r2 += -4\n r3 = {value}\n r3 += -24\n r4 = 0\n call 2\n exit"
        )
    };
    let mut vm = machine(&text("r10"));
    assert_eq!(run(&mut vm), Ok(0));
    assert_eq!(
        vm.map("array").unwrap().get::<u64>(&3u32.to_le()),
        Ok(Some(6u64.to_le()))
    );
    assert!(matches!(
        run(&mut machine(&text("100"))),
        Err(FaultKind::Access(_))
    ));
}

#[test]
fn bug_19_keys_can_be_deleted() {
    let mut vm = machine(&format!(
        "{HASH}\n *(u32 *)(r10 - 4) = 1\n r2 = r10\n r2 += -4\n call 3\n exit"
    ));
    vm.map("hash")
        .unwrap()
        .insert(&1u32.to_le(), &9u64.to_le())
        .unwrap();
    assert_eq!(run(&mut vm), Ok(0));
    assert!(vm.map("hash").unwrap().is_empty());
}

#[test]
fn bug_20_to_22_queues_and_stacks_hold_values_up_to_their_limit() {
    for (map, second) in [(QUEUE, 1), (STACK, 2)] {
        let push = |value: u32| {
            format!("*(u64 *)(r10 - 8) = {value}\n {map}\n r2 = r10\n r2 += -8\n r3 = 0\n call 87\n")
        };
        let take = |helper: u32| format!("{map}\n r2 = r10\n r2 += -8\n call {helper}\n");
        // the third has no room
        check(&format!("{}{}{} exit", push(1), push(2), push(3)), -7i64 as u64);
        check(
            &format!("{}{}{} r0 = *(u64 *)(r10 - 8)\n exit", push(1), push(2), take(89)),
            second,
        );
        check(
            &format!("{}{}{} r0 = *(u64 *)(r10 - 8)\n exit", push(1), push(2), take(88)),
            second,
        );
        check(&format!("{}{}{} exit", push(1), take(88), take(88)), -2i64 as u64);
    }
}

#[test]
fn bug_25_atomics_fetch_and_wrap() {
    check(
        "*(u64 *)(r10 - 8) = 5\n r0 = 2\n r0 = atomic_fetch_add((u64 *)(r10 - 8), r0)\n exit",
        5,
    );
    check(
        "r1 = -1\n *(u64 *)(r10 - 8) = 5\n lock *(u32 *)(r10 - 8) += w1\n r0 = *(u64 *)(r10 - 8)\n exit",
        4,
    );
}

#[test]
fn bug_26_faults_have_a_cause() {
    let fault = machine("r0 = *(u64 *)(r1 + 99)\n exit")
        .program("main")
        .unwrap()
        .run_on(&mut Bytes::new([0; 8]));
    assert!(matches!(fault.unwrap_err().kind, FaultKind::Access(_)));
}

#[test]
fn bug_27_data_is_in_the_order_of_the_object() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    for (order, read) in [("el", u32::from_le as fn(u32) -> u32), ("eb", u32::from_be)] {
        let object = Object::open(format!("{folder}/globals.{order}.o")).unwrap();
        let vm = Vm::load(&object).unwrap();
        assert_eq!(read(vm.global("limit").unwrap()), 10);
    }
}
