//! Frames: a function begins, ends, calls another, or becomes another program.

use super::Run;
use crate::fault::{FaultKind, Trap};
use crate::memory::{MAX_CALLS, MAX_FRAMES};
use crate::state::Frame;

/// How often a loop goes round by `may_goto`: the kernel's number.
const MAY_GOTO: u32 = 8 * 1024 * 1024;

/// How often programs change to others by tail calls, as in the kernel.
const MAX_TAIL_CALLS: u32 = 33;

impl Run<'_> {
    /// How many functions of the current program are running, if there may be one more.
    #[inline]
    pub(super) fn level(&self, depth: usize) -> Result<u32, Trap> {
        let frame = depth.checked_sub(1).and_then(|last| self.state.frames.get(last));
        let level = frame.map_or(0, |frame| frame.level);
        if level >= MAX_CALLS || depth >= MAX_FRAMES {
            return Err(FaultKind::CallDepth {
                limit: MAX_CALLS as usize,
            }
            .into());
        }
        Ok(level)
    }

    /// The frame of a function becomes that of a program that it changed to.
    pub(super) fn begin_anew(&mut self) -> u64 {
        let depth = self.state.depth - 1;
        if let Some(frame) = self.state.frames.get_mut(depth) {
            frame.level = 1;
        }
        self.state.memory.enter_frame(depth)
    }

    #[inline]
    pub(super) fn open_frame(&mut self, depth: usize, frame: Frame) -> u64 {
        let state = &mut *self.state;
        state.depth = depth + 1;
        if let Some(place) = state.frames.get_mut(depth) {
            *place = frame;
        }
        if let Some(count) = state.may_goto.get_mut(depth) {
            *count = MAY_GOTO;
        }
        state.memory.enter_frame(depth)
    }

    #[inline]
    pub(super) fn close_frame(&mut self, depth: usize) -> Option<&Frame> {
        self.state.depth = depth;
        self.state.memory.leave_frame(depth);
        self.state.frames.get(depth)
    }

    #[inline]
    pub(super) fn frame_pointer(&self, depth: usize) -> u64 {
        use crate::address::{GuestAddr, RegionId};
        let region = RegionId(RegionId::STACK.0 + depth as u32);
        GuestAddr::new(region, crate::memory::STACK_BYTES as u64).0
    }

    /// Whether the loop's budget is used up.
    pub(super) fn may_goto(&mut self) -> bool {
        let depth = self.state.depth.wrapping_sub(1);
        match self.state.may_goto.get_mut(depth) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        }
    }

    /// The program that a tail call leads to, if any.
    pub(super) fn tail_call(&mut self, map: u64, index: u64) -> Result<Option<usize>, Trap> {
        use crate::map::Contents;
        let found = crate::address::map_at(map).and_then(|map| self.state.maps.get(map));
        let Some(Contents::Programs(slots)) = found.map(|map| &map.contents) else {
            let problem = "no program array";
            return Err(FaultKind::Argument {
                function: "bpf_tail_call".into(),
                number: 2,
                problem: problem.into(),
            }
            .into());
        };
        let target = slots.get(index as u32 as usize).copied().flatten();
        if self.state.tail_calls >= MAX_TAIL_CALLS {
            return Ok(None);
        }
        let Some(target) = target else {
            return Ok(None);
        };
        self.state.tail_calls += 1;
        Ok(Some(target))
    }
}
