//! Perf event arrays read from user space: a ring for each CPU, and samples from programs in them.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use bpfld_sys::{Errno, MapType, epoll::Epoll, online_cpus, perf};

use super::{
    Map,
    perf_memory::{CpuRing, Damaged, Found, Walk},
    view::check_type,
};
use crate::{Error, ErrorKind, Result};

/// The reader of a perf event array, to which programs write with `bpf_perf_event_output` (4.4).
///
/// Each CPU has a ring of its own, so that the order of samples is known only within a CPU. Samples that found no room are
/// counted by the kernel and told of as [`PerfRecord::Lost`]. Where kernels have it (5.8), [`RingBuf`](super::RingBuf) is the better choice.
///
/// Samples are lent, not copied, but for the few that wrap around the end of a ring. A sample lasts until the next call.
///
/// ```no_run
/// use std::time::Duration;
///
/// use bpfld::{Map, PerfBuf, PerfRecord};
///
/// # fn example(map: &Map) -> Result<(), bpfld::Error> {
/// let mut events = PerfBuf::builder().bytes_per_cpu(64 << 10).open(map)?;
/// while let Some(record) = events.read_within(Duration::from_secs(1))? {
///     match record {
///         PerfRecord::Sample { cpu, data } => println!("CPU {cpu}: {data:02x?}"),
///         PerfRecord::Lost { cpu, count } => println!("CPU {cpu}: {count} lost"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PerfBuf {
    map: Map,
    rings: Vec<CpuRing>,
    epoll: Epoll,
    /// The ring to look at next.
    next: usize,
    lost: u64,
}

/// What a [`PerfBuf`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfRecord<'a> {
    /// A sample that a program wrote.
    Sample {
        /// The CPU whose slot it was written to.
        cpu: u32,
        /// What the program wrote, and up to seven bytes more: the kernel rounds up to whole words, less the four of the length.
        data: &'a [u8],
    },
    /// Samples that found no room since the last record.
    Lost {
        /// The CPU.
        cpu: u32,
        /// How many.
        count: u64,
    },
}

/// Records read in a row. Made by [`PerfBuf::drain`].
#[derive(Debug)]
pub struct PerfDrain<'a> {
    events: &'a mut PerfBuf,
    /// Of the ring that is looked at next.
    walk: Walk,
}

/// How a perf event array is to be read. Made by [`PerfBuf::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `open`"]
pub struct PerfBufBuilder {
    bytes_per_cpu: usize,
    wakeup: Wakeup,
    cpus: Option<Vec<u32>>,
}

/// When a waiting reader is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wakeup {
    /// When a CPU has so many samples; 1 is at each of them.
    Samples(u32),
    /// When the ring of a CPU holds so many bytes.
    Bytes(u32),
}

impl PerfBufBuilder {
    /// Bytes of each CPU's ring, rounded up to whole pages and a power of two; 64 KiB unless told.
    pub fn bytes_per_cpu(mut self, bytes: usize) -> Self {
        self.bytes_per_cpu = bytes;
        self
    }

    /// When to wake a waiting reader; at each sample unless told. Fewer wake-ups cost programs less, and readers wait longer.
    pub fn wakeup(mut self, wakeup: Wakeup) -> Self {
        self.wakeup = wakeup;
        self
    }

