//! From slots to steps, checked: jumps lead to instructions, and what would write the frame pointer is a step that stops.

use alloc::vec::Vec;
use core::fmt;

use bpfld_insn::{Address, DecodeError, Insn, Operand, Reg, Size, Slot, SwapOp, Width, decode};
use bpfld_object::poison::Missing;

use super::{Do, Step};

/// Code that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeError {
    /// The slot.
    pub at: u32,
    /// What is wrong with it.
    pub problem: CodeProblem,
}

/// What can be wrong with code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeProblem {
    /// There is none.
    Empty,
    /// There is more than can be run.
    TooLong,
    /// It is no instruction.
    Decode(DecodeError),
    /// It leads out of the program, or into the middle of an instruction.
    Target {
        /// Where to, in slots.
        slot: i64,
    },
    /// It refers to a map that is not there.
    Map {
        /// Its number.
        number: i64,
    },
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, problem } = self;
        match problem {
            CodeProblem::Empty => return f.write_str("no instructions"),
            CodeProblem::TooLong => return f.write_str("more instructions than can be run"),
            _ => write!(f, "slot {at}: ")?,
        }
        match problem {
            CodeProblem::Empty | CodeProblem::TooLong => Ok(()),
            CodeProblem::Decode(error) => error.fmt(f),
            CodeProblem::Target { slot } => write!(f, "leads to slot {slot}, where no instruction begins"),
            CodeProblem::Map { number } => write!(f, "map number {number} is not there"),
        }
    }
}

impl core::error::Error for CodeError {}

/// What stands for names in 64-bit loads.
pub(crate) trait Names {
    /// The address of a map, by number.
    fn map(&self, number: u32) -> Option<u64>;
    /// The address of a byte of its first value.
    fn map_value(&self, number: u32, offset: u32) -> Option<u64>;
    /// The address of an instruction.
    fn code(&self, slot: u32) -> u64;
    /// The address of the arena that the program uses.
    fn arena(&self) -> u64;
}

/// The longest program in slots: what fits the address of an instruction.
const MAX_SLOTS: usize = 1 << 22;

/// Makes steps of slots, one for each.
pub(crate) fn translate(slots: &[Slot], names: &impl Names) -> Result<Vec<Step>, CodeError> {
    let fail = |at: usize, problem| CodeError {
        at: at as u32,
        problem,
    };
    if slots.is_empty() {
        return Err(fail(0, CodeProblem::Empty));
    }
    if slots.len() >= MAX_SLOTS {
        return Err(fail(0, CodeProblem::TooLong));
    }
    let mut steps = Vec::with_capacity(slots.len());
    for (at, insn) in decode(slots) {
        let insn = insn.map_err(|error| fail(at, CodeProblem::Decode(error)))?;
        let step = step(at, insn, names).map_err(|problem| fail(at, problem))?;
        steps.push(step);
        steps.extend(core::iter::repeat_n(Step::HOLE, insn.width() - 1));
    }
    for (at, step) in steps.iter().enumerate() {
        let leads = is_jump(step.what) || step.what == Do::CallFunction;
        let lands = || steps.get(step.target()).is_some_and(|to| to.what != Do::Hole);
        if leads && !lands() {
            let slot = i64::from(step.offset);
            return Err(fail(at, CodeProblem::Target { slot }));
        }
    }
    join_steps(&mut steps);
    Ok(steps)
}

/// Two steps that often follow each other become one, which does the second's work, too; the second stays where it is, for jumps that
/// lead there. So end nearly all loops: a number is added, and a jump depends on the result; and so begins nearly every use of
/// an address: it is copied, and a number added.
fn join_steps(steps: &mut [Step]) {
    for step in steps.iter_mut().filter(|step| step.what == Do::SubImm64) {
        (step.what, step.imm) = (Do::AddImm64, step.imm.wrapping_neg());
    }
    for at in 1..steps.len() {
        let Some([first, second]) = steps.get_mut(at - 1..=at) else {
            return;
        };
        match (first.what, second.what) {
            (Do::AddImm64, Do::NeImm64) => first.what = Do::AddThenNeImm64,
            (Do::AddImm64, Do::NeReg64) => first.what = Do::AddThenNeReg64,
            (Do::MovReg64, Do::AddImm64) if first.dst() == second.dst() => {
                (first.what, first.imm) = (Do::MovThenAdd64, second.imm);
            }
            _ => {}
        }
    }
}

fn is_jump(what: Do) -> bool {
    matches!(what, Do::Jump | Do::MayGoto) || what as u8 >= Do::EqImm64 as u8
}

