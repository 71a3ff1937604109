//! Waiting until something can be read or written.
//!
//! # Safety
//!
//! poll(2) reads and writes one structure of ours.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::Errno;

/// Waits until `object` can be read; false if `timeout` is over first. Without one it waits for as long as it takes.
///
/// # Errors
///
/// `EINTR` if a signal came.
#[doc(alias = "poll")]
pub fn readable(object: impl AsFd, timeout: Option<Duration>) -> Result<bool, Errno> {
    ready(object.as_fd(), libc::POLLIN, timeout)
}

/// Waits until `object` can be written; false if `timeout` is over first. Without one it waits for as long as it takes.
///
/// # Errors
///
/// `EINTR` if a signal came.
#[doc(alias = "poll")]
pub fn writable(object: impl AsFd, timeout: Option<Duration>) -> Result<bool, Errno> {
    ready(object.as_fd(), libc::POLLOUT, timeout)
}

/// A time in milliseconds as the kernel takes it. Rounded up, so that a short time is not a busy loop.
pub(crate) fn milliseconds(timeout: Option<Duration>) -> i32 {
    match timeout {
        None => -1,
        Some(timeout) => timeout
            .as_nanos()
            .div_ceil(1_000_000)
            .try_into()
            .unwrap_or(i32::MAX),
    }
}

fn ready(object: BorrowedFd<'_>, events: i16, timeout: Option<Duration>) -> Result<bool, Errno> {
    let timeout = milliseconds(timeout);
    let mut wanted = libc::pollfd {
        fd: object.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: `wanted` is one structure, borrowed mutably until the call returns.
    let result = unsafe { libc::poll(&raw mut wanted, 1, timeout) };
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn waits_for_a_byte() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert_eq!(readable(&reader, Some(Duration::ZERO)), Ok(false));
        assert_eq!(readable(&reader, Some(Duration::from_micros(10))), Ok(false));
        writer.write_all(b"x").unwrap();
        assert_eq!(readable(&reader, None), Ok(true));
        assert_eq!(writable(&writer, None), Ok(true));
    }
}
