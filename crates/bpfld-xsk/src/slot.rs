//! The right to use a frame: a number that nobody else has.
//!
//! # Safety
//!
//! The bytes of a frame are lent as plain slices, so nobody else may use them meanwhile.
//!
//! - There is one [`Slot`] for a frame at most. It is made only of a number that was taken off the list of free frames, or that the
//!   kernel gave back and the [ledger](crate::ledger) knows to have been given to it; and it cannot be cloned.
//! - The kernel uses a frame only while it is in a ring, or between two. To put it there the [`Frame`](crate::Frame) is given up. What was written to it
//!   before is visible to the kernel, and the other way round, by the release and acquire operations on the positions of rings.
//! - Frames do not overlap: a number times the size of frames lies within the memory, as was checked when that was made.
//! - The memory is private to this crate. When a socket is closed, what the kernel had is only used again if the kernel has let go of it by then; else it is retired.
#![expect(unsafe_code, reason = "lends slices out of memory shared with the kernel")]

use std::sync::Arc;

use crate::umem::Shared;

/// The right to use a frame of some memory. Dropping it makes the frame free.
pub(crate) struct Slot {
    /// Nothing once the frame is given up.
    shared: Option<Arc<Shared>>,
    number: u32,
}

impl Slot {
    /// The frame must have come off the list of free ones, or from the kernel.
    pub(crate) fn new(shared: Arc<Shared>, number: u32) -> Self {
        Self {
            shared: Some(shared),
            number,
        }
    }

    /// Which one it is in its memory.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Bytes before a packet to be sent that belong to the kernel.
    #[inline]
    pub(crate) fn tx_metadata(&self) -> u32 {
        self.shared.as_ref().map_or(0, |shared| shared.tx_metadata())
    }

    /// Gives the frame up to whoever then has its number, if it is of this memory, which then serves for another slot.
    #[inline]
    pub(crate) fn leave(&mut self, shared: &Arc<Shared>) -> Option<(Arc<Shared>, u32)> {
        let own = self.shared.take_if(|own| Arc::ptr_eq(own, shared))?;
        Some((own, self.number))
    }

    #[inline]
    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        self.shared.as_ref().is_some_and(|own| Arc::ptr_eq(own, shared))
    }

    /// The first byte of the frame, and how many it has.
    #[inline]
    fn bytes(&self) -> (*mut u8, usize) {
        let Some(shared) = &self.shared else {
            return (std::ptr::dangling_mut(), 0);
        };
        let size = shared.cut.frame_size as usize;
        let offset = self.number as usize * size;
        assert!(
            offset
                .checked_add(size)
                .is_some_and(|end| end <= shared.memory.len()),
            "frames lie within the memory"
        );
        // SAFETY: the offset is within the mapping, as just asserted.
        (unsafe { shared.memory.as_ptr().add(offset) }, size)
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
        if let Some(shared) = self.shared.take() {
            release(&shared, self.number);
        }
    }
}

/// Makes a frame free; apart, as most slots that are dropped are empty.
fn release(shared: &Shared, number: u32) {
    shared.ledger.free().push(number);
}
