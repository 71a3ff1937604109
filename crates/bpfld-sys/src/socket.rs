//! Programs on sockets.
//!
//! # Safety
//!
//! setsockopt(2) reads one number of ours. On a descriptor that is no socket it fails.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::Errno;

/// What a program on a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketProgram {
    /// Keeps, shortens or drops what the socket receives. Since Linux 3.19.
    Filter,
    /// Chooses the socket of a reuseport group. Since Linux 4.5; taken off again since 5.3.
    Reuseport,
}

/// Puts a program on a socket, in the place of what is there.
///
/// # Errors
///
/// `EINVAL` for another kind of program; `EPERM` if the filter was locked; `ENOTSOCK` if it is no socket.
#[doc(alias = "SO_ATTACH_BPF")]
#[doc(alias = "SO_ATTACH_REUSEPORT_EBPF")]
pub fn attach(socket: impl AsFd, what: SocketProgram, program: impl AsFd) -> Result<(), Errno> {
    let option = match what {
        SocketProgram::Filter => libc::SO_ATTACH_BPF,
        SocketProgram::Reuseport => libc::SO_ATTACH_REUSEPORT_EBPF,
    };
    set(socket.as_fd(), option, program.as_fd().as_raw_fd())
}

/// Takes a program off a socket.
///
/// # Errors
///
/// `ENOENT` if there is none; `EPERM` if the filter was locked; `ENOPROTOOPT` for reuseport programs before Linux 5.3.
#[doc(alias = "SO_DETACH_BPF")]
#[doc(alias = "SO_DETACH_REUSEPORT_BPF")]
pub fn detach(socket: impl AsFd, what: SocketProgram) -> Result<(), Errno> {
    /// The number on most architectures; libc does not know it on all C libraries.
    const SO_DETACH_REUSEPORT_BPF: i32 = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        0x47
    } else {
        68
    };
    let option = match what {
        SocketProgram::Filter => libc::SO_DETACH_FILTER,
        SocketProgram::Reuseport => SO_DETACH_REUSEPORT_BPF,
    };
    set(socket.as_fd(), option, 0)
}

fn set(socket: BorrowedFd<'_>, option: i32, value: i32) -> Result<(), Errno> {
    let (level, address, len) = (
        libc::SOL_SOCKET,
        (&raw const value).cast(),
        size_of_val(&value) as libc::socklen_t,
    );
    // SAFETY: `address` is that of a number of `len` bytes, which is read.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, address, len) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}
