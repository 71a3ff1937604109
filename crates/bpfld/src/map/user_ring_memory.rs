//! The memory of a user ring buffer, and room lent out of it.
//!
//! # Safety
//!
//! Room for a record is lent as a plain slice to write to, so nobody else may look at it or write to it meanwhile.
//!
//! - Programs read a record when its busy bit is clear. It is set before the record is published, and cleared (with release ordering) only when
//!   the room is given back: by [`UserRing::commit`], which takes `&mut self`, which no lent room outlives.
//! - Room is found behind what programs have not read yet: the kernel moves its position when it is done with a record and never looks at it
//!   again. [`UserRing::reserve`] reads that position with acquire ordering.
//! - There is one writer in this process: [`Claim`](super::ring_memory::Claim) sees to it. Writers in other processes would have to be given the
//!   map on purpose; that two processes do not both write to one ring is left to those who start them.
#![expect(unsafe_code, reason = "lends slices out of mapped memory")]

use std::sync::atomic::Ordering;

use bpfld_sys::{
    Errno,
    mmap::{Access, SharedMmap},
};

use super::{
    Map,
    ring_pages::{BUSY, DISCARDED, HEADER, RingPages},
};

/// Positions and data of a ring that this process writes and programs read.
#[derive(Debug)]
pub(super) struct UserRing {
    /// A page with the position up to which programs have read. For reading only.
    consumer: SharedMmap,
    /// A page with the position up to which this process has written, then the data twice, so that records never wrap.
    producer: SharedMmap,
    page: usize,
    mask: u64,
    position: u64,
}

/// Room for a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    header: usize,
    len: u32,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Not now.
    Full,
    /// Never: the record is larger than the ring.
    TooLarge,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Submitted,
    Discarded,
}

impl UserRing {
    /// Maps a ring of `size` bytes, a power of two.
    pub(super) fn map(map: &Map, size: usize) -> Result<Self, Errno> {
        let pages = RingPages::map(map, size, Access::Read, Access::ReadWrite)?;
        let RingPages {
            consumer,
            producer,
            page,
            mask,
        } = pages;
        // A fresh writer goes on where the last one stopped; whatever stands there, positions are multiples of eight.
        let position = producer.load_u64(0, Ordering::Acquire).ok_or(Errno::EINVAL)? & !7;
        Ok(Self {
            consumer,
            producer,
            page,
            mask,
            position,
        })
    }

    /// Bytes of the ring.
    pub(super) fn size(&self) -> u64 {
        self.mask + 1
    }

    /// Bytes that are written and programs have not read, headers included.
    pub(super) fn unread(&self) -> u64 {
        let read = self.consumer.load_u64(0, Ordering::Acquire).unwrap_or(0);
        self.position.wrapping_sub(read)
    }

    /// Takes room for a record of `len` bytes.
    pub(super) fn reserve(&mut self, len: usize) -> Result<Room, NoRoom> {
        let len = u32::try_from(len)
            .ok()
            .filter(|len| len & (BUSY | DISCARDED) == 0)
            .ok_or(NoRoom::TooLarge)?;
        let whole = (u64::from(len) + u64::from(HEADER)).next_multiple_of(8);
        if whole > self.size() {
            return Err(NoRoom::TooLarge);
        }
        // Positions that cannot be are no room either.
        let free = self.size().checked_sub(self.unread()).ok_or(NoRoom::Full)?;
        if whole > free {
            return Err(NoRoom::Full);
        }
        let header = self.page + (self.position & self.mask) as usize;
        // The bounds are those of the mapping, which is writable.
        let word = self.producer.atomic_u32(header).ok_or(NoRoom::Full)?;
        word.store(len | BUSY, Ordering::Relaxed);
        if let Some(unused) = self.producer.atomic_u32(header + 4) {
            unused.store(0, Ordering::Relaxed);
        }
        self.position = self.position.wrapping_add(whole);
        let _ = self.producer.store_u64(0, self.position, Ordering::Release);
        Ok(Room { header, len })
    }

    /// The bytes of room that was taken and not given back.
    pub(super) fn bytes(&self, room: Room) -> &[u8] {
        let (start, len) = self.extent(room);
        // SAFETY: `len` bytes from there on are within the mapping, which lives as long as `self`. Nobody writes to them while `self` is borrowed,
        // for the reasons above: the record is busy, and writing takes `&mut self`.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// The same, to write to.
    pub(super) fn bytes_mut(&mut self, room: Room) -> &mut [u8] {
        let (start, len) = self.extent(room);
        // SAFETY: `len` bytes from there on are within the mapping, which is writable and lives as long as `self`, borrowed mutably. Nobody
        // else looks at them, for the reasons above: the record is busy until `commit`, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    fn extent(&self, room: Room) -> (*mut u8, usize) {
        let (at, len) = (room.header + HEADER as usize, room.len as usize);
        assert!(
            at.checked_add(len).is_some_and(|end| end <= self.producer.len()),
            "records lie within the ring"
        );
        // SAFETY: `at` is within the mapping, as just asserted.
        (unsafe { self.producer.as_ptr().add(at) }, len)
    }

    /// Hands a record over to programs, or marks it as one to pass over.
    pub(super) fn commit(&mut self, room: Room, fate: Fate) {
        let discarded = if fate == Fate::Discarded { DISCARDED } else { 0 };
        if let Some(word) = self.producer.atomic_u32(room.header) {
            word.store(room.len | discarded, Ordering::Release);
        }
    }
}
