//! The bare system call, and the map that all look-ups share.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Result, bail};

const MAP_CREATE: libc::c_long = 0;
const MAP_LOOKUP_ELEM: libc::c_long = 1;
const MAP_UPDATE_ELEM: libc::c_long = 2;
const HASH: u32 = 1;

/// What MAP_CREATE takes, as far as it is needed here.
#[repr(C)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// What the commands on elements take.
#[repr(C)]
struct Element {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A hash map in which every key below its size has itself as its value.
pub(crate) struct Map {
    pub(crate) fd: OwnedFd,
}

impl Map {
    pub(crate) fn new(elements: u32) -> Result<Map> {
        let create = Create {
            map_type: HASH,
            key_size: 4,
            value_size: 8,
            max_entries: elements,
        };
        // SAFETY: the attributes are plain numbers, and their size is told.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, MAP_CREATE, &create, size_of::<Create>()) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let map = Map {
            fd: unsafe { OwnedFd::from_raw_fd(fd as i32) },
        };
        for key in 0..elements {
            map.set(key, u64::from(key))?;
        }
        Ok(map)
    }

    #[inline]
    pub(crate) fn get(&self, key: u32) -> Result<u64> {
        let mut value = 0;
        self.element(MAP_LOOKUP_ELEM, key, &mut value)?;
        Ok(value)
    }

    #[inline]
    pub(crate) fn set(&self, key: u32, mut value: u64) -> Result<()> {
        self.element(MAP_UPDATE_ELEM, key, &mut value)
    }

    #[inline]
    fn element(&self, command: libc::c_long, key: u32, value: &mut u64) -> Result<()> {
        let element = Element {
            map_fd: self.fd.as_raw_fd() as u32,
            pad: 0,
            key: &raw const key as u64,
            value: &raw mut *value as u64,
            flags: 0,
        };
        // SAFETY: key and value have the sizes that the map was made with, and live until the call returns.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, &element, size_of::<Element>()) };
        if result < 0 {
            bail!(io::Error::last_os_error());
        }
        Ok(())
    }
}
