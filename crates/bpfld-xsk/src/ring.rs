//! A ring that the kernel reads or writes at the other end.
//!
//! Two positions count elements for ever, modulo 2^32: how many were written, how many were read. Each is written by one side only. Whoever writes
//! puts elements down, then moves its position with release ordering; whoever reads looks at that with acquire ordering first. The other
//! position works the same way for the room that becomes free. All access is by atomic operations on shared memory whose bounds are checked.
//!
//! The kernel's position is looked at once, and ours is moved once, for many elements: a [`Run`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bpfld_sys::{
    mmap::SharedMmap,
    xdp::{RING_NEED_WAKEUP, RingOffsets},
};

/// Our end of a ring of elements of so many words: an address, or a packet.
#[derive(Debug)]
pub(crate) struct Ring<const WORDS: usize> {
    memory: SharedMmap,
    /// The position that we write.
    own: usize,
    /// The position that the kernel writes.
    other: usize,
    flags: Option<usize>,
    /// The word where the elements begin.
    elements: usize,
    size: u32,
    /// Our position.
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

impl<const WORDS: usize> Ring<WORDS> {
    /// Bytes of an element.
    pub(crate) const STRIDE: usize = WORDS * size_of::<AtomicU64>();

    /// Where a ring of `size` elements ends.
    pub(crate) fn end(offsets: RingOffsets, size: u32) -> Option<usize> {
        let len = (size as usize).checked_mul(Self::STRIDE)?;
        usize::try_from(offsets.desc).ok()?.checked_add(len)
    }

    /// The ring of `size` elements (a power of two) in some memory; none if it does not fit there.
    pub(crate) fn new(memory: SharedMmap, offsets: RingOffsets, size: u32, end: End) -> Option<Self> {
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
        if !size.is_power_of_two() || !elements.is_multiple_of(size_of::<AtomicU64>()) {
            return None;
        }
        elements_in::<WORDS>(&memory, elements / size_of::<AtomicU64>()).get(..size as usize)?;
        Some(Ring {
            memory,
            own,
            other,
            flags: Some(flags).filter(|flags| *flags != 0),
            elements: elements / size_of::<AtomicU64>(),
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

    /// Up to `most` elements to be written, as far as there is room, if it is the writer's end.
    #[inline]
    pub(crate) fn write(&mut self, most: u32) -> Run<'_, WORDS> {
        let room = self.room(most);
        self.run(most.min(room))
    }

    /// Up to `most` elements to be read, if it is the reader's end; looks again only if there is none.
    #[inline]
    pub(crate) fn read(&mut self, most: u32) -> Run<'_, WORDS> {
        if self.seen == self.position {
            self.look();
        }
        // A kernel that claims more than there is room for is not believed.
        let filled = self.seen.wrapping_sub(self.position).min(self.size);
        self.run(most.min(filled))
    }

    #[inline]
    fn run(&mut self, len: u32) -> Run<'_, WORDS> {
        Run {
            elements: elements_in(&self.memory, self.elements),
            mask: self.size as usize - 1,
            published: self.memory.atomic_u32(self.own),
            next: self.position,
            end: self.position.wrapping_add(len),
            position: &mut self.position,
        }
    }

    #[inline]
    fn look(&mut self) {
        // The ring was checked to have it.
        self.seen = self
            .memory
            .load_u32(self.other, Ordering::Acquire)
            .unwrap_or(self.position);
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
}

/// What may be elements: from a word on, as far as the memory goes.
#[inline]
fn elements_in<const WORDS: usize>(memory: &SharedMmap, first: usize) -> &[[AtomicU64; WORDS]] {
    let words = memory.atomic_words().unwrap_or_default();
    words.get(first..).unwrap_or_default().as_chunks().0
}

/// Elements that follow each other, to be written or read. When it is dropped the kernel is told of those that were.
pub(crate) struct Run<'a, const WORDS: usize> {
    elements: &'a [[AtomicU64; WORDS]],
    mask: usize,
    next: u32,
    end: u32,
    position: &'a mut u32,
    published: Option<&'a AtomicU32>,
}

impl<'a, const WORDS: usize> Run<'a, WORDS> {
    /// How many are left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.end.wrapping_sub(self.next) as usize
    }

    /// Writes the next element; false if none is left.
    #[inline]
    pub(crate) fn put(&mut self, element: [u64; WORDS]) -> bool {
        let words = self.step();
        for (word, value) in words.into_iter().flatten().zip(element) {
            word.store(value, Ordering::Relaxed);
        }
        words.is_some()
    }

    #[inline]
    fn step(&mut self) -> Option<&'a [AtomicU64; WORDS]> {
        if self.next == self.end {
            return None;
        }
        let element = self.elements.get(self.next as usize & self.mask)?;
        self.next = self.next.wrapping_add(1);
        Some(element)
    }
}

impl<const WORDS: usize> Iterator for Run<'_, WORDS> {
    type Item = [u64; WORDS];

    #[inline]
    fn next(&mut self) -> Option<[u64; WORDS]> {
        let words = self.step()?;
        Some(std::array::from_fn(|at| {
            words.get(at).map_or(0, |word| word.load(Ordering::Relaxed))
        }))
    }
}

impl<const WORDS: usize> Drop for Run<'_, WORDS> {
    #[inline]
    fn drop(&mut self) {
        if *self.position != self.next {
            *self.position = self.next;
            if let Some(published) = self.published {
                published.store(self.next, Ordering::Release);
            }
        }
    }
}
