//! What the kernel tells of programs.

use std::os::fd::{AsFd, BorrowedFd};

use super::link_update::is_link;
use super::object_info::describe;
use crate::info::ProgInfo;
use crate::syscall::{address_mut, bpf, length, raw};
use crate::{Command, Errno, Error, attr};

const COMMAND: Command = Command::OBJ_GET_INFO_BY_FD;

/// Room for what a program is made of. What is not wanted stays empty; the kernel fills in as much as fits.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ProgBuffers<'a> {
    /// Machine code. Since Linux 4.13, with the rights to see kernel addresses.
    pub jited: &'a mut [u8],
    /// Instructions as the kernel runs them. Since Linux 4.13.
    pub xlated: &'a mut [u8],
    /// Ids of the maps. Since Linux 4.15.
    pub map_ids: &'a mut [u32],
    /// Addresses of the functions. Since Linux 4.18.
    pub jited_ksyms: &'a mut [u64],
    /// Machine code lengths of the functions. Since Linux 4.18.
    pub jited_func_lens: &'a mut [u32],
    /// Function records: instruction and type id. Since Linux 5.0.
    pub func_info: &'a mut [[u32; 2]],
    /// Line records: instruction, file name, line text, line and column. Since Linux 5.0.
    pub line_info: &'a mut [[u32; 4]],
    /// Machine code addresses of the lines. Since Linux 5.0.
    pub jited_line_info: &'a mut [u64],
    /// Tags of the functions. Since Linux 5.0.
    pub prog_tags: &'a mut [[u8; 8]],
}

/// Describes a program: the numbers only. Since Linux 4.13.
///
/// What an older kernel does not know of [`ProgInfo`] is zero.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2). Another kind of object gives meaningless numbers.
#[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
pub fn prog_info(program: impl AsFd) -> Result<ProgInfo, Error> {
    let mut info = ProgInfo::default();
    // SAFETY: all zeros: there are no addresses, whatever the kind.
    unsafe { describe(program.as_fd(), &mut info) }?;
    Ok(info)
}

/// Describes a program and copies what it is made of into `buffers`. Since Linux 4.13.
///
/// The numbers and lengths returned are those of the program, which may be more than there was room for. Addresses are left out.
///
/// ```no_run
/// # use std::os::fd::BorrowedFd;
/// use bpfld_sys::{ProgBuffers, prog_info, prog_info_with};
///
/// # fn dump(program: BorrowedFd<'_>) -> Result<(), bpfld_sys::Error> {
/// let mut insns = vec![0; prog_info(program)?.xlated_prog_len as usize];
/// let mut buffers = ProgBuffers::default();
/// buffers.xlated = &mut insns;
/// prog_info_with(program, &mut buffers)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `EINVAL` if it is no program; `E2BIG` if the kernel does not know what is asked for; `EPERM` for lack of rights.
pub fn prog_info_with(program: impl AsFd, buffers: &mut ProgBuffers<'_>) -> Result<ProgInfo, Error> {
    let program = program.as_fd();
    if !is_program(program) {
        return Err(Error::argument(COMMAND, "not a program"));
    }
    let ProgBuffers {
        jited,
        xlated,
        map_ids,
        jited_ksyms,
        jited_func_lens,
        func_info,
        line_info,
        jited_line_info,
        prog_tags,
    } = buffers;
    let count = |len| length(COMMAND, len);
    /// The size of a record, which the kernel wants to hear only if there are records.
    fn record_size<T>(records: &[T]) -> Result<u32, Error> {
        if records.is_empty() {
            Ok(0)
        } else {
            length(COMMAND, size_of::<T>())
        }
    }
    let mut info = ProgInfo {
        jited_prog_len: count(jited.len())?,
        jited_prog_insns: address_mut(jited),
        xlated_prog_len: count(xlated.len())?,
        xlated_prog_insns: address_mut(xlated),
        nr_map_ids: count(map_ids.len())?,
        map_ids: address_mut(map_ids),
        nr_jited_ksyms: count(jited_ksyms.len())?,
        jited_ksyms: address_mut(jited_ksyms),
        nr_jited_func_lens: count(jited_func_lens.len())?,
        jited_func_lens: address_mut(jited_func_lens),
        nr_func_info: count(func_info.len())?,
        func_info_rec_size: record_size(func_info)?,
        func_info: address_mut(func_info),
        nr_line_info: count(line_info.len())?,
        line_info_rec_size: record_size(line_info)?,
        line_info: address_mut(line_info),
        nr_jited_line_info: count(jited_line_info.len())?,
        jited_line_info_rec_size: record_size(jited_line_info)?,
        jited_line_info: address_mut(jited_line_info),
        nr_prog_tags: count(prog_tags.len())?,
        prog_tags: address_mut(prog_tags),
        ..Default::default()
    };
    // SAFETY: it is a program, so that the kernel takes the structure for what it is: each address is of an array borrowed mutably by
    // `buffers`, with its length beside it, or null with length zero. The kernel insists on its own record sizes.
    unsafe { describe(program, &mut info) }?;
    Ok(ProgInfo {
        jited_prog_insns: 0,
        xlated_prog_insns: 0,
        map_ids: 0,
        jited_ksyms: 0,
        jited_func_lens: 0,
        func_info: 0,
        line_info: 0,
        jited_line_info: 0,
        prog_tags: 0,
        ..info
    })
}

/// Whether `fd` is a program. Nothing is changed: what would be bound to it is no descriptor.
fn is_program(fd: BorrowedFd<'_>) -> bool {
    let bind_errno = |program| {
        let mut attr = attr::ProgBindMap {
            prog_fd: program,
            map_fd: u32::MAX,
            flags: 0,
        };
        // SAFETY: there are no addresses.
        unsafe { bpf(Command::PROG_BIND_MAP, &mut attr, 0, None) }
            .err()
            .map(|error| error.errno())
    };
    // The kernel looks at the program first, and answers EINVAL if it is none.
    match bind_errno(raw(fd)) {
        Some(Errno::EBADF) => true,
        // Before Linux 5.10 the command is not known, whatever its arguments. Maps and BTF objects read no addresses out of a
        // program's structure there; links do.
        _ => bind_errno(u32::MAX) == Some(Errno::EINVAL) && !is_link(fd),
    }
}
