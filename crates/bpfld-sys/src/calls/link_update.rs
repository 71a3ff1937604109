//! Changing links.

use std::os::fd::{AsFd, BorrowedFd};

use crate::syscall::{bpf, raw, raw_or_zero};
use crate::{AttachFlags, Command, Error, attr};

/// What to put in place of a link's program.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkUpdate<'a> {
    /// New program, or struct_ops map (since Linux 6.4).
    pub new: BorrowedFd<'a>,
    /// Program or map that must be in place now; nothing: any.
    pub old: Option<BorrowedFd<'a>>,
}

impl<'a> LinkUpdate<'a> {
    /// Puts `new` in place of whatever is there.
    pub fn new(new: BorrowedFd<'a>) -> Self {
        Self { new, old: None }
    }
}

/// Replaces the program of a link at once, without a gap. Since Linux 5.7 for cgroups; each kind of link has its own first release, and some cannot.
///
/// # Errors
///
/// `EPERM` if `old` is not in place; `EINVAL` if the link cannot, or the program is of another kind; `ENOLINK` if the target is gone.
#[doc(alias = "BPF_LINK_UPDATE")]
pub fn link_update(link: impl AsFd, wanted: &LinkUpdate<'_>) -> Result<(), Error> {
    let LinkUpdate { new, old } = *wanted;
    let mut attr = attr::LinkUpdate {
        link_fd: raw(link.as_fd()),
        new_fd: raw(new),
        flags: if old.is_some() {
            AttachFlags::REPLACE
        } else {
            AttachFlags::empty()
        },
        old_fd: raw_or_zero(old),
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::LINK_UPDATE, &mut attr, 0, None) }?;
    Ok(())
}

/// Takes a link off its target; the link itself stays, attached to nothing. Since Linux 5.9.
///
/// # Errors
///
/// `EOPNOTSUPP` for kinds that cannot: they detach when the last descriptor is closed.
#[doc(alias = "BPF_LINK_DETACH")]
pub fn link_detach(link: impl AsFd) -> Result<(), Error> {
    let mut attr = attr::LinkDetach {
        link_fd: raw(link.as_fd()),
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::LINK_DETACH, &mut attr, 0, None) }?;
    Ok(())
}

/// Whether `fd` is a link. Nothing is changed: what would replace the program is no descriptor.
pub(super) fn is_link(fd: BorrowedFd<'_>) -> bool {
    let mut attr = attr::LinkUpdate {
        link_fd: raw(fd),
        new_fd: u32::MAX,
        ..Default::default()
    };
    // SAFETY: there are no addresses.
    let result = unsafe { bpf(Command::LINK_UPDATE, &mut attr, 0, None) };
    // The kernel looks at the link first, and answers EINVAL if it is none.
    result.is_err_and(|error| error.errno() == crate::Errno::EBADF)
}
