//! The typed instruction.

use crate::helper::Helper;
use crate::isa::{AddressKind, AluOp, AtomicOp, JmpOp, Reg, Size, SwapOp, Width};
use crate::op::{Source, Support};

/// A register or a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The value of a register.
    Reg(Reg),
    /// A constant; where 64 bits are needed, it is sign-extended.
    Imm(i32),
}

impl Operand {
    /// Which of the two.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Reg(_) => Source::Reg,
            Self::Imm(_) => Source::Imm,
        }
    }
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl From<i32> for Operand {
    fn from(imm: i32) -> Self {
        Self::Imm(imm)
    }
}

/// What a 64-bit load stands for when its number is no constant: the kernel replaces it by an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A map, by file descriptor.
    Map {
        /// Its descriptor.
        fd: i32,
    },
    /// A byte in the only value of an array map, by file descriptor.
    MapValue {
        /// Its descriptor.
        fd: i32,
        /// Where in the value, in bytes.
        offset: u32,
    },
    /// A variable of the kernel or of a module.
    Variable {
        /// The id of the variable in BTF.
        btf_id: u32,
        /// The descriptor of a module's BTF; 0 for the kernel's own.
        module_fd: i32,
    },
    /// A function of this program.
    Func {
        /// Its distance in slots from the slot after the first one of the load.
        offset: i32,
    },
    /// A map, by index into the descriptor array of the load.
    MapIndex {
        /// Index into `fd_array`.
        index: u32,
    },
    /// A byte in the only value of an array map, by index into the descriptor array of the load.
    MapIndexValue {
        /// Index into `fd_array`.
        index: u32,
        /// Where in the value, in bytes.
        offset: u32,
    },
}

impl Address {
    /// The kind: what the source register field says.
    #[must_use]
    pub const fn kind(self) -> AddressKind {
        match self {
            Self::Map { .. } => AddressKind::Map,
            Self::MapValue { .. } => AddressKind::MapValue,
            Self::Variable { .. } => AddressKind::Variable,
            Self::Func { .. } => AddressKind::Func,
            Self::MapIndex { .. } => AddressKind::MapIndex,
            Self::MapIndexValue { .. } => AddressKind::MapIndexValue,
        }
    }

    /// The immediates of the first and second slot.
    pub(crate) const fn halves(self) -> (i32, i32) {
        match self {
            Self::Map { fd } => (fd, 0),
            Self::MapValue { fd, offset } => (fd, offset as i32),
            Self::Variable { btf_id, module_fd } => (btf_id as i32, module_fd),
            Self::Func { offset } => (offset, 0),
            Self::MapIndex { index } => (index as i32, 0),
            Self::MapIndexValue { index, offset } => (index as i32, offset as i32),
        }
    }

    pub(crate) const fn from_halves(kind: AddressKind, low: i32, high: i32) -> Self {
        match kind {
            AddressKind::Map => Self::Map { fd: low },
            AddressKind::MapValue => Self::MapValue {
                fd: low,
                offset: high as u32,
            },
            AddressKind::Variable => Self::Variable {
                btf_id: low as u32,
                module_fd: high,
            },
            AddressKind::Func => Self::Func { offset: low },
            AddressKind::MapIndex => Self::MapIndex { index: low as u32 },
            AddressKind::MapIndexValue => Self::MapIndexValue {
                index: low as u32,
                offset: high as u32,
            },
        }
    }
}

