//! Attaching to sockets.

use std::os::fd::AsFd;

use bpfld_sys::socket::SocketProgram;

use super::{ProgramKind, SkReuseport, SocketFilter};
use crate::{Link, Result, link::create::socket};

impl SocketFilter {
    /// Filters what a socket receives. The program's return value says how many bytes of a packet to keep.
    ///
    /// Dropping the link takes the filter off, whichever is there then.
    ///
    /// # Errors
    ///
    /// EPERM when the socket's filter was locked, and whenever the kernel refuses.
    #[doc(alias = "SO_ATTACH_BPF")]
    pub fn attach(&self, to: impl AsFd) -> Result<Link> {
        socket(self.program(), to.as_fd(), SocketProgram::Filter, "socket")
    }

    /// Chooses the socket of a reuseport group by the program's return value, an index into the group (4.5).
    ///
    /// Dropping the link takes the program off (5.3).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    #[doc(alias = "SO_ATTACH_REUSEPORT_EBPF")]
    pub fn attach_reuseport(&self, to: impl AsFd) -> Result<Link> {
        socket(
            self.program(),
            to.as_fd(),
            SocketProgram::Reuseport,
            "reuseport group of socket",
        )
    }
}

impl SkReuseport {
    /// Chooses the socket of a reuseport group, for one of its sockets.
    ///
    /// Dropping the link takes the program off (5.3).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    #[doc(alias = "SO_ATTACH_REUSEPORT_EBPF")]
    pub fn attach(&self, to: impl AsFd) -> Result<Link> {
        socket(
            self.program(),
            to.as_fd(),
            SocketProgram::Reuseport,
            "reuseport group of socket",
        )
    }
}
