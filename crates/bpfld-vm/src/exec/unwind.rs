//! What is left behind when a run stops before its end.

use super::{Entry, Run};
use crate::fault::Trap;
use crate::state::Stop;

impl Run<'_> {
    /// Closes frames down to `base`, and takes note of where it happened, if that is not known from further in.
    #[cold]
    #[inline(never)]
    pub(super) fn unwind(
        &mut self,
        base: usize,
        program: usize,
        slot: usize,
        regs: &[u64; 16],
        trap: Trap,
    ) -> Trap {
        if self.state.stop.is_none() {
            let frames = self.state.frames.get(1..self.state.depth).unwrap_or_default();
            self.state.stop = Some(Stop {
                program,
                slot: slot as u32,
                registers: regs.first_chunk().copied().unwrap_or_default(),
                callers: frames
                    .iter()
                    .rev()
                    .map(|frame| (frame.program, frame.pc.saturating_sub(1) as u32))
                    .collect(),
            });
        }
        for depth in (base..self.state.depth).rev() {
            self.state.memory.leave_frame(depth);
        }
        self.state.depth = base;
        if base == 0 {
            // nobody ends them any more
            self.state.bits.clear();
        }
        trap
    }

    /// What a program returns that threw: what the function says that handles it, else the number that was thrown.
    pub(crate) fn catch(&mut self, program: usize, cookie: u64) -> Result<u64, Trap> {
        let callback = self
            .image
            .programs
            .get(program)
            .and_then(|code| code.exception_callback);
        let Some(slot) = callback else {
            return Ok(cookie);
        };
        self.state.stop = None;
        self.enter(Entry { program, slot }, [cookie, 0, 0, 0, 0])
    }
}