fn step(at: usize, insn: Insn, names: &impl Names) -> Result<Step, CodeProblem> {
    let target = |distance: i32| {
        let slot = at as i64 + 1 + i64::from(distance);
        i32::try_from(slot)
            .ok()
            .filter(|slot| *slot >= 0)
            .ok_or(CodeProblem::Target { slot })
    };
    let made = |what| Step::new(what);
    let to = |what, dst: Reg| made(what).with_dst(dst.number());
    let writes = match insn {
        Insn::Alu { dst, .. }
        | Insn::Neg { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::MovSx { dst, .. }
        | Insn::CastAddrSpace { dst, .. }
        | Insn::PercpuAddr { dst, .. }
        | Insn::LoadImm64 { dst, .. }
        | Insn::LoadAddr { dst, .. }
        | Insn::Load { dst, .. }
        | Insn::LoadSx { dst, .. }
        | Insn::LoadAcquire { dst, .. } => Some(dst),
        Insn::Atomic { op, src, .. } if op.fetches() => Some(src),
        _ => None,
    };
    if writes == Some(Reg::FP) {
        // that may be where nothing ever gets to
        return Ok(made(Do::FramePointer));
    }
    Ok(match insn {
        Insn::Alu { width, op, dst, src } => with(to(Do::alu(width, op, src), dst), src),
        Insn::Neg { width, dst } => to(negate(width), dst),
        Insn::Swap { op, size, dst } => to(swap(op, size), dst),
        Insn::MovSx {
            width,
            size,
            dst,
            src,
        } => to(move_extended(width, size), dst).with_src(src.number()),
        Insn::CastAddrSpace {
            dst, src, to: space, ..
        } => {
            let what = match space {
                0 => Do::CastToProgram,
                _ => Do::CastToUser,
            };
            to(what, dst).with_src(src.number()).with_imm(names.arena())
        }
        Insn::PercpuAddr { .. } => made(Do::Invalid),
        Insn::LoadImm64 { dst, value } => to(Do::Const, dst).with_imm(value),
        Insn::LoadAddr { dst, address } => to(Do::Const, dst).with_imm(resolve(address, at, names)?),
        Insn::LoadAbs { size, offset } => {
            let what = match size {
                Size::B => Do::LoadAbs8,
                Size::H => Do::LoadAbs16,
                Size::W => Do::LoadAbs32,
                Size::Dw => Do::Invalid,
            };
            made(what).with_offset(offset)
        }
        Insn::LoadInd { size, index, offset } => {
            let what = match size {
                Size::B => Do::LoadInd8,
                Size::H => Do::LoadInd16,
                Size::W => Do::LoadInd32,
                Size::Dw => Do::Invalid,
            };
            made(what).with_src(index.number()).with_offset(offset)
        }
        // one thread of execution: there is nothing to be ordered against
        Insn::Load {
            size,
            dst,
            base,
            offset,
        }
        | Insn::LoadAcquire {
            size,
            dst,
            base,
            offset,
        } => to(load(size), dst)
            .with_src(base.number())
            .with_offset(offset.into()),
        Insn::LoadSx {
            size,
            dst,
            base,
            offset,
        } => to(load_extended(size), dst)
            .with_src(base.number())
            .with_offset(offset.into()),
        Insn::Store {
            size,
            base,
            offset,
            src,
        } => with(to(store(size, src), base).with_offset(offset.into()), src),
        Insn::StoreRelease {
            size,
            base,
            offset,
            src,
        } => {
            let src = Operand::Reg(src);
            with(to(store(size, src), base).with_offset(offset.into()), src)
        }
        Insn::Atomic {
            width,
            op,
            base,
            offset,
            src,
        } => {
            let what = match width {
                Width::W32 => Do::Atomic32,
                Width::W64 => Do::Atomic64,
            };
            to(what, base)
                .with_src(src.number())
                .with_offset(offset.into())
                .with_imm(op.code() as u64)
        }
        Insn::SpeculationBarrier => made(Do::Nothing),
        Insn::Jump { offset } => made(Do::Jump).with_offset(target(offset.into())?),
        Insn::JumpLong { offset } => made(Do::Jump).with_offset(target(offset)?),
        Insn::JumpIndirect { dst } => to(Do::JumpIndirect, dst),
        Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset,
        } => with(to(Do::jump(width, op, src), dst), src).with_offset(target(offset.into())?),
        Insn::MayGoto { offset } => made(Do::MayGoto).with_offset(target(offset.into())?),
        Insn::CallHelper { helper } => {
            let what = match Missing::from_helper(helper.0 as i32) {
                Some(_) => Do::Missing,
                None => Do::CallHelper,
            };
            made(what).with_imm(helper.0.into())
        }
        Insn::CallSubprog { offset } => made(Do::CallFunction).with_offset(target(offset)?),
        Insn::CallKfunc { btf_id, .. } => made(Do::CallKfunc).with_imm(btf_id.into()),
        Insn::CallReg { dst } => to(Do::CallReg, dst),
        Insn::Exit => made(Do::Exit),
    })
}

