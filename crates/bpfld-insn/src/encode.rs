//! From typed instructions to slots: an instruction taken apart into the fields of its slot, and put together again.

use crate::helper::Helper;
use crate::insn::{Address, Insn, Operand};
use crate::isa::Reg;
use crate::op::{Op, Source};
use crate::slot::Slot;

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

/// Encodes a program: the inverse of [`decode`](crate::decode()).
///
/// ```
/// use bpfld_insn::{Insn, Reg, Slot, decode, encode};
///
/// let slots = encode([Insn::LoadImm64 { dst: Reg::R0, value: 1 << 40 }, Insn::Exit]);
/// assert_eq!(slots.len(), 3);
/// assert_eq!(encode(decode(&slots).map(|(_, insn)| insn.unwrap())), slots);
/// ```
#[cfg(feature = "alloc")]
#[must_use]
pub fn encode(insns: impl IntoIterator<Item = Insn>) -> alloc::vec::Vec<Slot> {
    let insns = insns.into_iter();
    let mut slots = alloc::vec::Vec::with_capacity(insns.size_hint().0);
    for insn in insns {
        let Encoded {
            slots: [first, second],
            width,
        } = insn.encode();
        slots.push(first);
        if width == 2 {
            slots.push(second);
        }
    }
    slots
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
    #[inline(always)]
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

    #[inline(always)]
    const fn dst(self, reg: Reg) -> Self {
        Self {
            dst: reg.number(),
            ..self
        }
    }

    #[inline(always)]
    const fn src(self, reg: Reg) -> Self {
        Self {
            src: reg.number(),
            ..self
        }
    }

    #[inline(always)]
    const fn offset(self, offset: i16) -> Self {
        Self { offset, ..self }
    }

    #[inline(always)]
    const fn imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }

    #[inline(always)]
    const fn high(self, high: i32) -> Self {
        Self { high, ..self }
    }

    #[inline(always)]
    const fn op(self) -> Op {
        self.op
    }

    #[inline(always)]
    const fn encode(self) -> Encoded {
        let Self {
            op,
            dst,
            src,
            offset,
            imm,
            high,
        } = self;
        let first = op.fixed()
            | (dst as u64) << 8
            | (src as u64) << 12
            | (offset as u16 as u64) << 16
            | (imm as u32 as u64) << 32;
        Encoded {
            slots: [Slot::from_word(first), Slot::new(0, 0, 0, 0, high)],
            width: if matches!(op, Op::LoadImm64 | Op::LoadAddr(_)) {
                2
            } else {
                1
            },
        }
    }
}

