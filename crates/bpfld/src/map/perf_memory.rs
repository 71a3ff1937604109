//! The ring of one CPU in a perf event array, and samples lent out of it.
//!
//! # Safety
//!
//! A sample is lent as a plain slice, so nothing may write to it meanwhile.
//!
//! - The kernel writes only between the position up to which the reader is done (the tail) and that plus the size of the ring: mapped
//!   writable, a ring is never overwritten. It publishes a record by moving the head behind it; [`CpuRing::record`] reads the head with
//!   acquire ordering before it looks at a record.
//! - Only [`CpuRing::publish`] writes the tail, by `&mut self`, which no lent sample outlives.
//! - Nobody else maps the ring: the descriptor of the event is ours alone, and the memory is not inherited.
#![expect(unsafe_code, reason = "lends slices out of mapped memory")]

use std::{os::fd::AsFd as _, sync::atomic::Ordering};

use bpfld_sys::{
    ElemFlags, Errno, PerfRecordType,
    mmap::{Access, SharedMmap, page_size},
    perf::{self, PerfEvent, Scope},
    plain::PerfEventHeader,
};
use zerocopy::IntoBytes as _;

use super::Map;

/// Where the kernel keeps head and tail in the first page (include/uapi/linux/perf_event.h, `perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// Bytes of a record's header.
const HEADER: u64 = size_of::<PerfEventHeader>() as u64;

/// Ring, event and slot of a CPU.
#[derive(Debug)]
pub(super) struct CpuRing {
    cpu: u32,
    map: Map,
    _event: PerfEvent,
    /// A page of positions, then the data.
    memory: SharedMmap,
    page: usize,
    mask: u64,
    /// Where the next record begins.
    position: u64,
    /// What the kernel knows of it.
    published: u64,
    /// Up to where the kernel has written, as last seen.
    written: u64,
    /// A sample that lies partly at the end of the ring and partly at its start.
    joined: Vec<u8>,
}

/// What comes next in a ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A sample: where it lies, and how long it is.
    Sample(Place),
    /// So many samples did not fit.
    Lost(u64),
}

/// Where a sample lies. Valid until the ring publishes its position.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Whole {
        at: usize,
        len: usize,
    },
    /// It was put together out of two pieces.
    Joined,
}

/// A record that no kernel writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damaged {
    pub(super) position: u64,
}

