//! BTF of the kernel, mapped.
//!
//! # Safety
//!
//! A slice is given out, so nobody may write to the memory: only files of sysfs are mapped, which are the kernel's own copy.

use std::ffi::CStr;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::Region;
use crate::Errno;

/// BTF of the kernel or a module, mapped instead of copied. Since Linux 6.16.
///
/// ```no_run
/// let btf = bpfld_sys::mmap::Mmap::kernel_btf(c"vmlinux")?;
/// assert_eq!(btf[..2], 0xeb9f_u16.to_ne_bytes());
/// # Ok::<(), bpfld_sys::Errno>(())
/// ```
#[derive(Debug)]
pub struct Mmap {
    region: Region,
}

impl Mmap {
    /// Maps `/sys/kernel/btf/` and `name`: `vmlinux`, or a module.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none; `ENODEV` or `EINVAL` if this kernel does not allow it (then it can be read); `EACCES` for lack of rights.
    pub fn kernel_btf(name: &CStr) -> Result<Self, Errno> {
        let name = name.to_str().map_err(|_| Errno::EINVAL)?;
        if name.contains('/') || name.starts_with('.') {
            return Err(Errno::EINVAL);
        }
        let path = std::path::Path::new("/sys/kernel/btf").join(name);
        let file = std::fs::File::open(path).map_err(|error| errno(&error))?;
        if !is_sysfs(file.as_fd())? {
            return Err(Errno::ENODEV);
        }
        let len = file.metadata().map_err(|error| errno(&error))?.len();
        let len = usize::try_from(len).map_err(|_| Errno::EFBIG)?;
        let region = Region::new(Some(file.as_fd()), 0, len, libc::PROT_READ, libc::MAP_PRIVATE)?;
        Ok(Self { region })
    }
}

/// Whether a file is the kernel's own, so that nobody can write or cut it.
fn is_sysfs(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    /// The same on all architectures; libc knows it on some C libraries only.
    const SYSFS_MAGIC: u64 = 0x6265_6572;
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `answer` has room for what is written.
    if unsafe { libc::fstatfs(fd.as_raw_fd(), answer.as_mut_ptr()) } != 0 {
        return Err(Errno::last());
    }
    // SAFETY: the call has filled it in.
    let answer = unsafe { answer.assume_init() };
    Ok(u64::try_from(answer.f_type).is_ok_and(|kind| kind == SYSFS_MAGIC))
}

/// The error number of an operation of the standard library.
fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}

impl Deref for Mmap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is readable over its whole length, lives as long as `self`, and its memory is never written: it is the kernel's
        // own copy of its BTF, which neither we nor others can map for writing.
        unsafe { std::slice::from_raw_parts(self.region.start.as_ptr(), self.region.len.get()) }
    }
}

impl AsRef<[u8]> for Mmap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_btf() {
        match Mmap::kernel_btf(c"vmlinux") {
            Ok(btf) => assert_eq!(btf[..2], 0xeb9f_u16.to_ne_bytes()),
            Err(errno) => eprintln!("skipped: mapping the kernel's BTF: {errno}"),
        }
        assert_eq!(Mmap::kernel_btf(c"../btf/vmlinux").err(), Some(Errno::EINVAL));
        assert_eq!(Mmap::kernel_btf(c"no such module").err(), Some(Errno::ENOENT));
    }
}
