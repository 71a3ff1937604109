//! What else can be done with programs.

use std::mem::offset_of;
use std::os::fd::AsFd;

use crate::syscall::{address_mut, bpf, length, raw};
use crate::{Command, Error, StreamId, TaskFdType, attr};

/// Keeps `map` alive as long as `program`, though no instruction uses it. Since Linux 5.10.
///
/// # Errors
///
/// `EINVAL` if a descriptor is of another kind.
#[doc(alias = "BPF_PROG_BIND_MAP")]
pub fn prog_bind_map(program: impl AsFd, map: impl AsFd) -> Result<(), Error> {
    let mut attr = attr::ProgBindMap {
        prog_fd: raw(program.as_fd()),
        map_fd: raw(map.as_fd()),
        flags: 0,
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::PROG_BIND_MAP, &mut attr, 0, None) }?;
    Ok(())
}

/// Reads what a program wrote to one of its standard streams into `buffer`; returns the number of bytes, 0 if there is nothing.
/// Since Linux 6.17.
///
/// # Errors
///
/// `ENOENT` for another stream; `EINVAL` before Linux 6.17.
#[doc(alias = "BPF_PROG_STREAM_READ_BY_FD")]
pub fn prog_stream_read(program: impl AsFd, stream: StreamId, buffer: &mut [u8]) -> Result<usize, Error> {
    const COMMAND: Command = Command::PROG_STREAM_READ_BY_FD;
    let mut attr = attr::ProgStreamRead {
        stream_buf: address_mut(buffer),
        stream_buf_len: length(COMMAND, buffer.len())?,
        stream_id: stream,
        prog_fd: raw(program.as_fd()),
        ..Default::default()
    };
    // SAFETY: `buffer` is borrowed mutably and its length is told.
    let read = unsafe { bpf(COMMAND, &mut attr, 0, None) }?;
    Ok(usize::try_from(read).unwrap_or(0).min(buffer.len()))
}

/// Associates a program with a struct_ops map, so that kernel functions it calls find that map. Since Linux 7.0.
///
/// # Errors
///
/// `EBUSY` if it is associated already; `EINVAL` if a descriptor is of another kind.
#[doc(alias = "BPF_PROG_ASSOC_STRUCT_OPS")]
pub fn prog_assoc_struct_ops(program: impl AsFd, map: impl AsFd) -> Result<(), Error> {
    let mut attr = attr::ProgAssocStructOps {
        map_fd: raw(map.as_fd()),
        prog_fd: raw(program.as_fd()),
        flags: 0,
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::PROG_ASSOC_STRUCT_OPS, &mut attr, 0, None) }?;
    Ok(())
}

/// What a descriptor of a process stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFd {
    /// Id of the program attached to it.
    pub program_id: u32,
    /// What it stands for.
    pub kind: TaskFdType,
    /// Length of the name of the tracepoint, function or file.
    pub name_len: u32,
    /// Offset in the function or file.
    pub probe_offset: u64,
    /// Address, where there is no name.
    pub probe_address: u64,
}

/// Tells which probe the descriptor `fd` of process `pid` stands for, and puts its name into `name` (as much as fits, with a
/// terminator). Since Linux 4.18.
///
/// # Errors
///
/// `ENOENT` if there is no such process; `EBADF` if it has no such descriptor; `ENOTSUPP` if it is no probe; `ENOSPC` if the name does not fit; `EPERM`
/// without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_TASK_FD_QUERY")]
pub fn task_fd_query(pid: u32, fd: u32, name: &mut [u8]) -> Result<TaskFd, Error> {
    const COMMAND: Command = Command::TASK_FD_QUERY;
    const _: () = assert!(offset_of!(attr::TaskFdQuery, probe_addr) + 8 == size_of::<attr::TaskFdQuery>());
    let mut attr = attr::TaskFdQuery {
        pid,
        fd,
        flags: 0,
        buf_len: length(COMMAND, name.len())?,
        buf: address_mut(name),
        ..Default::default()
    };
    // SAFETY: `name` is borrowed mutably and its length is told.
    unsafe { bpf(COMMAND, &mut attr, size_of::<attr::TaskFdQuery>(), None) }?;
    Ok(TaskFd {
        program_id: attr.prog_id,
        kind: attr.fd_type,
        name_len: attr.buf_len,
        probe_offset: attr.probe_offset,
        probe_address: attr.probe_addr,
    })
}
