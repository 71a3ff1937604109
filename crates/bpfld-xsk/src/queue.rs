//! A queue of an interface: the two rings that its sockets share, and what it takes to believe what comes out of rings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};

use bpfld_sys::xdp::Desc;

use crate::{
    Error, Result,
    filler::Filler,
    ledger::{Page, Purpose, QueueNumber},
    packet::Packet,
    ring::{Ring, Run},
    sender::{Parts, Sender},
    shared::Shared,
    taken::Taken,
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
    pub(crate) completion: Ring<1>,
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

    /// Where its frames are written down.
    #[inline]
    pub(crate) fn books(&self) -> Books<'_> {
        Books {
            umem: &self.umem,
            number: self.number,
        }
    }

    /// Gives free frames to the kernel, as many as there is room for.
    pub(crate) fn refill(&self, filler: &mut Filler<'_>) {
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
    pub(crate) fn replenish(
        &self,
        filler: &mut Filler<'_>,
        completion: &mut Ring<1>,
        room: &mut [Packet],
    ) -> Result<()> {
        let (sent, result) = self.books().sent(completion, 0, room);
        sent.refill(filler);
        self.refill(filler);
        result
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
            cut: self.umem.cut,
            page: self.page(Purpose::Receive),
            room: fill.write(u32::MAX),
        }
    }

    /// Takes packets out of an RX ring of this queue, up to `most`, as many as there is room for. The other rings are locked: two sockets of a queue must
    /// not be given the same frame.
    #[inline]
    pub(crate) fn received(
        self,
        rx: &mut Ring<2>,
        most: usize,
        room: &'a mut [Packet],
    ) -> (Taken<'a>, Result<()>) {
        let (cut, page) = (self.umem.cut, self.page(Purpose::Receive));
        let run = rx.read(u32::try_from(most).unwrap_or(u32::MAX));
        let (count, result) = read("RX", run, room, |element| {
            let Desc { addr, len, options } = zerocopy::transmute!(element);
            let (number, start) = cut.locate(addr);
            (cut.has(start, len) && page.take(number)).then_some(Packet {
                number: number as u32,
                start,
                len,
                options,
            })
        });
        (
            Taken::new(self.umem, room.get_mut(..count).unwrap_or_default()),
            result,
        )
    }

    /// Takes frames that were sent out of the completion ring, as many as there is room for; and before them free ones, so that there are `wanted` in all.
    #[inline]
    pub(crate) fn sent(
        self,
        completion: &mut Ring<1>,
        wanted: usize,
        room: &'a mut [Packet],
    ) -> (Taken<'a>, Result<()>) {
        let (cut, page) = (self.umem.cut, self.page(Purpose::Send));
        let run = completion.read(u32::MAX);
        let lacking = wanted.min(room.len()).saturating_sub(run.left());
        let free = if lacking == 0 {
            0
        } else {
            self.umem.ledger.lend(lacking, room)
        };
        let behind = room.get_mut(free..).unwrap_or_default();
        let (count, result) = read("completion", run, behind, |[address]| {
            let (number, start) = cut.locate(address);
            page.take(number).then_some(Packet {
                number: number as u32,
                start,
                len: 0,
                options: 0,
            })
        });
        (
            Taken::new(self.umem, room.get_mut(..free + count).unwrap_or_default()),
            result,
        )
    }

    /// The room in a TX ring of this queue.
    #[inline]
    pub(crate) fn sender(self, tx: &'a mut Ring<2>, parts: Parts<'a>) -> Sender<'a> {
        Sender {
            umem: self.umem,
            page: self.page(Purpose::Send),
            room: tx.write(u32::MAX),
            parts,
        }
    }
}

/// Reads elements as far as there is room, until one that is not believed; returns how many. What comes after that one is read the next time.
#[inline]
fn read<const WORDS: usize>(
    ring: &'static str,
    run: Run<'_, WORDS>,
    room: &mut [Packet],
    believe: impl Fn([u64; WORDS]) -> Option<Packet>,
) -> (usize, Result<()>) {
    let mut count = 0;
    for (packet, element) in room.iter_mut().zip(run) {
        let Some(found) = believe(element) else {
            let address = element.first().copied().unwrap_or(0);
            return (count, Err(Error::Damaged { ring, address }));
        };
        *packet = found;
        count += 1;
    }
    (count, Ok(()))
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
