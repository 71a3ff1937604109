//! Which registers instructions read and write, and whether a program may read one that it never wrote.

use alloc::vec;
use alloc::vec::Vec;

use bpfld_insn::{AluOp, AtomicOp, Insn, Operand, Reg, Slot, decode};

/// A set of registers: a bit each.
pub(crate) type Set = u16;

const fn bit(reg: Reg) -> Set {
    1 << reg.number()
}

/// What a program has at its start: the context and its stack.
pub(crate) const AT_START: Set = bit(Reg::R1) | bit(Reg::FP);
/// What a function may have at its start: its arguments and its stack.
pub(crate) const ARGUMENTS: Set = CLOBBERED | bit(Reg::FP);
/// What no call leaves as it was.
const CLOBBERED: Set = 0b11_1110;
/// What functions leave as it was.
const KEPT: Set = 0b11_1100_0000 | bit(Reg::FP);
/// What a function returns.
pub(crate) const RESULT: Set = bit(Reg::R0);

/// What an instruction does with registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) reads: Set,
    pub(crate) writes: Set,
    /// What means nothing afterwards.
    clobbers: Set,
    /// Whether it ends a function.
    pub(crate) ends: bool,
}

impl Effect {
    /// What is known after the instruction.
    pub(crate) const fn after(self, known: Set) -> Set {
        known & !self.clobbers | self.writes
    }
}

/// What is known when a function has returned.
pub(crate) const fn after_call(caller: Set, callee: Set) -> Set {
    caller & KEPT | callee & RESULT
}

/// What an instruction does. Calls read what the called function asks for, which is not known here; of `exit` it depends on who
/// called whether the result is of interest.
fn effect(insn: Insn) -> Effect {
    let source = |operand: Operand| match operand {
        Operand::Reg(reg) => bit(reg),
        Operand::Imm(_) => 0,
    };
    let does = |reads: Set, writes: Set| Effect {
        reads,
        writes,
        ..Effect::default()
    };
    match insn {
        Insn::Alu {
            op: AluOp::Mov,
            dst,
            src,
            ..
        } => does(source(src), bit(dst)),
        // a register xor or minus itself is zero, but the verifier wants it to be known all the same
        Insn::Alu { dst, src, .. } => does(bit(dst) | source(src), bit(dst)),
        Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => does(bit(dst), bit(dst)),
        Insn::MovSx { dst, src, .. }
        | Insn::CastAddrSpace { dst, src, .. }
        | Insn::PercpuAddr { dst, src } => does(bit(src), bit(dst)),
        Insn::LoadImm64 { dst, .. } | Insn::LoadAddr { dst, .. } => does(0, bit(dst)),
        Insn::LoadAbs { .. } => Effect {
            reads: bit(Reg::R6),
            writes: RESULT,
            clobbers: CLOBBERED,
            ends: false,
        },
        Insn::LoadInd { index, .. } => Effect {
            reads: bit(Reg::R6) | bit(index),
            writes: RESULT,
            clobbers: CLOBBERED,
            ends: false,
        },
        Insn::Load { dst, base, .. }
        | Insn::LoadSx { dst, base, .. }
        | Insn::LoadAcquire { dst, base, .. } => does(bit(base), bit(dst)),
        Insn::Store { base, src, .. } => does(bit(base) | source(src), 0),
        Insn::StoreRelease { base, src, .. } => does(bit(base) | bit(src), 0),
        Insn::Atomic { op, base, src, .. } => match op {
            AtomicOp::CmpXchg => does(bit(base) | bit(src) | RESULT, RESULT),
            _ if op.fetches() => does(bit(base) | bit(src), bit(src)),
            _ => does(bit(base) | bit(src), 0),
        },
        Insn::SpeculationBarrier
        | Insn::Jump { .. }
        | Insn::JumpLong { .. }
        | Insn::MayGoto { .. }
        | Insn::CallSubprog { .. } => Effect::default(),
        Insn::Exit => Effect {
            ends: true,
            ..Effect::default()
        },
        Insn::JumpIndirect { dst } | Insn::CallReg { dst } => does(bit(dst), 0),
        Insn::JumpIf { dst, src, .. } => does(bit(dst) | source(src), 0),
        Insn::CallHelper { .. } | Insn::CallKfunc { .. } => Effect {
            reads: 0,
            writes: RESULT,
            clobbers: CLOBBERED,
            ends: false,
        },
    }
}

