//! Tokens: rights delegated through a bpf file system.

use std::os::fd::{AsFd, OwnedFd};

use crate::syscall::{bpf_fd, raw};
use crate::{Command, Error, attr};

/// Makes a token from the root directory of a bpf file system mounted with `delegate_` options. Since Linux 6.9.
///
/// # Errors
///
/// `ENOENT` if nothing is delegated; `EPERM` outside the user namespace that mounted it; `EINVAL` if it is no such directory; `EOPNOTSUPP` in the initial user namespace.
#[doc(alias = "BPF_TOKEN_CREATE")]
pub fn token_create(bpffs: impl AsFd) -> Result<OwnedFd, Error> {
    let mut attr = attr::TokenCreate {
        flags: 0,
        bpffs_fd: raw(bpffs.as_fd()),
    };
    // SAFETY: there are no addresses.
    unsafe { bpf_fd(Command::TOKEN_CREATE, &mut attr, 0, None) }
}
