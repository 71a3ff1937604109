//! Sockets: found by addresses, and seen as `struct bpf_sock`.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bpfld_insn::Endian;

use super::call::Call;
use crate::address::{GuestAddr, RegionId};
use crate::fault::Trap;
use crate::memory::Rights;
use crate::network::{Socket, Transport};
use crate::state::add_memory;

/// Bytes of the addresses of a look-up: of IPv4, of IPv6.
const TUPLE_V4: u64 = 12;
const TUPLE_V6: u64 = 36;

pub(crate) fn lookup_tcp(call: &mut Call<'_>) -> Result<u64, Trap> {
    lookup(call, Transport::Tcp)
}

pub(crate) fn lookup_udp(call: &mut Call<'_>) -> Result<u64, Trap> {
    lookup(call, Transport::Udp)
}

fn lookup(call: &mut Call<'_>, transport: Transport) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, tuple, len, namespace, flags] = call.args;
    let len = len & 0xffff_ffff;
    let tuple_bytes = call.read(tuple, len as usize)?;
    let Some((from, to)) = addresses(tuple_bytes) else {
        return Ok(0);
    };
    // nobody has given a number to another namespace
    if flags != 0 || namespace as i32 >= 0 {
        return Ok(0);
    }
    let found = call.run.state.scenario.network.socket(transport, from, to);
    Ok(match found {
        Some(number) => address(call, number),
        None => 0,
    })
}

/// From and to: addresses and ports are in network order.
fn addresses(tuple: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| {
        let bytes = tuple.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    };
    let (from, to, ports) = match tuple.len() as u64 {
        TUPLE_V4 => {
            let address = |at: usize| {
                let bytes: [u8; 4] = *tuple.get(at..)?.first_chunk()?;
                Some(IpAddr::from(Ipv4Addr::from(bytes)))
            };
            (address(0)?, address(4)?, 8)
        }
        TUPLE_V6 => {
            let address = |at: usize| {
                let bytes: [u8; 16] = *tuple.get(at..)?.first_chunk()?;
                Some(IpAddr::from(Ipv6Addr::from(bytes)))
            };
            (address(0)?, address(16)?, 32)
        }
        _ => return None,
    };
    Some((
        SocketAddr::new(from, port(ports)?),
        SocketAddr::new(to, port(ports + 2)?),
    ))
}

/// The address of a socket of the scenario, as programs see it.
fn address(call: &mut Call<'_>, number: usize) -> u64 {
    let endian = call.endian();
    let state = call.state();
    let Some(socket) = state.scenario.network.sockets.get(number) else {
        return 0;
    };
    let bytes = structure(socket, endian);
    if let Some(known) = state.sockets.get(&number) {
        return *known;
    }
    let address = add_memory(state, "socket", bytes, Rights::Read);
    state.sockets.insert(number, address);
    address
}

/// `struct bpf_sock`.
fn structure(socket: &Socket, endian: Endian) -> Vec<u8> {
    /// `SOCK_STREAM`, `SOCK_DGRAM`.
    const TYPES: (u32, u32) = (1, 2);
    let Socket {
        transport,
        local,
        remote,
        state,
        mark,
        priority,
        ifindex,
        connection: _,
    } = socket;
    let (kind, protocol) = match transport {
        Transport::Tcp => (TYPES.0, 6),
        Transport::Udp => (TYPES.1, 17),
    };
    let family = if local.is_ipv4() { 2 } else { 10 };
    let number = |value: u32| match endian {
        Endian::Little => value.to_le_bytes(),
        Endian::Big => value.to_be_bytes(),
    };
    let mut out = Vec::new();
    for value in [*ifindex, family, kind, protocol, *mark, *priority] {
        out.extend(number(value));
    }
    let addresses = |out: &mut Vec<u8>, address: Option<IpAddr>| {
        let (v4, v6) = match address {
            Some(IpAddr::V4(address)) => (address.octets(), [0; 16]),
            Some(IpAddr::V6(address)) => ([0; 4], address.octets()),
            None => ([0; 4], [0; 16]),
        };
        out.extend(v4);
        out.extend(v6);
    };
    addresses(&mut out, Some(local.ip()));
    out.extend(number(local.port().into()));
    let port = remote.map_or(0, |remote| remote.port());
    out.extend(port.to_be_bytes());
    out.extend([0; 2]);
    addresses(&mut out, remote.map(|remote| remote.ip()));
    out.extend(number(*state));
    // the queue it receives from: none
    out.extend(number(u32::MAX));
    out
}

