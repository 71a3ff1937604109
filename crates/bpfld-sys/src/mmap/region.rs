//! A mapping, and nothing about what is in it.
//!
//! # Safety
//!
//! The kernel chooses where a mapping lies, or is asked not to replace another. [`Region`] is its only owner, and unmaps it; the
//! types beside it say what may be read and written.

use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::Errno;

/// A mapping; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) start: NonNull<u8>,
    pub(super) len: NonZeroUsize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Region {}
// SAFETY: a shared reference gives no access but what the types below make of it.
unsafe impl Sync for Region {}

impl Region {
    pub(super) fn new(
        fd: Option<BorrowedFd<'_>>,
        offset: u64,
        len: usize,
        protection: i32,
        sharing: i32,
    ) -> Result<Self, Errno> {
        let len = NonZeroUsize::new(len)
            .filter(|len| isize::try_from(len.get()).is_ok())
            .ok_or(Errno::EINVAL)?;
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        let anywhere = std::ptr::null_mut();
        let fd = fd.map_or(-1, |fd| fd.as_raw_fd());
        // SAFETY: no address is asked for, so that nothing that is mapped already is touched.
        let start = unsafe { libc::mmap(anywhere, len.get(), protection, sharing, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { start, len })
    }

    /// Tells the kernel how the memory is used.
    pub(super) fn advise(&self, advice: i32) -> Result<(), Errno> {
        // SAFETY: the mapping is ours, and neither advice that is given here changes what is in it.
        match unsafe { libc::madvise(self.start.as_ptr().cast(), self.len.get(), advice) } {
            0 => Ok(()),
            _ => Err(Errno::last()),
        }
    }

    /// Maps the start of an object at an address, or nowhere.
    pub(super) fn at(fd: BorrowedFd<'_>, address: usize, len: usize, protection: i32) -> Result<Self, Errno> {
        let len = NonZeroUsize::new(len)
            .filter(|len| isize::try_from(len.get()).is_ok())
            .ok_or(Errno::EINVAL)?;
        let wanted = std::ptr::without_provenance_mut(address);
        let sharing = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: the flag keeps what is mapped there already; kernels that do not know it (before 4.17) take the address for a hint.
        let start = unsafe { libc::mmap(wanted, len.get(), protection, sharing, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start.cast()).ok_or(Errno::ENOMEM)?;
        let region = Self { start, len };
        if region.start.addr().get() == address {
            Ok(region)
        } else {
            Err(Errno::EEXIST)
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and nothing borrowed from it lives any more.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len.get()) };
    }
}
