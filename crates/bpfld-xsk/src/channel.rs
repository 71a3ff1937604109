//! The rings of one socket, and frames on their way through them.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    Error, Frame, Result,
    batch::{Batch, Handled, Then},
    packet::Packet,
    queue::{Queue, QueueRings},
    ring::Ring,
};

/// The rings of one socket.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) queue: Arc<Queue>,
    pub(crate) rx: Option<Ring<2>>,
    pub(crate) tx: Option<Ring<2>>,
    /// Frames that a packet may have; the kernel drops longer ones and keeps their frames.
    pub(crate) most_parts: u32,
    /// Frames in the TX ring of a packet whose last one has not come yet.
    pub(crate) parts: u32,
    /// Room for as many packets as the largest of the rings has; what is there between calls means nothing.
    room: Box<[Packet]>,
}

impl Channel {
    pub(crate) fn new(queue: Arc<Queue>, rx: Option<Ring<2>>, tx: Option<Ring<2>>, most_parts: u32) -> Self {
        let completion = queue.rings().completion.size();
        let sizes = [&rx, &tx].into_iter().flatten().map(Ring::size);
        let most = sizes.fold(completion, u32::max);
        Self {
            queue,
            rx,
            tx,
            most_parts,
            parts: 0,
            room: vec![Packet::default(); most as usize].into(),
        }
    }

    /// Takes up to `most` packets that came, and gives free frames to the kernel in their place. A damaged ring is told of
    /// when what was good before that is taken.
    pub(crate) fn receive(&mut self, frames: &mut impl Extend<Frame>, most: usize) -> Result<usize> {
        let Some(rx) = &mut self.rx else { return Ok(0) };
        let queue = &self.queue;
        let mut rings = queue.rings();
        let (taken, result) = queue.books().received(rx, most, &mut self.room);
        let count = taken.len();
        frames.extend(taken.map(|packet| Frame::of(packet, &queue.umem)));
        queue.refill(&mut queue.books().filler(&mut rings.fill));
        result.map(|()| count)
    }

    /// Hands up to `most` packets that came to `decide`, each in its frame; what it says becomes of it. As many packets are taken as there is room to
    /// send. What is dropped takes its place in the kernel again; where something is sent, [`Channel::replenish`] is to be called when that has gone.
    pub(crate) fn for_each(
        &mut self,
        most: usize,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) -> Result<Handled> {
        let most = self.room_to_send(most);
        let Some(rx) = &mut self.rx else {
            return Ok(Handled::default());
        };
        // What is done with a packet takes three short loops, one after the other, rather than a long one: the processor has too few registers for that.
        let queue = &self.queue;
        let books = queue.books();
        let lock = queue.rings();
        let (mut taken, result) = books.received(rx, most, &mut self.room);
        drop(lock);
        let mut batch = Batch::new(books, self.tx.as_mut(), (&mut self.parts, self.most_parts));
        // One value for packet after packet.
        let mut frame = Frame::vacant(books.umem);
        while let Some(packet) = taken.next() {
            frame.hold(packet);
            batch.handle(&mut frame, &mut decide);
            if !frame.slot.is_of(books.umem) {
                frame = Frame::vacant(books.umem);
            } else if !frame.slot.is_vacant() {
                taken.give_back(frame.slot.leave());
            }
        }
        let handled = batch.finish();
        if handled.sent < handled.packets {
            let QueueRings { fill, completion } = &mut *queue.rings();
            let mut filler = books.filler(fill);
            taken.refill(&mut filler);
            // Mostly what was dropped fills the ring again.
            if handled.sent == 0 && (filler.room.left() > 0 || completion.holds_any()) {
                queue.replenish(&mut filler, completion, &mut self.room)?;
            }
        }
        result.map(|()| handled)
    }

    /// The same for packets that were taken before.
    pub(crate) fn for_each_of(
        &mut self,
        packets: impl IntoIterator<Item = Frame>,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) -> Result<Handled> {
        let parts = (&mut self.parts, self.most_parts);
        let mut batch = Batch::new(self.queue.books(), self.tx.as_mut(), parts);
        for mut frame in packets {
            batch.handle(&mut frame, &mut decide);
        }
        let handled = batch.finish();
        if handled.sent == 0 {
            self.replenish()?;
        }
        Ok(handled)
    }

    /// Gives frames that were sent, and then free ones, to the kernel to receive packets in, if this end receives.
    pub(crate) fn replenish(&mut self) -> Result<()> {
        if self.rx.is_none() {
            return self.complete();
        }
        let QueueRings { fill, completion } = &mut *self.queue.rings();
        let mut filler = self.queue.books().filler(fill);
        self.queue.replenish(&mut filler, completion, &mut self.room)
    }

    /// Puts up to `most` packets into the TX ring that `write` makes of free frames: first of those that were sent before.
    pub(crate) fn send_each(&mut self, most: usize, mut write: impl FnMut(&mut Frame)) -> Result<Handled> {
        if self.tx.is_none() {
            return Err(Error::invalid("this socket only receives"));
        }
        let most = self.room_to_send(most);
        let books = self.queue.books();
        let (taken, result) = books.sent(&mut self.queue.rings().completion, most, &mut self.room);
        result?;
        let mut batch = Batch::new(books, self.tx.as_mut(), (&mut self.parts, self.most_parts));
        // One value for packet after packet.
        let mut frame = Frame::vacant(books.umem);
        // The last that was sent is the first to be used: it is still in the cache.
        for packet in taken.rev().take(most) {
            frame.hold(books.umem.empty(packet.number));
            batch.handle(&mut frame, |frame| {
                write(frame);
                Then::Send
            });
            if !frame.slot.is_vacant() {
                // It was not sent.
                frame = Frame::vacant(books.umem);
            }
        }
        Ok(batch.finish())
    }

    /// So many, or as many as there is room for in the TX ring, if there is one.
    pub(crate) fn room_to_send(&mut self, most: usize) -> usize {
        match &mut self.tx {
            Some(tx) => most.min(tx.room(u32::try_from(most).unwrap_or(u32::MAX)) as usize),
            None => most,
        }
    }

    /// Gives free frames to the kernel to receive packets in, if this end receives.
    pub(crate) fn refill(&mut self) {
        if self.rx.is_some() {
            let mut rings = self.queue.rings();
            self.queue.refill(&mut self.queue.books().filler(&mut rings.fill));
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
        let queue = &self.queue;
        let mut sender = queue.books().sender(tx, (&mut self.parts, self.most_parts));
        let (mut ready, mut result) = (0, Ok(()));
        for frame in frames.iter_mut().take(sender.room.left()) {
            if let Err(error) = sender.put(frame) {
                result = Err(error);
                break;
            }
            ready += 1;
        }
        // They are given up.
        frames.drain(..ready);
        result.map(|()| ready)
    }

    /// Makes frames that were sent free.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let mut rings = self.queue.rings();
        let (sent, result) = self.queue.books().sent(&mut rings.completion, 0, &mut self.room);
        drop(sent);
        result
    }

    /// Takes frames that were sent, for what the kernel has to say about them.
    pub(crate) fn completed(&mut self, frames: &mut impl Extend<Frame>) -> Result<usize> {
        let queue = &self.queue;
        let mut rings = queue.rings();
        let (sent, result) = queue.books().sent(&mut rings.completion, 0, &mut self.room);
        let count = sent.len();
        frames.extend(sent.map(|packet| Frame::of(packet, &queue.umem)));
        result.map(|()| count)
    }

    /// Says that closing the sockets does not make the kernel let go of its frames at once.
    pub(crate) fn keeps(&self) {
        self.queue.lets_go.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod model;
