//! Routes of light-weight tunnels: a program on the way of the packets to a destination, put there by netlink.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd},
};

use bpfld_sys::{Errno, ProgramType};
use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage,
        RouteProtocol, RouteScope, RouteType,
    },
};

use super::route::RouteSocket;
use crate::Program;

/// Parts of `LWT_BPF_IN` and its like (include/uapi/linux/lwtunnel.h).
const PROG_FD: u16 = 1;
const PROG_NAME: u16 = 2;
/// Parts of a segment-routing endpoint (include/uapi/linux/seg6_local.h), and the action that is a program.
const SEG6_ACTION: u16 = 1;
const SEG6_BPF: u16 = 8;
const SEG6_END_BPF: u32 = 15;

/// A route with a program on it.
#[derive(Debug)]
pub(crate) struct TunnelHold {
    socket: RouteSocket,
    message: RouteMessage,
    program: Program,
}

impl TunnelHold {
    /// Adds a route to the main table.
    pub(crate) fn attach(
        program: &Program,
        destination: IpAddr,
        prefix_len: u8,
        ifindex: u32,
    ) -> io::Result<TunnelHold> {
        let socket = RouteSocket::open()?;
        let message = message(program, destination, prefix_len, ifindex);
        socket.ask(
            RouteNetlinkMessage::NewRoute(message.clone()),
            NLM_F_CREATE | NLM_F_EXCL,
        )?;
        Ok(TunnelHold {
            socket,
            message,
            program: program.clone(),
        })
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Removes the route, unless it is gone already, or its interface is.
    pub(crate) fn detach(self) -> io::Result<()> {
        match self.socket.ask(RouteNetlinkMessage::DelRoute(self.message), 0) {
            Err(error)
                if matches!(
                    error.raw_os_error().map(Errno),
                    Some(Errno::ESRCH | Errno::ENODEV)
                ) =>
            {
                Ok(())
            }
            result => result.map(drop),
        }
    }
}

fn message(program: &Program, destination: IpAddr, prefix_len: u8, ifindex: u32) -> RouteMessage {
    let (family, scope, address) = match destination {
        IpAddr::V4(address) => (AddressFamily::Inet, RouteScope::Link, RouteAddress::Inet(address)),
        IpAddr::V6(address) => (
            AddressFamily::Inet6,
            RouteScope::Universe,
            RouteAddress::Inet6(address),
        ),
    };
    let (encap_type, parts) = tunnel(program);
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family,
        destination_prefix_length: prefix_len,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        scope,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Destination(address),
        RouteAttribute::Oif(ifindex),
        RouteAttribute::EncapType(encap_type),
        RouteAttribute::Encap(parts.into_iter().map(RouteLwTunnelEncap::Other).collect()),
    ];
    message
}

/// What kind of tunnel a program is for, and the program in its place there.
fn tunnel(program: &Program) -> (RouteLwEnCapType, Vec<DefaultNla>) {
    let hook = match program.program_type() {
        ProgramType::LWT_SEG6LOCAL => {
            let action = DefaultNla::new(SEG6_ACTION, SEG6_END_BPF.to_ne_bytes().to_vec());
            return (
                RouteLwEnCapType::Seg6Local,
                vec![action, nested(SEG6_BPF, program)],
            );
        }
        ProgramType::LWT_IN => 1,
        ProgramType::LWT_OUT => 2,
        _ => 3,
    };
    (RouteLwEnCapType::Bpf, vec![nested(hook, program)])
}

/// Descriptor and name of a program; both kinds of tunnels have the same numbers for them.
fn nested(kind: u16, program: &Program) -> DefaultNla {
    let mut name = program.name().as_bytes().to_vec();
    name.push(0);
    let parts = [
        DefaultNla::new(PROG_FD, program.as_fd().as_raw_fd().to_ne_bytes().to_vec()),
        DefaultNla::new(PROG_NAME, name),
    ];
    let mut bytes = vec![0; parts.as_slice().buffer_len()];
    parts.as_slice().emit(&mut bytes);
    DefaultNla::new(kind, bytes)
}
