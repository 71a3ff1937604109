//! The rings of one socket, and frames on their way through them.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    Error, Frame, Result,
    batch::{Handled, Spare, Then, handle},
    queue::Queue,
    ring::Ring,
    slot::Slot,
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
    /// Room for the numbers of frames.
    pub(crate) spare: Vec<u32>,
}

impl Channel {
    /// Takes up to `most` packets that came, and gives free frames to the kernel in their place. A damaged ring is told of
    /// when what was good is taken.
    pub(crate) fn receive(&mut self, frames: &mut impl Extend<Frame>, most: usize) -> Result<usize> {
        let Some(rx) = &mut self.rx else { return Ok(0) };
        let queue = &self.queue;
        let mut rings = queue.rings();
        let mut count = 0;
        let result = queue.books().read(rx, most, |packet| {
            frames.extend(Some(packet.into_frame(Arc::clone(&queue.umem))));
            count += 1;
        });
        queue.refill(&mut rings);
        result.map(|()| count)
    }

    /// Hands up to `most` packets that came to `decide`, each in its frame; what it says becomes of it. As many packets are taken as there is room to
    /// send. Only what is dropped takes its place in the kernel again: see [`Channel::replenish`].
    pub(crate) fn for_each(
        &mut self,
        most: usize,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) -> Result<Handled> {
        let most = self.room_to_send(most);
        let mut handled = Handled::default();
        let Some(rx) = &mut self.rx else {
            return Ok(handled);
        };
        let Some(queue) = Arc::get_mut(&mut self.queue) else {
            let mut frames = Vec::new();
            let result = self.receive(&mut frames, most);
            let handled = self.for_each_of(frames, decide);
            return result.map(|_| handled);
        };
        let (books, rings) = queue.alone();
        let parts = (&mut self.parts, self.most_parts);
        let mut sender = self.tx.as_mut().map(|tx| books.sender(tx, most, parts));
        let mut filler = books.filler(&mut rings.fill);
        let mut own = None;
        books.read(rx, most, |packet| {
            let umem = own.take().unwrap_or_else(|| Arc::clone(books.umem));
            let frame = packet.into_frame(umem);
            let Some((umem, dropped)) = handle(books.umem, frame, &mut sender, &mut handled, &mut decide)
            else {
                return;
            };
            if let Some(number) = dropped.filter(|number| !filler.put(*number)) {
                umem.ledger.free().push(number);
            }
            own = Some(umem);
        })?;
        Ok(handled)
    }

    /// The same for packets that were taken before.
    pub(crate) fn for_each_of(
        &mut self,
        packets: impl IntoIterator<Item = Frame>,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) -> Handled {
        let mut handled = Handled::default();
        let books = self.queue.books();
        let parts = (&mut self.parts, self.most_parts);
        let mut sender = self.tx.as_mut().map(|tx| books.sender(tx, usize::MAX, parts));
        for frame in packets {
            if let Some((umem, Some(number))) =
                handle(books.umem, frame, &mut sender, &mut handled, &mut decide)
            {
                umem.ledger.free().push(number);
            }
        }
        handled
    }

    /// Gives frames that were sent, and then free ones, to the kernel to receive packets in, if this end receives.
    pub(crate) fn replenish(&mut self) -> Result<()> {
        if self.rx.is_none() {
            return self.complete();
        }
        self.queue.replenish(&mut self.queue.rings())
    }

    /// Puts up to `most` packets into the TX ring that `write` makes of free frames: first of those that were sent before.
    pub(crate) fn send_each(&mut self, most: usize, mut write: impl FnMut(&mut Frame)) -> Result<Handled> {
        if self.tx.is_none() {
            return Err(Error::invalid("this socket only receives"));
        }
        let most = self.room_to_send(most);
        let mut handled = Handled::default();
        let books = self.queue.books();
        // The last that was sent is the first to be used: it is still in the cache.
        let mut spare = Spare {
            umem: books.umem,
            numbers: &mut self.spare,
        };
        let numbers = &mut *spare.numbers;
        self.queue
            .complete(&mut self.queue.rings(), |number, _| numbers.push(number))?;
        let parts = (&mut self.parts, self.most_parts);
        let mut sender = self.tx.as_mut().map(|tx| books.sender(tx, most, parts));
        let mut own = None;
        for made in 0..most {
            let Some(number) = spare.pop(most - made) else {
                break;
            };
            let umem: Arc<_> = own.take().unwrap_or_else(|| Arc::clone(books.umem));
            let frame = umem.empty(number).into_frame(umem);
            let done = handle(books.umem, frame, &mut sender, &mut handled, |frame| {
                write(frame);
                Then::Send
            });
            let Some((umem, refused)) = done else { continue };
            if let Some(number) = refused {
                umem.ledger.free().push(number);
            }
            own = Some(umem);
        }
        Ok(handled)
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
        let queue = &self.queue;
        let mut sender = queue
            .books()
            .sender(tx, frames.len(), (&mut self.parts, self.most_parts));
        let (mut ready, mut result) = (0, Ok(()));
        for frame in frames.iter_mut().take(sender.room.left()) {
            if let Err(error) = sender.put(frame) {
                result = Err(error);
                break;
            }
            ready += 1;
        }
        for mut frame in frames.drain(..ready) {
            // It is of this memory, as was just seen, so it is given up.
            let _ = frame.slot.leave(&queue.umem);
        }
        result.map(|()| ready)
    }

    /// Makes frames that were sent free.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let mut rings = self.queue.rings();
        if !rings.has_sent() {
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
mod model;
