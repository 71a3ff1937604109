//! Atomic operations. One thread runs, so that each is one step anyway.

use bpfld_insn::AtomicOp;

use super::Run;
use crate::code::Step;
use crate::fault::{Access, FaultKind, Trap};
use crate::memory::{bytes_of, value_of};

impl Run<'_> {
    /// Carries out a step of `N` bytes.
    pub(super) fn atomic<const N: usize, const BIG: bool>(
        &mut self,
        step: Step,
        regs: &mut [u64; 16],
    ) -> Result<(), Trap> {
        let address = regs[step.dst()].wrapping_add(i64::from(step.offset) as u64);
        let operand = regs[step.src()];
        let op = AtomicOp::ALL.iter().find(|op| op.code() as u64 == step.imm);
        let Some(&op) = op else {
            return Err(FaultKind::Instruction.into());
        };
        let bytes = self.state.memory.load_slow::<N>(address, Access::Atomic)?;
        let old = value_of::<N, BIG>(bytes);
        let new = match op {
            AtomicOp::Add | AtomicOp::FetchAdd => Some(old.wrapping_add(operand)),
            AtomicOp::Or | AtomicOp::FetchOr => Some(old | operand),
            AtomicOp::And | AtomicOp::FetchAnd => Some(old & operand),
            AtomicOp::Xor | AtomicOp::FetchXor => Some(old ^ operand),
            AtomicOp::Xchg => Some(operand),
            AtomicOp::CmpXchg => {
                let expected = value_of::<N, BIG>(bytes_of::<N, BIG>(regs[0]));
                (old == expected).then_some(operand)
            }
        };
        if let Some(new) = new {
            self.state
                .memory
                .store_slow::<N>(address, bytes_of::<N, BIG>(new))?;
        }
        match op {
            AtomicOp::CmpXchg => regs[0] = old,
            _ if op.fetches() => regs[step.src()] = old,
            _ => {}
        }
        Ok(())
    }
}
