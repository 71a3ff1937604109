//! What instructions do, as RFC 9669 has it; among them the cases that emulators are known to get wrong.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Control, FaultKind, Observed, ProgramType, Uninitialised, Vm};

fn run_in(text: &str, endian: Endian) -> Result<u64, FaultKind> {
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().budget(100_000).empty(endian);
    let mut program = vm
        .add_program("test", ProgramType::SOCKET_FILTER, assembly.slots())
        .unwrap();
    program.run_on(&mut ()).map_err(|fault| fault.kind.clone())
}

#[track_caller]
fn check(text: &str, expected: u64) {
    for endian in [Endian::Little, Endian::Big] {
        assert_eq!(run_in(text, endian), Ok(expected), "{endian:?}: {text}");
    }
}

#[test]
fn narrow_results_are_zero_extended() {
    check("r0 = -1\n w0 += 1\n exit", 0);
    check("r0 = -1\n w0 = w0\n exit", 0xffff_ffff);
    check("w0 = -1\n exit", 0xffff_ffff);
    check("r0 = 5\n w0 = -w0\n exit", 0xffff_fffb);
    check("r0 = -8\n w0 s>>= 1\n exit", 0xffff_fffc);
    check("r0 = 1\n r1 = 0xffffffff ll\n w0 *= w1\n exit", 0xffff_ffff);
    check("r0 = 0x100000001 ll\n w0 -= 2\n exit", 0xffff_ffff);
    check("r0 = 0xf0f0f0f0f0f0f0f0 ll\n w0 ^= -1\n exit", 0x0f0f_0f0f);
}

#[test]
fn division_by_zero_is_defined() {
    check("r0 = 7\n r1 = 0\n r0 /= r1\n exit", 0);
    check("r0 = 7\n r1 = 0\n r0 %= r1\n exit", 7);
    check("r0 = -1\n r1 = 0x100000000 ll\n w0 /= w1\n exit", 0);
    check("r0 = -1\n r1 = 0x100000000 ll\n w0 %= w1\n exit", 0xffff_ffff);
    check("r0 = 7\n r1 = 0\n r0 s/= r1\n exit", 0);
    check("r0 = -7\n r1 = 0\n r0 s%= r1\n exit", -7i64 as u64);
    check("r0 = -7\n r0 /= 2\n exit", (-7i64 as u64) / 2);
    check("r0 = -7\n r0 s/= 2\n exit", -3i64 as u64);
    check("r0 = -7\n r0 s%= 2\n exit", -1i64 as u64);
    check("r0 = 0x8000000000000000 ll\n r0 s/= -1\n exit", 1 << 63);
    check("r0 = 0x8000000000000000 ll\n r0 s%= -1\n exit", 0);
    check("w0 = 0x80000000\n w0 s/= -1\n exit", 0x8000_0000);
    check("w0 = 0x80000000\n w0 s%= -1\n exit", 0);
}

#[test]
fn distances_of_shifts_are_masked() {
    check("r0 = 1\n r1 = 65\n r0 <<= r1\n exit", 2);
    check("r0 = 4\n r1 = 33\n w0 >>= w1\n exit", 2);
    check("r0 = -4\n r1 = -63\n r0 s>>= r1\n exit", -2i64 as u64);
    check("r0 = 1\n r1 = -1\n w0 <<= w1\n exit", 0x8000_0000);
}

#[test]
fn byte_orders() {
    let text = "r0 = 0x1122334455667788 ll\n r0 = be16 r0\n exit";
    assert_eq!(run_in(text, Endian::Little), Ok(0x8877));
    assert_eq!(run_in(text, Endian::Big), Ok(0x7788));
    let text = "r0 = 0x1122334455667788 ll\n r0 = le32 r0\n exit";
    assert_eq!(run_in(text, Endian::Little), Ok(0x5566_7788));
    assert_eq!(run_in(text, Endian::Big), Ok(0x8877_6655));
    let text = "r0 = 0x1122334455667788 ll\n r0 = be64 r0\n exit";
    assert_eq!(run_in(text, Endian::Little), Ok(0x8877_6655_4433_2211));
    check("r0 = 0x1122334455667788 ll\n r0 = bswap32 r0\n exit", 0x8877_6655);
    check(
        "r0 = 0x1122334455667788 ll\n r0 = bswap64 r0\n exit",
        0x8877_6655_4433_2211,
    );
}

#[test]
fn sign_extension() {
    check("r1 = 0x80\n r0 = (s8)r1\n exit", -128i64 as u64);
    check("r1 = 0x8000\n r0 = (s16)r1\n exit", -32768i64 as u64);
    check("r1 = 0x80000000 ll\n r0 = (s32)r1\n exit", -0x8000_0000i64 as u64);
    check("r1 = 0x80\n w0 = (s8)w1\n exit", 0xffff_ff80);
    check(
        "w1 = -2\n *(u32 *)(r10 - 4) = r1\n r0 = *(s32 *)(r10 - 4)\n exit",
        -2i64 as u64,
    );
    check(
        "w1 = 0xfe\n *(u8 *)(r10 - 1) = r1\n r0 = *(s8 *)(r10 - 1)\n exit",
        -2i64 as u64,
    );
}

