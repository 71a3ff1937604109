//! Reading and writing many elements of a map at once.
//!
//! Keys stand one after the other in one buffer, values in another. Since Linux 5.6 for hash tables and arrays; later for others.

use std::os::fd::AsFd;

use super::element::value_size;
use crate::syscall::{address, address_mut, bpf, raw};
use crate::{Command, ElemFlags, Error, MapFd, attr};

/// Reads up to `count` elements. Since Linux 5.6.
///
/// `cursor` is where the last call left off, nothing for the first one; `next` becomes where this one left off. Both have
/// [`MapFd::cursor_size`] bytes. `count` becomes the number of elements read.
///
/// # Errors
///
/// `ENOENT` after the last element: the `count` elements of this call are valid all the same. `ENOSPC` if a bucket of a hash table has more elements
/// than fit: try again with more room. `EINVAL` if a buffer is too short for `count`; `ENOTSUPP` for kinds that cannot do it.
#[doc(alias = "BPF_MAP_LOOKUP_BATCH")]
pub fn map_lookup_batch(
    map: &MapFd,
    cursor: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
    count: &mut u32,
    flags: ElemFlags,
) -> Result<(), Error> {
    lookup(
        Command::MAP_LOOKUP_BATCH,
        map,
        cursor,
        next,
        keys,
        values,
        count,
        flags,
    )
}

/// Reads up to `count` elements and removes them. Since Linux 5.6, for hash tables.
///
/// # Errors
///
/// As [`map_lookup_batch`].
#[doc(alias = "BPF_MAP_LOOKUP_AND_DELETE_BATCH")]
pub fn map_lookup_and_delete_batch(
    map: &MapFd,
    cursor: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
    count: &mut u32,
    flags: ElemFlags,
) -> Result<(), Error> {
    lookup(
        Command::MAP_LOOKUP_AND_DELETE_BATCH,
        map,
        cursor,
        next,
        keys,
        values,
        count,
        flags,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "those of the two commands, and which of them"
)]
fn lookup(
    command: Command,
    map: &MapFd,
    cursor: Option<&[u8]>,
    next: &mut [u8],
    keys: &mut [u8],
    values: &mut [u8],
    count: &mut u32,
    elem_flags: ElemFlags,
) -> Result<(), Error> {
    if cursor.is_some_and(|cursor| cursor.len() < map.cursor_size()) || next.len() < map.cursor_size() {
        return Err(Error::argument(command, "a cursor is too short"));
    }
    check(command, keys, map.key_size(), *count)?;
    check(command, values, value_size(map, elem_flags), *count)?;
    let attr = attr::MapBatch {
        in_batch: address(cursor.unwrap_or_default()),
        out_batch: address_mut(next),
        keys: address_mut(keys),
        values: address_mut(values),
        count: *count,
        map_fd: raw(map.as_fd()),
        elem_flags,
        flags: 0,
    };
    // SAFETY: all four are borrowed, mutably but for `cursor`. The cursors have the length of a key and of the number of a
    // bucket, the others room for `count` keys and values.
    unsafe { send(command, attr, count) }
}

/// Writes `count` elements. Since Linux 5.6. `count` becomes the number written, also where an error stops it.
///
/// # Errors
///
/// As [`map_update_elem`](crate::map_update_elem); `EINVAL` if a buffer is too short for `count`; `ENOTSUPP` for kinds that cannot do it.
#[doc(alias = "BPF_MAP_UPDATE_BATCH")]
pub fn map_update_batch(
    map: &MapFd,
    keys: &[u8],
    values: &[u8],
    count: &mut u32,
    elem_flags: ElemFlags,
) -> Result<(), Error> {
    const COMMAND: Command = Command::MAP_UPDATE_BATCH;
    check(COMMAND, keys, map.key_size(), *count)?;
    check(COMMAND, values, value_size(map, elem_flags), *count)?;
    let attr = attr::MapBatch {
        keys: address(keys),
        values: address(values),
        count: *count,
        map_fd: raw(map.as_fd()),
        elem_flags,
        ..Default::default()
    };
    // SAFETY: both are borrowed and hold `count` keys and values; they are read.
    unsafe { send(COMMAND, attr, count) }
}

/// Removes `count` keys. Since Linux 5.6. `count` becomes the number removed, also where an error stops it.
///
/// # Errors
///
/// As [`map_delete_elem`](crate::map_delete_elem), `ENOENT` also for keys that are not there; `EINVAL` if the buffer is too short for `count`.
#[doc(alias = "BPF_MAP_DELETE_BATCH")]
pub fn map_delete_batch(
    map: &MapFd,
    keys: &[u8],
    count: &mut u32,
    elem_flags: ElemFlags,
) -> Result<(), Error> {
    const COMMAND: Command = Command::MAP_DELETE_BATCH;
    check(COMMAND, keys, map.key_size(), *count)?;
    let attr = attr::MapBatch {
        keys: address(keys),
        count: *count,
        map_fd: raw(map.as_fd()),
        elem_flags,
        ..Default::default()
    };
    // SAFETY: `keys` is borrowed and holds `count` keys; it is read.
    unsafe { send(COMMAND, attr, count) }
}

/// Calls one of the commands, and tells for how many elements it did what it does.
///
/// # Safety
///
/// Every address in `attr` must be valid for what the command does there, over the length that goes with it.
unsafe fn send(command: Command, mut attr: attr::MapBatch, count: &mut u32) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    let result = unsafe { bpf(command, &mut attr, 0, None) };
    *count = attr.count;
    result.map(|_| ())
}

/// Checks that `buffer` has room for `count` elements of `size` bytes.
fn check(command: Command, buffer: &[u8], size: usize, count: u32) -> Result<(), Error> {
    let needed = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(size));
    if needed.is_some_and(|needed| needed <= buffer.len()) {
        Ok(())
    } else {
        Err(Error::argument(
            command,
            "a buffer is too short for so many elements",
        ))
    }
}
