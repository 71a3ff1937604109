//! Packets handled one after the other, each in its frame.

use crate::{
    Error, Frame, Result,
    queue::Books,
    ring::Ring,
    sender::{Parts, Sender},
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

/// Packets that are handled one after the other.
pub(crate) struct Batch<'a> {
    books: Books<'a>,
    /// What is needed to send, until something is sent.
    tx: Option<(&'a mut Ring<2>, Parts<'a>)>,
    sender: Option<Sender<'a>>,
    handled: Handled,
}

impl<'a> Batch<'a> {
    #[inline]
    pub(crate) fn new(books: Books<'a>, tx: Option<&'a mut Ring<2>>, parts: Parts<'a>) -> Self {
        Self {
            books,
            tx: tx.map(|tx| (tx, parts)),
            sender: None,
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
            None => self.put_first(frame),
        };
        match put {
            Ok(()) => self.handled.sent += 1,
            Err(error) => {
                self.handled.refused.get_or_insert(error);
            }
        }
    }

    /// Sends the first packet; apart, so that nothing is done for it where nothing is sent.
    #[cold]
    fn put_first(&mut self, frame: &mut Frame) -> Result<()> {
        let Some((tx, parts)) = self.tx.take() else {
            return Err(Error::invalid("this socket only receives"));
        };
        self.sender.insert(self.books.sender(tx, parts)).put(frame)
    }
}
