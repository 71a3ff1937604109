//! A ring that the kernel reads or writes at the other end.
//!
//! Two positions count elements for ever, modulo 2^32: how many were written, how many were read. Each is written by one side only. Whoever writes
//! puts elements down, then moves its position with release ordering; whoever reads looks at that with acquire ordering first. The other
//! position works the same way for the room that becomes free. All access is by atomic operations on shared memory whose bounds are checked.

use std::sync::atomic::Ordering;

use bpfld_sys::{
    mmap::SharedMmap,
    xdp::{Desc, RING_NEED_WAKEUP, RingOffsets},
};

/// Our end of a ring.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: SharedMmap,
    /// The position that we write.
    own: usize,
    /// The position that the kernel writes.
    other: usize,
    flags: Option<usize>,
    elements: usize,
    size: u32,
    /// Our position, ahead of what is published.
    position: u32,
    /// The kernel's position, as last seen.
    seen: u32,
}

/// Which end of a ring is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// We write elements.
    Writer,
    /// We read elements.
    Reader,
}

impl Ring {
    /// The ring of `size` elements (a power of two) of `stride` bytes in some memory; none if it does not fit there.
    pub(crate) fn new(
        memory: SharedMmap,
        offsets: RingOffsets,
        size: u32,
        stride: usize,
        end: End,
    ) -> Option<Ring> {
        let at = |offset: u64| usize::try_from(offset).ok();
        let (producer, consumer) = (at(offsets.producer)?, at(offsets.consumer)?);
        let (elements, flags) = (at(offsets.desc)?, at(offsets.flags)?);
        let (own, other) = match end {
            End::Writer => (producer, consumer),
            End::Reader => (consumer, producer),
        };
        let position = memory.atomic_u32(own)?.load(Ordering::Acquire);
        let seen = memory.atomic_u32(other)?.load(Ordering::Acquire);
        memory.atomic_u32(flags)?;
        let last = (size as usize).checked_mul(stride)?.checked_sub(8)?;
        memory.atomic_u64(elements)?;
        memory.atomic_u64(elements.checked_add(last)?)?;
        Some(Ring {
            memory,
            own,
            other,
            flags: Some(flags).filter(|flags| *flags != 0),
            elements,
            size,
            position,
            seen,
        })
    }

    /// How many elements can be written, if it is the writer's end; looks again only for less than `wanted`.
    #[inline]
    pub(crate) fn room(&mut self, wanted: u32) -> u32 {
        let room = |ring: &Self| ring.size.saturating_sub(ring.position.wrapping_sub(ring.seen));
        if room(self) < wanted {
            self.look();
        }
        room(self)
    }

    /// How many elements can be read, if it is the reader's end; looks again only if there is none.
    #[inline]
    pub(crate) fn filled(&mut self) -> u32 {
        if self.seen == self.position {
            self.look();
        }
        // A kernel that claims more than there is room for is not believed.
        self.seen.wrapping_sub(self.position).min(self.size)
    }

    #[inline]
    fn look(&mut self) {
        // The ring was checked to have it.
        self.seen = self
            .memory
            .load_u32(self.other, Ordering::Acquire)
            .unwrap_or(self.position);
    }

    /// Writes a frame's address as the next element. There must be room.
    #[inline]
    pub(crate) fn put_address(&mut self, address: u64) {
        let at = self.elements + self.index() * 8;
        let _ = self.memory.store_u64(at, address, Ordering::Relaxed);
        self.position = self.position.wrapping_add(1);
    }

    /// Writes a packet as the next element. There must be room.
    #[inline]
    pub(crate) fn put_desc(&mut self, desc: Desc) {
        let at = self.elements + self.index() * 16;
        let rest: [u8; 8] = zerocopy::transmute!([desc.len, desc.options]);
        let _ = self.memory.store_u64(at, desc.addr, Ordering::Relaxed);
        let _ = self
            .memory
            .store_u64(at + 8, u64::from_ne_bytes(rest), Ordering::Relaxed);
        self.position = self.position.wrapping_add(1);
    }

    /// Reads the next element, a frame's address. There must be one.
    #[inline]
    pub(crate) fn next_address(&mut self) -> u64 {
        let at = self.elements + self.index() * 8;
        self.position = self.position.wrapping_add(1);
        self.memory.load_u64(at, Ordering::Relaxed).unwrap_or(u64::MAX)
    }

    /// Reads the next element, a packet. There must be one.
    #[inline]
    pub(crate) fn next_desc(&mut self) -> Desc {
        let at = self.elements + self.index() * 16;
        self.position = self.position.wrapping_add(1);
        let addr = self.memory.load_u64(at, Ordering::Relaxed).unwrap_or(u64::MAX);
        let rest = self.memory.load_u64(at + 8, Ordering::Relaxed).unwrap_or(0);
        let [len, options]: [u32; 2] = zerocopy::transmute!(rest.to_ne_bytes());
        Desc { addr, len, options }
    }

    /// Tells the kernel of all that was written or read since the last time.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if let Some(own) = self.memory.atomic_u32(self.own) {
            own.store(self.position, Ordering::Release);
        }
    }

    /// Whether the kernel wants to be called; nothing if it does not say.
    #[inline]
    pub(crate) fn needs_wakeup(&self) -> Option<bool> {
        let flags = self.memory.load_u32(self.flags?, Ordering::Relaxed)?;
        Some(flags & RING_NEED_WAKEUP != 0)
    }

    /// Elements that the kernel has not read yet, if it is the writer's end.
    pub(crate) fn unread(&mut self) -> u32 {
        self.look();
        self.position.wrapping_sub(self.seen).min(self.size)
    }

    #[inline]
    fn index(&self) -> usize {
        (self.position & (self.size - 1)) as usize
    }
}
