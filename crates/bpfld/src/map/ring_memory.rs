//! The memory of a ring buffer, and records lent out of it.
//!
//! # Safety
//!
//! A record is lent as a plain slice, so nothing may write to it meanwhile.
//!
//! - The pages are mapped for reading only, in this process and any other: the kernel allows nothing else. So only the kernel
//!   and programs write to them.
//! - A program writes to a record from when it reserves it to when it submits it. The verifier sees to it that it has no pointer to it
//!   afterwards. Submitting clears the busy bit with a full barrier; [`Ring::header`] looks at it with acquire ordering before
//!   it lends anything.
//! - The kernel gives the space of a record away again only when the consumer position is beyond it. That position is
//!   in a page of its own that only readers write to. [`Ring`] publishes it by `&mut self`, which no lent record outlives, and
//!   there is no second reader in this process: [`Claim`] sees to it. Readers in other processes would have to be given the
//!   map on purpose, and steal records from each other; that two processes do not both read one ring is left to those who start them, like
//!   not writing to each other's memory.
//! - Rings that overwrite their oldest records are refused.
#![expect(unsafe_code, reason = "lends slices out of mapped memory")]

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering, fence},
    },
};

use bpfld_sys::{
    Errno,
    mmap::{Access, SharedMmap},
};

use super::{
    Map,
    ring_pages::{BUSY, DISCARDED, HEADER, RingPages},
    stride::Stride,
};

/// Positions and data of a ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// A page with the position up to which the reader is done.
    consumer: SharedMmap,
    /// A page with the position up to which programs have reserved, then the data twice, so that records never wrap.
    producer: SharedMmap,
    page: usize,
    mask: u64,
    pub(super) walk: Walk,
    /// What the kernel knows of the position.
    published: u64,
}

/// How far the reader is. A copy, so that it can be kept in registers; never behind what the kernel was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// Where the next record begins: a multiple of eight.
    position: u64,
    /// Up to where programs have reserved, as last seen; at most the size of the ring from there.
    reserved: u64,
    /// From where on to publish and to look for more: there, or earlier, so that programs do not run out of space.
    pause: u64,
    stride: Stride,
}

impl Walk {
    fn damaged(self) -> Damaged {
        Damaged {
            position: self.position,
        }
    }
}

/// Where a record lies. Valid until the next one is looked for or the ring publishes its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    len: usize,
}

/// A header that no kernel writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damaged {
    pub(super) position: u64,
}

impl Ring {
    /// Maps a ring of `size` bytes, a power of two.
    pub(super) fn map(map: &Map, size: usize) -> Result<Ring, Errno> {
        let pages = RingPages::map(map, size, Access::ReadWrite, Access::Read)?;
        let RingPages {
            consumer,
            producer,
            page,
            mask,
        } = pages;
        let position = consumer.load_u64(0, Ordering::Acquire).ok_or(Errno::EINVAL)?;
        // A fresh reader goes on where the last one stopped; whatever stands there, positions are multiples of eight.
        let position = position & !7;
        Ok(Ring {
            consumer,
            producer,
            page,
            mask,
            walk: Walk {
                position,
                reserved: position,
                pause: position,
                stride: Stride::default(),
            },
            published: position,
        })
    }

    /// The next record of a walk, if that is all there is to do: the walk is not at its pause, and the record is complete and was
    /// not discarded. Else [`slow`](Ring::slow) finds out.
    ///
    /// The walk is the ring's own, or a copy that the caller puts back before publishing.
    #[inline]
    pub(super) fn quick(&self, walk: &mut Walk) -> Option<Place> {
        let (at, word) = self.header(walk)?;
        // Neither bit is set.
        (word < DISCARDED).then_some(())?;
        self.pass(walk, at, word)
    }

    /// The next record, if it is there and complete; the ones that were discarded before it are passed over. Gives space back to the
    /// kernel from time to time.
    pub(super) fn slow(&mut self, walk: &mut Walk) -> Result<Option<Place>, Damaged> {
        loop {
            let Some((at, word)) = self.header(walk) else {
                self.walk = *walk;
                if !self.look_for_more()? {
                    return Ok(None);
                }
                *walk = self.walk;
                continue;
            };
            if word & BUSY != 0 {
                return Ok(None);
            }
            let damaged = walk.damaged();
            let place = self.pass(walk, at, word).ok_or(damaged)?;
            if word & DISCARDED == 0 {
                return Ok(Some(place));
            }
        }
    }

