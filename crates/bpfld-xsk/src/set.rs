//! Several queues as one.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use bpfld_sys::{Errno, epoll::Epoll};

use crate::{Error, Frame, Result, XskSocket, simple::Deadline};

/// Several sockets as one: mostly those of all queues of an interface. They take turns, packet by packet, so that none of them starves.
///
/// ```no_run
/// use bpfld_xsk::{Umem, XskSet, XskSocket, queue_count};
///
/// # fn main() -> Result<(), bpfld_xsk::Error> {
/// let umem = Umem::builder().frames(16384).build()?;
/// let mut all = XskSet::new()?;
/// for queue in 0..queue_count("eth0")? {
///     all.add(XskSocket::builder(&umem).bind("eth0", queue)?)?;
/// }
/// while let Some((socket, frame)) = all.recv_frame_within(std::time::Duration::from_secs(1))? {
///     println!("{} bytes by queue {}", frame.len(), all.sockets()[socket].queue());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct XskSet {
    // The first to go.
    epoll: Epoll,
    sockets: Vec<XskSocket>,
    ready: Vec<u64>,
    /// Whose turn it is to receive, and to send.
    next: usize,
    next_to_send: usize,
}

impl XskSet {
    /// A set without sockets.
    ///
    /// # Errors
    ///
    /// When there are too many open files.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new().map_err(|errno| Error::kernel("watch sockets", errno))?;
        Ok(Self {
            epoll,
            sockets: Vec::new(),
            ready: Vec::new(),
            next: 0,
            next_to_send: 0,
        })
    }

    /// Adds a socket; returns its place in the set.
    ///
    /// # Errors
    ///
    /// When it cannot be watched.
    pub fn add(&mut self, socket: XskSocket) -> Result<usize> {
        let place = self.sockets.len();
        self.epoll
            .add(&socket.fd, place as u64)
            .map_err(|errno| Error::kernel("watch a socket", errno))?;
        self.sockets.push(socket);
        Ok(place)
    }

    /// The sockets, in the order in which they were added.
    #[must_use]
    pub fn sockets(&self) -> &[XskSocket] {
        &self.sockets
    }

    /// The same, to be used one by one.
    pub fn sockets_mut(&mut self) -> &mut [XskSocket] {
        &mut self.sockets
    }

    /// The next packet of any socket in its frame, and the place of the socket, without waiting; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`XskSocket::receive`], for any of them.
    pub fn recv_frame(&mut self) -> Result<Option<(usize, Frame)>> {
        let count = self.sockets.len();
        for place in (0..count).map(|step| (self.next + step) % count) {
            let Some(socket) = self.sockets.get_mut(place) else {
                continue;
            };
            if let Some(frame) = socket.recv_frame()? {
                // The frames of one packet belong together.
                self.next = if frame.continues() {
                    place
                } else {
                    (place + 1) % count
                };
                return Ok(Some((place, frame)));
            }
        }
        Ok(None)
    }

    /// The same, waiting if need be; `None` if none came within the time.
    ///
    /// # Errors
    ///
    /// As [`recv_frame`](Self::recv_frame) and [`wait`](Self::wait).
    pub fn recv_frame_within(&mut self, timeout: Duration) -> Result<Option<(usize, Frame)>> {
        let deadline = Deadline::after(Some(timeout));
        loop {
            if let Some(found) = self.recv_frame()? {
                return Ok(Some(found));
            }
            let Some(slice) = deadline.slice() else {
                return Ok(None);
            };
            self.wait(Some(slice))?;
        }
    }

    /// The next packet of any socket, copied to `buffer`, without waiting, and the place of the socket. Its length is that of the packet: what does
    /// not fit into `buffer` is lost.
    ///
    /// # Errors
    ///
    /// As [`XskSocket::recv`], for any of them.
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<Option<(usize, usize)>> {
        let count = self.sockets.len();
        for place in (0..count).map(|step| (self.next + step) % count) {
            let Some(socket) = self.sockets.get_mut(place) else {
                continue;
            };
            if let Some(len) = socket.recv(buffer)? {
                self.next = (place + 1) % count;
                return Ok(Some((place, len)));
            }
        }
        Ok(None)
    }

    /// Waits until there are packets, or for so long; without a time, for as long as it takes. False if the time was over first, or there are no
    /// sockets.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`] when one of them has nothing to wait for; otherwise when waiting fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        if self.sockets.is_empty() {
            return Ok(false);
        }
        let deadline = Deadline::after(timeout);
        loop {
            for socket in &mut self.sockets {
                if socket.fill_up()? {
                    return Ok(true);
                }
            }
            let Some(slice) = deadline.slice() else {
                return Ok(false);
            };
            match self.epoll.wait(&mut self.ready, Some(slice)) {
                Ok(()) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::kernel("wait for packets", errno)),
            }
            for socket in &mut self.sockets {
                if socket.fill_up()? {
                    return Ok(true);
                }
                socket.check()?;
            }
        }
    }

    /// Sends a copy of a packet by the next socket that has room, without waiting; `None` if none has, otherwise the place of the socket.
    ///
    /// # Errors
    ///
    /// As [`XskSocket::send`].
    pub fn send(&mut self, packet: &[u8]) -> Result<Option<usize>> {
        let count = self.sockets.len();
        for place in (0..count).map(|step| (self.next_to_send + step) % count) {
            let Some(socket) = self.sockets.get_mut(place) else {
                continue;
            };
            if socket.send(packet)? {
                self.next_to_send = (place + 1) % count;
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The same, waiting if need be; `None` if there was no room within the time.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and when waiting fails.
    pub fn send_within(&mut self, packet: &[u8], timeout: Duration) -> Result<Option<usize>> {
        let deadline = Deadline::after(Some(timeout));
        loop {
            if let Some(place) = self.send(packet)? {
                return Ok(Some(place));
            }
            let mut waited = false;
            for socket in &mut self.sockets {
                waited |= socket.pause(deadline)?;
            }
            if !waited {
                return Ok(None);
            }
        }
    }
}

/// Can be read from when packets came by any of its sockets.
impl AsFd for XskSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
