//! Instructions made by functions, as they print.

use bpfld_insn::build::{Builder, call_kfunc, exit};
use bpfld_insn::{Insn, Reg::*, Size, Slot, print};

#[track_caller]
fn check(insn: Insn, expected: &str) {
    let slots = insn.encode();
    assert_eq!(print(&slots).to_string().trim(), expected);
    assert_eq!(Insn::decode(&slots), Ok(insn));
}

#[test]
fn loads_and_moves() {
    check(R1.imm64(0x1_2345_6789), "r1 = 4886718345 ll");
    check(R2.load(Size::H, R1, -4), "w2 = *(u16 *)(r1 - 4)");
    check(R2.load_signed(Size::W, R1, 8), "r2 = *(s32 *)(r1 + 8)");
    check(R3.movs(Size::B, R4), "r3 = (s8)r4");
    check(R3.w().movs(Size::H, R4), "w3 = (s16)w4");
    check(call_kfunc(42), "call kfunc 42");
}

#[test]
fn slots_are_taken_as_they_are() {
    let slots = [Slot::new(0xb7, 6, 0, 0, 1), Slot::new(0xbf, 0, 6, 0, 0)];
    let mut program = Builder::new();
    program.push_slots(&slots).push(exit());
    let program = program.finish().expect("nothing to bind");
    assert_eq!(program.get(..2), Some(&slots[..]));
    assert_eq!(program.len(), 3);
    assert_eq!((slots[1].dst_reg(), slots[1].src_reg()), (Some(R0), Some(R6)));
    // Eleven registers have numbers; fields have room for sixteen.
    assert_eq!(Slot::new(0xbf, 11, 15, 0, 0).src_reg(), None);
}
