//! Packets handled one after the other, each in its frame.

use std::sync::Arc;

use bpfld_sys::xdp::Desc;

use crate::{
    Error, Frame, Result,
    ledger::Page,
    queue::Books,
    ring::{Ring, Run},
    umem::Shared,
};

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
    /// Puts a packet into the ring, and gives up its frame.
    #[inline]
    pub(crate) fn put(&mut self, frame: &mut Frame) -> Result<()> {
        // Most packets are of one frame, with no wishes.
        match frame.plain(self.umem) {
            Some(extent) if *self.parts == 0 => self.write(frame, extent),
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
        self.write(frame, extent)?;
        *self.parts = if continues { with_this } else { 0 };
        Ok(())
    }

    #[inline]
    fn write(&mut self, frame: &mut Frame, (start, len, options): (u32, u32, u32)) -> Result<()> {
        let number = frame.number();
        let addr = self.umem.cut.address(number) + u64::from(start);
        let desc = Desc { addr, len, options };
        if !self.room.put(zerocopy::transmute!(desc)) {
            return Err(Error::invalid("a packet for which there is no room"));
        }
        self.page.give(frame.slot.leave());
        Ok(())
    }
}

/// Packets that are handled one after the other.
pub(crate) struct Batch<'a> {
    sender: Option<Sender<'a>>,
    handled: Handled,
}

impl<'a> Batch<'a> {
    /// With room in a TX ring for so many packets, if there is a ring and so much room.
    #[inline]
    pub(crate) fn new(
        books: Books<'a>,
        tx: Option<&'a mut Ring<2>>,
        packets: usize,
        parts: (&'a mut u32, u32),
    ) -> Self {
        Self {
            sender: tx.map(|tx| books.sender(tx, packets, parts)),
            handled: Handled::default(),
        }
    }

    /// Tells the kernel of what is to be sent.
    #[inline]
    pub(crate) fn finish(self) -> Handled {
        self.handled
    }

    /// Hands a packet to `decide`, and does what that says: the frame is given up if it was sent.
    #[inline(always)]
    pub(crate) fn handle(&mut self, frame: &mut Frame, decide: impl FnOnce(&mut Frame) -> Then) {
        self.handled.packets += 1;
        if decide(frame) == Then::Drop {
            return;
        }
        let put = match &mut self.sender {
            Some(sender) => sender.put(frame),
            None => Err(Error::invalid("this socket only receives")),
        };
        match put {
            Ok(()) => self.handled.sent += 1,
            Err(error) => {
                self.handled.refused.get_or_insert(error);
            }
        }
    }
}
