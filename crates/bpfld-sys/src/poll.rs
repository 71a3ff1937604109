//! Waiting until there is something to read.
//!
//! # Safety
//!
//! poll(2) reads and writes one structure of ours.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use crate::Errno;

/// Waits until `object` can be read; false if `timeout` is over first. Without one it waits for as long as it takes.
///
/// # Errors
///
/// `EINTR` if a signal came.
#[doc(alias = "poll")]
pub fn readable(object: impl AsFd, timeout: Option<Duration>) -> Result<bool, Errno> {
    // Rounded up, so that a short time is not a busy loop.
    let timeout = match timeout {
        None => -1,
        Some(timeout) => timeout
            .as_nanos()
            .div_ceil(1_000_000)
            .try_into()
            .unwrap_or(i32::MAX),
    };
    let mut wanted = libc::pollfd {
        fd: object.as_fd().as_raw_fd(),
        events: libc::POLLIN,
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
    }
}