#[test]
fn conditions() {
    let taken = |condition: &str, setup: &str| {
        let text = format!("{setup}\n r0 = 1\n if {condition} goto out\n r0 = 0\n out: exit");
        run_in(&text, Endian::Little).unwrap() == 1
    };
    assert!(taken("r1 & 4", "r1 = 12"));
    assert!(!taken("r1 & 4", "r1 = 8"));
    assert!(!taken("r1 s< r2", "r1 = 3\n r2 = 3"));
    assert!(taken("r1 s< -1", "r1 = -2"));
    assert!(!taken("r1 < -1", "r1 = -1"));
    assert!(taken("r1 <= r2", "r1 = 3\n r2 = 3"));
    assert!(taken("w1 == 5", "r1 = 0x100000005 ll"));
    assert!(!taken("r1 == 5", "r1 = 0x100000005 ll"));
    assert!(taken("w1 s> w2", "r1 = 1\n r2 = 0xffffffff ll"));
    // a pointer compares as a number, also with itself and with constants
    assert!(taken("r1 != 0", "r1 = r10"));
    assert!(taken("r1 < r10", "r1 = r10\n r1 += -8"));
}

#[test]
fn the_stack_is_made_of_bytes() {
    // narrow stores change what they cover and nothing else
    let text = "
        r1 = 0x1122334455667788 ll
        *(u64 *)(r10 - 8) = r1
        *(u8 *)(r10 - 8) = 0
        r0 = *(u64 *)(r10 - 8)
        exit";
    assert_eq!(run_in(text, Endian::Little), Ok(0x1122_3344_5566_7700));
    assert_eq!(run_in(text, Endian::Big), Ok(0x0022_3344_5566_7788));
    // a loaded value is a copy
    check(
        "*(u64 *)(r10 - 8) = 5\n r1 = *(u64 *)(r10 - 8)\n r1 += 1\n r0 = *(u64 *)(r10 - 8)\n exit",
        5,
    );
    // all 512 bytes, and r10 as an operand
    check("*(u64 *)(r10 - 512) = 9\n r0 = *(u64 *)(r10 - 512)\n exit", 9);
    check("r1 = r10\n r1 -= r10\n r0 = r1\n exit", 0);
    check(
        "*(u64 *)(r10 - 8) = r10\n r0 = *(u64 *)(r10 - 8)\n r0 -= r10\n exit",
        0,
    );
    // a constant over a pointer is the constant
    check("r1 = r10\n r1 = 0x123456789 ll\n r0 = r1\n exit", 0x1_2345_6789);
}

#[test]
fn atomics() {
    let with =
        |insn: &str| format!("*(u64 *)(r10 - 8) = 6\n r1 = 3\n r0 = 6\n {insn}\n r2 = *(u64 *)(r10 - 8)\n");
    check(&(with("lock *(u64 *)(r10 - 8) += r1") + "r0 = r2\n exit"), 9);
    check(&(with("lock *(u64 *)(r10 - 8) |= r1") + "r0 = r2\n exit"), 7);
    check(&(with("lock *(u64 *)(r10 - 8) &= r1") + "r0 = r2\n exit"), 2);
    check(&(with("lock *(u64 *)(r10 - 8) ^= r1") + "r0 = r2\n exit"), 5);
    check(
        &(with("r1 = atomic_fetch_add((u64 *)(r10 - 8), r1)") + "r0 = r1\n exit"),
        6,
    );
    check(&(with("r1 = xchg_64(r10 - 8, r1)") + "r0 = r2\n exit"), 3);
    check(&(with("r0 = cmpxchg_64(r10 - 8, r0, r1)") + "r0 = r2\n exit"), 3);
    check(&(with("r0 = 5\n r0 = cmpxchg_64(r10 - 8, r0, r1)") + "exit"), 6);
    // 32 bits: the rest of memory stays, and what is fetched is zero-extended
    let text = "
        r1 = -1
        *(u64 *)(r10 - 8) = r1
        w2 = 1
        lock *(u32 *)(r10 - 8) += w2
        r0 = *(u64 *)(r10 - 8)
        exit";
    assert_eq!(run_in(text, Endian::Little), Ok(0xffff_ffff_0000_0000));
    check(
        "r1 = -1\n *(u64 *)(r10 - 8) = r1\n r0 = -1\n r2 = 2\n w0 = cmpxchg32_32(r10 - 8, w0, w2)\n exit",
        0xffff_ffff,
    );
}

#[test]
fn functions_have_frames_of_their_own() {
    // r6 to r9 survive, the frames are apart, and pointers into the caller's frame work
    let text = "
        r6 = 40
        *(u64 *)(r10 - 8) = 1
        r1 = r10
        call add
        r0 += r6
        r1 = *(u64 *)(r10 - 8)
        r0 += r1
        exit
    add:
        r6 = 7
        *(u64 *)(r10 - 8) = 100
        r2 = *(u64 *)(r1 - 8)
        r2 += 1
        *(u64 *)(r1 - 8) = r2
        r0 = 0
        exit";
    check(text, 42);
}

