//! Attaching to network interfaces, namespaces, hooks and socket maps.

use std::{fmt, fs::File, os::fd::AsFd};

use bpfld_sys::{AttachFlags, AttachType, Errno, LinkKind, NetfilterFlags, NetfilterHook, Target};

use super::{
    FlowDissector, Netfilter, ProgramKind, SchedCls, SkLookup, SkMsg, SkSkb, interface::ToInterface,
};
use crate::{
    Error, Link, Map, Order, Result,
    link::create::{by_command, here_by_command, link, ordered, socket_map},
};

/// On which way through an interface a packet is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcxDirection {
    /// As it comes in.
    Ingress,
    /// As it goes out.
    Egress,
}

/// On which end of a netkit pair packets are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetkitSide {
    /// What the primary device sends.
    Primary,
    /// What the peer device sends; attached through the primary one.
    Peer,
}

impl fmt::Display for TcxDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TcxDirection::Ingress => "ingress",
            TcxDirection::Egress => "egress",
        })
    }
}

impl SchedCls {
    /// Attaches to an interface, given by name or index, at the end of the row of programs there (tcx, 6.6).
    ///
    /// ```no_run
    /// use bpfld::{SchedCls, TcxDirection};
    ///
    /// # fn example(count: SchedCls) -> Result<(), bpfld::Error> {
    /// let link = count.attach_tcx("lo", TcxDirection::Ingress)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace, or the kernel refuses.
    pub fn attach_tcx(&self, interface: impl ToInterface, direction: TcxDirection) -> Result<Link> {
        self.attach_tcx_at(interface, direction, Order::default())
    }

    /// As [`attach_tcx`](Self::attach_tcx), at a chosen place in the row.
    ///
    /// # Errors
    ///
    /// As [`attach_tcx`](Self::attach_tcx); ENOENT or EINVAL when the neighbour is not attached there, ESTALE when the row was changed since
    /// the given revision.
    pub fn attach_tcx_at(
        &self,
        interface: impl ToInterface,
        direction: TcxDirection,
        order: Order<'_>,
    ) -> Result<Link> {
        let interface = interface.interface()?;
        let attach_type = match direction {
            TcxDirection::Ingress => AttachType::TCX_INGRESS,
            TcxDirection::Egress => AttachType::TCX_EGRESS,
        };
        let target = format!("{direction} of {interface}");
        let kind = |relative, expected_revision| LinkKind::Tcx {
            relative,
            expected_revision,
        };
        ordered(
            self.program(),
            Target::Ifindex(interface.index()),
            attach_type,
            order,
            kind,
            target,
        )
    }

    /// Attaches to a netkit device, given by name or index of the primary one (6.7).
    ///
    /// # Errors
    ///
    /// When there is no such interface in this network namespace, or it is no netkit device.
    pub fn attach_netkit(
        &self,
        interface: impl ToInterface,
        side: NetkitSide,
        order: Order<'_>,
    ) -> Result<Link> {
        let interface = interface.interface()?;
        let (attach_type, side) = match side {
            NetkitSide::Primary => (AttachType::NETKIT_PRIMARY, "primary"),
            NetkitSide::Peer => (AttachType::NETKIT_PEER, "peer"),
        };
        let target = format!("netkit {side} of {interface}");
        let kind = |relative, expected_revision| LinkKind::Netkit {
            relative,
            expected_revision,
        };
        ordered(
            self.program(),
            Target::Ifindex(interface.index()),
            attach_type,
            order,
            kind,
            target,
        )
    }
}

impl SkLookup {
    /// Attaches to a network namespace (5.9), as an open `/proc/self/ns/net` or `/run/netns/NAME` gives it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(&self, namespace: impl AsFd) -> Result<Link> {
        let target = Target::Fd(namespace.as_fd());
        link(
            self.program(),
            target,
            AttachType::SK_LOOKUP,
            LinkKind::Plain,
            "network namespace",
        )
    }

    /// Attaches to the network namespace of this thread (5.9).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach_here(&self) -> Result<Link> {
        self.attach(own_namespace(self)?)
    }
}

impl FlowDissector {
    /// Attaches to a network namespace, as an open `/proc/self/ns/net` or `/run/netns/NAME` gives it; with a link
    /// (5.7).
    ///
    /// # Errors
    ///
    /// EEXIST when the namespace has one.
    pub fn attach(&self, namespace: impl AsFd) -> Result<Link> {
        let (target, words) = (
            Target::Fd(namespace.as_fd()),
            "flow dissector of network namespace",
        );
        link(
            self.program(),
            target,
            AttachType::FLOW_DISSECTOR,
            LinkKind::Plain,
            words,
        )
    }

