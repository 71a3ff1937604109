//! The ring of one CPU in a perf event array, and samples lent out of it.
//!
//! # Safety
//!
//! A sample is lent as a plain slice, so nothing may write to it meanwhile.
//!
//! - The kernel writes only between the position up to which the reader is done (the tail) and that plus the size of the ring: mapped
//!   writable, a ring is never overwritten. It publishes a record by moving the head behind it; [`CpuRing::look_for_more`] reads the head
//!   with acquire ordering before anybody looks at a record.
//! - Only [`CpuRing::publish`] writes the tail, by `&mut self`, which no lent sample outlives.
//! - Nobody else maps the ring: the descriptor of the event is ours alone, and the memory is not inherited.
#![expect(unsafe_code, reason = "lends slices out of mapped memory")]

use std::{
    os::fd::AsFd as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use bpfld_sys::{
    ElemFlags, Errno, PerfRecordType,
    mmap::{Access, SharedMmap, page_size},
    perf::{self, PerfEvent, Scope},
    plain::PerfEventHeader,
};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{Map, stride::Stride};

/// Where the kernel keeps head and tail in the first page (include/uapi/linux/perf_event.h, `perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// Bytes of a record's header.
const HEADER: u64 = size_of::<PerfEventHeader>() as u64;

/// Bytes of a sample that holds nothing: header and length, in whole words.
const LEAST_SAMPLE: usize = 16;

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
    pub(super) walk: Walk,
    /// What the kernel knows of the position.
    published: u64,
    /// A sample that lies partly at the end of the ring and partly at its start.
    joined: Vec<u8>,
}

/// How far the reader is. A copy, so that it can be kept in registers; never behind what the kernel was told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walk {
    /// Where the next record begins.
    position: u64,
    /// Up to where the kernel has written, as last seen.
    written: u64,
    /// From where on to publish and to look for more.
    pause: u64,
    stride: Stride,
}

/// What comes next in a ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A sample: where it lies, and how long it is.
    Sample(Place),
    /// So many samples did not fit.
    Lost(u64),
}

