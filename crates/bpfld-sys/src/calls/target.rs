//! What programs are attached to, and where in a chain of programs.

use std::os::fd::BorrowedFd;

use crate::AttachFlags;
use crate::syscall::raw;

/// What a program is attached to.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Target<'a> {
    /// Nothing in particular, or (flow dissector) the network namespace of this process.
    #[default]
    None,
    /// A cgroup directory, map, network namespace, device file, perf event or program.
    Fd(BorrowedFd<'a>),
    /// A network device, by its index.
    Ifindex(u32),
}

impl Target<'_> {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Fd(fd) => raw(fd),
            Self::Ifindex(index) => index,
        }
    }
}

/// The neighbour that [`AttachFlags::BEFORE`] and [`AttachFlags::AFTER`] speak of, in a chain of programs. Since Linux 6.6.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Relative<'a> {
    /// The end of the chain.
    #[default]
    None,
    /// A program.
    Program(BorrowedFd<'a>),
    /// A program, by its id.
    ProgramId(u32),
    /// A link.
    Link(BorrowedFd<'a>),
    /// A link, by its id.
    LinkId(u32),
}

impl Relative<'_> {
    /// The descriptor or id, and the flags that say which it is.
    pub(super) fn arguments(self) -> (u32, AttachFlags) {
        match self {
            Self::None => (0, AttachFlags::empty()),
            Self::Program(fd) => (raw(fd), AttachFlags::empty()),
            Self::ProgramId(id) => (id, AttachFlags::ID),
            Self::Link(fd) => (raw(fd), AttachFlags::LINK),
            Self::LinkId(id) => (id, AttachFlags::ID | AttachFlags::LINK),
        }
    }
}
