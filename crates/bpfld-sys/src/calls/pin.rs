//! Names for objects, in a bpf file system.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::syscall::{address, bpf, bpf_fd, raw};
use crate::{Command, Error, MapFlags, attr};

/// Gives a program, map or link (since Linux 5.7) the name `path` in a mounted bpf file system. Since Linux 4.4.
///
/// # Errors
///
/// `EEXIST` if the name is taken; `ENOENT` if the directory is not there; `EPERM` if `path` is on no bpf file system, or has a dot in its last part;
/// `EACCES` for lack of rights.
#[doc(alias = "BPF_OBJ_PIN")]
pub fn obj_pin(object: impl AsFd, path: &CStr) -> Result<(), Error> {
    pin(object.as_fd(), None, path)
}

/// The same with a `path` relative to `directory`. Since Linux 6.5.
///
/// # Errors
///
/// As [`obj_pin`]; `EINVAL` before Linux 6.5.
pub fn obj_pin_at(object: impl AsFd, directory: impl AsFd, path: &CStr) -> Result<(), Error> {
    pin(object.as_fd(), Some(directory.as_fd()), path)
}

fn pin(object: BorrowedFd<'_>, directory: Option<BorrowedFd<'_>>, path: &CStr) -> Result<(), Error> {
    let mut attr = attr::ObjPin {
        pathname: address(path.to_bytes_with_nul()),
        bpf_fd: raw(object),
        file_flags: if directory.is_some() {
            MapFlags::PATH_FD
        } else {
            MapFlags::empty()
        },
        path_fd: directory.map_or(0, |fd| raw(fd).cast_signed()),
        ..Default::default()
    };
    // SAFETY: `path` is borrowed and ends with a zero; it is read.
    unsafe { bpf(Command::OBJ_PIN, &mut attr, 0, None) }?;
    Ok(())
}

/// Opens what is pinned at `path`: a program, map or link. Since Linux 4.4. `rights` ([`MapFlags::RDONLY`],
/// [`MapFlags::WRONLY`] or none) since 4.15.
///
/// # Errors
///
/// `ENOENT` if nothing is there; `EACCES` if it is no object of bpf(2), or for lack of rights.
#[doc(alias = "BPF_OBJ_GET")]
pub fn obj_get(path: &CStr, rights: MapFlags) -> Result<OwnedFd, Error> {
    open(None, path, rights)
}

/// The same with a `path` relative to `directory`. Since Linux 6.5.
///
/// # Errors
///
/// As [`obj_get`]; `EINVAL` before Linux 6.5.
pub fn obj_get_at(directory: impl AsFd, path: &CStr, rights: MapFlags) -> Result<OwnedFd, Error> {
    open(Some(directory.as_fd()), path, rights)
}

fn open(directory: Option<BorrowedFd<'_>>, path: &CStr, rights: MapFlags) -> Result<OwnedFd, Error> {
    let mut attr = attr::ObjGet {
        pathname: address(path.to_bytes_with_nul()),
        file_flags: if directory.is_some() {
            rights | MapFlags::PATH_FD
        } else {
            rights
        },
        path_fd: directory.map_or(0, |fd| raw(fd).cast_signed()),
        ..Default::default()
    };
    // SAFETY: `path` is borrowed and ends with a zero; it is read.
    unsafe { bpf_fd(Command::OBJ_GET, &mut attr, 0, None) }
}
