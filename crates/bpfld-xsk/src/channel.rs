//! The four rings of a socket, and frames on their way through them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bpfld_sys::xdp::Desc;

use crate::{
    Error, Frame, Result,
    frame::{Packet, Slot},
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

    /// Gives these frames to the kernel, as many as there is room for, the others to the list of free ones; and free ones in addition.
    fn give_back(&self, rings: &mut QueueRings, frames: &mut Vec<u32>) {
        let fill = &mut rings.fill;
        let room = (fill.room(u32::MAX) as usize).min(frames.len());
        for number in frames.drain(..room) {
            self.umem.ledger.give(number, self.number, Purpose::Receive);
            fill.put_address(self.umem.address(number));
        }
        if room > 0 {
            fill.publish();
        }
        if !frames.is_empty() {
            self.umem.ledger.free().append(frames);
        }
        self.refill(rings);
    }

    /// Reads up to `most` packets of an RX ring of this queue. The rings must be locked: so two sockets of a queue are not
    /// given the same frame at the same time.
    #[inline]
    fn read(&self, rx: &mut Ring, most: usize, mut found: impl FnMut(Packet)) -> Result<()> {
        let (filled, mut result) = (rx.filled().min(u32::try_from(most).unwrap_or(u32::MAX)), Ok(()));
        for _ in 0..filled {
            let Desc { addr, len, options } = rx.next_desc();
            let place = self.umem.locate(addr).filter(|(number, start)| {
                let end = start.checked_add(len);
                end.is_some_and(|end| end <= self.umem.frame_size)
                    && self.umem.ledger.take(*number, self.number, Purpose::Receive)
            });
            match place {
                Some((number, start)) => found(Packet {
                    number,
                    start,
                    len,
                    options,
                }),
                None => {
                    let (ring, address) = ("RX", addr);
                    result = Err(Error::Damaged { ring, address });
                }
            }
        }
        if filled > 0 {
            rx.publish();
        }
        result
    }

    /// Puts a packet into a TX ring of this queue that has room; its frame is then to be given up. `parts` counts the frames of a packet
    /// whose last one has not come yet.
    #[inline]
    fn put(&self, tx: &mut Ring, frame: &mut Frame, parts: &mut u32, most_parts: u32) -> Result<()> {
        if !frame.slot.is_of(&self.umem) {
            return Err(Error::invalid("a frame of other memory than that of the socket"));
        }
        let with_this = *parts + 1;
        if with_this + u32::from(frame.continues()) > most_parts {
            let message = format!("a packet of more than {most_parts} frames");
            return Err(Error::invalid(message));
        }
        let (start, len, options) = frame.prepare()?;
        *parts = if frame.continues() { with_this } else { 0 };
        let number = frame.number();
        self.umem.ledger.give(number, self.number, Purpose::Send);
        tx.put_desc(Desc {
            addr: self.umem.address(number) + u64::from(start),
            len,
            options,
        });
        Ok(())
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

/// What is to become of a packet: see [`XskSocket::for_each`](crate::XskSocket::for_each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// Its frame is free again.
    Drop,
    /// It is sent by the same socket.
    Send,
}

/// What became of packets.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    pub(crate) packets: usize,
    pub(crate) sent: usize,
    /// Why the first that could not be sent was not.
    pub(crate) refused: Option<Error>,
}

/// Packets that are no frames yet, and frames that are not free yet; whatever happens, they are in the end.
struct Batch<'a> {
    umem: &'a Arc<Shared>,
    packets: Vec<Packet>,
    next: usize,
    dropped: Vec<u32>,
}

impl<'a> Batch<'a> {
    /// An empty one, in memory that was allocated before.
    fn new(umem: &'a Arc<Shared>, packets: &mut Vec<Packet>, dropped: &mut Vec<u32>) -> Self {
        Batch {
            umem,
            packets: std::mem::take(packets),
            next: 0,
            dropped: std::mem::take(dropped),
        }
    }

