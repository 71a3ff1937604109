//! The right to use a frame: a number that nobody else has.
//!
//! # Safety
//!
//! The bytes of a frame are lent as plain slices, so nobody else may use them meanwhile.
//!
//! - There is one [`Slot`] for a frame at most. It gets only numbers that were taken off the list of free frames, or that the
//!   kernel gave back and the [ledger](crate::ledger) knows to have been given to it; and it cannot be cloned.
//! - The kernel uses a frame only while it is in a ring, or between two. To put it there the [`Frame`](crate::Frame) is given up. What was written to it
//!   before is visible to the kernel, and the other way round, by the release and acquire operations on the positions of rings.
//! - Frames do not overlap: a number times the size of frames lies within the memory, as was checked when that was made.
//! - The memory is private to this crate. When a socket is closed, what the kernel had is only used again if the kernel has let go of it by then; else it is retired.
#![expect(unsafe_code, reason = "lends slices out of memory shared with the kernel")]

use std::sync::Arc;

use crate::shared::Shared;

/// The right to use a frame of some memory. Dropping it makes the frame free.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    /// [`NOBODY`] once the frame is given up.
    number: u32,
}

/// No frame has this number: see `MOST_FRAMES`.
const NOBODY: u32 = u32::MAX;

impl Slot {
    /// The right to no frame of some memory, until it gets one.
    #[inline]
    pub(crate) fn vacant(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            number: NOBODY,
        }
    }

    /// Gets a frame, which must have come off the list of free ones, or from the kernel. The one before must have been given up.
    #[inline]
    pub(crate) fn take(&mut self, number: u32) {
        self.number = number;
    }

    /// Which one it is in its memory.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Bytes before a packet to be sent that belong to the kernel.
    #[inline]
    pub(crate) fn tx_metadata(&self) -> u32 {
        self.shared.tx_metadata()
    }

    /// Gives the frame up to whoever then has its number.
    #[inline]
    pub(crate) fn leave(&mut self) -> u32 {
        std::mem::replace(&mut self.number, NOBODY)
    }

    #[inline]
    pub(crate) fn is_vacant(&self) -> bool {
        self.number == NOBODY
    }

    #[inline]
    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// The first byte of the frame, and how many it has; none if it has none.
    #[inline]
    fn bytes(&self) -> (*mut u8, usize) {
        let Shared { memory, cut, .. } = &*self.shared;
        let (offset, size) = (cut.address(self.number), cut.frame_size);
        if offset + u64::from(size) > memory.len() as u64 {
            return (std::ptr::dangling_mut(), 0);
        }
        // SAFETY: the offset is within the mapping, as was just seen.
        (unsafe { memory.as_ptr().add(offset as usize) }, size as usize)
    }

    /// All bytes of the frame.
    #[inline]
    pub(crate) fn whole(&self) -> &[u8] {
        let (start, len) = self.bytes();
        // SAFETY: so many bytes from there on are within the mapping, which lives as long as `self`, and nobody else uses them while this
        // slot is there, for the reasons above; who has it borrowed for reading has no slice for writing. Without memory `len` is 0.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// All bytes of the frame.
    #[inline]
    pub(crate) fn whole_mut(&mut self) -> &mut [u8] {
        let (start, len) = self.bytes();
        // SAFETY: as above; the slot is borrowed mutably, so that there is no other slice.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if self.number != NOBODY {
            release(&self.shared, self.number);
        }
    }
}

/// Makes a frame free; apart, as most slots that are dropped are empty.
#[inline(never)]
fn release(shared: &Shared, number: u32) {
    shared.ledger.free().push(number);
}
