//! Several ring buffers, and one place to wait for them.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use bpfld_sys::{Errno, epoll::Epoll};

use super::{RingBuf, RingRecord, ring_memory::Place};
use crate::{Error, Result, Subject};

/// Several ring buffers that are waited for together (5.8).
///
/// ```no_run
/// use std::time::Duration;
///
/// use bpfld::{Map, RingSet};
///
/// # fn example(files: &Map, sockets: &Map) -> Result<(), bpfld::Error> {
/// let mut rings = RingSet::new()?;
/// let files = rings.add(files.try_into()?)?;
/// let sockets = rings.add(sockets.try_into()?)?;
/// while let Some((ring, record)) = rings.read_within(Duration::from_secs(1))? {
///     println!("{} bytes about {}", record.len(), if ring == files { "files" } else { "sockets" });
/// }
/// # let _ = sockets;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RingSet {
    rings: Vec<RingBuf>,
    epoll: Epoll,
    /// The ring to look at next.
    next: usize,
}

impl RingSet {
    /// A set without rings.
    ///
    /// # Errors
    ///
    /// When there are too many open files.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new().map_err(|errno| failed("make a waiter", errno))?;
        Ok(Self {
            rings: Vec::new(),
            epoll,
            next: 0,
        })
    }

    /// Adds a ring and tells its place, counted from 0.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn add(&mut self, ring: RingBuf) -> Result<usize> {
        let place = self.rings.len();
        let added = self.epoll.add(&ring, place as u64);
        added.map_err(|errno| {
            let source = io::Error::from_raw_os_error(errno.0);
            Error::io(ring.map().subject(), "add to a set", source)
        })?;
        self.rings.push(ring);
        Ok(place)
    }

    /// The rings, in the order in which they were added.
    #[must_use]
    pub fn rings(&self) -> &[RingBuf] {
        &self.rings
    }

    /// The rings, to read from one of them.
    pub fn rings_mut(&mut self) -> &mut [RingBuf] {
        &mut self.rings
    }

    /// The next record of any ring and the place of that, without waiting; `None` if there is none.
    ///
    /// Rings take turns, record by record, so that none has to wait for a busy one.
    ///
    /// # Errors
    ///
    /// As [`RingBuf::read`].
    pub fn read(&mut self) -> Result<Option<(usize, RingRecord<'_>)>> {
        let found = self.find()?;
        Ok(found.map(|(ring, place)| (ring, self.lend(ring, place))))
    }

    /// The next record of any ring, waiting for it if need be; `None` if there was none within the time.
    ///
    /// # Errors
    ///
    /// As [`RingBuf::read`], and when waiting fails.
    pub fn read_within(&mut self, timeout: Duration) -> Result<Option<(usize, RingRecord<'_>)>> {
        let deadline = Instant::now().checked_add(timeout);
        let (ring, place) = loop {
            if let Some(found) = self.find()? {
                break found;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || !self.wait(left)? {
                return Ok(None);
            }
        };
        Ok(Some((ring, self.lend(ring, place))))
    }

    /// Waits until a ring has records, or for so long; without a time, for as long as it takes. False if the time was over first.
    ///
    /// # Errors
    ///
    /// When waiting fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut ready = Vec::with_capacity(self.rings.len());
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.epoll.wait(&mut ready, left) {
                Ok(()) => return Ok(!ready.is_empty()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed("wait for records", errno)),
            }
        }
    }

    /// The next record; all rings that have none have given back the space of what was read.
    pub(super) fn find(&mut self) -> Result<Option<(usize, Place)>> {
        for _ in 0..self.rings.len() {
            let ring = self.next % self.rings.len();
            self.next = ring + 1;
            if let Some(place) = self.rings[ring].next_place()? {
                return Ok(Some((ring, place)));
            }
        }
        Ok(None)
    }

    /// The record that was found there since the last record was dropped.
    pub(super) fn lend(&mut self, ring: usize, place: Place) -> RingRecord<'_> {
        self.rings[ring].lend(place)
    }
}

/// Can be read from when one of the rings has records.
impl AsFd for RingSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn failed(doing: &'static str, errno: Errno) -> Error {
    Error::io(
        Subject::Map("ring buffers".into()),
        doing,
        io::Error::from_raw_os_error(errno.0),
    )
}
