//! A ring that the kernel reads or writes at the other end.
//!
//! Two positions count elements for ever, modulo 2^32: how many were written, how many were read. Each is written by one side only. Whoever writes
//! puts elements down, then moves its position with release ordering; whoever reads looks at that with acquire ordering first. The other
//! position works the same way for the room that becomes free. All access is by atomic operations on shared memory whose bounds are checked.
//!
//! The kernel's position is looked at once, and ours is moved once, for many elements: a [`Run`].

use std::{
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

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

    /// How many elements it has room for.
    #[inline]
    pub(crate) fn size(&self) -> u32 {
        self.size
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
        self.holds_any();
        // A kernel that claims more than there is room for is not believed.
        let filled = self.seen.wrapping_sub(self.position).min(self.size);
        self.run(most.min(filled))
    }

    /// Whether there is an element to be read, if it is the reader's end.
    #[inline]
    pub(crate) fn holds_any(&mut self) -> bool {
        if self.seen == self.position {
            self.look();
        }
        self.seen != self.position
    }

    #[inline]
    fn run(&mut self, len: u32) -> Run<'_, WORDS> {
        let elements = elements_in(&self.memory, self.elements);
        let elements = elements.get(..self.size as usize).unwrap_or_default();
        let (start, count) = (self.position & (self.size - 1), len as usize);
        let (before, from) = elements.split_at_checked(start as usize).unwrap_or_default();
        // They may go on at the beginning of the ring.
        let (front, back) = match from.get(..count) {
            Some(front) => (front, Default::default()),
            None => (from, before.get(..count - from.len()).unwrap_or_default()),
        };
        Run {
            front: front.iter(),
            back,
            len,
            published: self.memory.atomic_u32(self.own),
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
    front: slice::Iter<'a, [AtomicU64; WORDS]>,
    /// What comes after them.
    back: &'a [[AtomicU64; WORDS]],
    /// How many there were.
    len: u32,
    position: &'a mut u32,
    published: Option<&'a AtomicU32>,
}

impl<'a, const WORDS: usize> Run<'a, WORDS> {
    /// How many are left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.front.len() + self.back.len()
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

    /// Writes elements that are made of some items, from the first on; returns of how many.
    #[inline]
    pub(crate) fn put_all<T>(&mut self, items: &[T], make: impl Fn(&T) -> [u64; WORDS]) -> usize {
        let mut left = items;
        while !left.is_empty() && self.left() > 0 {
            let room = self.front.as_slice();
            let (now, later) = left.split_at(left.len().min(room.len()));
            for (words, item) in room.iter().zip(now) {
                for (word, value) in words.iter().zip(make(item)) {
                    word.store(value, Ordering::Relaxed);
                }
            }
            left = later;
            self.front = room.get(now.len()..).unwrap_or_default().iter();
            if self.front.len() == 0 {
                self.front = std::mem::take(&mut self.back).iter();
            }
        }
        items.len() - left.len()
    }

    #[inline]
    fn step(&mut self) -> Option<&'a [AtomicU64; WORDS]> {
        self.front.next().or_else(|| self.turn())
    }

    /// Goes on at the beginning of the ring.
    #[cold]
    fn turn(&mut self) -> Option<&'a [AtomicU64; WORDS]> {
        self.front = std::mem::take(&mut self.back).iter();
        self.front.next()
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
        let moved = self.len - self.left() as u32;
        if moved != 0 {
            *self.position = self.position.wrapping_add(moved);
            if let Some(published) = self.published {
                published.store(*self.position, Ordering::Release);
            }
        }
    }
}