    /// Reads only these CPUs; all that are on-line unless told. Samples for others are refused to programs (ENOENT).
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = u32>) -> Self {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Opens an event for each CPU, puts it into the map, and maps its ring.
    ///
    /// # Errors
    ///
    /// When the map is of another type, and when the kernel refuses: EACCES without CAP_PERFMON, EPERM for rings beyond `kernel.perf_event_mlock_kb`
    /// without CAP_IPC_LOCK.
    #[doc(alias = "perf_buffer__new")]
    pub fn open(self, map: &Map) -> Result<PerfBuf> {
        let PerfBufBuilder {
            bytes_per_cpu,
            wakeup,
            cpus,
        } = self;
        check_type(map, "PerfBuf", &[MapType::PERF_EVENT_ARRAY])?;
        let failed = |doing: String| {
            move |errno: Errno| Error::io(map.subject(), doing, io::Error::from_raw_os_error(errno.0))
        };
        let attr = match wakeup {
            Wakeup::Samples(samples) => perf::Attr::bpf_output(samples.max(1)),
            Wakeup::Bytes(bytes) => perf::Attr::bpf_output(1).wakeup_bytes(bytes),
        };
        let size = bytes_per_cpu
            .max(bpfld_sys::mmap::page_size())
            .checked_next_power_of_two()
            .ok_or_else(|| Error::invalid(map.subject(), "a ring cannot be larger than the address space"))?;
        let cpus = match cpus {
            Some(cpus) => cpus,
            None => online_cpus().map_err(|source| Error::io(map.subject(), "list the CPUs", source))?,
        };
        let epoll = Epoll::new().map_err(failed("make a waiter for".into()))?;
        let mut rings = Vec::with_capacity(cpus.len());
        for cpu in cpus.into_iter().filter(|cpu| *cpu < map.max_entries()) {
            let ring = CpuRing::open(map, cpu, size, &attr)
                .map_err(failed(format!("open the ring of CPU {cpu} for")))?;
            epoll
                .add(ring.event(), rings.len() as u64)
                .map_err(failed(format!("wait for CPU {cpu} of")))?;
            rings.push(ring);
        }
        if rings.is_empty() {
            return Err(Error::invalid(map.subject(), "has no slot for any of the CPUs"));
        }
        Ok(PerfBuf {
            map: map.clone(),
            rings,
            epoll,
            next: 0,
            lost: 0,
        })
    }
}

impl PerfBuf {
    /// Describes how to read; [`PerfBufBuilder::open`] begins.
    pub fn builder() -> PerfBufBuilder {
        PerfBufBuilder {
            bytes_per_cpu: 64 << 10,
            wakeup: Wakeup::Samples(1),
            cpus: None,
        }
    }