/// What each slot of a program does.
pub(crate) fn effects(slots: &[Slot]) -> Vec<Effect> {
    let mut effects = vec![Effect::default(); slots.len()];
    for (at, insn) in decode(slots) {
        if let (Ok(insn), Some(place)) = (insn, effects.get_mut(at)) {
            *place = effect(insn);
        }
    }
    effects
}

/// Whether some way through a program may read a register that was not written on it. Most programs have none, and run
/// without anybody looking.
pub(crate) fn is_doubtful(slots: &[Slot], exception_callback: Option<u32>) -> bool {
    let mut insns = vec![None; slots.len()];
    for (at, insn) in decode(slots) {
        if let (Ok(insn), Some(place)) = (insn, insns.get_mut(at)) {
            *place = Some(insn);
        }
    }
    let mut flow = Flow {
        known: vec![None; slots.len()],
        waiting: Vec::new(),
    };
    flow.reach(0, AT_START);
    if let Some(callback) = exception_callback {
        flow.reach(i64::from(callback), ARGUMENTS);
    }
    while let Some(at) = flow.waiting.pop() {
        let known = flow.known.get(at).copied().flatten();
        let (Some(known), Some(Some(insn))) = (known, insns.get(at).copied()) else {
            continue;
        };
        let effect = effect(insn);
        let is_end = insn == Insn::Exit && known & RESULT == 0;
        if effect.reads & !known != 0 || is_end {
            return true;
        }
        let next = at as i64 + insn.width() as i64;
        let target = insn
            .distance()
            .map(|distance| at as i64 + 1 + i64::from(distance));
        match (insn, target) {
            (Insn::Exit, _) => {}
            // where these lead is not known
            (Insn::JumpIndirect { .. } | Insn::CallReg { .. }, _) => return true,
            (Insn::Jump { .. } | Insn::JumpLong { .. }, Some(target)) => flow.reach(target, known),
            (Insn::JumpIf { .. } | Insn::MayGoto { .. }, Some(target)) => {
                flow.reach(target, known);
                flow.reach(next, known);
            }
            (Insn::CallSubprog { .. }, Some(target)) => {
                flow.reach(target, known & ARGUMENTS);
                // each way to the end of a function is looked at, too
                flow.reach(next, after_call(known, RESULT));
            }
            // a function that is called back
            (Insn::LoadAddr { .. }, Some(target)) => {
                flow.reach(target, ARGUMENTS);
                flow.reach(next, effect.after(known));
            }
            _ => flow.reach(next, effect.after(known)),
        }
    }
    false
}

/// What is known before each slot that was reached.
struct Flow {
    known: Vec<Option<Set>>,
    waiting: Vec<usize>,
}

impl Flow {
    /// A slot is reached with these known.
    fn reach(&mut self, slot: i64, known: Set) {
        let Some(at) = usize::try_from(slot).ok().filter(|at| *at < self.known.len()) else {
            return;
        };
        if let Some(place) = self.known.get_mut(at) {
            let both = place.map_or(known, |before| before & known);
            if *place != Some(both) {
                *place = Some(both);
                self.waiting.push(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, doubtful: bool) {
        let assembly = bpfld_insn::assemble(text).unwrap();
        assert_eq!(is_doubtful(assembly.slots(), None), doubtful);
    }

    #[test]
    fn doubts_are_about_what_some_way_leaves_open() {
        check("r0 = r1\n exit", false);
        check("r0 = r2\n exit", true);
        check("exit", true);
        check("if r1 == 0 goto l\n r0 = 1\n l: exit", true);
        check("r0 = 0\n if r1 == 0 goto l\n r0 = 1\n l: exit", false);
        check("l: r0 = 0\n if r1 == 0 goto l\n exit", false);
        check("call 5\n exit", false);
        check("call 5\n r0 = r1\n exit", true);
        check("r6 = r1\n call 5\n r0 = r6\n exit", false);
        check("r2 = 1\n call f\n exit\n f: r0 = r2\n exit", false);
        check("call f\n exit\n f: r0 = r2\n exit", true);
        check("call f\n r0 = 0\n exit\n f: exit", true);
        check("r6 = 0\n call f\n exit\n f: r0 = r6\n exit", true);
    }
}