impl CpuRing {
    /// Opens an event on a CPU, maps a ring of `size` bytes (a power of two, whole pages), and puts it into the map.
    pub(super) fn open(map: &Map, cpu: u32, size: usize, attr: &perf::Attr<'_>) -> Result<Self, Errno> {
        let page = page_size();
        let len = size.checked_add(page).ok_or(Errno::EOVERFLOW)?;
        if !size.is_power_of_two() || size < page {
            return Err(Errno::EINVAL);
        }
        let event = perf::perf_event_open(attr, Scope::Cpu(cpu))?;
        let memory = SharedMmap::new(&event, 0, len, Access::ReadWrite)?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&event.as_fd());
        bpfld_sys::map_update_elem(map.map_fd(), cpu.as_bytes(), fd.as_bytes(), ElemFlags::empty())
            .map_err(|error| error.errno())?;
        Ok(CpuRing {
            cpu,
            map: map.clone(),
            _event: event,
            memory,
            page,
            mask: size as u64 - 1,
            position: 0,
            published: 0,
            written: 0,
            joined: Vec::new(),
        })
    }

    pub(super) fn cpu(&self) -> u32 {
        self.cpu
    }

    pub(super) fn event(&self) -> &PerfEvent {
        &self._event
    }

    /// The next record; records of other kinds are passed over.
    #[inline]
    pub(super) fn record(&mut self) -> Result<Option<Found>, Damaged> {
        loop {
            if self.position == self.written {
                self.publish();
                self.written = self
                    .memory
                    .load_u64(HEAD, Ordering::Acquire)
                    .unwrap_or(self.position);
                if self.position == self.written {
                    return Ok(None);
                }
            }
            let damaged = Damaged {
                position: self.position,
            };
            let at = self.position;
            let mut header = PerfEventHeader::default();
            // Records are multiples of eight bytes, so that no header wraps.
            self.memory
                .read(self.offset(at), header.as_mut_bytes())
                .ok_or(damaged)?;
            let size = u64::from(header.size);
            if size < HEADER || size % 8 != 0 || size > self.written.wrapping_sub(at) {
                return Err(damaged);
            }
            self.position = at.wrapping_add(size);
            match header.record_type {
                PerfRecordType::SAMPLE => {
                    let len = u64::from(self.u32_at(at + HEADER).ok_or(damaged)?);
                    if HEADER + 4 + len > size {
                        return Err(damaged);
                    }
                    let place = self.place(at + HEADER + 4, len as usize).ok_or(damaged)?;
                    return Ok(Some(Found::Sample(place)));
                }
                PerfRecordType::LOST => {
                    // An id, then the count.
                    let offset = self.offset(at + HEADER + 8);
                    let count = self.memory.load_u64(offset, Ordering::Relaxed);
                    return Ok(Some(Found::Lost(count.filter(|_| size >= 24).ok_or(damaged)?)));
                }
                _ => {}
            }
        }
    }

    /// The bytes of a sample that [`record`](Self::record) found since the position was last published.
    #[inline]
    pub(super) fn bytes(&self, place: Place) -> &[u8] {
        match place {
            Place::Joined => &self.joined,
            Place::Whole { at, len } => {
                assert!(
                    at.checked_add(len).is_some_and(|end| end <= self.memory.len()),
                    "samples lie within the ring"
                );
                // SAFETY: `at` is within the mapping, as just asserted.
                let start = unsafe { self.memory.as_ptr().add(at) };
                // SAFETY: `len` bytes from there on are within the mapping, which lives as long as `self`. Nobody writes to them while `self`
                // is borrowed, for the reasons above: the head is behind them, and `publish` takes `&mut self`.
                unsafe { std::slice::from_raw_parts(start, len) }
            }
        }
    }

    /// Gives the space of all records read so far back to the kernel.
    #[inline]
    pub(super) fn publish(&mut self) {
        if self.published != self.position {
            self.published = self.position;
            // The mapping is writable and the number aligned, so this cannot fail.
            let _ = self.memory.store_u64(TAIL, self.position, Ordering::Release);
        }
    }

    /// Bytes that the kernel has written and this reader has not given back.
    pub(super) fn unpublished(&self) -> u64 {
        self.position.wrapping_sub(self.published)
    }

    /// Bytes of the ring.
    pub(super) fn size(&self) -> u64 {
        self.mask + 1
    }

    /// Where `len` bytes lie that begin at a position, joined if they wrap.
    fn place(&mut self, position: u64, len: usize) -> Option<Place> {
        let at = self.offset(position);
        let whole = self.memory.len().checked_sub(at)?;
        if len <= whole {
            return Some(Place::Whole { at, len });
        }
        self.joined.resize(len, 0);
        let (first, rest) = self.joined.split_at_mut(whole);
        self.memory.read(at, first)?;
        self.memory.read(self.page, rest)?;
        Some(Place::Joined)
    }

    fn offset(&self, position: u64) -> usize {
        self.page + (position & self.mask) as usize
    }

    #[inline]
    fn u32_at(&self, position: u64) -> Option<u32> {
        self.memory.load_u32(self.offset(position), Ordering::Relaxed)
    }
}

impl Drop for CpuRing {
    fn drop(&mut self) {
        // Programs stop writing to it. The slot may hold another's event by now only if somebody put it there meanwhile, who
        // then took the map over anyway. That it is empty already is what was wanted.
        let _ = bpfld_sys::map_delete_elem(self.map.map_fd(), self.cpu.as_bytes());
    }
}
