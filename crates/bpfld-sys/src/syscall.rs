//! The one place that calls bpf(2).
//!
//! # Safety
//!
//! The kernel reads from and writes to the addresses in a command's arguments. Each function of this crate that fills
//! in arguments takes these addresses from slices, C strings and structures which it borrows until the call is over,
//! tells the kernel their true lengths, and borrows mutably what the kernel writes to.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::attr::CommonAttr;
use crate::{Command, Errno, Error};

/// Modifier of the command number: common attributes follow.
const COMMON_ATTRS: u32 = 1 << 16;

/// Calls bpf(2) and returns what it returns, if that is not an error.
///
/// No more of `attr` is sent than what holds its last byte that is not zero, but at least `floor` bytes: where the kernel
/// writes an answer, `floor` must cover it, since newer fields are written only then.
///
/// # Safety
///
/// Every address in `attr` and `common` must be valid for what `command` reads or writes there, over the length that
/// goes with it, and memory that the command writes to must be borrowed mutably until this returns.
pub(crate) unsafe fn bpf<T: IntoBytes + FromBytes + Immutable>(
    command: Command,
    attr: &mut T,
    floor: usize,
    common: Option<&mut CommonAttr>,
) -> Result<u32, Error> {
    let size = sent(attr.as_bytes(), floor);
    let attr: *mut T = attr;
    let (number, common, common_size) = match common {
        Some(common) => {
            let common: *mut CommonAttr = common;
            (command.0 | COMMON_ATTRS, common, size_of::<CommonAttr>())
        }
        None => (command.0, std::ptr::null_mut(), 0),
    };
    // SAFETY: `attr` points to at least `size` bytes and `common` to `common_size`, both ours to write; what they point to
    // is as the caller promises. Kernels that do not know common attributes do not look at the last two arguments.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, attr, size, common, common_size) };
    match u32::try_from(result) {
        Ok(result) => Ok(result),
        Err(_) => Err(Error::new(command, Errno::last())),
    }
}

/// The same for commands that return a descriptor. It is closed on execve(2), as all that bpf(2) returns.
///
/// # Safety
///
/// As for [`bpf`]. `command` must return a descriptor.
pub(crate) unsafe fn bpf_fd<T: IntoBytes + FromBytes + Immutable>(
    command: Command,
    attr: &mut T,
    floor: usize,
    common: Option<&mut CommonAttr>,
) -> Result<OwnedFd, Error> {
    // SAFETY: the caller's promise is that of `bpf`.
    let fd = unsafe { bpf(command, attr, floor, common) }?;
    let fd = RawFd::try_from(fd).map_err(|_| Error::new(command, Errno::EBADF))?;
    // SAFETY: the kernel has just made this descriptor for us and told nobody else.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // Where a standard stream is closed its number is given out again. As an argument, 0 means "none" in many places.
    // SAFETY: takes no addresses.
    let moved = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) };
    if moved < 0 {
        return Err(Error::new(command, Errno::last()));
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// How many bytes of the arguments to send.
fn sent(attr: &[u8], floor: usize) -> usize {
    let used = attr
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    used.max(floor).max(1).next_multiple_of(8).min(attr.len())
}

/// A descriptor as the arguments hold it.
pub(crate) fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// A descriptor that may be left out: 0 then.
pub(crate) fn raw_or_zero(fd: Option<BorrowedFd<'_>>) -> u32 {
    fd.map_or(0, raw)
}

/// The address of what the kernel reads; 0 if there is nothing.
pub(crate) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_ptr().expose_provenance() as u64
    }
}

/// The address of what the kernel writes; 0 if there is nothing.
pub(crate) fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_mut_ptr().expose_provenance() as u64
    }
}

/// A length as the arguments hold it.
pub(crate) fn length(command: Command, len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| Error::argument(command, "more than 4 GiB or elements in one argument"))
}

/// A name as the arguments hold it: cut to 15 bytes, padded with zeros.
pub(crate) fn name(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{name, sent};

    #[test]
    fn smallest_size() {
        assert_eq!(sent(&[0; 32], 0), 8);
        assert_eq!(sent(&[0; 4], 0), 4);
        assert_eq!(sent(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0], 0), 8);
        assert_eq!(sent(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0], 0), 10);
        assert_eq!(sent(&[0; 32], 12), 16);
    }

    #[test]
    fn names_are_cut() {
        assert_eq!(&name("short")[..6], b"short\0");
        assert_eq!(&name("0123456789abcdefgh"), b"0123456789abcde\0");
    }
}
