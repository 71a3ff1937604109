//! Attaching to the earliest place on a network interface.

use bpfld_sys::{AttachType, Errno, LinkKind, Target, XdpFlags};

use super::{Interface, Program, ProgramKind, Xdp, interface::ToInterface};
use crate::{
    Error, Link, Result, Subject, XdpPrograms,
    link::{
        create::{by_netlink, with_flags},
        handle::Hold,
        route::RouteSocket,
        xdp::{Expect, XdpHold},
    },
};

/// In which way an XDP program hangs on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XdpMode {
    /// In the driver if it can, else generic.
    #[default]
    Auto,
    /// Generic: in the network stack, slower, on any interface.
    Generic,
    /// In the driver, or not at all.
    Driver,
    /// On the network card itself; the program must have been loaded for it.
    Offload,
}

impl XdpMode {
    /// The kernel's `XDP_FLAGS_…`.
    fn flags(self) -> XdpFlags {
        match self {
            XdpMode::Auto => XdpFlags::empty(),
            XdpMode::Generic => XdpFlags::SKB_MODE,
            XdpMode::Driver => XdpFlags::DRV_MODE,
            XdpMode::Offload => XdpFlags::HW_MODE,
        }
    }
}

/// What XDP without a link does with a program that is on the interface already.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum XdpReplace<'a> {
    /// Leaves it there and fails.
    #[default]
    Never,
    /// Replaces it if it is this one (5.7), and fails if not.
    Only(&'a Program),
    /// Replaces it, whichever it is. One that hangs on the interface in another mode is taken off first, so that for a moment there is
    /// none; it is put back if this one is refused.
    Any,
}

impl Xdp {
    /// Attaches to an interface, given by name or index, with a link (5.9). Before that, without one.
    ///
    /// ```no_run
    /// use bpfld::{Xdp, XdpMode};
    ///
    /// # fn example(count: Xdp) -> Result<(), bpfld::Error> {
    /// let link = count.attach("lo", XdpMode::Generic)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace; EBUSY when it has an XDP program already; EOPNOTSUPP when
    /// the driver cannot do the mode.
    pub fn attach(&self, interface: impl ToInterface, mode: XdpMode) -> Result<Link> {
        let interface = interface.interface()?;
        let target = format!("XDP of {interface}");
        let (place, flags) = (Target::Ifindex(interface.index()), mode.flags().bits());
        let attached = with_flags(
            self.program(),
            place,
            AttachType::XDP,
            flags,
            LinkKind::Plain,
            target,
        );
        match attached {
            // What kernels say that do not know such links.
            Err(error) if error.errno() == Some(Errno::EINVAL) => self
                .attach_without_link(interface, mode, XdpReplace::Never)
                .map_err(|_| error),
            attached => attached,
        }
    }

    /// Attaches to an interface, given by name or index, by netlink (4.8; modes 4.12).
    ///
    /// Dropping the link takes the program off, unless others have replaced it. Unlike a program with a link, it stays on the
    /// interface when the process ends otherwise, or after [`Link::forget`].
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace; EEXIST or EBUSY when it has another XDP program and `replace` does
    /// not allow for it, or one with a link; EOPNOTSUPP when the driver cannot do the mode.
    pub fn attach_without_link(
        &self,
        interface: impl ToInterface,
        mode: XdpMode,
        replace: XdpReplace<'_>,
    ) -> Result<Link> {
        let interface = interface.interface()?;
        let expect = match replace {
            XdpReplace::Never => Expect::Nothing,
            XdpReplace::Only(program) => Expect::Program(program),
            XdpReplace::Any => Expect::Anything,
        };
        by_netlink(self.program(), format!("XDP of {interface}"), || {
            XdpHold::attach(self.program(), interface.index(), mode.flags(), expect).map(Hold::Xdp)
        })
    }
}

impl Interface {
    /// The XDP programs on the interface, with or without a link (4.13).
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace.
    pub fn xdp_programs(&self) -> Result<XdpPrograms> {
        let programs = RouteSocket::open().and_then(|socket| XdpPrograms::of(&socket, self.index()));
        programs.map_err(|source| {
            Error::io(
                Subject::Link(self.to_string()),
                "ask for its XDP programs",
                source,
            )
        })
    }
}