/// The second operand, extended to 64 bits.
fn with(step: Step, src: Operand) -> Step {
    match src {
        Operand::Reg(reg) => step.with_src(reg.number()),
        Operand::Imm(imm) => step.with_imm(i64::from(imm) as u64),
    }
}

fn negate(width: Width) -> Do {
    match width {
        Width::W64 => Do::Neg64,
        Width::W32 => Do::Neg32,
    }
}

fn load(size: Size) -> Do {
    match size {
        Size::B => Do::Load8,
        Size::H => Do::Load16,
        Size::W => Do::Load32,
        Size::Dw => Do::Load64,
    }
}

fn load_extended(size: Size) -> Do {
    match size {
        Size::B => Do::LoadSx8,
        Size::H => Do::LoadSx16,
        Size::W => Do::LoadSx32,
        Size::Dw => Do::Invalid,
    }
}

fn store(size: Size, src: Operand) -> Do {
    match (size, src) {
        (Size::B, Operand::Imm(_)) => Do::StoreImm8,
        (Size::H, Operand::Imm(_)) => Do::StoreImm16,
        (Size::W, Operand::Imm(_)) => Do::StoreImm32,
        (Size::Dw, Operand::Imm(_)) => Do::StoreImm64,
        (Size::B, Operand::Reg(_)) => Do::StoreReg8,
        (Size::H, Operand::Reg(_)) => Do::StoreReg16,
        (Size::W, Operand::Reg(_)) => Do::StoreReg32,
        (Size::Dw, Operand::Reg(_)) => Do::StoreReg64,
    }
}

fn swap(op: SwapOp, size: Size) -> Do {
    match (op, size) {
        (_, Size::B) => Do::Invalid,
        (SwapOp::Le, Size::H) => Do::Le16,
        (SwapOp::Le, Size::W) => Do::Le32,
        (SwapOp::Le, Size::Dw) => Do::Le64,
        (SwapOp::Be, Size::H) => Do::Be16,
        (SwapOp::Be, Size::W) => Do::Be32,
        (SwapOp::Be, Size::Dw) => Do::Be64,
        (SwapOp::Swap, Size::H) => Do::Swap16,
        (SwapOp::Swap, Size::W) => Do::Swap32,
        (SwapOp::Swap, Size::Dw) => Do::Swap64,
    }
}

fn move_extended(width: Width, size: Size) -> Do {
    match (width, size) {
        (Width::W64, Size::B) => Do::MovSx8To64,
        (Width::W64, Size::H) => Do::MovSx16To64,
        (Width::W64, Size::W) => Do::MovSx32To64,
        (Width::W32, Size::B) => Do::MovSx8To32,
        (Width::W32, Size::H) => Do::MovSx16To32,
        (Width::W64, Size::Dw) | (Width::W32, Size::W | Size::Dw) => Do::Invalid,
    }
}

fn resolve(address: Address, at: usize, names: &impl Names) -> Result<u64, CodeProblem> {
    let missing = |number: i64| CodeProblem::Map { number };
    match address {
        Address::Map { fd } => u32::try_from(fd)
            .ok()
            .and_then(|number| names.map(number))
            .ok_or(missing(fd.into())),
        Address::MapIndex { index } => names.map(index).ok_or(missing(index.into())),
        Address::MapValue { fd, offset } => u32::try_from(fd)
            .ok()
            .and_then(|number| names.map_value(number, offset))
            .ok_or(missing(fd.into())),
        Address::MapIndexValue { index, offset } => {
            names.map_value(index, offset).ok_or(missing(index.into()))
        }
        Address::Func { offset } => {
            let slot = at as i64 + 1 + i64::from(offset);
            let slot = u32::try_from(slot).map_err(|_| CodeProblem::Target { slot })?;
            Ok(names.code(slot))
        }
        // a variable of a kernel that is not there
        Address::Variable { .. } => Ok(0),
    }
}