    /// Attaches to the network namespace of this thread: with a link (5.7), or before that without.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_here(&self) -> Result<Link> {
        match self.attach(own_namespace(self)?) {
            // What kernels say that do not know links.
            Err(error) if error.errno() == Some(Errno::EINVAL) => {
                self.attach_here_without_link().map_err(|_| error)
            }
            attached => attached,
        }
    }

    /// Attaches to the network namespace of this thread by command (4.20), in place of another that is there (5.1). It must be detached
    /// by a thread in the same namespace: dropped elsewhere, it stays for as long as the namespace.
    ///
    /// # Errors
    ///
    /// EEXIST when the namespace has one with a link, or the initial namespace has one.
    pub fn attach_here_without_link(&self) -> Result<Link> {
        let words = "flow dissector of network namespace";
        here_by_command(self.program(), AttachType::FLOW_DISSECTOR, words)
    }
}

fn own_namespace(kind: &impl ProgramKind) -> Result<File> {
    let path = "/proc/thread-self/ns/net";
    File::open(path).map_err(|source| Error::io(kind.program().subject(), format!("open {path}"), source))
}

/// A protocol family of netfilter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetfilterFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Netfilter {
    /// Attaches to a hook of this network namespace (6.4). Lower priorities run first; none may be taken twice by BPF.
    ///
    /// [`NetfilterFlags::IP_DEFRAG`] puts fragments together first (6.6).
    ///
    /// # Errors
    ///
    /// EBUSY when the priority is taken, EINVAL for the first and last priority, which conntrack keeps.
    pub fn attach(
        &self,
        family: NetfilterFamily,
        hook: NetfilterHook,
        priority: i32,
        flags: NetfilterFlags,
    ) -> Result<Link> {
        let (family, name) = match family {
            NetfilterFamily::Ipv4 => (2, "IPv4"),
            NetfilterFamily::Ipv6 => (10, "IPv6"),
        };
        let target = format!("netfilter hook {hook} of {name}");
        let kind = LinkKind::Netfilter {
            family,
            hook,
            priority,
            flags,
        };
        link(self.program(), Target::None, AttachType::NETFILTER, kind, target)
    }
}

impl SkSkb {
    /// Attaches to a socket map, with a link (6.10) or before that without: to the sockets that are put into the map from then on.
    /// They keep the program until they are taken out, also when it is detached from the map.
    ///
    /// # Errors
    ///
    /// When the program was loaded without an attach type (section `sk_skb`): then it is for
    /// [`attach_as`](Self::attach_as) to say. And when the kernel refuses.
    pub fn attach(&self, map: &Map) -> Result<Link> {
        let Some(attach_type) = self.program().attach_type() else {
            let message = "was loaded without saying whether it parses or judges; use `SkSkb::attach_as`";
            return Err(Error::invalid(self.program().subject(), message));
        };
        self.attach_as(map, attach_type)
    }

    /// Attaches to a socket map by command (4.14), in place of another that is there, also where the kernel has links for it. Dropping the
    /// link detaches it; after [`Link::forget`] it stays for as long as the map.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_without_link(&self, map: &Map, attach_type: AttachType) -> Result<Link> {
        let words = format!("{attach_type} of map '{}'", map.name());
        by_command(
            self.program(),
            map.as_fd(),
            attach_type,
            AttachFlags::empty(),
            words,
        )
    }

    /// Attaches to a socket map as a stream parser, stream verdict or verdict.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach_as(&self, map: &Map, attach_type: AttachType) -> Result<Link> {
        to_socket_map(self, map, attach_type)
    }
}

impl SkMsg {
    /// Attaches to a socket map, with a link (6.10) or before that without: to the sockets that are put into the map from then on.
    /// They keep the program until they are taken out, also when it is detached from the map.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(&self, map: &Map) -> Result<Link> {
        to_socket_map(self, map, AttachType::SK_MSG_VERDICT)
    }

    /// Attaches to a socket map by command (4.17), as [`SkSkb::attach_without_link`].
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_without_link(&self, map: &Map) -> Result<Link> {
        let attach_type = AttachType::SK_MSG_VERDICT;
        let words = format!("{attach_type} of map '{}'", map.name());
        by_command(
            self.program(),
            map.as_fd(),
            attach_type,
            AttachFlags::empty(),
            words,
        )
    }
}

fn to_socket_map(kind: &impl ProgramKind, map: &Map, attach_type: AttachType) -> Result<Link> {
    let target = format!("{attach_type} of map '{}'", map.name());
    socket_map(kind.program(), map.as_fd(), attach_type, target)
}

impl super::LircMode2 {
    /// Attaches to an infrared receiver, an open `/dev/lirc0` (4.18).
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(&self, device: impl AsFd) -> Result<Link> {
        let (flags, words) = (AttachFlags::empty(), "infrared receiver");
        by_command(
            self.program(),
            device.as_fd(),
            AttachType::LIRC_MODE2,
            flags,
            words,
        )
    }
}
