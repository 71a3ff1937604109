//! A queue of an interface: the two rings that its sockets share, and what it takes to believe what comes out of rings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};

use bpfld_sys::xdp::Desc;

use crate::{
    Error, Result,
    batch::Sender,
    frame::Packet,
    ledger::{Page, Purpose, QueueNumber},
    ring::{Ring, Run},
    umem::Shared,
};

/// A queue of an interface: the two rings that all its sockets share. When the last of them is gone, what the kernel still had is
/// taken back.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) umem: Arc<Shared>,
    number: QueueNumber,
    rings: Mutex<QueueRings>,
    /// Whether the kernel has let go of everything when all sockets are closed.
    pub(crate) lets_go: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct QueueRings {
    pub(crate) fill: Ring<1>,
    completion: Ring<1>,
}

impl QueueRings {
    /// Whether there are frames that were sent.
    pub(crate) fn has_sent(&mut self) -> bool {
        self.completion.read(1).left() > 0
    }
}

impl Queue {
    pub(crate) fn new(umem: Arc<Shared>, fill: Ring<1>, completion: Ring<1>) -> Result<Self> {
        let number = umem.ledger.queue();
        let number = number.ok_or_else(|| Error::invalid("too many sockets had this memory"))?;
        Ok(Self {
            umem,
            number,
            rings: Mutex::new(QueueRings { fill, completion }),
            lets_go: AtomicBool::new(true),
        })
    }

    pub(crate) fn rings(&self) -> MutexGuard<'_, QueueRings> {
        // Positions are moved after what they stand for is done.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its rings without a lock, for the only socket that it has.
    pub(crate) fn alone(&mut self) -> (Books<'_>, &mut QueueRings) {
        let books = Books {
            umem: &self.umem,
            number: self.number,
        };
        let rings = self.rings.get_mut();
        (books, rings.unwrap_or_else(PoisonError::into_inner))
    }

    /// Where its frames are written down.
    #[inline]
    pub(crate) fn books(&self) -> Books<'_> {
        Books {
            umem: &self.umem,
            number: self.number,
        }
    }

    /// Gives free frames to the kernel, as many as the fill ring has room for.
    pub(crate) fn refill(&self, rings: &mut QueueRings) {
        let mut filler = self.books().filler(&mut rings.fill);
        let room = filler.room.left();
        if room == 0 {
            return;
        }
        let mut free = self.umem.ledger.free();
        let from = free.len().saturating_sub(room);
        for number in free.drain(from..).rev() {
            filler.put(number);
        }
    }

    /// Gives to the kernel what was sent, then free frames, as many as there is room for; the others are free.
    pub(crate) fn replenish(&self, rings: &mut QueueRings) -> Result<()> {
        let QueueRings { fill, completion } = rings;
        let mut filler = self.books().filler(fill);
        let mut free = None;
        let result = self.books().read_sent(completion, |number, _| {
            if !filler.put(number) {
                free.get_or_insert_with(|| self.umem.ledger.free()).push(number);
            }
        });
        drop((filler, free));
        self.refill(rings);
        result
    }

    /// Takes frames that were sent out of the completion ring.
    pub(crate) fn complete(&self, rings: &mut QueueRings, done: impl FnMut(u32, u32)) -> Result<()> {
        self.books().read_sent(&mut rings.completion, done)
    }
}

/// Where the frames of a queue are written down.
#[derive(Clone, Copy)]
pub(crate) struct Books<'a> {
    pub(crate) umem: &'a Arc<Shared>,
    number: QueueNumber,
}

impl<'a> Books<'a> {
    fn page(self, purpose: Purpose) -> Page<'a> {
        self.umem.ledger.page(self.number, purpose)
    }

    /// The room in the fill ring.
    #[inline]
    pub(crate) fn filler(self, fill: &'a mut Ring<1>) -> Filler<'a> {
        Filler {
            umem: self.umem,
            page: self.page(Purpose::Receive),
            room: fill.write(u32::MAX),
        }
    }

    /// Reads up to `most` packets of an RX ring of this queue. Nobody else may do so meanwhile, so that two sockets of a
    /// queue are not given the same frame: the rings are locked, or the queue has one socket.
    #[inline]
    pub(crate) fn read(self, rx: &mut Ring<2>, most: usize, mut found: impl FnMut(Packet)) -> Result<()> {
        let (cut, page) = (self.umem.cut, self.page(Purpose::Receive));
        let mut damaged = None;
        for element in rx.read(u32::try_from(most).unwrap_or(u32::MAX)) {
            let Desc { addr, len, options } = zerocopy::transmute!(element);
            match cut.locate(addr) {
                Some((number, start)) if cut.has(start, len) && page.take(number) => found(Packet {
                    number,
                    start,
                    len,
                    options,
                }),
                _ => damaged = Some(addr),
            }
        }
        whole("RX", damaged)
    }

    /// Room in a TX ring of this queue for so many packets, if there is so much.
    #[inline]
    pub(crate) fn sender(
        self,
        tx: &'a mut Ring<2>,
        packets: usize,
        (parts, most_parts): (&'a mut u32, u32),
    ) -> Sender<'a> {
        Sender {
            umem: self.umem,
            page: self.page(Purpose::Send),
            room: tx.write(u32::try_from(packets).unwrap_or(u32::MAX)),
            parts,
            most_parts,
        }
    }

    #[inline]
    fn read_sent(self, completion: &mut Ring<1>, mut done: impl FnMut(u32, u32)) -> Result<()> {
        let (cut, page) = (self.umem.cut, self.page(Purpose::Send));
        let mut damaged = None;
        for [address] in completion.read(u32::MAX) {
            match cut.locate(address) {
                Some((number, start)) if page.take(number) => done(number, start),
                _ => damaged = Some(address),
            }
        }
        whole("completion", damaged)
    }
}

/// Whether a ring held only what a kernel writes.
#[inline]
fn whole(ring: &'static str, damaged: Option<u64>) -> Result<()> {
    match damaged {
        Some(address) => Err(Error::Damaged { ring, address }),
        None => Ok(()),
    }
}

/// Room in a fill ring. When it is dropped the kernel is told of what was put there.
pub(crate) struct Filler<'a> {
    umem: &'a Shared,
    page: Page<'a>,
    room: Run<'a, 1>,
}

impl Filler<'_> {
    /// Gives a frame that is neither free nor anybody's to the kernel, to receive; false if there is no room.
    #[inline]
    pub(crate) fn put(&mut self, number: u32) -> bool {
        let given = self.room.put([self.umem.cut.address(number)]);
        if given {
            self.page.give(number);
        }
        given
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if *self.lets_go.get_mut() {
            self.umem.ledger.reclaim(self.number);
        } else {
            self.umem.ledger.retire(self.number);
        }
    }
}
