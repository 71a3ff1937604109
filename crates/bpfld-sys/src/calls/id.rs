//! Walking through all programs, maps, BTF objects and links of the system.
//!
//! Each object has a number that no other of its kind has while it lives. Walking and opening by number needs
//! `CAP_SYS_ADMIN`.

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::syscall::{bpf, bpf_fd, raw};
use crate::{Command, Errno, Error, MapFlags, attr};

/// The id of the first program after id `after` (0: of all); nothing after the last one. Since Linux 4.13.
///
/// ```no_run
/// use bpfld_sys::prog_get_next_id;
///
/// let mut id = 0;
/// while let Some(next) = prog_get_next_id(id)? {
///     println!("program {next}");
///     id = next;
/// }
/// # Ok::<(), bpfld_sys::Error>(())
/// ```
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_PROG_GET_NEXT_ID")]
pub fn prog_get_next_id(after: u32) -> Result<Option<u32>, Error> {
    next(Command::PROG_GET_NEXT_ID, after)
}

/// The id of the first map after id `after` (0: of all); nothing after the last one. Since Linux 4.13.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_MAP_GET_NEXT_ID")]
pub fn map_get_next_id(after: u32) -> Result<Option<u32>, Error> {
    next(Command::MAP_GET_NEXT_ID, after)
}

/// The id of the first BTF object after id `after` (0: of all); nothing after the last one. Since Linux 5.4.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_BTF_GET_NEXT_ID")]
pub fn btf_get_next_id(after: u32) -> Result<Option<u32>, Error> {
    next(Command::BTF_GET_NEXT_ID, after)
}

/// The id of the first link after id `after` (0: of all); nothing after the last one. Since Linux 5.8.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_LINK_GET_NEXT_ID")]
pub fn link_get_next_id(after: u32) -> Result<Option<u32>, Error> {
    next(Command::LINK_GET_NEXT_ID, after)
}

/// Opens the program with this id. Since Linux 4.13.
///
/// # Errors
///
/// `ENOENT` if there is none (any more); `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_PROG_GET_FD_BY_ID")]
pub fn prog_get_fd_by_id(id: u32) -> Result<OwnedFd, Error> {
    open(Command::PROG_GET_FD_BY_ID, id, MapFlags::empty(), None)
}

/// Opens the map with this id, with `rights` ([`MapFlags::RDONLY`], [`MapFlags::WRONLY`] or none: both). Since Linux 4.13.
///
/// # Errors
///
/// `ENOENT` if there is none (any more); `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_MAP_GET_FD_BY_ID")]
pub fn map_get_fd_by_id(id: u32, rights: MapFlags) -> Result<OwnedFd, Error> {
    open(Command::MAP_GET_FD_BY_ID, id, rights, None)
}

/// Opens the BTF object with this id. Since Linux 4.18. A token that allows it can be given since Linux 6.17.
///
/// # Errors
///
/// `ENOENT` if there is none (any more); `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_BTF_GET_FD_BY_ID")]
pub fn btf_get_fd_by_id(id: u32, token: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Error> {
    open(Command::BTF_GET_FD_BY_ID, id, MapFlags::empty(), token)
}

/// Opens the link with this id. Since Linux 5.8.
///
/// # Errors
///
/// `ENOENT` if there is none (any more); `EAGAIN` while it is being made; `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_LINK_GET_FD_BY_ID")]
pub fn link_get_fd_by_id(id: u32) -> Result<OwnedFd, Error> {
    open(Command::LINK_GET_FD_BY_ID, id, MapFlags::empty(), None)
}

fn next(command: Command, after: u32) -> Result<Option<u32>, Error> {
    let mut attr = attr::GetNextId {
        start_id: after,
        next_id: 0,
    };
    // SAFETY: there are no addresses.
    match unsafe { bpf(command, &mut attr, size_of::<attr::GetNextId>(), None) } {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(error) if error.errno() == Errno::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(
    command: Command,
    id: u32,
    rights: MapFlags,
    token: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Error> {
    const _: () = assert!(offset_of!(attr::GetFdById, unused) == 4);
    let mut attr = attr::GetFdById {
        id,
        unused: 0,
        open_flags: if token.is_some() {
            rights | MapFlags::TOKEN_FD
        } else {
            rights
        },
        fd_by_id_token_fd: token.map_or(0, |fd| raw(fd).cast_signed()),
    };
    // SAFETY: there are no addresses.
    unsafe { bpf_fd(command, &mut attr, 0, None) }
}
