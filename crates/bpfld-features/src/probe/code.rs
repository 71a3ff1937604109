//! The few instructions that probes are made of.

use bpfld_insn::{Helper, Slot};

/// `r0 = value`
pub(crate) const fn mov_imm(dst: u8, value: i32) -> Slot {
    Slot::new(0xb7, dst, 0, 0, value)
}

/// `dst = src`
pub(crate) const fn mov_reg(dst: u8, src: u8) -> Slot {
    Slot::new(0xbf, dst, src, 0, 0)
}

/// `dst += value`
pub(crate) const fn add_imm(dst: u8, value: i32) -> Slot {
    Slot::new(0x07, dst, 0, 0, value)
}

/// `*(u64 *)dst = value`
pub(crate) const fn store_imm(dst: u8, value: i32) -> Slot {
    Slot::new(0x7a, dst, 0, 0, value)
}

/// `*(u64 *)(r10 - 8) = 0`
pub(crate) const CLEAR_STACK: Slot = Slot::new(0x7a, 10, 0, -8, 0);

/// `if dst != value`, jump
pub(crate) const fn jump_if_not(dst: u8, value: i32, distance: i16) -> Slot {
    Slot::new(0x55, dst, 0, distance, value)
}

/// `r = &map[0] + offset`, by the map's file descriptor
pub(crate) const fn map_value(dst: u8, map: i32, offset: i32) -> [Slot; 2] {
    [
        Slot::new(0x18, dst, bpfld_insn::pseudo::LOAD_MAP_VALUE, 0, map),
        Slot::new(0, 0, 0, 0, offset),
    ]
}

/// `call helper`
pub(crate) const fn call(helper: Helper) -> Slot {
    Slot::new(0x85, 0, 0, 0, helper.0 as i32)
}

/// `call` of the function that begins `distance` slots behind the next one
pub(crate) const fn call_function(distance: i32) -> Slot {
    Slot::new(0x85, 0, bpfld_insn::pseudo::CALL_SUBPROG, 0, distance)
}

/// `exit`
pub(crate) const EXIT: Slot = Slot::new(0x95, 0, 0, 0, 0);

/// The smallest program: `return 0`
pub(crate) const RETURN_0: [Slot; 2] = [mov_imm(0, 0), EXIT];
