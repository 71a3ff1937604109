//! The memory of a ring buffer, and records lent out of it.
//!
//! # Safety
//!
//! A record is lent as a plain slice, so nothing may write to it meanwhile.
//!
//! - The pages are mapped for reading only, in this process and any other: the kernel allows nothing else. So only the kernel
//!   and programs write to them.
//! - A program writes to a record from when it reserves it to when it submits it. The verifier sees to it that it has no pointer to it
//!   afterwards. Submitting clears the busy bit with a full barrier; [`Ring::record`] looks at it with acquire ordering before
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
        atomic::{Ordering, fence},
    },
};

use bpfld_sys::{
    Errno,
    mmap::{Access, SharedMmap, page_size},
};

use super::Map;

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: u64 = 8;

/// Positions and data of a ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// A page with the position up to which the reader is done.
    consumer: SharedMmap,
    /// A page with the position up to which programs have reserved, then the data twice, so that records never wrap.
    producer: SharedMmap,
    page: usize,
    mask: u64,
    /// Where the next record begins.
    position: u64,
    /// What the kernel knows of it.
    published: u64,
    /// Up to where programs have reserved, as last seen.
    reserved: u64,
}

/// Where a record lies. Valid until the ring publishes its position.
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
        let page = page_size();
        let len = size
            .checked_mul(2)
            .and_then(|len| len.checked_add(page))
            .ok_or(Errno::EOVERFLOW)?;
        if !size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let consumer = SharedMmap::new(map, 0, page, Access::ReadWrite)?;
        let producer = SharedMmap::new(map, page as u64, len, Access::Read)?;
        let position = consumer.load_u64(0, Ordering::Acquire).ok_or(Errno::EINVAL)?;
        // A fresh reader goes on where the last one stopped; whatever stands there, positions are multiples of eight.
        let position = position & !7;
        let mask = size as u64 - 1;
        Ok(Ring {
            consumer,
            producer,
            page,
            mask,
            position,
            published: position,
            reserved: position,
        })
    }

    /// The next record, if it is there and complete; the ones that were discarded before it are passed over.
    #[inline]
    pub(super) fn record(&mut self) -> Result<Option<Place>, Damaged> {
        loop {
            if self.position == self.reserved {
                self.reserved = self
                    .producer
                    .load_u64(0, Ordering::Acquire)
                    .unwrap_or(self.position);
                if self.position == self.reserved {
                    return Ok(None);
                }
            }
            let damaged = Damaged {
                position: self.position,
            };
            let header = self.page + (self.position & self.mask) as usize;
            let word = self.producer.load_u32(header, Ordering::Acquire).ok_or(damaged)?;
            if word & BUSY != 0 {
                return Ok(None);
            }
            let len = word & !(BUSY | DISCARDED);
            let whole = (u64::from(len) + HEADER).next_multiple_of(8);
            // What is reserved is never more than the ring, so the record is within the data and its second image.
            let reserved = self.reserved.wrapping_sub(self.position);
            if whole > reserved || reserved > self.mask + 1 {
                return Err(damaged);
            }
            self.position = self.position.wrapping_add(whole);
            if word & DISCARDED == 0 {
                self.prefetch();
                return Ok(Some(Place {
                    at: header + HEADER as usize,
                    len: len as usize,
                }));
            }
        }
    }

    /// The bytes of a record that [`record`](Ring::record) found since the position was last published.
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

    /// Gives the space of all records read so far back to the kernel.
    #[inline]
    pub(super) fn publish(&mut self) {
        if self.published != self.position {
            self.published = self.position;
            // The mapping is writable and its first number aligned, so this cannot fail.
            let _ = self.consumer.store_u64(0, self.position, Ordering::Release);
        }
    }

    /// Publishes, and makes sure that a record which is submitted from now on either is seen or wakes the reader up.
    pub(super) fn publish_before_waiting(&mut self) {
        self.publish();
        // The kernel reads our position after it submits a record; we look for records after writing our position.
        fence(Ordering::SeqCst);
    }

    /// Bytes that were read and not given back.
    #[inline]
    pub(super) fn unpublished(&self) -> u64 {
        self.position.wrapping_sub(self.published)
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
            .unwrap_or(self.position);
        reserved.wrapping_sub(self.position)
    }

    /// Starts to load the next header, whose address follows from that of this record, and what comes a little later.
    #[inline]
    fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        for ahead in [0, 256] {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = self.page + (self.position.wrapping_add(ahead) & self.mask) as usize;
            let address = self.producer.as_ptr().wrapping_add(at).cast_const().cast();
            // SAFETY: prefetching is a hint that never faults, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
        }
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
