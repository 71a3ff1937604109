//! libbpf's ways to elements of maps and records of programs.

use std::{
    ffi::{c_int, c_void},
    io,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
};

use anyhow::{Result, ensure};
use libbpf_sys::{
    bpf_map_lookup_batch, bpf_map_lookup_elem, bpf_map_update_elem, perf_buffer, perf_buffer__consume,
    perf_buffer__free, perf_buffer__new, ring_buffer, ring_buffer__consume, ring_buffer__free,
    ring_buffer__new,
};

use crate::channels::{BYTES, Seen};

/// Elements of a batch: more of them make it no faster.
const BATCH: usize = 4096;

#[inline]
pub(crate) fn get(map: impl AsFd, key: u32) -> Result<u64> {
    let mut value = 0u64;
    // SAFETY: key and value have the sizes that the map was made with.
    let result = unsafe {
        bpf_map_lookup_elem(
            map.as_fd().as_raw_fd(),
            (&raw const key).cast(),
            (&raw mut value).cast(),
        )
    };
    done(result)?;
    Ok(value)
}

#[inline]
pub(crate) fn set(map: impl AsFd, key: u32, value: u64) -> Result<()> {
    // SAFETY: key and value have the sizes that the map was made with.
    done(unsafe {
        bpf_map_update_elem(
            map.as_fd().as_raw_fd(),
            (&raw const key).cast(),
            (&raw const value).cast(),
            0,
        )
    })
}

/// Keys and values of all elements, added up.
pub(crate) fn dump(map: impl AsFd) -> Result<u64> {
    let (mut keys, mut values) = (vec![0u32; BATCH], vec![0u64; BATCH]);
    let (mut position, mut next) = (0u32, 0u32);
    let (mut first, mut sum) = (true, 0);
    loop {
        let mut count = BATCH as u32;
        let from = if first { ptr::null_mut() } else { &raw mut position };
        // SAFETY: positions of a hash map with keys of four bytes take four bytes, and there is room for so many keys and values.
        let result = unsafe {
            bpf_map_lookup_batch(
                map.as_fd().as_raw_fd(),
                from.cast(),
                (&raw mut next).cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &raw mut count,
                ptr::null(),
            )
        };
        let read = keys.iter().zip(&values).take(count as usize);
        sum += read.map(|(key, value)| u64::from(*key) + value).sum::<u64>();
        if result == -libc::ENOENT {
            return Ok(sum);
        }
        done(result)?;
        (position, first) = (next, false);
    }
}

/// A ring buffer, and what came out of it.
pub(crate) struct Ring {
    ring: *mut ring_buffer,
    seen: Box<Seen>,
}

impl Ring {
    pub(crate) fn new(map: impl AsFd) -> Result<Ring> {
        let mut seen = Box::<Seen>::default();
        let context = (&raw mut *seen).cast();
        // SAFETY: the callback takes such a context, which lives as long as the ring.
        let ring =
            unsafe { ring_buffer__new(map.as_fd().as_raw_fd(), Some(on_record), context, ptr::null()) };
        ensure!(!ring.is_null(), io::Error::last_os_error());
        Ok(Ring { ring, seen })
    }

    pub(crate) fn consume(&mut self) -> Result<()> {
        // SAFETY: it is open, and nobody else uses what it was given.
        done(unsafe { ring_buffer__consume(self.ring) }.min(0))
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is not used again.
        unsafe { ring_buffer__free(self.ring) }
    }
}

unsafe extern "C" fn on_record(context: *mut c_void, data: *mut c_void, size: u64) -> c_int {
    // SAFETY: `Ring::new` handed this context over, and libbpf lends a record of this size.
    unsafe {
        (*context.cast::<Seen>()).record(std::slice::from_raw_parts(data.cast(), size as usize));
    }
    0
}

/// The perf buffers of all CPUs, and what came out of them.
pub(crate) struct Perf {
    buffers: *mut perf_buffer,
    seen: Box<Seen>,
}

impl Perf {
    pub(crate) fn new(map: impl AsFd) -> Result<Perf> {
        let mut seen = Box::<Seen>::default();
        let context = (&raw mut *seen).cast();
        let pages = u64::from(BYTES) / bpfld_sys::mmap::page_size() as u64;
        // SAFETY: the callback takes such a context, which lives as long as the buffers.
        let buffers = unsafe {
            perf_buffer__new(
                map.as_fd().as_raw_fd(),
                pages,
                Some(on_sample),
                None,
                context,
                ptr::null(),
            )
        };
        ensure!(!buffers.is_null(), io::Error::last_os_error());
        Ok(Perf { buffers, seen })
    }

    pub(crate) fn consume(&mut self) -> Result<()> {
        // SAFETY: they are open, and nobody else uses what they were given.
        done(unsafe { perf_buffer__consume(self.buffers) }.min(0))
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is not used again.
        unsafe { perf_buffer__free(self.buffers) }
    }
}

unsafe extern "C" fn on_sample(context: *mut c_void, _cpu: c_int, data: *mut c_void, size: u32) {
    // SAFETY: `Perf::new` handed this context over, and libbpf lends a sample of this size.
    unsafe {
        (*context.cast::<Seen>()).record(std::slice::from_raw_parts(data.cast(), size as usize));
    }
}

#[inline]
fn done(result: c_int) -> Result<()> {
    ensure!(result == 0, io::Error::from_raw_os_error(-result));
    Ok(())
}
