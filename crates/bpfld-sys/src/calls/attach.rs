//! Attaching programs without a link.

use std::os::fd::BorrowedFd;

use crate::syscall::{bpf, raw, raw_or_zero};
use crate::{AttachFlags, AttachType, Command, Error, Relative, Target, attr};

/// What program to attach, and where.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProgAttach<'a> {
    /// The program.
    pub program: BorrowedFd<'a>,
    /// A cgroup, socket map, infrared device or network device.
    pub target: Target<'a>,
    /// What of it.
    pub attach_type: AttachType,
    /// How. What `replace` and `relative` need is added.
    pub flags: AttachFlags,
    /// Program to replace. Since Linux 5.6.
    pub replace: Option<BorrowedFd<'a>>,
    /// Neighbour in the chain of programs. Since Linux 6.6.
    pub relative: Relative<'a>,
    /// Fail unless the chain has this revision; 0: any. Since Linux 6.6.
    pub expected_revision: u64,
}

impl<'a> ProgAttach<'a> {
    /// A program and its target; the rest is set in the fields.
    pub fn new(program: BorrowedFd<'a>, target: Target<'a>, attach_type: AttachType) -> Self {
        Self {
            program,
            target,
            attach_type,
            flags: AttachFlags::empty(),
            replace: None,
            relative: Relative::None,
            expected_revision: 0,
        }
    }
}

/// Attaches a program. It stays attached until [`prog_detach`] or the end of the target. Since Linux 4.10.
///
/// # Errors
///
/// `EPERM` for lack of rights, or where an ancestor cgroup allows no other; `EINVAL` if kind and target do not fit; `EEXIST` if it is attached
/// already; `ESTALE` for another revision; `EBADF` if a descriptor is none of a program or target.
#[doc(alias = "BPF_PROG_ATTACH")]
pub fn prog_attach(wanted: &ProgAttach<'_>) -> Result<(), Error> {
    let ProgAttach {
        program,
        target,
        attach_type,
        flags,
        replace,
        relative,
        expected_revision,
    } = *wanted;
    let (relative, relative_flags) = relative.arguments();
    let replace_flags = if replace.is_some() {
        AttachFlags::REPLACE
    } else {
        AttachFlags::empty()
    };
    let mut attr = attr::ProgAttach {
        target: target.number(),
        attach_bpf_fd: raw(program),
        attach_type,
        attach_flags: flags | relative_flags | replace_flags,
        replace_bpf_fd: raw_or_zero(replace),
        relative,
        expected_revision,
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::PROG_ATTACH, &mut attr, 0, None) }?;
    Ok(())
}

/// What program to detach.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProgDetach<'a> {
    /// The program; nothing: the only one, or the one that `relative` finds.
    pub program: Option<BorrowedFd<'a>>,
    /// What it is attached to.
    pub target: Target<'a>,
    /// What of it.
    pub attach_type: AttachType,
    /// Which. What `relative` needs is added.
    pub flags: AttachFlags,
    /// Neighbour in the chain of programs. Since Linux 6.6.
    pub relative: Relative<'a>,
    /// Fail unless the chain has this revision; 0: any. Since Linux 6.6.
    pub expected_revision: u64,
}

impl<'a> ProgDetach<'a> {
    /// A program and its target; the rest is set in the fields.
    pub fn new(program: Option<BorrowedFd<'a>>, target: Target<'a>, attach_type: AttachType) -> Self {
        Self {
            program,
            target,
            attach_type,
            flags: AttachFlags::empty(),
            relative: Relative::None,
            expected_revision: 0,
        }
    }
}

/// Detaches a program that [`prog_attach`] attached. Since Linux 4.10.
///
/// # Errors
///
/// `ENOENT` if it is not attached; otherwise as [`prog_attach`].
#[doc(alias = "BPF_PROG_DETACH")]
pub fn prog_detach(wanted: &ProgDetach<'_>) -> Result<(), Error> {
    let ProgDetach {
        program,
        target,
        attach_type,
        flags,
        relative,
        expected_revision,
    } = *wanted;
    let (relative, relative_flags) = relative.arguments();
    let mut attr = attr::ProgDetach {
        target: target.number(),
        attach_bpf_fd: raw_or_zero(program),
        attach_type,
        attach_flags: flags | relative_flags,
        relative,
        expected_revision,
        ..Default::default()
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::PROG_DETACH, &mut attr, 0, None) }?;
    Ok(())
}