#[test]
fn calls_end_at_eight_frames() {
    let nested = |depth: usize| {
        let mut text = String::new();
        for level in 1..depth {
            text += &format!("f{level}: call f{}\n exit\n", level + 1);
        }
        text + &format!("f{depth}: r0 = 3\n exit")
    };
    check(&nested(8), 3);
    let deep = run_in(&nested(9), Endian::Little);
    assert_eq!(deep, Err(FaultKind::CallDepth { limit: 8 }));
}

#[test]
fn loops_end() {
    let forever = run_in("l: goto l\n exit", Endian::Little);
    assert_eq!(forever, Err(FaultKind::Budget { limit: 100_000 }));
    let recursion = run_in("f: call f\n exit", Endian::Little);
    assert!(
        matches!(recursion, Err(FaultKind::CallDepth { .. })),
        "{recursion:?}"
    );
}

#[test]
fn bad_code_is_refused() {
    let refused = |slots: &[bpfld_insn::Slot]| {
        let mut vm = Vm::builder().empty(Endian::Little);
        vm.add_program("bad", ProgramType::XDP, slots)
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    let slot = bpfld_insn::Slot::new;
    assert_eq!(refused(&[]), "program 'bad': no instructions");
    assert!(refused(&[slot(0x05, 0, 0, -5, 0)]).contains("leads to slot -4"));
    assert!(
        refused(&[
            slot(0x05, 0, 0, 1, 0),
            slot(0x18, 0, 0, 0, 1),
            slot(0, 0, 0, 0, 0)
        ])
        .contains("slot 2")
    );
    assert!(refused(&[slot(0x18, 1, 1, 0, 5), slot(0, 0, 0, 0, 0)]).contains("map number 5"));
    // a helper's number is not signed, and need not exist
    let mut vm = Vm::builder().empty(Endian::Little);
    let code = [slot(0x85, 0, 0, 0, -5), slot(0x95, 0, 0, 0, 0)];
    let mut program = vm.add_program("unknown", ProgramType::XDP, &code).unwrap();
    let unknown = program.run_on(&mut ()).unwrap_err();
    assert!(matches!(unknown.kind, FaultKind::UnknownHelper(_)), "{unknown}");
    // what would write the frame pointer may be where nothing gets to
    let mut vm = Vm::builder().empty(Endian::Little);
    let code = [slot(0xb7, 10, 0, 0, 0), slot(0x95, 0, 0, 0, 0)];
    let mut program = vm.add_program("frame", ProgramType::XDP, &code).unwrap();
    assert_eq!(program.run_on(&mut ()).unwrap_err().kind, FaultKind::FramePointer);
    // the end of the program is no exit
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm
        .add_program("open", ProgramType::XDP, &[slot(0xb7, 0, 0, 0, 0)])
        .unwrap();
    let fault = program.run_on(&mut ()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Jump { target: 1 });
}

#[test]
fn may_goto_goes_on_for_as_long_as_in_the_kernel() {
    let text = "r0 = 0\n l: may_goto out\n r0 += 1\n goto l\n out: exit";
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm
        .add_program("loop", ProgramType::XDP, assembly.slots())
        .unwrap();
    assert_eq!(program.run_on(&mut ()), Ok(8 * 1024 * 1024));
}

#[test]
fn stale_stack_can_be_allowed() {
    let assembly = assemble("r0 = *(u64 *)(r10 - 8)\n exit").unwrap();
    let mut vm = Vm::builder()
        .uninitialised(Uninitialised::Stale)
        .empty(Endian::Little);
    let mut program = vm
        .add_program("stale", ProgramType::XDP, assembly.slots())
        .unwrap();
    assert_eq!(program.run_on(&mut ()), Ok(0));
}

/// Steps that are carried out together are two all the same: for jumps between them, for who watches, and for the budget.
#[test]
fn joined_steps_are_two() {
    let text = "r3 = 2
        r2 = 100
        r0 = 0
        goto add
    mov:
        r2 = r3
    add:
        r2 += 7
        r0 += r2
        if r3 == 3 goto ends
        r3 = 3
        goto mov
    ends:
        r4 = 3
        goto check
    next:
        r0 += 1
        r4 -= 1
    check:
        if r4 != 0 goto next
        exit";
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm.add_program("p", ProgramType::XDP, assembly.slots()).unwrap();
    let outcome = program.run(()).unwrap();
    assert_eq!(outcome.r0, 107 + 10 + 3);
    let mut seen = 0;
    let watched = program.observe(&mut (), &mut |_: &Observed<'_>| {
        seen += 1;
        Control::Continue
    });
    assert_eq!((watched, seen), (Ok(outcome.r0), outcome.slots));
    // one slot less is not enough
    for (budget, enough) in [(outcome.slots, true), (outcome.slots - 1, false)] {
        let mut vm = Vm::builder().budget(budget).empty(Endian::Little);
        let mut program = vm.add_program("p", ProgramType::XDP, assembly.slots()).unwrap();
        assert_eq!(program.run(()).is_ok(), enough);
    }
}
