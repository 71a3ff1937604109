//! Stacks: one region for each function that is being run.

use super::{Memory, Region};
use crate::address::{GuestAddr, RegionId};

/// Bytes of the stack of a function, as the kernel has it.
pub(crate) const STACK_BYTES: usize = 512;
/// How many functions of one program can be running at once, as in the kernel.
pub(crate) const MAX_CALLS: u32 = 8;
/// How many functions can be running at once: programs that functions change to by tail calls begin to count anew.
pub(crate) const MAX_FRAMES: usize = 48;

impl Memory {
    fn stack(&mut self, frame: usize) -> Option<&mut Region> {
        self.regions.get_mut(RegionId::STACK.index() + frame)
    }

    /// Opens the stack of a frame, with nothing written. Returns its frame pointer.
    #[inline]
    pub(crate) fn enter_frame(&mut self, frame: usize) -> u64 {
        let tracks = self.tracks_written;
        if let Some(region) = self.stack(frame) {
            if region.bytes.len() != STACK_BYTES {
                region.bytes.resize(STACK_BYTES, 0);
            }
            (region.start, region.read_end, region.write_end) = (0, STACK_BYTES, STACK_BYTES);
            if tracks {
                region.written.clear();
                region.written.resize(STACK_BYTES / 8 + 1, 0);
            }
        }
        GuestAddr::new(RegionId(RegionId::STACK.0 + frame as u32), STACK_BYTES as u64).0
    }

    /// Closes the stack of a frame: pointers to it are of no more use.
    #[inline]
    pub(crate) fn leave_frame(&mut self, frame: usize) {
        if let Some(region) = self.stack(frame) {
            (region.start, region.read_end, region.write_end) = (0, 0, 0);
        }
    }
}
