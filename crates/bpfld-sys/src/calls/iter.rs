//! Streams of iterators.

use std::os::fd::{AsFd, OwnedFd};

use crate::syscall::{bpf_fd, raw};
use crate::{Command, Error, attr};

/// Opens a stream from an iterator's link: reading it runs the program over everything the iterator walks. Since Linux 5.8.
///
/// # Errors
///
/// `EINVAL` if it is not the link of an iterator.
#[doc(alias = "BPF_ITER_CREATE")]
pub fn iter_create(link: impl AsFd) -> Result<OwnedFd, Error> {
    let mut attr = attr::IterCreate {
        link_fd: raw(link.as_fd()),
        flags: 0,
    };
    // SAFETY: there are no addresses.
    unsafe { bpf_fd(Command::ITER_CREATE, &mut attr, 0, None) }
}
