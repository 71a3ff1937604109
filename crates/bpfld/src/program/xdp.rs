//! Attaching to the earliest place on a network interface.

use bpfld_sys::{AttachType, LinkKind, Target, XdpFlags};

use super::{ProgramKind, Xdp, interface::ToInterface};
use crate::{Link, Result, link::create::with_flags};

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

impl Xdp {
    /// Attaches to an interface, given by name or index, with a link (5.9).
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
        with_flags(
            self.program(),
            place,
            AttachType::XDP,
            flags,
            LinkKind::Plain,
            target,
        )
    }
}