    /// Hands each packet in its frame to `decide`, and does what that says.
    fn for_each(
        &mut self,
        queue: &Queue,
        tx: &mut Option<Ring>,
        (parts, most_parts): (&mut u32, u32),
        handled: &mut Handled,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) {
        let umem = self.umem;
        let mut next = self.next();
        let mut frame = next.map(|packet| packet.into_frame(umem));
        while let Some(current) = &mut frame {
            handled.packets += 1;
            let mut sent = false;
            if decide(current) == Then::Send {
                let put = match tx {
                    // Told of at once: whatever `decide` does next, it is on its way.
                    Some(tx) => queue.put(tx, current, parts, most_parts).map(|()| tx.publish()),
                    None => Err(Error::invalid("this socket only receives")),
                };
                match put {
                    Ok(()) => {
                        sent = true;
                        handled.sent += 1;
                    }
                    Err(error) => {
                        handled.refused.get_or_insert(error);
                    }
                }
            }
            next = self.next();
            // The frame that was here may have been exchanged for another, even of other memory, which then goes back there.
            let done = match &next {
                Some(packet) => current.become_next(umem, packet),
                None => current.slot.end(umem),
            };
            match (done, &next) {
                (None, Some(packet)) => *current = packet.into_frame(umem),
                (_, None) => frame = None,
                _ => {}
            }
            if let Some(number) = done.filter(|_| !sent) {
                self.dropped.push(number);
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        let packet = self.packets.get(self.next).copied();
        self.next += usize::from(packet.is_some());
        packet
    }

    /// What was allocated, empty.
    fn into_parts(mut self) -> (Vec<Packet>, Vec<u32>) {
        self.release();
        (
            std::mem::take(&mut self.packets),
            std::mem::take(&mut self.dropped),
        )
    }

    fn release(&mut self) {
        let rest = self.packets.drain(..).skip(self.next);
        self.dropped.extend(rest.map(|packet| packet.number));
        if !self.dropped.is_empty() {
            self.umem.ledger.free().append(&mut self.dropped);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.release();
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
    /// Room for what `for_each` works with.
    pub(crate) packets: Vec<Packet>,
    pub(crate) dropped: Vec<u32>,
}

impl Channel {
    /// Takes up to `most` packets that came, and gives free frames to the kernel in their place. A damaged ring is told of
    /// when what was good is taken.
    pub(crate) fn receive(&mut self, frames: &mut impl Extend<Frame>, most: usize) -> Result<usize> {
        let Some(rx) = &mut self.rx else { return Ok(0) };
        let queue = &self.queue;
        let mut rings = queue.rings();
        let mut count = 0;
        let result = queue.read(rx, most, |packet| {
            frames.extend(Some(packet.into_frame(&queue.umem)));
            count += 1;
        });
        queue.refill(&mut rings);
        result.map(|()| count)
    }

    /// Hands up to `most` packets that came to `decide`, each in its frame; what it says becomes of it. As many packets are taken as there is room to send.
    pub(crate) fn for_each(
        &mut self,
        most: usize,
        decide: impl FnMut(&mut Frame) -> Then,
    ) -> Result<Handled> {
        let most = self.room_to_send(most);
        let mut handled = Handled::default();
        let Some(rx) = &mut self.rx else {
            return Ok(handled);
        };
        let queue = &self.queue;
        let umem = &queue.umem;
        let mut batch = Batch::new(umem, &mut self.packets, &mut self.dropped);
        let result = {
            let _rings = queue.rings();
            queue.read(rx, most, |packet| batch.packets.push(packet))
        };
        // No lock is held from here on: `decide` may use other sockets.
        batch.for_each(
            queue,
            &mut self.tx,
            (&mut self.parts, self.most_parts),
            &mut handled,
            decide,
        );
        let mut rings = queue.rings();
        queue.give_back(&mut rings, &mut batch.dropped);
        drop(rings);
        (self.packets, self.dropped) = batch.into_parts();
        result.map(|()| handled)
    }

    /// Puts up to `most` packets into the TX ring that `write` makes of free frames.
    pub(crate) fn send_each(&mut self, most: usize, mut write: impl FnMut(&mut Frame)) -> Result<Handled> {
        if self.tx.is_none() {
            return Err(Error::invalid("this socket only receives"));
        }
        let most = self.room_to_send(most);
        let mut handled = Handled::default();
        let queue = &self.queue;
        let umem = &queue.umem;
        let mut batch = Batch::new(umem, &mut self.packets, &mut self.dropped);
        let mut free = umem.ledger.free();
        let from = free.len().saturating_sub(most);
        let empty = free.drain(from..).rev().map(|number| umem.empty(number));
        batch.packets.extend(empty);
        drop(free);
        let parts = (&mut self.parts, self.most_parts);
        batch.for_each(queue, &mut self.tx, parts, &mut handled, |frame| {
            write(frame);
            Then::Send
        });
        (self.packets, self.dropped) = batch.into_parts();
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
        let umem = &self.queue.umem;
        let room = tx.room(u32::try_from(frames.len()).unwrap_or(u32::MAX)) as usize;
        let (mut ready, mut result) = (0, Ok(()));
        for frame in frames.iter_mut().take(room) {
            if let Err(error) = self.queue.put(tx, frame, &mut self.parts, self.most_parts) {
                result = Err(error);
                break;
            }
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