    /// Where the header of the next record lies, and its first word; nothing at the pause.
    #[inline]
    fn header(&self, walk: &Walk) -> Option<(usize, u32)> {
        // Positions only grow, and pass the pause by less than a record.
        if walk.position.wrapping_sub(walk.pause) <= self.mask {
            return None;
        }
        let at = self.page + (walk.position & self.mask) as usize;
        // SAFETY: a page and less than the size of the ring is within the mapping.
        let header = unsafe { self.producer.as_ptr().add(at) };
        // SAFETY: positions are multiples of eight, and so are the sizes of pages and rings, so that four bytes from there on are within and
        // aligned. Any bytes are valid, and both sides change them by atomic operations only.
        let header = unsafe { AtomicU32::from_ptr(header.cast()) };
        Some((at, header.load(Ordering::Acquire)))
    }

    /// Goes on behind the record of a header; nothing if there cannot be such a record.
    #[inline]
    fn pass(&self, walk: &mut Walk, at: usize, word: u32) -> Option<Place> {
        let len = word & !(BUSY | DISCARDED);
        let whole = u64::from((len + HEADER + 7) & !7);
        // What is reserved is never more than the ring, so the record is within the data and its second image.
        if whole > walk.reserved.wrapping_sub(walk.position) {
            return None;
        }
        walk.position = walk.stride.behind(walk.position, whole);
        Some(Place {
            at: at + HEADER as usize,
            len: len as usize,
        })
    }

    /// Publishes, and looks how far programs are; false if this reader is there already.
    fn look_for_more(&mut self) -> Result<bool, Damaged> {
        self.publish();
        let available = self.available();
        if available > self.size() {
            return Err(self.walk.damaged());
        }
        let (size, walk) = (self.size(), &mut self.walk);
        walk.reserved = walk.position.wrapping_add(available);
        walk.pause = walk.position.wrapping_add(available.min(size / 8));
        Ok(available != 0)
    }

    /// The bytes of the record that was found last, if the position was not published since.
    #[inline]
    pub(super) fn bytes(&self, place: Place) -> &[u8] {
        let Place { at, len } = place;
        assert!(
            at.checked_add(len).is_some_and(|end| end <= self.producer.len()),
            "records lie within the ring"
        );
        // SAFETY: `at` is within the mapping, as just asserted.
        let start = unsafe { self.producer.as_ptr().add(at) };
        // SAFETY: `len` bytes from there on are within the mapping, which lives as long as `self`. Nobody writes to them while `self` is
        // borrowed, for the reasons above: the record was submitted, and `publish` takes `&mut self`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Gives the space of all records that were read back to the kernel.
    #[inline]
    pub(super) fn publish(&mut self) {
        let Walk { position, .. } = self.walk;
        if self.published != position {
            self.published = position;
            // The mapping is writable and its first number aligned, so this cannot fail.
            let _ = self.consumer.store_u64(0, position, Ordering::Release);
        }
    }

    /// Publishes, and makes sure that a record which is submitted from now on either is seen or wakes the reader up.
    pub(super) fn publish_before_waiting(&mut self) {
        self.publish();
        // The kernel reads our position after it submits a record; we look for records after writing our position.
        fence(Ordering::SeqCst);
    }

    /// Bytes of the ring.
    pub(super) fn size(&self) -> u64 {
        self.mask + 1
    }

    /// Bytes that programs have reserved and this reader has not read.
    pub(super) fn available(&self) -> u64 {
        let reserved = self
            .producer
            .load_u64(0, Ordering::Acquire)
            .unwrap_or(self.walk.position);
        reserved.wrapping_sub(self.walk.position)
    }
}

/// The right to be the only reader of a ring in this process.
#[derive(Debug)]
pub(super) struct Claim {
    map_id: u32,
}

static CLAIMED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

impl Claim {
    /// Claims the ring with an id, unless it is claimed.
    pub(super) fn new(map_id: u32) -> Option<Claim> {
        let fresh = CLAIMED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(map_id);
        fresh.then_some(Claim { map_id })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.map_id);
    }
}
