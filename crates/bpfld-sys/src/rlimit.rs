//! The limit that BPF objects are counted against before Linux 5.11.
//!
//! # Safety
//!
//! setrlimit(2) reads one structure of ours.

use crate::Errno;

/// Lets this process lock as much memory as it wants, for good.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_RESOURCE`.
#[doc(alias = "RLIMIT_MEMLOCK")]
#[doc(alias = "setrlimit")]
pub fn raise_memlock() -> Result<(), Errno> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is one structure, borrowed until the call returns; it is read.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}
