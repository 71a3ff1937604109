//! Packets handled one after the other, each in its frame.

use std::sync::Arc;

use bpfld_sys::xdp::Desc;

use crate::{Error, Frame, Result, frame::Packet, ledger::Page, ring::Run, umem::Shared};

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

impl Handled {
    /// Counts a packet as sent, if it was.
    #[inline]
    fn note(&mut self, put: Result<()>) -> bool {
        let sent = put.is_ok();
        self.sent += usize::from(sent);
        if let Err(error) = put {
            self.refused.get_or_insert(error);
        }
        sent
    }
}

/// Room in a TX ring. When it is dropped the kernel is told of what was put there.
pub(crate) struct Sender<'a> {
    pub(crate) umem: &'a Arc<Shared>,
    pub(crate) page: Page<'a>,
    pub(crate) room: Run<'a, 2>,
    /// Frames in the ring of a packet whose last one has not come yet.
    pub(crate) parts: &'a mut u32,
    pub(crate) most_parts: u32,
}

impl Sender<'_> {
    /// Puts a packet into the ring; its frame is then to be given up.
    #[inline]
    pub(crate) fn put(&mut self, frame: &mut Frame) -> Result<()> {
        // Most packets are of one frame, with no wishes.
        match frame.plain(self.umem) {
            Some(extent) if *self.parts == 0 => self.write(frame.number(), extent),
            _ => self.put_any(frame),
        }
    }

    #[cold]
    fn put_any(&mut self, frame: &mut Frame) -> Result<()> {
        if !frame.slot.is_of(self.umem) {
            return Err(Error::invalid("a frame of other memory than that of the socket"));
        }
        let (with_this, continues) = (*self.parts + 1, frame.continues());
        if with_this + u32::from(continues) > self.most_parts {
            let message = format!("a packet of more than {} frames", self.most_parts);
            return Err(Error::invalid(message));
        }
        let extent = frame.prepare()?;
        self.write(frame.number(), extent)?;
        *self.parts = if continues { with_this } else { 0 };
        Ok(())
    }

    #[inline]
    fn write(&mut self, number: u32, (start, len, options): (u32, u32, u32)) -> Result<()> {
        let addr = self.umem.cut.address(number) + u64::from(start);
        let desc = Desc { addr, len, options };
        if !self.room.put(zerocopy::transmute!(desc)) {
            return Err(Error::invalid("a packet for which there is no room"));
        }
        self.page.give(number);
        Ok(())
    }
}

/// Packets that are no frames yet, and frames that are not free yet; whatever happens, they are in the end.
pub(crate) struct Batch<'a> {
    umem: &'a Arc<Shared>,
    pub(crate) packets: Vec<Packet>,
    next: usize,
    pub(crate) dropped: Vec<u32>,
}

impl<'a> Batch<'a> {
    /// An empty one, in memory that was allocated before.
    pub(crate) fn new(umem: &'a Arc<Shared>, packets: &mut Vec<Packet>, dropped: &mut Vec<u32>) -> Self {
        Batch {
            umem,
            packets: std::mem::take(packets),
            next: 0,
            dropped: std::mem::take(dropped),
        }
    }

    /// Hands each packet in its frame to `decide`, and does what that says.
    #[inline]
    pub(crate) fn for_each(
        &mut self,
        mut sender: Option<Sender<'_>>,
        handled: &mut Handled,
        mut decide: impl FnMut(&mut Frame) -> Then,
    ) {
        let umem = self.umem;
        let Some(first) = self.next() else { return };
        let mut frame = first.into_frame(umem);
        loop {
            let sent = decide(&mut frame) == Then::Send
                && handled.note(match &mut sender {
                    Some(sender) => sender.put(&mut frame),
                    None => Err(Error::invalid("this socket only receives")),
                });
            // The frame that was here may have been exchanged for another, even of other memory, which then goes back there.
            let next = self.next();
            let done = match &next {
                Some(packet) => frame.become_next(umem, packet),
                None => frame.slot.end(umem),
            };
            if let Some(number) = done.filter(|_| !sent) {
                self.dropped.push(number);
            }
            match next {
                Some(packet) if done.is_none() => frame = packet.into_frame(umem),
                Some(_) => {}
                None => break,
            }
        }
        handled.packets = self.next;
    }

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        let packet = *self.packets.get(self.next)?;
        self.next += 1;
        Some(packet)
    }

    /// What was allocated, empty.
    pub(crate) fn into_parts(mut self) -> (Vec<Packet>, Vec<u32>) {
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
