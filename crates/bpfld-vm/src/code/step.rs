//! One instruction in the form that is run.

use bpfld_insn::{AluOp, JmpOp, Operand, Width};

use super::operations;

macro_rules! define {
    (
        { $($(#[$doc:meta])* $other:ident,)* }
        alu { $($alu:ident $ai64:ident $ar64:ident $ai32:ident $ar32:ident: $a64:expr, $a32:expr;)* }
        jump { $($jump:ident $ji64:ident $jr64:ident $ji32:ident $jr32:ident: $j64:expr, $j32:expr;)* }
    ) => {
        /// What a step does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Do {
            $($(#[$doc])* $other,)*
            $($ai64, $ar64, $ai32, $ar32,)*
            $($ji64, $jr64, $ji32, $jr32,)*
        }

        impl Do {
            /// The step that computes.
            pub(crate) const fn alu(width: Width, op: AluOp, src: Operand) -> Self {
                match (width, op, src) {
                    $(
                        (Width::W64, AluOp::$alu, Operand::Imm(_)) => Self::$ai64,
                        (Width::W64, AluOp::$alu, Operand::Reg(_)) => Self::$ar64,
                        (Width::W32, AluOp::$alu, Operand::Imm(_)) => Self::$ai32,
                        (Width::W32, AluOp::$alu, Operand::Reg(_)) => Self::$ar32,
                    )*
                }
            }

            /// The step that compares and jumps.
            pub(crate) const fn jump(width: Width, op: JmpOp, src: Operand) -> Self {
                match (width, op, src) {
                    $(
                        (Width::W64, JmpOp::$jump, Operand::Imm(_)) => Self::$ji64,
                        (Width::W64, JmpOp::$jump, Operand::Reg(_)) => Self::$jr64,
                        (Width::W32, JmpOp::$jump, Operand::Imm(_)) => Self::$ji32,
                        (Width::W32, JmpOp::$jump, Operand::Reg(_)) => Self::$jr32,
                    )*
                }
            }
        }
    };
}

operations! { define! {
    /// The second slot of a 64-bit load. Never run.
    Hole,
    /// `dst = imm`, two slots.
    Const,
    Neg64, Neg32,
    /// To little-endian.
    Le16, Le32, Le64,
    /// To big-endian.
    Be16, Be32, Be64,
    /// In the other order.
    Swap16, Swap32, Swap64,
    MovSx8To64, MovSx16To64, MovSx32To64, MovSx8To32, MovSx16To32,
    /// From the arena's own numbers to what the program can access; `imm` is the arena's address.
    CastToProgram,
    /// And back.
    CastToUser,
    LoadAbs8, LoadAbs16, LoadAbs32,
    LoadInd8, LoadInd16, LoadInd32,
    Load8, Load16, Load32, Load64,
    LoadSx8, LoadSx16, LoadSx32,
    StoreImm8, StoreImm16, StoreImm32, StoreImm64,
    StoreReg8, StoreReg16, StoreReg32, StoreReg64,
    /// `imm` is the code of the operation.
    Atomic32, Atomic64,
    Nothing,
    Jump, JumpIndirect, MayGoto,
    CallHelper, CallFunction, CallKfunc, CallReg,
    Exit,
    /// `AddImm64`, and the step behind it: the ends of loops.
    AddThenNeImm64, AddThenNeReg64,
    /// `MovReg64`, and the `AddImm64` behind it, whose constant it has.
    MovThenAdd64,
    /// `imm` is the number of a helper that stands for something missing.
    Missing,
    /// It would write the frame pointer.
    FramePointer,
    /// What no machine runs.
    Invalid,
} }

/// The number of a register. There are sixteen of them, whatever a program says, which saves a look at each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip]
enum Register { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12, R13, R14, R15 }

impl Register {
    #[rustfmt::skip]
    const ALL: [Self; 16] = [
        Self::R0, Self::R1, Self::R2, Self::R3, Self::R4, Self::R5, Self::R6, Self::R7,
        Self::R8, Self::R9, Self::R10, Self::R11, Self::R12, Self::R13, Self::R14, Self::R15,
    ];

    const fn of(number: u8) -> Self {
        Self::ALL[(number & 15) as usize]
    }
}

/// An instruction slot, ready to be run: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) what: Do,
    dst: Register,
    src: Register,
    /// Displacement of an access, or the slot that a jump or call leads to.
    pub(crate) offset: i32,
    /// The constant, extended as the operation needs it.
    pub(crate) imm: u64,
}

impl Step {
    pub(crate) const HOLE: Self = Self::new(Do::Hole);

    pub(crate) const fn new(what: Do) -> Self {
        Self {
            what,
            dst: Register::R0,
            src: Register::R0,
            offset: 0,
            imm: 0,
        }
    }

    /// The same with this register as first operand.
    pub(crate) const fn with_dst(self, register: u8) -> Self {
        Self {
            dst: Register::of(register),
            ..self
        }
    }

    /// The same with this register as second operand.
    pub(crate) const fn with_src(self, register: u8) -> Self {
        Self {
            src: Register::of(register),
            ..self
        }
    }

    /// The same with another displacement or target.
    pub(crate) const fn with_offset(self, offset: i32) -> Self {
        Self { offset, ..self }
    }

    /// The same with another constant.
    pub(crate) const fn with_imm(self, imm: u64) -> Self {
        Self { imm, ..self }
    }

    /// The register of the first operand.
    #[inline(always)]
    pub(crate) const fn dst(&self) -> usize {
        self.dst as usize
    }

    /// The register of the second operand.
    #[inline(always)]
    pub(crate) const fn src(&self) -> usize {
        self.src as usize
    }

    /// The slot that a jump or call leads to.
    #[inline(always)]
    pub(crate) const fn target(self) -> usize {
        self.offset as u32 as usize
    }
}

const _: () = assert!(size_of::<Step>() == 16);
