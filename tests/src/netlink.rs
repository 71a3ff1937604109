//! As much rtnetlink as tests need: set a device up, make a pair of virtual Ethernet devices, add an address.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    libc,
    net::if_::if_nametoindex,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
    },
};

// Numbers of <linux/if_link.h>, <linux/if_addr.h> and <linux/veth.h>.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// The same number for both kinds.
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_MTU: u16 = 4;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFF_UP: u32 = 1;
const TCA_KIND: u16 = 1;

/// Sets a device up.
pub(crate) fn set_up(name: &str) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    Request::new(libc::RTM_NEWLINK, 0)
        .link_header(index, IFF_UP)
        .send()
}

/// Makes two devices of a kind that come in pairs, `veth` or `netkit`, and sets both up.
pub(crate) fn add_pair(kind: &str, name: &str, peer: &str) -> io::Result<()> {
    add_pair_with(kind, name, peer, None)
}

/// The same with a number of queues, which not all kinds let one choose.
pub(crate) fn add_pair_with(kind: &str, name: &str, peer: &str, queues: Option<u32>) -> io::Result<()> {
    let end = |request: Request, name| {
        let request = request.link_header(0, 0).text(IFLA_IFNAME, name);
        match queues.map(u32::to_ne_bytes) {
            Some(queues) => request
                .attribute(IFLA_NUM_TX_QUEUES, &queues)
                .attribute(IFLA_NUM_RX_QUEUES, &queues),
            None => request,
        }
    };
    let request = Request::new(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    end(request, name)
        .nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, kind).nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |other| end(other, peer))
            })
        })
        .send()?;
    set_up(name)?;
    set_up(peer)
}

/// Changes how long packets of a device may be.
pub(crate) fn set_mtu(name: &str, bytes: u32) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    Request::new(libc::RTM_NEWLINK, 0)
        .link_header(index, IFF_UP)
        .attribute(IFLA_MTU, &bytes.to_ne_bytes())
        .send()
}

/// Gives a device an IPv4 address in a network of 24 bits.
pub(crate) fn add_address(name: &str, address: [u8; 4]) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    Request::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .bytes(&[libc::AF_INET as u8, 24, 0, 0])
        .bytes(&index.to_ne_bytes())
        .attribute(IFA_LOCAL, &address)
        .attribute(IFA_ADDRESS, &address)
        .send()
}

/// Removes a device, and with it its peer.
pub(crate) fn remove(name: &str) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    Request::new(libc::RTM_DELLINK, 0).link_header(index, 0).send()
}

/// Removes a queueing discipline that hangs where those for incoming packets do.
pub(crate) fn remove_qdisc(name: &str, kind: &str) -> io::Result<()> {
    qdisc(libc::RTM_DELQDISC, name, kind)
}

/// Whether a device has such a queueing discipline.
pub(crate) fn has_qdisc(name: &str, kind: &str) -> io::Result<bool> {
    // Making it again only succeeds where it is missing.
    match qdisc(libc::RTM_NEWQDISC, name, kind) {
        Ok(()) => remove_qdisc(name, kind).map(|()| false),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(true),
        Err(error) => Err(error),
    }
}

fn qdisc(request: u16, name: &str, kind: &str) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    let flags = if request == libc::RTM_NEWQDISC {
        libc::NLM_F_CREATE | libc::NLM_F_EXCL
    } else {
        0
    };
    // family, device, handle, parent, more
    Request::new(request, flags)
        .bytes(&[0; 4])
        .bytes(&index.to_ne_bytes())
        .bytes(&0xffff_0000u32.to_ne_bytes())
        .bytes(&0xffff_fff1u32.to_ne_bytes())
        .bytes(&[0; 4])
        .text(TCA_KIND, kind)
        .send()
}

/// A message under construction. All numbers in it have the byte order of the machine.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: i32) -> Request {
        let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        // length (filled in when sent), type, flags, sequence number, sender
        Request { bytes: Vec::new() }
            .bytes(&[0; 4])
            .bytes(&kind.to_ne_bytes())
            .bytes(&flags.to_ne_bytes())
            .bytes(&[0; 8])
    }

    fn bytes(mut self, bytes: &[u8]) -> Request {
        self.bytes.extend(bytes);
        self
    }

    /// The fixed part of messages about devices: family, type, index, flags, which flags to change.
    fn link_header(self, index: u32, flags: u32) -> Request {
        self.bytes(&[0; 4])
            .bytes(&index.to_ne_bytes())
            .bytes(&flags.to_ne_bytes())
            .bytes(&flags.to_ne_bytes())
    }

    fn attribute(self, kind: u16, value: &[u8]) -> Request {
        self.nest(kind, |request| request.bytes(value))
    }

    fn text(self, kind: u16, value: &str) -> Request {
        self.nest(kind, |request| request.bytes(value.as_bytes()).bytes(&[0]))
    }

    /// An attribute whose value is written by `fill`; the next one begins at a multiple of 4.
    fn nest(mut self, kind: u16, fill: impl FnOnce(Request) -> Request) -> Request {
        let start = self.bytes.len();
        self = fill(self.bytes(&[0; 2]).bytes(&kind.to_ne_bytes()));
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Sends it and waits for the kernel's answer.
    fn send(mut self) -> io::Result<()> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let socket: OwnedFd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        sendto(
            socket.as_raw_fd(),
            &self.bytes,
            &NetlinkAddr::new(0, 0),
            MsgFlags::empty(),
        )?;
        let mut answer = [0; 4096];
        let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let error = answer[..length]
            .get(16..20)
            .and_then(|bytes| bytes.try_into().ok())
            .map(i32::from_ne_bytes);
        match error {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(-error)),
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "short answer from rtnetlink",
            )),
        }
    }
}
