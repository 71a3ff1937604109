//! A socket on a queue: packets in batches.

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::OnceLock,
};

use bpfld::XskMap;
use bpfld_sys::{
    Errno,
    epoll::Epoll,
    xdp::{self, Statistics},
};

use crate::{Error, Frame, Result, Then, Umem, XskBuilder, channel::Channel};

/// A socket on a queue of an interface: packets that a program redirects to it come in, and packets go out, past the network stack.
///
/// ```no_run
/// use bpfld::XdpMode;
/// use bpfld_xsk::{Redirect, Umem, XskSocket};
///
/// # fn main() -> Result<(), bpfld_xsk::Error> {
/// let umem = Umem::builder().build()?;
/// let mut socket = XskSocket::builder(&umem).bind("eth0", 0)?;
/// let redirect = Redirect::attach("eth0", XdpMode::Auto)?;
/// redirect.insert(&socket)?;
/// let mut frames = Vec::new();
/// loop {
///     socket.wait(None)?;
///     socket.receive(&mut frames, 64)?;
///     for frame in &mut frames {
///         frame.rotate_left(6); // whatever is to be done with a packet
///     }
///     socket.transmit(&mut frames)?;
///     frames.clear(); // what found no room is dropped
/// }
/// # }
/// ```
///
/// There are two ways to use it, which can be mixed: batches of [`Frame`]s ([`receive`](Self::receive), [`transmit`](Self::transmit)), and
/// one packet at a time ([`recv`](Self::recv), [`send`](Self::send) and others).
///
/// No thread runs in the background. Frames for packets to come are given to the kernel whenever something is received, and those
/// that were sent are taken back whenever something is sent.
///
/// # When it is dropped
///
/// The frames that the kernel had for the queue are free again when its last socket is dropped. With zero copy a driver may write to them
/// a little longer, and a [passed](XskBuilder::passed) socket may be open elsewhere; then they are
/// [retired](crate::Usage::retired) instead, and come back when the memory is made anew. A process that is forked at the very moment also has the
/// socket open, until it executes a program.
#[derive(Debug)]
#[doc(alias = "xsk_socket__create")]
pub struct XskSocket {
    // The first to go: the kernel must have let go of the frames before they are taken back.
    pub(crate) fd: OwnedFd,
    readiness: OnceLock<Epoll>,
    pub(crate) channel: Channel,
    pub(crate) ifindex: u32,
    pub(crate) queue_id: u32,
    zero_copy: bool,
    /// Whether the kernel says when it wants to be called.
    pub(crate) says_when: bool,
    busy: bool,
    /// What the kernel said when the interface went.
    gone: Option<Errno>,
    /// Received, and not handed out yet.
    pub(crate) waiting: VecDeque<Frame>,
    /// For the one packet that is sent at a time.
    pub(crate) single: Vec<Frame>,
}

impl XskSocket {
    /// Options for a socket with some memory.
    pub fn builder(umem: &Umem) -> XskBuilder {
        XskBuilder::new(umem)
    }

    pub(crate) fn new(
        fd: OwnedFd,
        channel: Channel,
        (ifindex, queue_id): (u32, u32),
        [zero_copy, says_when, busy]: [bool; 3],
    ) -> Self {
        Self {
            fd,
            readiness: OnceLock::new(),
            channel,
            ifindex,
            queue_id,
            zero_copy,
            says_when,
            busy,
            gone: None,
            waiting: VecDeque::new(),
            single: Vec::new(),
        }
    }

    /// Appends packets that came, up to so many, without waiting; returns how many. Free frames take their places in the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`] when there is nothing to come any more; [`Error::Damaged`] when a ring holds what no kernel writes.
    pub fn receive(&mut self, frames: &mut Vec<Frame>, most: usize) -> Result<usize> {
        let from = self.waiting.len().min(most);
        frames.extend(self.waiting.drain(..from));
        Ok(from + self.pull(frames, most - from)?)
    }

    /// The same, past those that wait here.
    pub(crate) fn pull(&mut self, frames: &mut impl Extend<Frame>, most: usize) -> Result<usize> {
        if most == 0 {
            return Ok(0);
        }
        let count = self.channel.receive(frames, most)?;
        if count == 0 {
            if let Some(errno) = self.gone {
                return Err(Error::InterfaceGone(errno));
            }
            if self.busy || self.channel.fill_needs_wakeup() == Some(true) {
                self.wake_rx()?;
                return self.channel.receive(frames, most);
            }
        }
        Ok(count)
    }

