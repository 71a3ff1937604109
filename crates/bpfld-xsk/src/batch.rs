//! Packets handled one after the other, each in its frame.

use std::sync::Arc;

use bpfld_sys::xdp::Desc;

use crate::{Error, Frame, Result, ledger::Page, ring::Run, umem::Shared};

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

/// What is left of a frame when its packet was handled: the memory, for the next frame, and its number if it was not sent.
pub(crate) type Done = (Arc<Shared>, Option<u32>);

/// Hands a packet to `decide`, and does what that says; nothing if another frame is in its place that is not of this memory.
#[inline(always)]
pub(crate) fn handle(
    umem: &Arc<Shared>,
    mut frame: Frame,
    sender: &mut Option<Sender<'_>>,
    handled: &mut Handled,
    decide: impl FnOnce(&mut Frame) -> Then,
) -> Option<Done> {
    handled.packets += 1;
    let sent = decide(&mut frame) == Then::Send
        && handled.note(match sender {
            Some(sender) => sender.put(&mut frame),
            None => Err(Error::invalid("this socket only receives")),
        });
    // The frame that was here may have been exchanged for another, even of other memory, which then goes back there.
    let (own, number) = frame.slot.leave(umem)?;
    Some((own, (!sent).then_some(number)))
}

/// Frames that are nobody's; whatever happens, they are free in the end.
pub(crate) struct Spare<'a> {
    pub(crate) umem: &'a Shared,
    pub(crate) numbers: &'a mut Vec<u32>,
}

impl Spare<'_> {
    /// The one that came last; free ones if there is none, of which so many are wanted.
    #[inline]
    pub(crate) fn pop(&mut self, wanted: usize) -> Option<u32> {
        if self.numbers.is_empty() {
            let mut free = self.umem.ledger.free();
            let from = free.len().saturating_sub(wanted);
            self.numbers.extend(free.drain(from..));
        }
        self.numbers.pop()
    }
}

impl Drop for Spare<'_> {
    fn drop(&mut self) {
        if !self.numbers.is_empty() {
            self.umem.ledger.free().append(self.numbers);
        }
    }
}
