//! Ring buffers: records from programs, in the order in which they were reserved.

use std::{
    fmt, io,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use bpfld_sys::{Errno, MapFlags, MapType, poll};

use super::{
    Map,
    ring_memory::{Claim, Damaged, Place, Ring, Walk},
    view::check_type,
};
use crate::{Error, ErrorKind, Result};

/// The reader of a ring buffer (5.8).
///
/// Records are lent, not copied. There is one reader of a ring in a process; readers in several processes would steal each other's
/// records.
///
/// Made from a [`Map`] with `try_into`, which maps the ring into memory. For an event loop, [`AsFd`] gives a descriptor that can be
/// read from when there are records; after it was, read until nothing is left.
///
/// ```no_run
/// use std::time::Duration;
///
/// use bpfld::{Map, RingBuf};
///
/// # fn example(map: &Map) -> Result<(), bpfld::Error> {
/// let mut events: RingBuf = map.try_into()?;
/// while let Some(record) = events.read_within(Duration::from_secs(1))? {
///     println!("{} bytes: {:02x?}", record.len(), &*record);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RingBuf {
    map: Map,
    ring: Ring,
    _claim: Claim,
}

/// A record of a ring buffer. Its space goes back to the ring when it is dropped.
pub struct RingRecord<'a> {
    ring: &'a mut Ring,
    place: Place,
}

/// Records read in a row, whose space goes back to the ring in larger pieces. Made by [`RingBuf::drain`].
#[derive(Debug)]
pub struct RingDrain<'a> {
    ring: &'a mut RingBuf,
    walk: Walk,
}

impl RingBuf {
    /// Makes a ring buffer that belongs to no object: `bytes` is a power of two and whole pages.
    ///
    /// # Errors
    ///
    /// EINVAL for another size, and whenever the kernel refuses.
    pub fn create(name: &str, bytes: u32) -> Result<Self> {
        Map::builder(MapType::RINGBUF, name)
            .max_entries(bytes)
            .create()?
            .try_into()
    }

    /// The next record, without waiting; `None` if there is none, or the next one is not complete yet.
    ///
    /// # Errors
    ///
    /// When the ring does not hold what a kernel writes to it.
    pub fn read(&mut self) -> Result<Option<RingRecord<'_>>> {
        let place = self.next_place()?;
        Ok(place.map(|place| self.lend(place)))
    }

    /// The next record, waiting for it if need be; `None` if there was none within the time.
    ///
    /// # Errors
    ///
    /// As [`read`](RingBuf::read) and [`wait`](RingBuf::wait).
    pub fn read_within(&mut self, timeout: Duration) -> Result<Option<RingRecord<'_>>> {
        let deadline = Instant::now().checked_add(timeout);
        let place = loop {
            if let Some(place) = self.next_place()? {
                break place;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || !self.wait(left)? {
                return Ok(None);
            }
        };
        Ok(Some(self.lend(place)))
    }

    /// Reads records in a row.
    ///
    /// ```no_run
    /// # fn example(events: &mut bpfld::RingBuf) -> Result<(), bpfld::Error> {
    /// let mut drain = events.drain();
    /// while let Some(record) = drain.read()? {
    ///     println!("{} bytes", record.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self) -> RingDrain<'_> {
        RingDrain {
            walk: self.ring.walk,
            ring: self,
        }
    }

    /// Waits until there are records, or for so long; without a time, for as long as it takes. False if the time was over first.
    ///
    /// A record that a program has reserved and not submitted counts too: [`read`](RingBuf::read) may find nothing after this.
    ///
    /// # Errors
    ///
    /// When waiting fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.ring.publish_before_waiting();
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match poll::readable(&self.map, left) {
                Ok(ready) => return Ok(ready),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    let source = io::Error::from_raw_os_error(errno.0);
                    return Err(Error::io(self.map.subject(), "wait for records", source));
                }
            }
        }
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.ring.size()
    }

    /// Bytes that programs have taken and this reader has not read, headers included.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.ring.available()
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Where the next record lies. If there is none, the position is published, and looked again.
    pub(super) fn next_place(&mut self) -> Result<Option<Place>> {
        let mut walk = self.ring.walk;
        let mut place = self.ring.slow(&mut walk);
        self.ring.walk = walk;
        if let Ok(None) = place {
            self.ring.publish_before_waiting();
            place = self.ring.slow(&mut walk);
            self.ring.walk = walk;
        }
        place.map_err(|damaged| self.damaged(damaged))
    }

    /// [`next_place`](Self::next_place) of a walk that the caller keeps.
    #[cold]
    fn next_of(&mut self, walk: Walk) -> (Walk, Result<Option<Place>>) {
        self.ring.walk = walk;
        let place = self.next_place();
        (self.ring.walk, place)
    }

    fn damaged(&self, damaged: Damaged) -> Error {
        let Damaged { position } = damaged;
        let message = format!("holds no record at position {position}, as if something else had read it too");
        Error::new(
            self.map.subject(),
            ErrorKind::Inconsistent {
                message: message.into(),
            },
        )
    }

    /// The record at a place that was found since the last record was dropped.
    pub(super) fn lend(&mut self, place: Place) -> RingRecord<'_> {
        RingRecord {
            ring: &mut self.ring,
            place,
        }
    }
}

impl RingDrain<'_> {
    /// The next record, without waiting; `None` if there is none, or the next one is not complete yet.
    ///
    /// # Errors
    ///
    /// When the ring does not hold what a kernel writes to it.
    #[inline]
    pub fn read(&mut self) -> Result<Option<&[u8]>> {
        let place = match self.ring.ring.quick(&mut self.walk) {
            Some(place) => place,
            None => {
                let place;
                (self.walk, place) = self.ring.next_of(self.walk);
                let Some(place) = place? else { return Ok(None) };
                place
            }
        };
        Ok(Some(self.ring.ring.bytes(place)))
    }
}

impl Drop for RingDrain<'_> {
    fn drop(&mut self) {
        self.ring.ring.walk = self.walk;
        self.ring.ring.publish();
    }
}

impl TryFrom<Map> for RingBuf {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        check_type(&map, "RingBuf", &[MapType::RINGBUF])?;
        if map.spec().flags.contains(MapFlags::RB_OVERWRITE) {
            let message = "overwrites its oldest records, which `OverwriteRing` reads";
            return Err(Error::invalid(map.subject(), message));
        }
        let claim = Claim::new(map.info()?.id()).ok_or_else(|| {
            Error::invalid(
                map.subject(),
                "has a reader in this process already, and there can be only one",
            )
        })?;
        let size = usize::try_from(map.max_entries()).unwrap_or(0);
        let ring = Ring::map(&map, size).map_err(|errno| {
            Error::io(
                map.subject(),
                "map into memory",
                io::Error::from_raw_os_error(errno.0),
            )
        })?;
        Ok(RingBuf {
            map,
            ring,
            _claim: claim,
        })
    }
}

impl TryFrom<&Map> for RingBuf {
    type Error = Error;

    fn try_from(map: &Map) -> Result<Self> {
        map.clone().try_into()
    }
}

/// Can be read from when there are records.
impl AsFd for RingBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

impl Deref for RingRecord<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.ring.bytes(self.place)
    }
}

impl AsRef<[u8]> for RingRecord<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for RingRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingRecord").field(&&**self).finish()
    }
}

impl Drop for RingRecord<'_> {
    fn drop(&mut self) {
        self.ring.publish();
    }
}
