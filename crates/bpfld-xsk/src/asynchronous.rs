//! Sockets to be awaited on a tokio runtime.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

use crate::{Error, Frame, Result, XskSet, XskSocket, error::errno};

/// A descriptor with its place in the runtime's event loop. What it is of only tells that something can be read: see
/// [`XskSocket::readiness`]. So the copy keeps no socket open.
#[derive(Debug)]
struct Waiter {
    fd: AsyncFd<OwnedFd>,
}

impl Waiter {
    fn new(readiness: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = readiness.try_clone_to_owned()?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe, because not everything that has a descriptor keeps it; an `OwnedFd` does"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Waits until something came since the last call; then it must be looked for until nothing is left.
    async fn ready(&mut self) -> Result<()> {
        let ready = self.fd.readable_mut().await;
        ready
            .map_err(|error| Error::kernel("wait for packets", errno(&error)))?
            .clear_ready();
        Ok(())
    }
}

macro_rules! asynchronous {
    ($($(#[$doc:meta])+ $waiter:ident of $inner:ident, by $readiness:expr;)*) => { $(
        $(#[$doc])+
        #[derive(Debug)]
        pub struct $waiter {
            waiter: Waiter,
            inner: $inner,
        }

        impl $waiter {
            /// Registers it with the runtime that this is called on.
            ///
            /// # Errors
            ///
            /// When the event loop does not take it.
            ///
            /// # Panics
            ///
            /// Outside of a tokio runtime, or on one without an I/O driver.
            pub fn new(inner: $inner) -> Result<Self> {
                let readiness: fn(&$inner) -> Result<BorrowedFd<'_>> = $readiness;
                let waiter = Waiter::new(readiness(&inner)?).map_err(|error| Error::kernel("wait for packets", errno(&error)))?;
                Ok(Self { waiter, inner })
            }

            /// What does not wait: to send above all.
            pub fn inner(&mut self) -> &mut $inner {
                &mut self.inner
            }

            /// The inner one, no longer registered.
            #[must_use]
            pub fn into_inner(self) -> $inner {
                self.inner
            }
        }
    )* };
}

asynchronous! {
    /// A socket whose packets are awaited (feature `tokio`).
    ///
    /// ```no_run
    /// # async fn example(socket: bpfld_xsk::XskSocket) -> Result<(), bpfld_xsk::Error> {
    /// let mut socket = bpfld_xsk::AsyncXskSocket::new(socket)?;
    /// loop {
    ///     let frame = socket.recv_frame().await?;
    ///     socket.inner().send_frame(frame)?;
    /// }
    /// # }
    /// ```
    ///
    /// A kernel does not wake up those who wait when the interface goes: [`XskSocket::check`] tells.
    AsyncXskSocket of XskSocket, by XskSocket::readiness;
    /// Several sockets whose packets are awaited together (feature `tokio`).
    AsyncXskSet of XskSet, by |set| Ok(set.as_fd());
}

impl AsyncXskSocket {
    /// The next packet in its frame, when it comes. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// As [`XskSocket::recv_frame`], and when waiting fails.
    pub async fn recv_frame(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.inner.recv_frame()? {
                return Ok(frame);
            }
            self.waiter.ready().await?;
            self.inner.check()?;
        }
    }

    /// The next packet, copied to `buffer`, when it comes; its length is that of the packet: what does not fit into `buffer` is lost.
    ///
    /// # Errors
    ///
    /// As [`XskSocket::recv`], and when waiting fails.
    pub async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if let Some(len) = self.inner.recv(buffer)? {
                return Ok(len);
            }
            self.waiter.ready().await?;
            self.inner.check()?;
        }
    }
}

impl AsyncXskSet {
    /// The next packet of any socket in its frame, and the place of the socket, when it comes. Nothing is lost if the future is dropped before it is
    /// ready.
    ///
    /// # Errors
    ///
    /// As [`XskSet::recv_frame`], and when waiting fails.
    pub async fn recv_frame(&mut self) -> Result<(usize, Frame)> {
        loop {
            if let Some(found) = self.inner.recv_frame()? {
                return Ok(found);
            }
            self.waiter.ready().await?;
        }
    }
}
