//! One packet at a time: copied, or as a frame; without waiting, or within a time.

use std::time::{Duration, Instant};

use bpfld_sys::{Errno, poll};

use crate::{Error, Frame, Result, XskSocket};

/// Packets that are taken from the RX ring at once.
const BATCH: usize = 64;

/// How long a wait lasts before the interface is looked after: kernels do not wake those up who wait when it goes.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// How long to wait for packets to be sent, which kernels tell nobody of.
const PAUSE: Duration = Duration::from_micros(50);

/// The end of a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Never, without a time.
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What is left of it, but not more than until the interface is looked after; nothing when it is over.
    pub(crate) fn slice(self) -> Option<Duration> {
        let Some(end) = self.0 else {
            return Some(LOOK_AFTER);
        };
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(LOOK_AFTER))
    }
}

impl XskSocket {
    /// The next packet, copied to `buffer`, without waiting; `None` if there is none. Returns the length of the packet: what does not fit
    /// into `buffer` is lost.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        let Some(mut frame) = self.recv_frame()? else {
            return Ok(None);
        };
        let mut len = 0;
        loop {
            let rest = buffer.get_mut(len..).unwrap_or_default();
            let fits = rest.len().min(frame.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..fits), frame.get(..fits)) {
                to.copy_from_slice(from);
            }
            len += frame.len();
            if !frame.continues() {
                return Ok(Some(len));
            }
            // A kernel shows all frames of a packet at once.
            match self.recv_frame()? {
                Some(next) => frame = next,
                None => return Ok(Some(len)),
            }
        }
    }

    /// The same, waiting if need be; `None` if none came within the time.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive) and [`wait`](Self::wait).
    pub fn recv_within(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<Option<usize>> {
        self.wait(Some(timeout))?;
        self.recv(buffer)
    }

    /// The next packet in its frame, without waiting; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn recv_frame(&mut self) -> Result<Option<Frame>> {
        self.fill_up()?;
        Ok(self.waiting.pop_front())
    }

    /// The same, waiting if need be; `None` if none came within the time.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive) and [`wait`](Self::wait).
    pub fn recv_frame_within(&mut self, timeout: Duration) -> Result<Option<Frame>> {
        self.wait(Some(timeout))?;
        self.recv_frame()
    }

    /// Waits until there are packets, or for so long; without a time, for as long as it takes. False if the time was over first.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`] when there is nothing to wait for; otherwise when waiting fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = Deadline::after(timeout);
        loop {
            if self.fill_up()? {
                return Ok(true);
            }
            let slice = deadline.slice();
            match poll::readable(&self.fd, Some(slice.unwrap_or_default())) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::kernel("wait for packets", errno)),
            }
            if self.fill_up()? {
                return Ok(true);
            }
            self.check()?;
            if slice.is_none() {
                return Ok(false);
            }
        }
    }

    /// Takes packets from the RX ring if none wait; false if there is still none.
    pub(crate) fn fill_up(&mut self) -> Result<bool> {
        if self.waiting.is_empty() {
            let mut waiting = std::mem::take(&mut self.waiting);
            let result = self.pull(&mut waiting, BATCH);
            self.waiting = waiting;
            result?;
        }
        Ok(!self.waiting.is_empty())
    }

    /// Sends a copy of a packet, without waiting; false if there is no room for it now.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if it does not fit into a frame; otherwise as [`transmit`](Self::transmit).
    pub fn send(&mut self, packet: &[u8]) -> Result<bool> {
        let mut frame = match self.frame() {
            Err(Error::NoFrame) => return Ok(false),
            frame => frame?,
        };
        frame.set(packet)?;
        Ok(self.send_frame(frame)?.is_none())
    }

    /// The same, waiting if need be; false if there was no room within the time.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and when waiting fails.
    pub fn send_within(&mut self, packet: &[u8], timeout: Duration) -> Result<bool> {
        let deadline = Deadline::after(Some(timeout));
        while !self.send(packet)? {
            if !self.pause(deadline)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a packet in its frame, without waiting; returns it if there is no room for it now.
    ///
    /// # Errors
    ///
    /// As [`transmit`](Self::transmit); the frame is dropped then.
    pub fn send_frame(&mut self, frame: Frame) -> Result<Option<Frame>> {
        let mut single = std::mem::take(&mut self.single);
        single.push(frame);
        let result = self.transmit(&mut single);
        let left = single.pop();
        self.single = single;
        result.map(|_| left)
    }

    /// The same, waiting if need be; returns it if there was no room within the time.
    ///
    /// # Errors
    ///
    /// As [`send_frame`](Self::send_frame), and when waiting fails.
    pub fn send_frame_within(&mut self, mut frame: Frame, timeout: Duration) -> Result<Option<Frame>> {
        let deadline = Deadline::after(Some(timeout));
        loop {
            match self.send_frame(frame)? {
                Some(left) if self.pause(deadline)? => frame = left,
                left => return Ok(left),
            }
        }
    }

    /// Waits a little for room to send; false if the time is over.
    pub(crate) fn pause(&mut self, deadline: Deadline) -> Result<bool> {
        let Some(slice) = deadline.slice() else {
            return Ok(false);
        };
        self.check()?;
        std::thread::sleep(slice.min(PAUSE));
        self.flush()?;
        self.channel.complete()?;
        Ok(true)
    }
}
