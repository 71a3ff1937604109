//! The typed instruction.

use crate::helper::Helper;
use crate::isa::{AddressKind, AluOp, AtomicOp, JmpOp, Reg, Size, SwapOp, Width};
use crate::op::{Field, Op, Source, Support};
use crate::slot::Slot;

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
    const fn halves(self) -> (i32, i32) {
        match self {
            Self::Map { fd } => (fd, 0),
            Self::MapValue { fd, offset } => (fd, offset as i32),
            Self::Variable { btf_id, module_fd } => (btf_id as i32, module_fd),
            Self::Func { offset } => (offset, 0),
            Self::MapIndex { index } => (index as i32, 0),
            Self::MapIndexValue { index, offset } => (index as i32, offset as i32),
        }
    }

    const fn from_halves(kind: AddressKind, low: i32, high: i32) -> Self {
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

/// Up to two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    slots: [Slot; 2],
    width: u8,
}

impl Encoded {
    /// The slots as a slice.
    #[must_use]
    pub const fn as_slice(&self) -> &[Slot] {
        match self.width {
            2 => &self.slots,
            _ => self.slots.split_at(1).0,
        }
    }
}

impl core::ops::Deref for Encoded {
    type Target = [Slot];

    fn deref(&self) -> &[Slot] {
        self.as_slice()
    }
}

/// The fields that an instruction sets beyond those its pattern fixes.
struct Parts {
    op: Op,
    dst: u8,
    src: u8,
    offset: i16,
    imm: i32,
    high: i32,
}

impl Parts {
    const fn of(op: Op) -> Self {
        Self {
            op,
            dst: 0,
            src: 0,
            offset: 0,
            imm: 0,
            high: 0,
        }
    }

    const fn dst(self, reg: Reg) -> Self {
        Self {
            dst: reg.number(),
            ..self
        }
    }

    const fn src(self, reg: Reg) -> Self {
        Self {
            src: reg.number(),
            ..self
        }
    }

    const fn offset(self, offset: i16) -> Self {
        Self { offset, ..self }
    }

    const fn imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }

    const fn operand(self, operand: Operand) -> Self {
        match operand {
            Operand::Reg(reg) => self.src(reg),
            Operand::Imm(imm) => self.imm(imm),
        }
    }
}

const fn operand(source: Source, src: Reg, imm: i32) -> Operand {
    match source {
        Source::Reg => Operand::Reg(src),
        Source::Imm => Operand::Imm(imm),
    }
}

impl Insn {
    /// The operation, without the operands.
    #[must_use]
    pub const fn op(self) -> Op {
        self.parts().op
    }

