//! Raw tracepoints, and tracing programs on kernels without links for them.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use crate::syscall::{address, bpf_fd, raw};
use crate::{Command, Error, attr};

/// Attaches a program to the raw tracepoint `name`, for as long as the descriptor is open. Since Linux 4.17.
///
/// Without a name, programs that were loaded for their target (typed raw tracepoints, fentry, fexit, LSM) are attached to that. Since
/// Linux 5.5. `cookie` is a number that the program can ask for; anything but 0 needs Linux 6.10.
///
/// # Errors
///
/// `ENOENT` if there is no such tracepoint; `EBUSY` or `E2BIG` if the target is taken; `EINVAL` for other kinds of programs.
#[doc(alias = "BPF_RAW_TRACEPOINT_OPEN")]
pub fn raw_tracepoint_open(name: Option<&CStr>, program: impl AsFd, cookie: u64) -> Result<OwnedFd, Error> {
    let mut attr = attr::RawTracepointOpen {
        name: address(name.map_or(&[], CStr::to_bytes_with_nul)),
        prog_fd: raw(program.as_fd()),
        cookie,
        ..Default::default()
    };
    // SAFETY: `name` is borrowed and ends with a zero; it is read.
    unsafe { bpf_fd(Command::RAW_TRACEPOINT_OPEN, &mut attr, 0, None) }
}