    /// Hands packets that came to `decide`, up to so many, where they lie, without waiting; returns how many. This is the fastest way: what is dropped
    /// goes back to the kernel, and what is sent goes straight into the TX ring.
    ///
    /// No more are taken than there is room to send. To keep a frame, exchange it for a free one. If `decide` panics, those that were taken and that it has not seen are
    /// dropped.
    ///
    /// ```no_run
    /// # fn example(socket: &mut bpfld_xsk::XskSocket) -> Result<(), bpfld_xsk::Error> {
    /// use bpfld_xsk::Then;
    ///
    /// socket.for_each(64, |packet| {
    ///     if packet.len() < 12 {
    ///         return Then::Drop;
    ///     }
    ///     packet[..12].rotate_left(6);
    ///     Then::Send
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive) and [`transmit`](Self::transmit). A packet that cannot be sent is dropped; the others are not affected.
    pub fn for_each(&mut self, most: usize, decide: impl FnMut(&mut Frame) -> Then) -> Result<usize> {
        if let Some(errno) = self.gone {
            return Err(Error::InterfaceGone(errno));
        }
        let handled = if self.waiting.is_empty() {
            self.channel.for_each(most, decide)?
        } else {
            let most = self.channel.room_to_send(most).min(self.waiting.len());
            self.channel.for_each_of(self.waiting.drain(..most), decide)?
        };
        // Packets that found the device busy may take all the room: then none is handled.
        if handled.packets == 0 || handled.sent > 0 {
            let flushed = self.flush();
            // After that: most drivers are done with what they send by then, and those frames, still in the cache, are the next to receive.
            self.channel.replenish()?;
            flushed?;
        }
        if handled.packets == 0 && (self.busy || self.channel.fill_needs_wakeup() == Some(true)) {
            self.wake_rx()?;
        }
        match handled.refused {
            Some(error) => Err(error),
            None => Ok(handled.packets),
        }
    }

    /// Sends packets that `write` makes, up to so many: each of an empty frame, as far as there are free ones and room; returns how many.
    ///
    /// ```no_run
    /// # fn example(socket: &mut bpfld_xsk::XskSocket) -> Result<(), bpfld_xsk::Error> {
    /// socket.send_each(64, |frame| {
    ///     let _ = frame.set(b"what is to be sent");
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`transmit`](Self::transmit). A packet that cannot be sent is dropped; the others are not affected.
    pub fn send_each(&mut self, most: usize, write: impl FnMut(&mut Frame)) -> Result<usize> {
        if let Some(errno) = self.gone {
            return Err(Error::InterfaceGone(errno));
        }
        let handled = self.channel.send_each(most, write)?;
        self.flush()?;
        match handled.refused {
            Some(error) => Err(error),
            None => Ok(handled.sent),
        }
    }

    /// Frees frames that were sent, puts packets into the TX ring, from the first on, as many as there is room for, and has the kernel send them; the others stay in
    /// `frames`. Returns how many are on their way.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a packet without bytes, or of other memory: it stays, and so do those after it. [`Error::InterfaceGone`], with nothing sent.
    pub fn transmit(&mut self, frames: &mut Vec<Frame>) -> Result<usize> {
        if let Some(errno) = self.gone {
            return Err(Error::InterfaceGone(errno));
        }
        self.channel.complete()?;
        let sent = self.channel.transmit(frames);
        self.flush()?;
        sent
    }

    /// Has the kernel send what is in the TX ring, if it wants to be told. [`transmit`](Self::transmit) does so too; this is for packets
    /// that found the device busy.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`], and whenever the kernel refuses.
    pub fn flush(&mut self) -> Result<()> {
        let Some(tx) = &mut self.channel.tx else {
            return Ok(());
        };
        if self.says_when && !self.busy && tx.needs_wakeup() == Some(false) {
            return Ok(());
        }
        let mut left = tx.unread();
        while left > 0 {
            match xdp::wake_tx(&self.fd) {
                // There is more than what it sends at once; or it is busy, and does not get on.
                Ok(()) | Err(Errno::EAGAIN) => {
                    let now = tx.unread();
                    if now == left {
                        break;
                    }
                    left = now;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EBUSY | Errno::ENOBUFS) => break,
                Err(errno) => return Err(self.refused("send", errno)),
            }
        }
        Ok(())
    }

    /// Takes frames that were sent, to read from them [when](Frame::sent_at) that was; returns how many. They begin where they did, have no bytes, and the
    /// [number](Frame::number) that they had.
    ///
    /// What is not taken is free with the next [`transmit`](Self::transmit), or when [`frame`](Self::frame) finds no other.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] when a ring holds what no kernel writes.
    pub fn completed(&mut self, frames: &mut Vec<Frame>) -> Result<usize> {
        self.channel.completed(frames)
    }

    /// A free frame, empty, with the headroom in front: one that was sent, if there is no other.
    ///
    /// # Errors
    ///
    /// [`Error::NoFrame`] when none is free.
    pub fn frame(&mut self) -> Result<Frame> {
        let umem = self.umem();
        match umem.frame() {
            Err(Error::NoFrame) => {
                self.channel.complete()?;
                umem.frame()
            }
            frame => frame,
        }
    }

    /// Puts the socket into a slot of a user's own map, for a user's own program. It leaves the map when it is dropped.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn insert_into(&self, map: &XskMap, slot: u32) -> Result<()> {
        Ok(map.set(slot, &self.fd)?)
    }

    /// The memory of its packets.
    #[must_use]
    pub fn umem(&self) -> Umem {
        Umem {
            shared: self.channel.queue.umem.clone(),
        }
    }

    /// Index of the interface.
    #[must_use]
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The queue of the interface.
    #[must_use]
    pub fn queue(&self) -> u32 {
        self.queue_id
    }

    /// Whether packets are not copied. Kernels before 5.3 do not tell; then this is so unless copying was asked for.
    #[must_use]
    #[doc(alias = "XDP_OPTIONS")]
    pub fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// What became of packets so far.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    #[doc(alias = "XDP_STATISTICS")]
    pub fn statistics(&self) -> Result<Statistics> {
        xdp::statistics(&self.fd).map_err(|errno| Error::kernel("read statistics", errno))
    }

    /// A descriptor that can be read from when packets came, for an event loop. It only tells so (epoll(7)): who keeps a copy does not keep the
    /// socket open.
    ///
    /// From the first call on the kernel tells it of each packet that comes or was sent, which takes about a tenth of a microsecond each.
    /// [`wait`](Self::wait) does without.
    ///
    /// # Errors
    ///
    /// When there are too many open files, or too much is watched.
    pub fn readiness(&self) -> Result<BorrowedFd<'_>> {
        if let Some(epoll) = self.readiness.get() {
            return Ok(epoll.as_fd());
        }
        let epoll = Epoll::new()
            .and_then(|epoll| epoll.add(&self.fd, 0).map(|()| epoll))
            .map_err(|errno| Error::kernel("watch the socket", errno))?;
        // If another thread was faster, its own stays.
        Ok(self.readiness.get_or_init(|| epoll).as_fd())
    }

    /// Whether the socket still has its interface. A kernel does not wake those up who wait when it goes.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`] if not.
    pub fn check(&mut self) -> Result<()> {
        if self.gone.is_none() {
            self.gone = xdp::take_error(&self.fd)
                .map_err(|errno| Error::kernel("ask for the socket's state", errno))?;
        }
        match self.gone {
            Some(errno) => Err(Error::InterfaceGone(errno)),
            None => Ok(()),
        }
    }

    fn wake_rx(&mut self) -> Result<()> {
        match xdp::wake_rx(&self.fd) {
            Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY | Errno::EINTR) => Ok(()),
            // Before 5.11 it is poll(2) that wakes the driver.
            Err(Errno::EOPNOTSUPP) => {
                match bpfld_sys::poll::readable(&self.fd, Some(std::time::Duration::ZERO)) {
                    Ok(_) | Err(Errno::EINTR) => Ok(()),
                    Err(errno) => Err(Error::kernel("wake the driver", errno)),
                }
            }
            Err(errno) => Err(self.refused("receive", errno)),
        }
    }

    /// A refused call. An interface that is only down may come up again; one that is gone does not.
    pub(crate) fn refused(&mut self, doing: &'static str, errno: Errno) -> Error {
        match errno {
            Errno::ENXIO | Errno::ENODEV => {
                self.gone = Some(errno);
                Error::InterfaceGone(errno)
            }
            Errno::ENETDOWN => Error::InterfaceGone(errno),
            errno => Error::kernel(doing, errno),
        }
    }
}
