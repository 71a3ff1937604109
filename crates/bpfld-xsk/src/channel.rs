//! The four rings of a socket, and frames on their way through them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bpfld_sys::xdp::Desc;

use crate::{
    Error, Frame, Result,
    frame::Slot,
    ledger::{Purpose, QueueNumber},
    ring::Ring,
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
    fill: Ring,
    completion: Ring,
}

impl Queue {
    pub(crate) fn new(umem: Arc<Shared>, fill: Ring, completion: Ring) -> Result<Self> {
        let number = umem.ledger.queue();
        let number = number.ok_or_else(|| Error::invalid("too many sockets had this memory"))?;
        Ok(Self {
            umem,
            number,
            rings: Mutex::new(QueueRings { fill, completion }),
            lets_go: AtomicBool::new(true),
        })
    }

    fn rings(&self) -> MutexGuard<'_, QueueRings> {
        // Positions are moved after what they stand for is done.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free frames to the kernel, as many as the fill ring has room for.
    fn refill(&self, rings: &mut QueueRings) {
        let fill = &mut rings.fill;
        let room = fill.room(u32::MAX) as usize;
        if room == 0 {
            return;
        }
        let mut free = self.umem.ledger.free();
        let from = free.len().saturating_sub(room);
        let mut some = false;
        for number in free.drain(from..).rev() {
            self.umem.ledger.give(number, self.number, Purpose::Receive);
            fill.put_address(self.umem.address(number));
            some = true;
        }
        drop(free);
        if some {
            fill.publish();
        }
    }

    /// Takes frames that were sent out of the completion ring.
    fn complete(&self, rings: &mut QueueRings, mut done: impl FnMut(u32, u32)) -> Result<()> {
        let completion = &mut rings.completion;
        let (filled, mut result) = (completion.filled(), Ok(()));
        for _ in 0..filled {
            let address = completion.next_address();
            let found = self.umem.locate(address);
            match found.filter(|(number, _)| self.umem.ledger.take(*number, self.number, Purpose::Send)) {
                Some((number, start)) => done(number, start),
                None => {
                    let ring = "completion";
                    result = Err(Error::Damaged { ring, address });
                }
            }
        }
        if filled > 0 {
            completion.publish();
        }
        result
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

/// The rings of one socket.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) queue: Arc<Queue>,
    pub(crate) rx: Option<Ring>,
    pub(crate) tx: Option<Ring>,
    /// Frames that a packet may have; the kernel drops longer ones and keeps their frames.
    pub(crate) most_parts: u32,
    /// Frames in the TX ring of a packet whose last one has not come yet.
    pub(crate) parts: u32,
}

impl Channel {
    /// Takes up to `most` packets that came, and gives free frames to the kernel in their place. A damaged ring is told of
    /// when what was good is taken.
    pub(crate) fn receive(&mut self, frames: &mut impl Extend<Frame>, most: usize) -> Result<usize> {
        let Some(rx) = &mut self.rx else { return Ok(0) };
        let umem = &self.queue.umem;
        // With the lock held for all of it, two sockets of a queue cannot be given the same frame at the same time.
        let mut rings = self.queue.rings();
        let (mut count, mut result) = (0, Ok(()));
        let filled = rx.filled().min(u32::try_from(most).unwrap_or(u32::MAX));
        for _ in 0..filled {
            let Desc { addr, len, options } = rx.next_desc();
            let found = umem.locate(addr).filter(|(number, start)| {
                let fits = start.checked_add(len).is_some_and(|end| end <= umem.frame_size);
                fits && umem.ledger.take(*number, self.queue.number, Purpose::Receive)
            });
            let Some((number, start)) = found else {
                result = Err(Error::Damaged {
                    ring: "RX",
                    address: addr,
                });
                continue;
            };
            let slot = Slot::new(Arc::clone(umem), number);
            frames.extend(Some(Frame::new(slot, start, len, options)));
            count += 1;
        }
        if filled > 0 {
            rx.publish();
        }
        self.queue.refill(&mut rings);
        result.map(|()| count)
    }

    /// Gives free frames to the kernel to receive packets in, if this end receives.
    pub(crate) fn refill(&mut self) {
        if self.rx.is_some() {
            self.queue.refill(&mut self.queue.rings());
        }
    }

    /// Whether the kernel wants to be told of free frames.
    pub(crate) fn fill_needs_wakeup(&self) -> Option<bool> {
        self.queue.rings().fill.needs_wakeup()
    }

    /// Puts packets into the TX ring, from the first on, as many as there is room for; the others stay. On an error those before the bad one
    /// are in the ring.
    pub(crate) fn transmit(&mut self, frames: &mut Vec<Frame>) -> Result<usize> {
        let Some(tx) = &mut self.tx else {
            return Err(Error::invalid("this socket only receives"));
        };
        let umem = &self.queue.umem;
        let room = tx.room(u32::try_from(frames.len()).unwrap_or(u32::MAX)) as usize;
        let (mut ready, mut result) = (0, Ok(()));
        for frame in frames.iter_mut().take(room) {
            let parts = self.parts + 1;
            let prepared = if !frame.slot.is_of(umem) {
                Err(Error::invalid("a frame of other memory than that of the socket"))
            } else if parts + u32::from(frame.continues()) > self.most_parts {
                let most = self.most_parts;
                Err(Error::invalid(format!("a packet of more than {most} frames")))
            } else {
                frame.prepare()
            };
            let (start, len, options) = match prepared {
                Ok(prepared) => prepared,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            self.parts = if frame.continues() { parts } else { 0 };
            umem.ledger.give(frame.number(), self.queue.number, Purpose::Send);
            tx.put_desc(Desc {
                addr: umem.address(frame.number()) + u64::from(start),
                len,
                options,
            });
            ready += 1;
        }
        for frame in frames.drain(..ready) {
            // It is of this memory, as was just seen, so it is given up.
            let _ = frame.slot.leave(umem);
        }
        if ready > 0 {
            tx.publish();
        }
        result.map(|()| ready)
    }

    /// Makes frames that were sent free.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let mut rings = self.queue.rings();
        if rings.completion.filled() == 0 {
            return Ok(());
        }
        let mut free = self.queue.umem.ledger.free();
        self.queue.complete(&mut rings, |number, _| free.push(number))
    }

    /// Takes frames that were sent, for what the kernel has to say about them.
    pub(crate) fn completed(&mut self, frames: &mut impl Extend<Frame>) -> Result<usize> {
        let umem = &self.queue.umem;
        let mut count = 0;
        let mut rings = self.queue.rings();
        let result = self.queue.complete(&mut rings, |number, start| {
            let slot = Slot::new(Arc::clone(umem), number);
            frames.extend(Some(Frame::new(slot, start, 0, 0)));
            count += 1;
        });
        result.map(|()| count)
    }

    /// Says that closing the sockets does not make the kernel let go of its frames at once.
    pub(crate) fn keeps(&self) {
        self.queue.lets_go.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "channel_model.rs"]
mod model;
