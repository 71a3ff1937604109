//! Ring buffers that forget their oldest records when they are full.

use std::{
    io,
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use bpfld_sys::{
    Errno, MapFlags, MapType,
    mmap::{Access, SharedMmap},
    poll,
};

use super::{
    Map,
    ring_memory::Claim,
    ring_pages::{BUSY, DISCARDED, HEADER, RingPages},
    view::check_type,
};
use crate::{Error, ErrorKind, Result};

/// The reader of a ring buffer made with [`MapFlags::RB_OVERWRITE`] (6.19): when it is full, the oldest records go.
///
/// A flight recorder: programs never wait for room, and what a reader finds is the newest. A record may be overwritten while it is
/// read, so that it is copied and then counts only if it was not.
///
/// ```no_run
/// use bpfld::{Map, OverwriteRing};
///
/// # fn example(map: &Map) -> Result<(), bpfld::Error> {
/// let mut recorder: OverwriteRing = map.try_into()?;
/// while let Some(record) = recorder.read()? {
///     println!("{record:02x?}");
/// }
/// println!("{} bytes were overwritten", recorder.lost_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OverwriteRing {
    map: Map,
    consumer: SharedMmap,
    /// A page of positions, then the data twice, so that records never wrap.
    producer: SharedMmap,
    page: usize,
    mask: u64,
    position: u64,
    lost: u64,
    record: Vec<u8>,
    _claim: Claim,
}

/// Where the kernel keeps its positions in the producer's page (kernel/bpf/ringbuf.c, `bpf_ringbuf`): up to where programs have reserved, up to
/// where they have submitted, and from where on records are whole.
const RESERVED: usize = 0;
const OVERWRITTEN: usize = 16;

impl OverwriteRing {
    /// Makes a ring buffer that belongs to no object: `bytes` is a power of two and whole pages.
    ///
    /// # Errors
    ///
    /// EINVAL for another size or on older kernels, and whenever the kernel refuses.
    pub fn create(name: &str, bytes: u32) -> Result<Self> {
        let map = Map::builder(MapType::RINGBUF, name).max_entries(bytes);
        map.flags(MapFlags::RB_OVERWRITE).create()?.try_into()
    }

    /// The next record that was not overwritten, without waiting; `None` if there is none, or the next one is not complete yet.
    ///
    /// # Errors
    ///
    /// When the ring does not hold what a kernel writes to it.
    pub fn read(&mut self) -> Result<Option<&[u8]>> {
        loop {
            self.skip_overwritten();
            let reserved = self.load(RESERVED);
            if self.position == reserved {
                self.publish();
                return Ok(None);
            }
            let at = self.page + (self.position & self.mask) as usize;
            let word = self.producer.load_u32(at, Ordering::Acquire).unwrap_or(BUSY);
            let len = word & !(BUSY | DISCARDED);
            let whole = (u64::from(len) + u64::from(HEADER)).next_multiple_of(8);
            let fits = whole <= reserved.wrapping_sub(self.position) && whole <= self.mask + 1;
            if fits && word & (BUSY | DISCARDED) == 0 {
                self.record.resize(len as usize, 0);
                // Within the data and its second image, as just checked.
                let _ = self.producer.read(at + HEADER as usize, &mut self.record);
            }
            // What was read before this line was read before the position below is.
            fence(Ordering::Acquire);
            if self.skip_overwritten() {
                continue;
            }
            if word & BUSY != 0 {
                self.publish();
                return Ok(None);
            }
            if !fits {
                let message = format!("holds no record at position {}", self.position);
                return Err(Error::new(
                    self.map.subject(),
                    ErrorKind::Inconsistent {
                        message: message.into(),
                    },
                ));
            }
            self.position = self.position.wrapping_add(whole);
            if word & DISCARDED == 0 {
                return Ok(Some(&self.record));
            }
        }
    }

    /// The next record, waiting for it if need be; `None` if there was none within the time.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and when waiting fails.
    pub fn read_within(&mut self, timeout: Duration) -> Result<Option<&[u8]>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.read()?.is_some() {
                return Ok(Some(&self.record));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            match poll::readable(&self.map, left) {
                Ok(true) | Err(Errno::EINTR) => {}
                Ok(false) => return Ok(None),
                Err(errno) => {
                    let source = io::Error::from_raw_os_error(errno.0);
                    return Err(Error::io(self.map.subject(), "wait for records", source));
                }
            }
        }
    }

    /// Bytes of records, headers included, that were overwritten before they were read.
    #[must_use]
    pub fn lost_bytes(&self) -> u64 {
        self.lost
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    fn load(&self, offset: usize) -> u64 {
        self.producer
            .load_u64(offset, Ordering::Acquire)
            .unwrap_or(self.position)
    }

    /// Goes on to the oldest record that is there; false if the position is not behind it.
    fn skip_overwritten(&mut self) -> bool {
        let oldest = self.load(OVERWRITTEN);
        // Positions only grow.
        let behind = oldest.wrapping_sub(self.position);
        if behind == 0 || behind > u64::MAX / 2 {
            return false;
        }
        self.lost = self.lost.saturating_add(behind);
        self.position = oldest;
        true
    }

    /// Tells the kernel how far this reader is: it wakes readers that have read all.
    fn publish(&self) {
        // The mapping is writable and its first number aligned, so this cannot fail.
        let _ = self.consumer.store_u64(0, self.position, Ordering::Release);
        fence(Ordering::SeqCst);
    }
}

impl TryFrom<Map> for OverwriteRing {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        check_type(&map, "OverwriteRing", &[MapType::RINGBUF])?;
        if !map.spec().flags.contains(MapFlags::RB_OVERWRITE) {
            let message = "keeps its oldest records, which `RingBuf` reads";
            return Err(Error::invalid(map.subject(), message));
        }
        let claim = Claim::new(map.info()?.id()).ok_or_else(|| {
            let message = "has a reader in this process already, and there can be only one";
            Error::invalid(map.subject(), message)
        })?;
        let failed = |errno: Errno| {
            Error::io(
                map.subject(),
                "map into memory",
                io::Error::from_raw_os_error(errno.0),
            )
        };
        let size = map.max_entries() as usize;
        let pages = RingPages::map(&map, size, Access::ReadWrite, Access::Read).map_err(failed)?;
        let RingPages {
            consumer,
            producer,
            page,
            mask,
        } = pages;
        let position = consumer.load_u64(0, Ordering::Acquire).unwrap_or(0) & !7;
        Ok(Self {
            consumer,
            producer,
            page,
            mask,
            position,
            lost: 0,
            record: Vec::new(),
            map,
            _claim: claim,
        })
    }
}

impl TryFrom<&Map> for OverwriteRing {
    type Error = Error;

    fn try_from(map: &Map) -> Result<Self> {
        map.clone().try_into()
    }
}