/// Where a sample lies. Valid until the next record is looked for or the ring publishes its position.
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
            walk: Walk::default(),
            published: 0,
            joined: Vec::new(),
        })
    }

    pub(super) fn cpu(&self) -> u32 {
        self.cpu
    }

    pub(super) fn event(&self) -> &PerfEvent {
        &self._event
    }

    /// The next sample of a walk, if that is all there is to do: the walk is not at its pause, and the record is a sample in one piece.
    /// Else [`slow`](Self::slow) finds out.
    ///
    /// The walk is the ring's own, or a copy that the caller puts back before publishing.
    #[inline]
    pub(super) fn quick(&self, walk: &mut Walk) -> Option<Place> {
        let header = self.header(walk)?;
        let (size, at) = (usize::from(header.size), self.offset(walk.position));
        let is_whole = size >= LEAST_SAMPLE && at + size <= self.memory.len();
        let is_sample = header.record_type == PerfRecordType::SAMPLE && walk.fits(u64::from(header.size));
        (is_sample && is_whole).then_some(())?;
        // SAFETY: sixteen bytes from `at` on are within the mapping, as just seen.
        let len = unsafe { self.memory.as_ptr().add(at + HEADER as usize) };
        // SAFETY: it is within, a multiple of eight, any bytes are valid, and the kernel wrote it before it moved the head.
        let len = unsafe { AtomicU32::from_ptr(len.cast()) }.load(Ordering::Relaxed) as usize;
        (HEADER as usize + 4 + len <= size).then_some(())?;
        walk.pass(&header);
        Some(Place::Whole {
            at: at + HEADER as usize + 4,
            len,
        })
    }

    /// The next record; records of other kinds are passed over. Gives space back to the kernel from time to time.
    pub(super) fn slow(&mut self) -> Result<Option<Found>, Damaged> {
        loop {
            let mut walk = self.walk;
            let Some(header) = self.header(&walk) else {
                match self.look_for_more() {
                    true => continue,
                    false => return Ok(None),
                }
            };
            let damaged = Damaged {
                position: walk.position,
            };
            let size = u64::from(header.size);
            if size < HEADER || !walk.fits(size) {
                return Err(damaged);
            }
            let found = match header.record_type {
                PerfRecordType::SAMPLE => {
                    let (position, len) = self.sample(&walk, &header).ok_or(damaged)?;
                    Some(Found::Sample(self.place(position, len)))
                }
                // An id, then the count.
                PerfRecordType::LOST if size >= 24 => {
                    Some(Found::Lost(self.word(walk.position + HEADER + 8)))
                }
                PerfRecordType::LOST => return Err(damaged),
                _ => None,
            };
            walk.pass(&header);
            self.walk = walk;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// The header of the next record; nothing at the pause.
    #[inline]
    fn header(&self, walk: &Walk) -> Option<PerfEventHeader> {
        // Positions only grow, and pass the pause by less than a record.
        if walk.position.wrapping_sub(walk.pause) <= self.mask {
            return None;
        }
        // Records are multiples of eight bytes, so that no word wraps.
        PerfEventHeader::read_from_bytes(self.word(walk.position).as_bytes()).ok()
    }

    /// Where the bytes of a sample begin, and how many they are; nothing if there cannot be such a sample.
    #[inline]
    fn sample(&self, walk: &Walk, header: &PerfEventHeader) -> Option<(u64, usize)> {
        let [a, b, c, d, ..] = self.word(walk.position + HEADER).to_ne_bytes();
        let (len, size) = (u32::from_ne_bytes([a, b, c, d]), u64::from(header.size));
        let fits = walk.fits(size) && HEADER + 4 + u64::from(len) <= size;
        fits.then_some((walk.position + HEADER + 4, len as usize))
    }

    /// How far the kernel is now; for comparing only, as nothing is read by it.
    pub(super) fn head(&self) -> u64 {
        self.memory
            .load_u64(HEAD, Ordering::Relaxed)
            .unwrap_or(self.walk.position)
    }

    /// Whether the reader is at a position, or past it.
    pub(super) fn is_behind(&self, position: u64) -> bool {
        // Positions only grow, and are less than half of what there is apart.
        self.walk.position.wrapping_sub(position) <= u64::MAX / 2
    }

    /// Publishes, and looks how far the kernel is; false if this reader is there already.
    fn look_for_more(&mut self) -> bool {
        self.publish();
        let (size, walk) = (self.mask + 1, &mut self.walk);
        walk.written = self
            .memory
            .load_u64(HEAD, Ordering::Acquire)
            .unwrap_or(walk.position);
        let available = walk.written.wrapping_sub(walk.position);
        // Often enough for programs not to run out of space.
        walk.pause = walk.position.wrapping_add(available.min(size / 8));
        available != 0
    }

    /// The bytes of a sample that was found last, if the position was not published since.
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
        let Walk { position, .. } = self.walk;
        if self.published != position {
            self.published = position;
            // The mapping is writable and the number aligned, so this cannot fail.
            let _ = self.memory.store_u64(TAIL, position, Ordering::Release);
        }
    }

    /// Where `len` bytes lie that begin at a position, joined if they wrap.
    fn place(&mut self, position: u64, len: usize) -> Place {
        let at = self.offset(position);
        if at + len <= self.memory.len() {
            return Place::Whole { at, len };
        }
        self.joined.resize(len, 0);
        let whole = self.memory.len().saturating_sub(at).min(len);
        let (first, rest) = self.joined.split_at_mut(whole);
        // Both are within: no sample is longer than the ring.
        let _ = (self.memory.read(at, first), self.memory.read(self.page, rest));
        Place::Joined
    }

    #[inline]
    fn offset(&self, position: u64) -> usize {
        self.page + (position & self.mask) as usize
    }

    /// The word at a position, which is a multiple of eight.
    #[inline]
    fn word(&self, position: u64) -> u64 {
        let at = self.offset(position);
        // SAFETY: a page and less than the size of the ring is within the mapping.
        let word = unsafe { self.memory.as_ptr().add(at) };
        // SAFETY: the sizes of pages and rings are multiples of eight, and so are positions (`Walk::fits` sees to it), so that a word from
        // there on is within and aligned.
        // Any bytes are valid, and whoever writes them does it under the atomic number.
        unsafe { AtomicU64::from_ptr(word.cast()) }.load(Ordering::Relaxed)
    }
}

impl Walk {
    /// Whether there can be a record of so many bytes.
    #[inline]
    fn fits(&self, size: u64) -> bool {
        size.is_multiple_of(8) && size <= self.written.wrapping_sub(self.position)
    }

    /// Goes on behind a record.
    #[inline]
    fn pass(&mut self, header: &PerfEventHeader) {
        self.position = self.stride.behind(self.position, u64::from(header.size));
    }
}

impl Drop for CpuRing {
    fn drop(&mut self) {
        // Programs stop writing to it. The slot may hold another's event by now only if somebody put it there meanwhile, who
        // then took the map over anyway. That it is empty already is what was wanted.
        let _ = bpfld_sys::map_delete_elem(self.map.map_fd(), self.cpu.as_bytes());
    }
}
