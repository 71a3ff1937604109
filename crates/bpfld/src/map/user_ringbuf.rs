//! User ring buffers: records to programs, in the order in which they were reserved.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use bpfld_sys::{Errno, MapType, poll};

use super::{
    Map, Plain,
    ring_memory::Claim,
    user_ring_memory::{Fate, NoRoom, Room, UserRing},
    view::check_type,
};
use crate::{Error, Result};

/// The writer of a user ring buffer (6.1), which programs read with `bpf_user_ringbuf_drain`.
///
/// Records are written in place. There is one writer of a ring in a process.
///
/// ```no_run
/// use std::time::Duration;
///
/// use bpfld::{Map, UserRingBuf};
///
/// # fn example(map: &Map) -> Result<(), bpfld::Error> {
/// let mut orders: UserRingBuf = map.try_into()?;
/// match orders.reserve_within(8, Duration::from_millis(100))? {
///     Some(mut record) => {
///         record.copy_from_slice(&7u64.to_ne_bytes());
///         record.submit();
///     }
///     None => println!("no program reads"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UserRingBuf {
    map: Map,
    ring: UserRing,
    _claim: Claim,
}

/// Room for a record of a user ring buffer. Unless it is submitted, programs pass it over.
#[must_use = "without `submit` programs do not see it"]
pub struct UserRecord<'a> {
    ring: &'a mut UserRing,
    room: Room,
    fate: Fate,
}

impl UserRingBuf {
    /// Makes a user ring buffer that belongs to no object: `bytes` is a power of two and whole pages.
    ///
    /// # Errors
    ///
    /// EINVAL for another size, and whenever the kernel refuses.
    pub fn create(name: &str, bytes: u32) -> Result<Self> {
        Map::builder(MapType::USER_RINGBUF, name)
            .max_entries(bytes)
            .create()?
            .try_into()
    }

    /// Room for a record of `len` bytes, which hold what was in the ring before; `None` while programs have to read first.
    ///
    /// # Errors
    ///
    /// When the record is larger than the ring.
    pub fn reserve(&mut self, len: usize) -> Result<Option<UserRecord<'_>>> {
        let room = self.room(len)?;
        Ok(room.map(|room| self.record(room)))
    }

    /// Room for a record, waiting for programs to read if need be; `None` if they did not within the time.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), and when waiting fails.
    pub fn reserve_within(&mut self, len: usize, timeout: Duration) -> Result<Option<UserRecord<'_>>> {
        let deadline = Instant::now().checked_add(timeout);
        let room = loop {
            if let Some(room) = self.room(len)? {
                break room;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match poll::writable(&self.map, left) {
                Ok(true) => {}
                Err(Errno::EINTR) => {}
                Ok(false) => return Ok(None),
                Err(errno) => {
                    let source = io::Error::from_raw_os_error(errno.0);
                    return Err(Error::io(self.map.subject(), "wait for room", source));
                }
            }
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
        };
        Ok(Some(self.record(room)))
    }

    /// Writes a value as one record; false while programs have to read first.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    pub fn send<T: Plain>(&mut self, value: &T) -> Result<bool> {
        let Some(mut record) = self.reserve(size_of::<T>())? else {
            return Ok(false);
        };
        record.copy_from_slice(value.as_bytes());
        record.submit();
        Ok(true)
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.ring.size()
    }

    /// Bytes that are written and programs have not read, headers included.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.ring.unread()
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    fn room(&mut self, len: usize) -> Result<Option<Room>> {
        match self.ring.reserve(len) {
            Ok(room) => Ok(Some(room)),
            Err(NoRoom::Full) => Ok(None),
            Err(NoRoom::TooLarge) => {
                let message = format!(
                    "a record of {len} bytes and its header do not fit into {} bytes",
                    self.ring.size()
                );
                Err(Error::invalid(self.map.subject(), message))
            }
        }
    }

    fn record(&mut self, room: Room) -> UserRecord<'_> {
        UserRecord {
            ring: &mut self.ring,
            room,
            fate: Fate::Discarded,
        }
    }
}

impl UserRecord<'_> {
    /// Hands the record over to programs.
    pub fn submit(mut self) {
        self.fate = Fate::Submitted;
    }

    /// Lets programs pass the record over, as dropping it does.
    pub fn discard(self) {
        drop(self);
    }
}

impl Drop for UserRecord<'_> {
    fn drop(&mut self) {
        self.ring.commit(self.room, self.fate);
    }
}

impl Deref for UserRecord<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.ring.bytes(self.room)
    }
}

impl DerefMut for UserRecord<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.ring.bytes_mut(self.room)
    }
}

impl fmt::Debug for UserRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserRecord").field(&&**self).finish()
    }
}

impl TryFrom<Map> for UserRingBuf {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        check_type(&map, "UserRingBuf", &[MapType::USER_RINGBUF])?;
        let claim = Claim::new(map.info()?.id()).ok_or_else(|| {
            Error::invalid(
                map.subject(),
                "has a writer in this process already, and there can be only one",
            )
        })?;
        let size = usize::try_from(map.max_entries()).unwrap_or(0);
        let ring = UserRing::map(&map, size).map_err(|errno| {
            Error::io(
                map.subject(),
                "map into memory",
                io::Error::from_raw_os_error(errno.0),
            )
        })?;
        Ok(Self {
            map,
            ring,
            _claim: claim,
        })
    }
}

impl TryFrom<&Map> for UserRingBuf {
    type Error = Error;

    fn try_from(map: &Map) -> Result<Self> {
        map.clone().try_into()
    }
}

/// Can be written to when programs have read some of it.
impl AsFd for UserRingBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}