/// An instruction, typed. Encoding one that [`Insn::decode`] returned gives the same bytes.
///
/// The fields are named alike everywhere: `dst` is written, `src` is read, `base` plus `offset` is an address; distances
/// of jumps and calls are in slots, counted from the slot after the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insn {
    /// `dst op= src`; with [`AluOp::Mov`] `dst = src`.
    Alu {
        /// Whole registers, or the lower halves.
        width: Width,
        /// What is computed.
        op: AluOp,
        /// First operand and result.
        dst: Reg,
        /// Second operand.
        src: Operand,
    },
    /// `dst = -dst`.
    Neg {
        /// Whole register, or the lower half.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// Puts the lower bytes of a register in another order and clears the rest.
    Swap {
        /// Which order.
        op: SwapOp,
        /// How many bytes: 2, 4 or 8. [`Size::B`] encodes, but is not valid.
        size: Size,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = (s8)src`: the lower bits, sign-extended.
    MovSx {
        /// Width of the result.
        width: Width,
        /// Bits of the source; must be smaller than the width to be valid.
        size: Size,
        /// Result.
        dst: Reg,
        /// Operand.
        src: Reg,
    },
    /// `dst = addr_space_cast(src, to, from)`: makes a pointer into another address space. Space 0 is the kernel, 1 an arena.
    CastAddrSpace {
        /// Result.
        dst: Reg,
        /// Pointer.
        src: Reg,
        /// The address space of the result.
        to: u16,
        /// The address space of the pointer.
        from: u16,
    },
    /// The address on this CPU of a per-CPU variable. Only in dumps of rewritten programs.
    PercpuAddr {
        /// Result.
        dst: Reg,
        /// Address of the variable.
        src: Reg,
    },
    /// `dst = value ll`, two slots.
    LoadImm64 {
        /// Result.
        dst: Reg,
        /// The constant.
        value: u64,
    },
    /// A 64-bit load whose number the kernel replaces by an address, two slots.
    LoadAddr {
        /// Result.
        dst: Reg,
        /// What it is the address of.
        address: Address,
    },
    /// Packet bytes at a fixed position, converted from network order, into r0. r6 holds the context; r1 to r5 are lost.
    LoadAbs {
        /// How much: 1, 2 or 4 bytes to be valid.
        size: Size,
        /// The position; negative ones address ancillary data.
        offset: i32,
    },
    /// Packet bytes at a register plus a constant, converted from network order, into r0. r6 holds the context; r1 to r5 are lost.
    LoadInd {
        /// How much: 1, 2 or 4 bytes to be valid.
        size: Size,
        /// Holds the position.
        index: Reg,
        /// Added to it.
        offset: i32,
    },
    /// `dst = *(u32 *)(base + offset)`.
    Load {
        /// How much.
        size: Size,
        /// Result, zero-extended.
        dst: Reg,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
    },
    /// `dst = *(s32 *)(base + offset)`.
    LoadSx {
        /// How much: 1, 2 or 4 bytes to be valid.
        size: Size,
        /// Result, sign-extended.
        dst: Reg,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
    },
    /// `*(u32 *)(base + offset) = src`.
    Store {
        /// How much.
        size: Size,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
        /// What is stored.
        src: Operand,
    },
    /// `lock *(u64 *)(base + offset) op= src`, and the forms that fetch.
    Atomic {
        /// 4 or 8 bytes of memory.
        width: Width,
        /// What is done.
        op: AtomicOp,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
        /// Second operand; receives the old value if the operation fetches (but r0 does for compare-and-exchange).
        src: Reg,
    },
    /// `dst = load_acquire((u32 *)(base + offset))`.
    LoadAcquire {
        /// How much.
        size: Size,
        /// Result, zero-extended.
        dst: Reg,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
    },
    /// `store_release((u32 *)(base + offset), src)`.
    StoreRelease {
        /// How much.
        size: Size,
        /// Holds the address.
        base: Reg,
        /// Added to the address.
        offset: i16,
        /// What is stored.
        src: Reg,
    },
    /// `nospec`: a barrier. Only in dumps of rewritten programs.
    SpeculationBarrier,
    /// `goto offset`.
    Jump {
        /// The distance.
        offset: i16,
    },
    /// `gotol offset`.
    JumpLong {
        /// The distance.
        offset: i32,
    },
    /// `gotox dst`: to an address that an instruction array map supplied.
    JumpIndirect {
        /// Holds the address.
        dst: Reg,
    },
    /// `if dst op src goto offset`.
    JumpIf {
        /// Whole registers, or the lower halves.
        width: Width,
        /// The condition.
        op: JmpOp,
        /// First operand.
        dst: Reg,
        /// Second operand.
        src: Operand,
        /// The distance.
        offset: i16,
    },
    /// `may_goto offset`: goes on below until the kernel's budget for loops is used up, then jumps.
    MayGoto {
        /// The distance.
        offset: i16,
    },
    /// `call helper`.
    CallHelper {
        /// Which.
        helper: Helper,
    },
    /// `call function` of this program.
    CallSubprog {
        /// The distance.
        offset: i32,
    },
    /// `call` of a kernel function.
    CallKfunc {
        /// The id of the function in the BTF of the kernel or of a module.
        btf_id: u32,
        /// 0 for the kernel, otherwise the index of the module's BTF in the descriptor array of the load.
        module: i16,
    },
    /// `callx dst`.
    CallReg {
        /// Holds the address.
        dst: Reg,
    },
    /// `exit`: returns r0.
    Exit,
}

impl Insn {
    /// Slots it occupies: 2 for 64-bit loads, otherwise 1.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::LoadImm64 { .. } | Self::LoadAddr { .. } => 2,
            _ => 1,
        }
    }

    /// Which kernels take it.
    #[must_use]
    pub const fn support(self) -> Support {
        self.op().pattern().support
    }
}