    /// Slots it occupies: 2 for 64-bit loads, otherwise 1.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::LoadImm64 { .. } | Self::LoadAddr { .. } => 2,
            _ => 1,
        }
    }

    /// The distance that a jump, a call of a subprogram, or the load of a function's address contains: in slots, counted
    /// from the slot after the (first) one of the instruction.
    #[must_use]
    pub const fn distance(self) -> Option<i32> {
        match self {
            Self::Jump { offset } | Self::JumpIf { offset, .. } | Self::MayGoto { offset } => {
                Some(offset as i32)
            }
            Self::JumpLong { offset }
            | Self::CallSubprog { offset }
            | Self::LoadAddr {
                address: Address::Func { offset },
                ..
            } => Some(offset),
            _ => None,
        }
    }

    /// The same instruction with another distance; `None` if it does not fit the instruction. One without a distance
    /// stays as it is.
    #[must_use]
    pub fn with_distance(self, distance: i64) -> Option<Self> {
        let short = || i16::try_from(distance).ok();
        let long = || i32::try_from(distance).ok();
        Some(match self {
            Self::Jump { .. } => Self::Jump { offset: short()? },
            Self::JumpIf {
                width, op, dst, src, ..
            } => Self::JumpIf {
                width,
                op,
                dst,
                src,
                offset: short()?,
            },
            Self::MayGoto { .. } => Self::MayGoto { offset: short()? },
            Self::JumpLong { .. } => Self::JumpLong { offset: long()? },
            Self::CallSubprog { .. } => Self::CallSubprog { offset: long()? },
            Self::LoadAddr {
                dst,
                address: Address::Func { .. },
            } => Self::LoadAddr {
                dst,
                address: Address::Func { offset: long()? },
            },
            other => other,
        })
    }

    /// Which kernels take it.
    #[must_use]
    pub const fn support(self) -> Support {
        self.op().pattern().support
    }

    /// The encoded form.
    ///
    /// ```
    /// use bpfld_insn::{Insn, Reg, Slot};
    ///
    /// let load = Insn::LoadImm64 { dst: Reg::R1, value: 0x1_0000_0002 };
    /// assert_eq!(*load.encode(), [Slot::new(0x18, 1, 0, 0, 2), Slot::new(0, 0, 0, 0, 1)]);
    /// ```
    #[must_use]
    pub const fn encode(self) -> Encoded {
        let Parts {
            op,
            dst,
            src,
            offset,
            imm,
            high,
        } = self.parts();
        let pattern = op.pattern();
        const fn fixed(field: Field, value: i32) -> i32 {
            match field {
                Field::Exactly(only) => only,
                Field::Register | Field::Any => value,
            }
        }
        let first = Slot::new(
            pattern.opcode,
            dst,
            fixed(pattern.src, src as i32) as u8,
            fixed(pattern.offset, offset as i32) as i16,
            fixed(pattern.imm, imm),
        );
        Encoded {
            slots: [first, Slot::new(0, 0, 0, 0, high)],
            width: self.width() as u8,
        }
    }

    /// Takes an instruction apart; the inverse of [`Insn::from_parts`].
    const fn parts(self) -> Parts {
        match self {
            Self::Alu { width, op, dst, src } => {
                Parts::of(Op::Alu(width, op, src.source())).dst(dst).operand(src)
            }
            Self::Neg { width, dst } => Parts::of(Op::Neg(width)).dst(dst),
            Self::Swap { op, size, dst } => Parts::of(Op::Swap(op, size)).dst(dst),
            Self::MovSx {
                width,
                size,
                dst,
                src,
            } => Parts::of(Op::MovSx(width, size)).dst(dst).src(src),
            Self::CastAddrSpace { dst, src, to, from } => Parts::of(Op::CastAddrSpace)
                .dst(dst)
                .src(src)
                .imm((to as i32) << 16 | from as i32),
            Self::PercpuAddr { dst, src } => Parts::of(Op::PercpuAddr).dst(dst).src(src),
            Self::LoadImm64 { dst, value } => Parts {
                high: (value >> 32) as i32,
                ..Parts::of(Op::LoadImm64).dst(dst).imm(value as i32)
            },
            Self::LoadAddr { dst, address } => {
                let (low, high) = address.halves();
                Parts {
                    high,
                    ..Parts::of(Op::LoadAddr(address.kind())).dst(dst).imm(low)
                }
            }
            Self::LoadAbs { size, offset } => Parts::of(Op::LoadAbs(size)).imm(offset),
            Self::LoadInd { size, index, offset } => Parts::of(Op::LoadInd(size)).src(index).imm(offset),
            Self::Load {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::Load(size)).dst(dst).src(base).offset(offset),
            Self::LoadSx {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::LoadSx(size)).dst(dst).src(base).offset(offset),
            Self::Store {
                size,
                base,
                offset,
                src,
            } => Parts::of(Op::Store(size, src.source()))
                .dst(base)
                .offset(offset)
                .operand(src),
            Self::Atomic {
                width,
                op,
                base,
                offset,
                src,
            } => Parts::of(Op::Atomic(width, op)).dst(base).src(src).offset(offset),
            Self::LoadAcquire {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::LoadAcquire(size)).dst(dst).src(base).offset(offset),
            Self::StoreRelease {
                size,
                base,
                offset,
                src,
            } => Parts::of(Op::StoreRelease(size))
                .dst(base)
                .src(src)
                .offset(offset),
            Self::SpeculationBarrier => Parts::of(Op::SpeculationBarrier),
            Self::Jump { offset } => Parts::of(Op::Jump).offset(offset),
            Self::JumpLong { offset } => Parts::of(Op::JumpLong).imm(offset),
            Self::JumpIndirect { dst } => Parts::of(Op::JumpIndirect).dst(dst),
            Self::JumpIf {
                width,
                op,
                dst,
                src,
                offset,
            } => Parts::of(Op::JumpIf(width, op, src.source()))
                .dst(dst)
                .operand(src)
                .offset(offset),
            Self::MayGoto { offset } => Parts::of(Op::MayGoto).offset(offset),
            Self::CallHelper { helper } => Parts::of(Op::CallHelper).imm(helper.0 as i32),
            Self::CallSubprog { offset } => Parts::of(Op::CallSubprog).imm(offset),
            Self::CallKfunc { btf_id, module } => Parts::of(Op::CallKfunc).imm(btf_id as i32).offset(module),
            Self::CallReg { dst } => Parts::of(Op::CallReg).dst(dst),
            Self::Exit => Parts::of(Op::Exit),
        }
    }

    /// Puts an instruction together from its operation and the fields of a slot that fits the pattern.
    #[inline(always)]
    pub(crate) const fn from_parts(op: Op, dst: Reg, src: Reg, offset: i16, imm: i32, high: i32) -> Self {
        match op {
            Op::Alu(width, op, source) => Self::Alu {
                width,
                op,
                dst,
                src: operand(source, src, imm),
            },
            Op::Neg(width) => Self::Neg { width, dst },
            Op::Swap(op, size) => Self::Swap { op, size, dst },
            Op::MovSx(width, size) => Self::MovSx {
                width,
                size,
                dst,
                src,
            },
            Op::CastAddrSpace => Self::CastAddrSpace {
                dst,
                src,
                to: (imm >> 16) as u16,
                from: imm as u16,
            },
            Op::PercpuAddr => Self::PercpuAddr { dst, src },
            Op::LoadImm64 => Self::LoadImm64 {
                dst,
                value: (high as u32 as u64) << 32 | imm as u32 as u64,
            },
            Op::LoadAddr(kind) => Self::LoadAddr {
                dst,
                address: Address::from_halves(kind, imm, high),
            },
            Op::LoadAbs(size) => Self::LoadAbs { size, offset: imm },
            Op::LoadInd(size) => Self::LoadInd {
                size,
                index: src,
                offset: imm,
            },
            Op::Load(size) => Self::Load {
                size,
                dst,
                base: src,
                offset,
            },
            Op::LoadSx(size) => Self::LoadSx {
                size,
                dst,
                base: src,
                offset,
            },
            Op::Store(size, source) => Self::Store {
                size,
                base: dst,
                offset,
                src: operand(source, src, imm),
            },
            Op::Atomic(width, op) => Self::Atomic {
                width,
                op,
                base: dst,
                offset,
                src,
            },
            Op::LoadAcquire(size) => Self::LoadAcquire {
                size,
                dst,
                base: src,
                offset,
            },
            Op::StoreRelease(size) => Self::StoreRelease {
                size,
                base: dst,
                offset,
                src,
            },
            Op::SpeculationBarrier => Self::SpeculationBarrier,
            Op::Jump => Self::Jump { offset },
            Op::JumpLong => Self::JumpLong { offset: imm },
            Op::JumpIndirect => Self::JumpIndirect { dst },
            Op::JumpIf(width, op, source) => Self::JumpIf {
                width,
                op,
                dst,
                src: operand(source, src, imm),
                offset,
            },
            Op::MayGoto => Self::MayGoto { offset },
            Op::CallHelper => Self::CallHelper {
                helper: Helper(imm as u32),
            },
            Op::CallSubprog => Self::CallSubprog { offset: imm },
            Op::CallKfunc => Self::CallKfunc {
                btf_id: imm as u32,
                module: offset,
            },
            Op::CallReg => Self::CallReg { dst },
            Op::Exit => Self::Exit,
        }
    }
}