/// Takes an instruction apart, the inverse of [`Insn::from_parts`], and goes on with that. As there, going on happens in
/// each branch.
macro_rules! take_apart {
    ($insn:expr, $finish:ident) => {
        match $insn {
            Insn::Alu {
                width,
                op,
                dst,
                src: Operand::Reg(src),
            } => Parts::of(Op::Alu(width, op, Source::Reg))
                .dst(dst)
                .src(src)
                .$finish(),
            Insn::Alu {
                width,
                op,
                dst,
                src: Operand::Imm(imm),
            } => Parts::of(Op::Alu(width, op, Source::Imm))
                .dst(dst)
                .imm(imm)
                .$finish(),
            Insn::Neg { width, dst } => Parts::of(Op::Neg(width)).dst(dst).$finish(),
            Insn::Swap { op, size, dst } => Parts::of(Op::Swap(op, size)).dst(dst).$finish(),
            Insn::MovSx {
                width,
                size,
                dst,
                src,
            } => Parts::of(Op::MovSx(width, size)).dst(dst).src(src).$finish(),
            Insn::CastAddrSpace { dst, src, to, from } => Parts::of(Op::CastAddrSpace)
                .dst(dst)
                .src(src)
                .imm((to as i32) << 16 | from as i32)
                .$finish(),
            Insn::PercpuAddr { dst, src } => Parts::of(Op::PercpuAddr).dst(dst).src(src).$finish(),
            Insn::LoadImm64 { dst, value } => Parts::of(Op::LoadImm64)
                .dst(dst)
                .imm(value as i32)
                .high((value >> 32) as i32)
                .$finish(),
            Insn::LoadAddr { dst, address } => Parts::of(Op::LoadAddr(address.kind()))
                .dst(dst)
                .imm(address.halves().0)
                .high(address.halves().1)
                .$finish(),
            Insn::LoadAbs { size, offset } => Parts::of(Op::LoadAbs(size)).imm(offset).$finish(),
            Insn::LoadInd { size, index, offset } => {
                Parts::of(Op::LoadInd(size)).src(index).imm(offset).$finish()
            }
            Insn::Load {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::Load(size))
                .dst(dst)
                .src(base)
                .offset(offset)
                .$finish(),
            Insn::LoadSx {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::LoadSx(size))
                .dst(dst)
                .src(base)
                .offset(offset)
                .$finish(),
            Insn::Store {
                size,
                base,
                offset,
                src: Operand::Reg(src),
            } => Parts::of(Op::Store(size, Source::Reg))
                .dst(base)
                .src(src)
                .offset(offset)
                .$finish(),
            Insn::Store {
                size,
                base,
                offset,
                src: Operand::Imm(imm),
            } => Parts::of(Op::Store(size, Source::Imm))
                .dst(base)
                .offset(offset)
                .imm(imm)
                .$finish(),
            Insn::Atomic {
                width,
                op,
                base,
                offset,
                src,
            } => Parts::of(Op::Atomic(width, op))
                .dst(base)
                .src(src)
                .offset(offset)
                .$finish(),
            Insn::LoadAcquire {
                size,
                dst,
                base,
                offset,
            } => Parts::of(Op::LoadAcquire(size))
                .dst(dst)
                .src(base)
                .offset(offset)
                .$finish(),
            Insn::StoreRelease {
                size,
                base,
                offset,
                src,
            } => Parts::of(Op::StoreRelease(size))
                .dst(base)
                .src(src)
                .offset(offset)
                .$finish(),
            Insn::SpeculationBarrier => Parts::of(Op::SpeculationBarrier).$finish(),
            Insn::Jump { offset } => Parts::of(Op::Jump).offset(offset).$finish(),
            Insn::JumpLong { offset } => Parts::of(Op::JumpLong).imm(offset).$finish(),
            Insn::JumpIndirect { dst } => Parts::of(Op::JumpIndirect).dst(dst).$finish(),
            Insn::JumpIf {
                width,
                op,
                dst,
                src: Operand::Reg(src),
                offset,
            } => Parts::of(Op::JumpIf(width, op, Source::Reg))
                .dst(dst)
                .src(src)
                .offset(offset)
                .$finish(),
            Insn::JumpIf {
                width,
                op,
                dst,
                src: Operand::Imm(imm),
                offset,
            } => Parts::of(Op::JumpIf(width, op, Source::Imm))
                .dst(dst)
                .offset(offset)
                .imm(imm)
                .$finish(),
            Insn::MayGoto { offset } => Parts::of(Op::MayGoto).offset(offset).$finish(),
            Insn::CallHelper { helper } => Parts::of(Op::CallHelper).imm(helper.0 as i32).$finish(),
            Insn::CallSubprog { offset } => Parts::of(Op::CallSubprog).imm(offset).$finish(),
            Insn::CallKfunc { btf_id, module } => Parts::of(Op::CallKfunc)
                .imm(btf_id as i32)
                .offset(module)
                .$finish(),
            Insn::CallReg { dst } => Parts::of(Op::CallReg).dst(dst).$finish(),
            Insn::Exit => Parts::of(Op::Exit).$finish(),
        }
    };
}

