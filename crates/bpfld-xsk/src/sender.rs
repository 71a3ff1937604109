//! Packets on their way to the kernel, to be sent.

use std::sync::Arc;

use bpfld_sys::xdp::Desc;

use crate::{Error, Frame, Result, ledger::Page, ring::Run, shared::Shared};

/// Frames in a TX ring of a packet whose last one has not come yet, and how many a packet may have.
pub(crate) type Parts<'a> = (&'a mut u32, u32);

/// Room in a TX ring. When it is dropped the kernel is told of what was put there.
pub(crate) struct Sender<'a> {
    pub(crate) umem: &'a Arc<Shared>,
    pub(crate) page: Page<'a>,
    pub(crate) room: Run<'a, 2>,
    pub(crate) parts: Parts<'a>,
}

impl Sender<'_> {
    /// Puts a packet into the ring, and gives up its frame.
    #[inline]
    pub(crate) fn put(&mut self, frame: &mut Frame) -> Result<()> {
        // Most packets are of one frame, with no wishes.
        match frame.plain(self.umem) {
            Some(extent) if *self.parts.0 == 0 => self.write(frame, extent),
            _ => self.put_any(frame),
        }
    }

    #[cold]
    fn put_any(&mut self, frame: &mut Frame) -> Result<()> {
        if !frame.slot.is_of(self.umem) {
            return Err(Error::invalid("a frame of other memory than that of the socket"));
        }
        let (with_this, continues) = (*self.parts.0 + 1, frame.continues());
        let most = self.parts.1;
        if with_this + u32::from(continues) > most {
            let message = format!("a packet of more than {most} frames");
            return Err(Error::invalid(message));
        }
        let extent = frame.prepare()?;
        self.write(frame, extent)?;
        *self.parts.0 = if continues { with_this } else { 0 };
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
