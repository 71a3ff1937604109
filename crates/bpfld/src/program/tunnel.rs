//! Attaching to routes, as light-weight tunnels.

use std::net::{IpAddr, Ipv6Addr};

use super::{LwtIn, LwtOut, LwtSeg6local, LwtXmit, ProgramKind, interface::ToInterface};
use crate::{
    Error, Link, Result,
    link::{create::by_netlink, handle::Hold, tunnel::TunnelHold},
};

/// Adds a route of the main table with the program on it.
fn attach(
    kind: &impl ProgramKind,
    destination: IpAddr,
    prefix_len: u8,
    interface: impl ToInterface,
) -> Result<Link> {
    let bits = if destination.is_ipv4() { 32 } else { 128 };
    if prefix_len > bits {
        let message = format!("a prefix of {destination} has at most {bits} bits, not {prefix_len}");
        return Err(Error::invalid(kind.program().subject(), message));
    }
    let interface = interface.interface()?;
    by_netlink(
        kind.program(),
        format!("the route to {destination}/{prefix_len} through {interface}"),
        || TunnelHold::attach(kind.program(), destination, prefix_len, interface.index()).map(Hold::Tunnel),
    )
}

macro_rules! tunnels {
    ($($(#[$doc:meta])* $kind:ident)*) => {$(
        impl $kind {
            $(#[$doc])*
            ///
            /// The route is added to the main table, and removed with the link.
            ///
            /// # Errors
            ///
            /// When there is no such interface in this network namespace, there is such a route already (EEXIST), an IPv4 address has bits
            /// beyond the prefix (EINVAL), or the kernel was built without `CONFIG_LWTUNNEL_BPF` (EOPNOTSUPP).
            pub fn attach(
                &self,
                destination: IpAddr,
                prefix_len: u8,
                interface: impl ToInterface,
            ) -> Result<Link> {
                attach(self, destination, prefix_len, interface)
            }
        }
    )*};
}

tunnels! {
    /// Looks at packets that come in for a destination, by a route through an interface (4.10).
    LwtIn
    /// Looks at packets that go out to a destination, by a route through an interface (4.10), before a neighbour is looked for.
    ///
    /// ```no_run
    /// # fn example(loaded: &bpfld::Loaded) -> Result<(), Box<dyn std::error::Error>> {
    /// use bpfld::LwtOut;
    ///
    /// let count: LwtOut = loaded.program("count")?.try_into()?;
    /// let link = count.attach("192.0.2.0".parse()?, 24, "eth0")?;
    /// # Ok(())
    /// # }
    /// ```
    LwtOut
    /// Looks at packets as they are sent to a destination, by a route through an interface (4.10). It may put headers before them.
    LwtXmit
}

impl LwtSeg6local {
    /// Makes the program an endpoint of segment routing (`End.BPF`, 4.18): it sees the packets that come in for a segment and have others before
    /// them, after the kernel has made the next one their destination.
    ///
    /// The segment is a route of the main table through an interface, and removed with the link.
    ///
    /// ```no_run
    /// # fn example(loaded: &bpfld::Loaded) -> Result<(), Box<dyn std::error::Error>> {
    /// use bpfld::LwtSeg6local;
    ///
    /// let endpoint: LwtSeg6local = loaded.program("endpoint")?.try_into()?;
    /// let link = endpoint.attach("2001:db8:1::".parse()?, 64, "eth0")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace, there is such a route already (EEXIST), or the kernel was built without
    /// `CONFIG_IPV6_SEG6_BPF` (EINVAL, EOPNOTSUPP).
    pub fn attach(&self, segment: Ipv6Addr, prefix_len: u8, interface: impl ToInterface) -> Result<Link> {
        attach(self, segment.into(), prefix_len, interface)
    }
}
