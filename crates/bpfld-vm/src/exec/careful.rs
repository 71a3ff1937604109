//! What is done before each instruction where somebody looks: at registers that hold nothing, or for an observer.

use super::Run;
use crate::code::{RESULT, Set};
use crate::fault::{FaultKind, Trap};
use crate::observe::{Control, Observed};

impl Run<'_> {
    /// Which registers hold something after an instruction, given those that do before it.
    #[inline]
    pub(super) fn look_at_registers(
        &self,
        program: usize,
        slot: usize,
        base: usize,
        known: Set,
    ) -> Result<Set, Trap> {
        let code = self.image.programs.get(program);
        let Some(effect) = code.and_then(|code| code.effects.get(slot)) else {
            return Ok(known);
        };
        // what a program returns is read by whoever runs it
        let reads = match effect.ends {
            true if self.state.depth == base + 1 => RESULT,
            _ => effect.reads,
        };
        match (reads & !known).trailing_zeros() {
            Set::BITS => Ok(effect.after(known)),
            number => Err(FaultKind::Register { number: number as u8 }.into()),
        }
    }

    #[inline(never)]
    pub(super) fn observe(&mut self, program: usize, slot: usize, regs: &[u64; 16]) -> Control {
        let Some(observer) = self.observer.as_deref_mut() else {
            return Control::Continue;
        };
        let Some(code) = self.image.programs.get(program) else {
            return Control::Continue;
        };
        let registers = regs.first_chunk().unwrap_or(&[0; 11]);
        observer.step(&Observed {
            code,
            slot: slot as u32,
            registers,
            depth: self.state.depth,
            state: self.state,
            image: self.image,
        })
    }
}