/// The cookie of a socket of the scenario: its place in the list, from 1 on.
fn cookie_of(number: usize) -> u64 {
    number as u64 + 1
}

/// The socket of the scenario that has a cookie.
pub(super) fn find<'c>(call: &'c Call<'_>, cookie: u64) -> Option<&'c Socket> {
    known(call, usize::try_from(cookie.checked_sub(1)?).ok()?)
}

/// The cookie of the socket at an address: of the scenario, or the one that the program works on.
pub(super) fn cookie_at(call: &Call<'_>, at: u64) -> Option<u64> {
    if at == GuestAddr::new(RegionId::SOCKET, 0).0 {
        return Some(call.run.state.scenario.socket_cookie);
    }
    number_at(call, at).map(cookie_of)
}

/// The address of the socket that has a cookie; 0: there is none.
pub(super) fn with_cookie(call: &mut Call<'_>, cookie: u64) -> u64 {
    if cookie == call.scenario().socket_cookie {
        return GuestAddr::new(RegionId::SOCKET, 0).0;
    }
    let number = cookie
        .checked_sub(1)
        .and_then(|number| usize::try_from(number).ok());
    number.map_or(0, |number| address(call, number))
}

/// Of the socket at an address, or of that of the context.
pub(crate) fn cookie(call: &mut Call<'_>) -> Result<u64, Trap> {
    let own = call.scenario().socket_cookie;
    Ok(cookie_at(call, call.args[0]).unwrap_or(own))
}

pub(crate) fn namespace_cookie(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().network.cookie)
}

/// A socket of the scenario.
pub(super) fn known<'c>(call: &'c Call<'_>, number: usize) -> Option<&'c Socket> {
    call.run.state.scenario.network.sockets.get(number)
}

/// The number of the socket at an address.
pub(super) fn number_at(call: &Call<'_>, address: u64) -> Option<usize> {
    let found = call
        .run
        .state
        .sockets
        .iter()
        .find(|(_, known)| **known == address);
    found.map(|(number, _)| *number)
}

pub(crate) fn release(call: &mut Call<'_>) -> Result<u64, Trap> {
    match number_at(call, call.args[0]) {
        Some(_) => Ok(0),
        None => Err(call.bad(1, "no socket")),
    }
}

/// All sockets here are full ones.
pub(crate) fn full(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.args[0])
}

/// What is known of the connection, if it is one of TCP.
pub(crate) fn tcp(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = number_at(call, call.args[0]);
    let state = call.state();
    let socket = number.and_then(|number| state.scenario.network.sockets.get(number));
    let (Some(number), Some(socket)) = (number, socket.filter(|socket| socket.transport == Transport::Tcp))
    else {
        return Ok(0);
    };
    if let Some(known) = state.connections.get(&number) {
        return Ok(*known);
    }
    let bytes = socket.connection.clone();
    let name = "connection of a socket, as far as it was given";
    let address = add_memory(state, name, bytes, Rights::Read);
    state.connections.insert(number, address);
    Ok(address)
}

/// The listening socket that belongs to a socket: itself, if it is one.
pub(crate) fn listener(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// `TCP_LISTEN`
    const LISTENING: u32 = 10;
    let address = call.args[0];
    let socket =
        number_at(call, address).and_then(|number| call.run.state.scenario.network.sockets.get(number));
    Ok(match socket {
        Some(socket) if socket.state == LISTENING => address,
        _ => 0,
    })
}
