//! File systems of the kernel that are mounted nowhere.
//!
//! # Safety
//!
//! fsopen(2) reads a C string of ours; the other two calls are given descriptors and numbers only.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::Errno;

/// The root directory of a file system such as `tracefs` or `bpf`, mounted nowhere: it can be reached through the descriptor only, and is gone
/// when that is closed. Since Linux 5.2.
///
/// # Errors
///
/// `ENODEV` if the kernel does not have it; `EPERM` without `CAP_SYS_ADMIN`; `ENOSYS` on older kernels.
#[doc(alias = "fsopen")]
#[doc(alias = "fsmount")]
pub fn detached(kind: &CStr) -> Result<OwnedFd, Errno> {
    const FSOPEN_CLOEXEC: libc::c_long = 1;
    const FSMOUNT_CLOEXEC: libc::c_long = 1;
    const FSCONFIG_CMD_CREATE: libc::c_long = 6;
    // SAFETY: `kind` ends with a zero and is borrowed until the call returns.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let null = std::ptr::null::<u8>();
    // SAFETY: the command takes neither key nor value.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            null,
            null,
            0,
        )
    };
    if result < 0 {
        return Err(Errno::last());
    }
    // SAFETY: there are no addresses.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

/// The descriptor that a call returned.
fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = RawFd::try_from(result)
        .ok()
        .filter(|fd| *fd >= 0)
        .ok_or_else(Errno::last)?;
    // SAFETY: the kernel has just made this descriptor for us and told nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_the_kernel_has() {
        match detached(c"proc") {
            Ok(root) => {
                let path = format!("/proc/thread-self/fd/{}/version", root.as_raw_fd());
                assert!(std::fs::read_to_string(path).unwrap().starts_with("Linux"));
                assert_eq!(detached(c"no such file system").err(), Some(Errno::ENODEV));
            }
            Err(errno @ (Errno::EPERM | Errno::ENOSYS)) => eprintln!("skipped: fsopen: {errno}"),
            Err(errno) => panic!("{errno}"),
        }
    }
}
