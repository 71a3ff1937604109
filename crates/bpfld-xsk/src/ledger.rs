//! Where each frame is.
//!
//! A frame is in exactly one place: free, with the user, with the kernel to receive, or with the kernel to send. Free frames
//! are in a list; for those with the kernel it is written down which queue they were given to. So a frame that comes out of a ring is believed
//! only if it had been put into one of the same queue: nothing that a kernel or another process writes into a ring can make two of one frame.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use crate::packet::Packet;

/// A queue of an interface, by a number that is never used again for the same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueNumber(u32);

/// What the kernel has a frame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// In the fill ring, in the kernel, or in an RX ring.
    Receive,
    /// In a TX ring, in the kernel, or in the completion ring.
    Send,
}

/// Not with the kernel: free, or with the user.
const OURS: u32 = 0;
/// Never to be used again.
const RETIRED: u32 = u32::MAX;

fn place(queue: QueueNumber, purpose: Purpose) -> u32 {
    queue.0 << 1 | u32::from(purpose == Purpose::Send)
}

/// How many frames are where. Their sum is the number of frames that the memory was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// To be had by anyone.
    pub free: u32,
    /// Values in the program.
    pub user: u32,
    /// With the kernel to receive: in fill rings, in the kernel, in RX rings.
    pub receiving: u32,
    /// With the kernel to send: in TX rings, in the kernel, in completion rings.
    pub sending: u32,
    /// Out of use, because the kernel may still write to them: see [`XskSocket`](crate::XskSocket#when-it-is-dropped).
    pub retired: u32,
}

impl Usage {
    /// All frames.
    #[must_use]
    pub fn total(&self) -> u32 {
        let Self {
            free,
            user,
            receiving,
            sending,
            retired,
        } = self;
        free + user + receiving + sending + retired
    }
}

/// Where frames are written down that a queue has for one purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    places: &'a [AtomicU32],
    place: u32,
}

impl Page<'_> {
    /// Writes down that the kernel gets a frame.
    #[inline]
    pub(crate) fn give(self, frame: u32) {
        if let Some(entry) = self.places.get(frame as usize) {
            // What orders this is the ring through which the kernel gets it.
            entry.store(self.place, Ordering::Relaxed);
        }
    }

    /// Writes down that the kernel gave a frame back; false if it did not have it.
    #[inline]
    #[must_use]
    pub(crate) fn take(self, frame: u64) -> bool {
        let entry = usize::try_from(frame)
            .ok()
            .and_then(|frame| self.places.get(frame));
        let Some(entry) = entry else {
            return false;
        };
        // Only who reads the ring of that queue looks for this value, and one at a time.
        let given = entry.load(Ordering::Relaxed) == self.place;
        if given {
            entry.store(OURS, Ordering::Relaxed);
        }
        given
    }
}

#[derive(Debug)]
pub(crate) struct Ledger {
    /// The numbers of free frames.
    free: Mutex<Vec<u32>>,
    /// For each frame [`OURS`], [`RETIRED`] or what [`place`] says.
    places: Box<[AtomicU32]>,
    next_queue: AtomicU32,
}

impl Ledger {
    pub(crate) fn new(frames: u32) -> Self {
        Self {
            // The first frames are used first.
            free: Mutex::new((0..frames).rev().collect()),
            places: (0..frames).map(|_| AtomicU32::new(OURS)).collect(),
            next_queue: AtomicU32::new(1),
        }
    }

    /// A number for one more queue; none after two thousand million.
    pub(crate) fn queue(&self) -> Option<QueueNumber> {
        let number = self
            .next_queue
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
                (number < RETIRED >> 1).then(|| number + 1)
            });
        number.ok().map(QueueNumber)
    }

    pub(crate) fn free(&self) -> MutexGuard<'_, Vec<u32>> {
        // The list is whole at all times.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up to `count` frames off the list of free ones, those that became free last; returns how many.
    pub(crate) fn lend(&self, count: usize, room: &mut [Packet]) -> usize {
        let mut free = self.free();
        let count = count.min(room.len()).min(free.len());
        let from = free.len() - count;
        for (packet, number) in room.iter_mut().zip(free.drain(from..)) {
            packet.number = number;
        }
        count
    }

    /// The places of frames, for what one queue has them for.
    #[inline]
    pub(crate) fn page(&self, queue: QueueNumber, purpose: Purpose) -> Page<'_> {
        Page {
            places: &self.places,
            place: place(queue, purpose),
        }
    }

    /// Takes back all frames that the kernel has for a queue, which is no more.
    pub(crate) fn reclaim(&self, queue: QueueNumber) {
        let mut free = self.free();
        for frame in self.held(queue) {
            if let Some(entry) = self.places.get(frame as usize) {
                entry.store(OURS, Ordering::Relaxed);
                free.push(frame);
            }
        }
    }

    /// Gives up all frames that the kernel has for a queue.
    pub(crate) fn retire(&self, queue: QueueNumber) {
        for frame in self.held(queue) {
            if let Some(entry) = self.places.get(frame as usize) {
                entry.store(RETIRED, Ordering::Relaxed);
            }
        }
    }

    fn held(&self, queue: QueueNumber) -> impl Iterator<Item = u32> {
        let own = [Purpose::Receive, Purpose::Send].map(|purpose| place(queue, purpose));
        (0..)
            .zip(&self.places)
            .filter(move |(_, place)| own.contains(&place.load(Ordering::Relaxed)))
            .map(|(frame, _)| frame)
    }

    pub(crate) fn usage(&self) -> Usage {
        let free = self.free();
        let mut usage = Usage::default();
        for place in &self.places {
            match place.load(Ordering::Relaxed) {
                OURS => usage.user += 1,
                RETIRED => usage.retired += 1,
                place if place & 1 == 0 => usage.receiving += 1,
                _ => usage.sending += 1,
            }
        }
        usage.free = free.len() as u32;
        usage.user -= usage.free;
        usage
    }
}
