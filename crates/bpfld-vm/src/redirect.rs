//! Where a program wants its packet to go.

use bpfld_sys::MapType;

/// What a helper of the redirect family was told. Nothing is sent: the host sees it in the outcome of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redirect {
    /// To a network device, by `bpf_redirect`.
    Device {
        /// Its index.
        ifindex: u32,
        /// 1: into the device, as if received there.
        flags: u64,
    },
    /// To the peer of a device, by `bpf_redirect_peer`.
    Peer {
        /// Its index.
        ifindex: u32,
    },
    /// To a neighbour, by `bpf_redirect_neigh`.
    Neighbour {
        /// The device's index.
        ifindex: u32,
    },
    /// To an element of a map, by `bpf_redirect_map`.
    Map {
        /// The number of the map in the machine.
        map: usize,
        /// Its type.
        map_type: MapType,
        /// The key.
        key: u64,
        /// Flags.
        flags: u64,
    },
    /// To a socket: by `bpf_sk_assign`, `bpf_sk_select_reuseport`, `bpf_sk_redirect_map` and `bpf_msg_redirect_map`, and those two
    /// with keys.
    Socket {
        /// Its cookie: of the scenario's sockets, the place in the list, from 1 on; or what the host put into the map.
        cookie: u64,
        /// Flags.
        flags: u64,
    },
    /// To a copy on another device beside the packet, by `bpf_clone_redirect`.
    Clone {
        /// The device's index.
        ifindex: u32,
        /// 1: into the device.
        flags: u64,
    },
}
