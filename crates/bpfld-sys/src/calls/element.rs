//! Reading and writing single elements of maps.

use crate::syscall::{address, address_mut, bpf, raw};
use crate::{Command, ElemFlags, Error, MapFd, attr};
use std::os::fd::AsFd;

/// Reads the value of `key` into `value`. Since Linux 3.18.
///
/// `key` must have [`MapFd::key_size`] bytes: none for queues, stacks and Bloom filters. `value` must have
/// [`MapFd::user_value_size`] bytes, with [`ElemFlags::F_CPU`] only [`MapFd::value_size`]. In a Bloom filter `value` is what is looked for.
///
/// # Errors
///
/// `ENOENT` if the key is not there; `EINVAL` for a wrong length or a map that cannot be read this way; `EPERM` for one that
/// user space may not read; `EOPNOTSUPP` for kinds that have no look-up.
#[doc(alias = "BPF_MAP_LOOKUP_ELEM")]
pub fn map_lookup_elem(map: &MapFd, key: &[u8], value: &mut [u8], flags: ElemFlags) -> Result<(), Error> {
    lookup(Command::MAP_LOOKUP_ELEM, map, key, value, flags)
}

/// Reads the value of `key` into `value` and removes the key. Since Linux 4.20 for queues and stacks, 5.14 for hash tables.
///
/// # Errors
///
/// As [`map_lookup_elem`].
#[doc(alias = "BPF_MAP_LOOKUP_AND_DELETE_ELEM")]
pub fn map_lookup_and_delete_elem(
    map: &MapFd,
    key: &[u8],
    value: &mut [u8],
    flags: ElemFlags,
) -> Result<(), Error> {
    lookup(Command::MAP_LOOKUP_AND_DELETE_ELEM, map, key, value, flags)
}

fn lookup(
    command: Command,
    map: &MapFd,
    key: &[u8],
    value: &mut [u8],
    flags: ElemFlags,
) -> Result<(), Error> {
    check_key(command, map, key)?;
    check_value(command, map, value, flags)?;
    let mut attr = attr::MapLookupElem {
        map_fd: raw(map.as_fd()),
        key: address(key),
        value: address_mut(value),
        flags,
        ..Default::default()
    };
    // SAFETY: `key` and `value` are borrowed and as long as keys and values of this map.
    unsafe { bpf(command, &mut attr, 0, None) }?;
    Ok(())
}

/// Writes the value of `key`. Since Linux 3.18.
///
/// Lengths as in [`map_lookup_elem`]; with [`ElemFlags::F_CPU`] or [`ElemFlags::F_ALL_CPUS`] `value` has [`MapFd::value_size`] bytes.
/// For maps of maps, programs, sockets and the like the value is the number of a descriptor.
///
/// # Errors
///
/// `EEXIST` and `ENOENT` as [`ElemFlags::NOEXIST`] and [`ElemFlags::EXIST`] want it; `E2BIG` if the map is full or the index beyond the end; `EBUSY` if
/// the same bucket is being written, and for struct_ops; `EPERM` for a map that user space may not write; `EINVAL` for a wrong length.
#[doc(alias = "BPF_MAP_UPDATE_ELEM")]
pub fn map_update_elem(map: &MapFd, key: &[u8], value: &[u8], flags: ElemFlags) -> Result<(), Error> {
    const COMMAND: Command = Command::MAP_UPDATE_ELEM;
    check_key(COMMAND, map, key)?;
    check_value(COMMAND, map, value, flags)?;
    let mut attr = attr::MapUpdateElem {
        map_fd: raw(map.as_fd()),
        key: address(key),
        value: address(value),
        flags,
        ..Default::default()
    };
    // SAFETY: `key` and `value` are borrowed and as long as keys and values of this map; both are read.
    unsafe { bpf(COMMAND, &mut attr, 0, None) }?;
    Ok(())
}

/// Removes `key`. Since Linux 3.18.
///
/// # Errors
///
/// `ENOENT` if it is not there; `EINVAL` for arrays and a wrong length.
#[doc(alias = "BPF_MAP_DELETE_ELEM")]
pub fn map_delete_elem(map: &MapFd, key: &[u8]) -> Result<(), Error> {
    const COMMAND: Command = Command::MAP_DELETE_ELEM;
    check_key(COMMAND, map, key)?;
    let mut attr = attr::MapDeleteElem {
        map_fd: raw(map.as_fd()),
        key: address(key),
        ..Default::default()
    };
    // SAFETY: `key` is borrowed and as long as keys of this map; it is read.
    unsafe { bpf(COMMAND, &mut attr, 0, None) }?;
    Ok(())
}

/// Writes the key after `key` into `next`: the first one if `key` is not given (since Linux 4.12) or not there. Since Linux 3.18.
///
/// Both must have [`MapFd::key_size`] bytes. Keys come in no particular order, and when `key` is removed meanwhile the walk
/// starts again.
///
/// # Errors
///
/// `ENOENT` after the last one.
#[doc(alias = "BPF_MAP_GET_NEXT_KEY")]
pub fn map_get_next_key(map: &MapFd, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Error> {
    const COMMAND: Command = Command::MAP_GET_NEXT_KEY;
    if let Some(key) = key {
        check_key(COMMAND, map, key)?;
    }
    check_key(COMMAND, map, next)?;
    let mut attr = attr::MapGetNextKey {
        map_fd: raw(map.as_fd()),
        key: address(key.unwrap_or_default()),
        next_key: address_mut(next),
        ..Default::default()
    };
    // SAFETY: both are borrowed, `next` mutably, and as long as keys of this map.
    unsafe { bpf(COMMAND, &mut attr, 0, None) }?;
    Ok(())
}

/// Forbids further writes from user space, for good. Since Linux 5.2.
///
/// # Errors
///
/// `EBUSY` while it is mapped for writing or frozen already; `ENOTSUPP` for struct_ops and maps with special fields.
#[doc(alias = "BPF_MAP_FREEZE")]
pub fn map_freeze(map: impl AsFd) -> Result<(), Error> {
    let mut attr = attr::MapFreeze {
        map_fd: raw(map.as_fd()),
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::MAP_FREEZE, &mut attr, 0, None) }?;
    Ok(())
}

fn check_key(command: Command, map: &MapFd, key: &[u8]) -> Result<(), Error> {
    if key.len() == map.key_size() {
        Ok(())
    } else {
        Err(Error::argument(command, "the key has the wrong length"))
    }
}

fn check_value(command: Command, map: &MapFd, value: &[u8], flags: ElemFlags) -> Result<(), Error> {
    if value.len() == value_size(map, flags) {
        Ok(())
    } else {
        Err(Error::argument(command, "the value has the wrong length"))
    }
}

/// Bytes that the kernel reads or writes for a value. Kernels that do not know the flags refuse them.
pub(super) fn value_size(map: &MapFd, flags: ElemFlags) -> usize {
    if flags.intersects(ElemFlags::F_CPU | ElemFlags::F_ALL_CPUS)
        && map.is_per_cpu()
        && map.map_type().name().is_some()
    {
        map.value_size()
    } else {
        map.user_value_size()
    }
}