    /// The next record of any CPU, without waiting; `None` if there is none.
    ///
    /// A CPU is read until it has no more, then the next one.
    ///
    /// # Errors
    ///
    /// When a ring does not hold what a kernel writes to it.
    pub fn read(&mut self) -> Result<Option<PerfRecord<'_>>> {
        let Some((index, found)) = self.find()? else {
            return Ok(None);
        };
        Ok(Some(self.lend(index, found)))
    }

    /// Reads records in a row, faster than one by one.
    ///
    /// ```no_run
    /// # fn example(events: &mut bpfld::PerfBuf) -> Result<(), bpfld::Error> {
    /// let mut drain = events.drain();
    /// while let Some(record) = drain.read()? {
    ///     println!("{record:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self) -> PerfDrain<'_> {
        PerfDrain {
            walk: self.walk(),
            events: self,
        }
    }

    /// Hands all records that there are to `take`, CPU by CPU; returns how many. This is the fastest way to read.
    ///
    /// It ends however fast programs write: what comes after a CPU's turn began waits for the next call, but for some that come along.
    ///
    /// ```no_run
    /// # fn example(events: &mut bpfld::PerfBuf) -> Result<(), bpfld::Error> {
    /// events.wait(None)?;
    /// events.for_each(|record| println!("{record:?}"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When a ring does not hold what a kernel writes to it. What was before that was handed over.
    #[doc(alias = "perf_buffer__consume")]
    pub fn for_each(&mut self, mut take: impl FnMut(PerfRecord<'_>)) -> Result<usize> {
        let mut count = 0;
        for _ in 0..self.rings.len() {
            let index = self.next;
            let end = self.rings.get(index).map_or(0, CpuRing::head);
            while let Some(ring) = self.rings.get_mut(index).filter(|ring| !ring.is_behind(end)) {
                let (cpu, mut walk) = (ring.cpu(), ring.walk);
                while let Some(place) = ring.quick(&mut walk) {
                    let data = ring.bytes(place);
                    take(PerfRecord::Sample { cpu, data });
                    count += 1;
                }
                ring.walk = walk;
                match ring.slow() {
                    Ok(Some(found)) => take(self.lend(index, found)),
                    Ok(None) => break,
                    Err(Damaged { position }) => return Err(self.damaged(index, position)),
                }
                count += 1;
            }
            self.next = (index + 1) % self.rings.len();
        }
        self.rings.iter_mut().for_each(CpuRing::publish);
        Ok(count)
    }

    /// The next record of any CPU, waiting for it if need be; `None` if there was none within the time.
    ///
    /// # Errors
    ///
    /// As [`read`](PerfBuf::read) and [`wait`](PerfBuf::wait).
    pub fn read_within(&mut self, timeout: Duration) -> Result<Option<PerfRecord<'_>>> {
        let deadline = Instant::now().checked_add(timeout);
        let (index, found) = loop {
            if let Some(found) = self.find()? {
                break found;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) || !self.wait(left)? {
                // A time that is over may have brought less than it takes to be woken.
                match self.find()? {
                    Some(found) => break found,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(self.lend(index, found)))
    }

    /// Waits until a CPU has as much as [`PerfBufBuilder::wakeup`] says, or for so long; without a time, for as long as it takes. False if
    /// the time was over first.
    ///
    /// # Errors
    ///
    /// When waiting fails.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.rings.iter_mut().for_each(CpuRing::publish);
        let mut ready = Vec::with_capacity(self.rings.len());
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match self.epoll.wait(&mut ready, left) {
                Ok(()) => {
                    if let Some(first) = ready.first() {
                        self.next = usize::try_from(*first).unwrap_or(0);
                    }
                    return Ok(!ready.is_empty());
                }
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    let source = io::Error::from_raw_os_error(errno.0);
                    return Err(Error::io(self.map.subject(), "wait for samples", source));
                }
            }
        }
    }

    /// How many samples were lost in all, as far as records read so far told.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The CPUs that are read.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        self.rings.iter().map(CpuRing::cpu)
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// How far the reader is in the ring that is looked at next.
    fn walk(&self) -> Walk {
        self.rings
            .get(self.next)
            .map_or_else(Walk::default, |ring| ring.walk)
    }

    /// The ring of the next record, and what was found in it.
    #[cold]
    pub(super) fn find(&mut self) -> Result<Option<(usize, Found)>> {
        for _ in 0..self.rings.len() {
            let index = self.next;
            let Some(ring) = self.rings.get_mut(index) else {
                self.next = 0;
                continue;
            };
            match ring.slow() {
                Ok(Some(found)) => return Ok(Some((index, found))),
                Ok(None) => self.next = (index + 1) % self.rings.len(),
                Err(Damaged { position }) => return Err(self.damaged(index, position)),
            }
        }
        Ok(None)
    }

    fn damaged(&self, index: usize, position: u64) -> Error {
        let cpu = self.rings.get(index).map_or(0, CpuRing::cpu);
        let message = format!("CPU {cpu}'s ring holds no record at position {position}");
        Error::new(
            self.map.subject(),
            ErrorKind::Inconsistent {
                message: message.into(),
            },
        )
    }

    #[inline]
    pub(super) fn lend(&mut self, index: usize, found: Found) -> PerfRecord<'_> {
        let ring = &self.rings[index];
        let cpu = ring.cpu();
        match found {
            Found::Sample(place) => PerfRecord::Sample {
                cpu,
                data: ring.bytes(place),
            },
            Found::Lost(count) => {
                self.lost = self.lost.saturating_add(count);
                PerfRecord::Lost { cpu, count }
            }
        }
    }
}

impl PerfDrain<'_> {
    /// The next record of any CPU, without waiting; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When a ring does not hold what a kernel writes to it.
    #[inline]
    pub fn read(&mut self) -> Result<Option<PerfRecord<'_>>> {
        let ring = self.events.rings.get(self.events.next);
        let (index, found) = match ring.and_then(|ring| ring.quick(&mut self.walk)) {
            Some(place) => (self.events.next, Found::Sample(place)),
            None => {
                self.put_back();
                let found = self.events.find();
                self.walk = self.events.walk();
                let Some(found) = found? else { return Ok(None) };
                found
            }
        };
        Ok(Some(self.events.lend(index, found)))
    }

    fn put_back(&mut self) {
        if let Some(ring) = self.events.rings.get_mut(self.events.next) {
            ring.walk = self.walk;
        }
    }
}

impl Drop for PerfDrain<'_> {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// Can be read from when a CPU has as much as [`PerfBufBuilder::wakeup`] says; after it was, read until nothing is left.
impl AsFd for PerfBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
