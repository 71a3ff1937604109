//! Waiting for whichever of several objects is ready first.
//!
//! # Safety
//!
//! epoll_ctl(2) reads one structure of ours, epoll_wait(2) writes as many as it is told there is room for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::Errno;
use crate::poll::milliseconds;

/// A set of objects to wait for. Since Linux 2.6.27.
///
/// ```
/// use std::io::Write as _;
///
/// use bpfld_sys::epoll::Epoll;
///
/// let epoll = Epoll::new()?;
/// let (reader, mut writer) = std::io::pipe().unwrap();
/// epoll.add(&reader, 7)?;
/// writer.write_all(b"x").unwrap();
/// let mut ready = Vec::with_capacity(8);
/// epoll.wait(&mut ready, None)?;
/// assert_eq!(ready, [7]);
/// # Ok::<(), bpfld_sys::Errno>(())
/// ```
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Most objects that one call tells of; the others come with the next.
const BATCH: usize = 64;

impl Epoll {
    /// Makes an empty set.
    ///
    /// # Errors
    ///
    /// `EMFILE` when there are too many open files.
    #[doc(alias = "epoll_create1")]
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: it takes a number only.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(Errno::last());
        }
        // SAFETY: the kernel has just made this descriptor for us and told nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd })
    }

    /// Adds an object to wait for until it can be read. It leaves the set when its last descriptor is closed.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it is in the set already; `EPERM` if it cannot be waited for.
    #[doc(alias = "epoll_ctl")]
    pub fn add(&self, object: impl AsFd, token: u64) -> Result<(), Errno> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        let object = object.as_fd().as_raw_fd();
        // SAFETY: `event` is one structure, which the kernel reads before the call returns.
        let result =
            unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, object, &raw mut event) };
        if result < 0 { Err(Errno::last()) } else { Ok(()) }
    }

    /// Waits until objects can be read and puts their tokens into `ready`, whose old contents go; none if `timeout` is over first.
    ///
    /// # Errors
    ///
    /// `EINTR` if a signal came.
    #[doc(alias = "epoll_wait")]
    pub fn wait(&self, ready: &mut Vec<u64>, timeout: Option<Duration>) -> Result<(), Errno> {
        ready.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let timeout = milliseconds(timeout);
        // SAFETY: the kernel writes at most `BATCH` structures, for which there is room.
        let count =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), BATCH as i32, timeout) };
        let count = usize::try_from(count).map_err(|_| Errno::last())?;
        ready.extend(events.iter().take(count).map(|event| event.u64));
        Ok(())
    }
}

/// Can be read from when one of its objects can.
impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn tells_which_is_ready() {
        let epoll = Epoll::new().unwrap();
        let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().unwrap()).collect();
        for (token, (reader, _)) in pipes.iter().enumerate() {
            epoll.add(reader, token as u64).unwrap();
        }
        assert_eq!(epoll.add(&pipes[0].0, 9), Err(Errno::EEXIST));
        let mut ready = vec![5];
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, []);
        let mut writer = &pipes[2].1;
        writer.write_all(b"x").unwrap();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready, [2]);
        assert_eq!(crate::poll::readable(&epoll, Some(Duration::ZERO)), Ok(true));
    }
}
