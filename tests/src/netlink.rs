//! As much of the kernel's network configuration as tests need: devices, addresses, queueing disciplines.

use std::{io, net::IpAddr};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoKind, InfoNetkit, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    tc::{TcAttribute, TcHandle, TcMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_nametoindex;

/// Sets a device up.
pub(crate) fn set_up(name: &str) -> io::Result<()> {
    change(name, Vec::new())
}

/// Changes how long packets of a device may be.
pub(crate) fn set_mtu(name: &str, bytes: u32) -> io::Result<()> {
    change(name, vec![LinkAttribute::Mtu(bytes)])
}

/// Changes a device, and sets it up.
fn change(name: &str, attributes: Vec<LinkAttribute>) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = if_nametoindex(name)?;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = attributes;
    ask(RouteNetlinkMessage::NewLink(message), 0).map(drop)
}

/// Makes two devices of a kind that come in pairs, and sets both up; with a number of queues, which not all kinds let one choose.
pub(crate) fn add_pair(kind: InfoKind, name: &str, peer: &str, queues: Option<u32>) -> io::Result<()> {
    let end = |name: &str| {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.extend(queues.into_iter().flat_map(|queues| {
            [
                LinkAttribute::NumTxQueues(queues),
                LinkAttribute::NumRxQueues(queues),
            ]
        }));
        message
    };
    let other = match kind {
        InfoKind::Netkit => InfoData::Netkit(vec![InfoNetkit::Peer(end(peer))]),
        _ => InfoData::Veth(InfoVeth::Peer(end(peer))),
    };
    let mut message = end(name);
    let info = vec![LinkInfo::Kind(kind), LinkInfo::Data(other)];
    message.attributes.push(LinkAttribute::LinkInfo(info));
    ask(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)?;
    set_up(name)?;
    set_up(peer)
}

/// Gives a device an address in a network of so many bits.
pub(crate) fn add_address(name: &str, address: IpAddr, prefix_len: u8) -> io::Result<()> {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = prefix_len;
    message.header.index = if_nametoindex(name)?;
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    ask(
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
    .map(drop)
}

/// Removes a device, and with it its peer.
pub(crate) fn remove(name: &str) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = if_nametoindex(name)?;
    ask(RouteNetlinkMessage::DelLink(message), 0).map(drop)
}

/// Removes a queueing discipline that hangs where those for incoming packets do.
pub(crate) fn remove_qdisc(name: &str, kind: &str) -> io::Result<()> {
    let mut message = TcMessage::with_index(if_nametoindex(name)?.cast_signed());
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    ask(RouteNetlinkMessage::DelQueueDiscipline(message), 0).map(drop)
}

/// The queueing disciplines of this network namespace: index of the device, and kind.
pub(crate) fn qdiscs() -> io::Result<Vec<(u32, String)>> {
    let answers = ask(
        RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()),
        NLM_F_DUMP,
    )?;
    let kind = |attribute: &TcAttribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    };
    let qdisc = |answer| match answer {
        RouteNetlinkMessage::NewQueueDiscipline(message) => Some((
            message.header.index.cast_unsigned(),
            message.attributes.iter().find_map(kind)?,
        )),
        _ => None,
    };
    Ok(answers.into_iter().filter_map(qdisc).collect())
}

/// Sends a request; what the kernel answers, up to its acknowledgement or the end of a list.
fn ask(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = flags | NLM_F_REQUEST | NLM_F_ACK;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut answers = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::deserialize(rest).map_err(io::Error::other)?;
            rest = &rest[(message.header.length as usize)
                .next_multiple_of(4)
                .min(rest.len())..];
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                other => panic!("{other:?}"),
            }
        }
    }
}
