//! The network around the programs: devices, routes, neighbours and sockets, all of it given by the host.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// What helpers tell programs about the network. One device is there from the beginning: the loopback device, with number 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// Network devices.
    pub devices: Vec<Device>,
    /// Routes; of those that fit, the one with the longest prefix counts, then the lowest metric.
    pub routes: Vec<Route>,
    /// Link layer addresses that are known.
    pub neighbours: Vec<Neighbour>,
    /// Sockets, for programs that look them up.
    pub sockets: Vec<Socket>,
    /// What `bpf_get_netns_cookie` tells: 1 is the first namespace's.
    pub cookie: u64,
    /// What devices tell about the packets that they receive.
    pub received: Received,
}

/// What XDP programs are told by `bpf_xdp_metadata_rx_timestamp` and its kin (Linux 6.3). What is not given, the device does not
/// tell: EOPNOTSUPP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// When the packet came, in nanoseconds.
    pub time: Option<u64>,
    /// Its hash, and what that was made of: `enum xdp_rss_hash_type`.
    pub hash: Option<(u32, u32)>,
    /// Protocol and number of its VLAN tag (Linux 6.8).
    pub vlan: Option<(u16, u16)>,
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its number.
    pub ifindex: u32,
    /// The longest packet in bytes, without the link layer's header.
    pub mtu: u32,
    /// Its address.
    pub address: [u8; 6],
    /// Whether packets that come in here may go out elsewhere.
    pub forwards: bool,
}

impl Device {
    /// A device of this number that forwards packets of up to 1500 bytes.
    #[must_use]
    pub const fn new(ifindex: u32) -> Self {
        Self {
            ifindex,
            mtu: 1500,
            address: [0; 6],
            forwards: true,
        }
    }
}

/// What becomes of packets to some addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// They go out.
    Unicast,
    /// They are for this host.
    Local,
    /// They are dropped in silence.
    Blackhole,
    /// They are dropped, and the sender is told that there is no way.
    Unreachable,
    /// They are dropped, and the sender is told that there is no right.
    Prohibit,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Where to.
    pub destination: IpAddr,
    /// How many bits of the address count.
    pub prefix: u8,
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// The device they leave through.
    pub ifindex: u32,
    /// The next host, if it is not the destination itself.
    pub gateway: Option<IpAddr>,
    /// The source address to be used.
    pub source: Option<IpAddr>,
    /// The lower, the better.
    pub metric: u32,
    /// The table it is in: 254 is the main one.
    pub table: u32,
}

impl Route {
    /// A route of the main table that leads out through a device.
    #[must_use]
    pub const fn new(destination: IpAddr, prefix: u8, ifindex: u32) -> Self {
        Self {
            destination,
            prefix,
            kind: RouteKind::Unicast,
            ifindex,
            gateway: None,
            source: None,
            metric: 0,
            table: MAIN_TABLE,
        }
    }

    /// The same through another host.
    #[must_use]
    pub fn via(self, gateway: IpAddr) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    fn fits(&self, address: IpAddr, table: u32) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let prefix = u32::from(self.prefix).min(width);
            prefix == 0 || (a ^ b) >> (width - prefix) == 0
        };
        self.table == table
            && match (self.destination, address) {
                (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
                (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
                _ => false,
            }
    }
}

/// The number of the main table of routes.
pub(crate) const MAIN_TABLE: u32 = 254;

/// The link layer address of another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The device that it is reached through.
    pub ifindex: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its link layer address.
    pub link: [u8; 6],
}

/// A protocol of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A socket of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socket {
    /// The protocol.
    pub transport: Transport,
    /// Its own address and port; any address is bound by the unspecified one.
    pub local: SocketAddr,
    /// The address it is connected to.
    pub remote: Option<SocketAddr>,
    /// The state, as TCP counts them: 1 connected, 7 closed, 10 listening.
    pub state: u32,
    /// Its mark.
    pub mark: u32,
    /// Its priority.
    pub priority: u32,
    /// The device it is bound to; 0: none.
    pub ifindex: u32,
    /// What `bpf_tcp_sock` tells: `struct bpf_tcp_sock`, in the order of the guest. What is not given cannot be read.
    pub connection: Vec<u8>,
}

impl Socket {
    /// A socket that waits for connections or packets.
    #[must_use]
    pub const fn listening(transport: Transport, local: SocketAddr) -> Self {
        let state = match transport {
            Transport::Tcp => 10,
            Transport::Udp => 7,
        };
        Self {
            transport,
            local,
            remote: None,
            state,
            mark: 0,
            priority: 0,
            ifindex: 0,
            connection: Vec::new(),
        }
    }

    /// A socket that is connected.
    #[must_use]
    pub const fn connected(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        let mut socket = Self::listening(transport, local);
        socket.remote = Some(remote);
        socket.state = 1;
        socket
    }

    /// How well it fits a packet from one address to another; `None`: not at all.
    fn fit(&self, transport: Transport, from: SocketAddr, to: SocketAddr) -> Option<u32> {
        if self.transport != transport
            || self.local.port() != to.port()
            || self.local.is_ipv4() != to.is_ipv4()
        {
            return None;
        }
        let exact = self.local.ip() == to.ip();
        if !exact && !self.local.ip().is_unspecified() {
            return None;
        }
        match self.remote {
            Some(remote) if remote == from => Some(2 + u32::from(exact)),
            Some(_) => None,
            None => Some(u32::from(exact)),
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            devices: vec![Device {
                mtu: 65536,
                forwards: false,
                ..Device::new(1)
            }],
            routes: Vec::new(),
            neighbours: Vec::new(),
            sockets: Vec::new(),
            cookie: 1,
            received: Received::default(),
        }
    }
}

impl Network {
    pub(crate) fn device(&self, ifindex: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.ifindex == ifindex)
    }

    pub(crate) fn route(&self, address: IpAddr, table: u32) -> Option<&Route> {
        let fitting = self.routes.iter().filter(|route| route.fits(address, table));
        fitting.min_by_key(|route| (core::cmp::Reverse(route.prefix), route.metric))
    }

    pub(crate) fn neighbour(&self, ifindex: u32, address: IpAddr) -> Option<&Neighbour> {
        let is = |known: &&Neighbour| known.ifindex == ifindex && known.address == address;
        self.neighbours.iter().find(is)
    }

    /// The number of the socket that a packet is for.
    pub(crate) fn socket(&self, transport: Transport, from: SocketAddr, to: SocketAddr) -> Option<usize> {
        let fits = self
            .sockets
            .iter()
            .enumerate()
            .filter_map(|(at, socket)| Some((at, socket.fit(transport, from, to)?)));
        // of those that fit alike, the first
        let best = fits.min_by_key(|(_, fit)| core::cmp::Reverse(*fit));
        best.map(|(at, _)| at)
    }
}