impl Insn {
    /// The operation, without the operands.
    #[must_use]
    pub const fn op(self) -> Op {
        take_apart!(self, op)
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
    #[inline]
    pub const fn encode(self) -> Encoded {
        take_apart!(self, encode)
    }

    /// Puts an instruction together from its operation and the fields of a slot that fits the pattern, and goes on with it.
    ///
    /// Going on happens in each branch, so that what is done with the instruction is compiled together with the making
    /// of it: an instruction that is written to memory field by field and copied as a whole makes processors wait.
    #[inline(always)]
    pub(crate) fn from_parts<E, R>(
        op: Op,
        dst: Reg,
        src: Reg,
        offset: i16,
        imm: i32,
        high: impl FnOnce() -> Result<i32, E>,
        then: impl FnOnce(Result<Self, E>) -> R,
    ) -> R {
        match op {
            Op::Alu(width, op, Source::Reg) => then(Ok(Self::Alu {
                width,
                op,
                dst,
                src: Operand::Reg(src),
            })),
            Op::Alu(width, op, Source::Imm) => then(Ok(Self::Alu {
                width,
                op,
                dst,
                src: Operand::Imm(imm),
            })),
            Op::Neg(width) => then(Ok(Self::Neg { width, dst })),
            Op::Swap(op, size) => then(Ok(Self::Swap { op, size, dst })),
            Op::MovSx(width, size) => then(Ok(Self::MovSx {
                width,
                size,
                dst,
                src,
            })),
            Op::CastAddrSpace => then(Ok(Self::CastAddrSpace {
                dst,
                src,
                to: (imm >> 16) as u16,
                from: imm as u16,
            })),
            Op::PercpuAddr => then(Ok(Self::PercpuAddr { dst, src })),
            Op::LoadImm64 => match high() {
                Ok(high) => then(Ok(Self::LoadImm64 {
                    dst,
                    value: (high as u32 as u64) << 32 | imm as u32 as u64,
                })),
                Err(error) => then(Err(error)),
            },
            Op::LoadAddr(kind) => match high() {
                Ok(high) => then(Ok(Self::LoadAddr {
                    dst,
                    address: Address::from_halves(kind, imm, high),
                })),
                Err(error) => then(Err(error)),
            },
            Op::LoadAbs(size) => then(Ok(Self::LoadAbs { size, offset: imm })),
            Op::LoadInd(size) => then(Ok(Self::LoadInd {
                size,
                index: src,
                offset: imm,
            })),
            Op::Load(size) => then(Ok(Self::Load {
                size,
                dst,
                base: src,
                offset,
            })),
            Op::LoadSx(size) => then(Ok(Self::LoadSx {
                size,
                dst,
                base: src,
                offset,
            })),
            Op::Store(size, Source::Reg) => then(Ok(Self::Store {
                size,
                base: dst,
                offset,
                src: Operand::Reg(src),
            })),
            Op::Store(size, Source::Imm) => then(Ok(Self::Store {
                size,
                base: dst,
                offset,
                src: Operand::Imm(imm),
            })),
            Op::Atomic(width, op) => then(Ok(Self::Atomic {
                width,
                op,
                base: dst,
                offset,
                src,
            })),
            Op::LoadAcquire(size) => then(Ok(Self::LoadAcquire {
                size,
                dst,
                base: src,
                offset,
            })),
            Op::StoreRelease(size) => then(Ok(Self::StoreRelease {
                size,
                base: dst,
                offset,
                src,
            })),
            Op::SpeculationBarrier => then(Ok(Self::SpeculationBarrier)),
            Op::Jump => then(Ok(Self::Jump { offset })),
            Op::JumpLong => then(Ok(Self::JumpLong { offset: imm })),
            Op::JumpIndirect => then(Ok(Self::JumpIndirect { dst })),
            Op::JumpIf(width, op, Source::Reg) => then(Ok(Self::JumpIf {
                width,
                op,
                dst,
                src: Operand::Reg(src),
                offset,
            })),
            Op::JumpIf(width, op, Source::Imm) => then(Ok(Self::JumpIf {
                width,
                op,
                dst,
                src: Operand::Imm(imm),
                offset,
            })),
            Op::MayGoto => then(Ok(Self::MayGoto { offset })),
            Op::CallHelper => then(Ok(Self::CallHelper {
                helper: Helper(imm as u32),
            })),
            Op::CallSubprog => then(Ok(Self::CallSubprog { offset: imm })),
            Op::CallKfunc => then(Ok(Self::CallKfunc {
                btf_id: imm as u32,
                module: offset,
            })),
            Op::CallReg => then(Ok(Self::CallReg { dst })),
            Op::Exit => then(Ok(Self::Exit)),
        }
    }
}
