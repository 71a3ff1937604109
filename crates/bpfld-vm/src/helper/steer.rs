//! Packets and messages handed to sockets: where to is in the outcome of the run.

use bpfld_sys::{Errno, MapType, ProgramType};

use super::call::{Call, errno, status};
use super::socket::{cookie_at, find};
use crate::fault::Trap;
use crate::map::{Put, number_key};
use crate::network::Transport;
use crate::redirect::Redirect;
use crate::state::State;

/// Verdicts on messages and streams.
const DROP: u64 = 0;
const PASS: u64 = 1;
const INGRESS: u64 = 1;

/// The socket of a map by a key, as programs have it in memory; `None`: there is none.
fn chosen(call: &mut Call<'_>, key: &[u8]) -> Result<Option<u64>, Trap> {
    let endian = call.endian();
    let number = call.map_number(1)?;
    let State { maps, memory, .. } = call.state();
    let map = maps.get_mut(number);
    let Some(map) =
        map.filter(|map| map.holds_sockets() || map.spec.map_type == MapType::REUSEPORT_SOCKARRAY)
    else {
        return Err(call.bad(2, "no map of sockets"));
    };
    let place = map.peek(key, endian);
    Ok(place.and_then(|place| map.number_at(memory, place, endian)))
}

/// The key that an argument is the address of.
fn key_at(call: &mut Call<'_>) -> Result<alloc::vec::Vec<u8>, Trap> {
    let size = call.map(1)?.1.spec.key_size as usize;
    Ok(call.read(call.args[2], size)?.to_vec())
}

/// The key that an argument is.
fn key_of(call: &Call<'_>) -> [u8; 4] {
    number_key(call.args[2] as u32, call.endian())
}

fn redirect(call: &mut Call<'_>, key: &[u8]) -> Result<u64, Trap> {
    call.context(0)?;
    let flags = call.args[3];
    if flags & !INGRESS != 0 {
        return Ok(DROP);
    }
    let Some(cookie) = chosen(call, key)? else {
        return Ok(DROP);
    };
    call.state().redirect = Some(Redirect::Socket { cookie, flags });
    Ok(PASS)
}

/// `bpf_msg_redirect_map`, `bpf_sk_redirect_map`.
pub(crate) fn by_index(call: &mut Call<'_>) -> Result<u64, Trap> {
    let key = key_of(call);
    redirect(call, &key)
}

/// `bpf_msg_redirect_hash`, `bpf_sk_redirect_hash`.
pub(crate) fn by_key(call: &mut Call<'_>) -> Result<u64, Trap> {
    let key = key_at(call)?;
    redirect(call, &key)
}

/// One of several sockets on a port.
pub(crate) fn select(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let key = key_at(call)?;
    Ok(match chosen(call, &key)? {
        Some(cookie) => {
            call.state().redirect = Some(Redirect::Socket { cookie, flags: 0 });
            0
        }
        None => errno(Errno::ENOENT),
    })
}

/// The socket that a look-up finds, or that a packet is for.
pub(crate) fn assign(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, socket, flags, ..] = call.args;
    let of_lookup = call.program_type() == ProgramType::SK_LOOKUP;
    Ok(status(match of_lookup {
        true => assign_found(call, socket, flags),
        false => assign_packet(call, socket, flags),
    }))
}

fn assign_packet(call: &mut Call<'_>, socket: u64, flags: u64) -> Result<(), Errno> {
    if flags != 0 || socket == 0 {
        return Err(Errno::EINVAL);
    }
    let cookie = cookie_at(call, socket).ok_or(Errno::EINVAL)?;
    call.state().redirect = Some(Redirect::Socket { cookie, flags });
    Ok(())
}

fn assign_found(call: &mut Call<'_>, socket: u64, flags: u64) -> Result<(), Errno> {
    const REPLACE: u64 = 1;
    const NO_REUSEPORT: u64 = 2;
    /// `TCP_ESTABLISHED`
    const CONNECTED: u32 = 1;
    if flags & !(REPLACE | NO_REUSEPORT) != 0 {
        return Err(Errno::EINVAL);
    }
    let cookie = match socket {
        0 => None,
        socket => Some(cookie_at(call, socket).ok_or(Errno::EINVAL)?),
    };
    let wanted = |field| call.run.state.context.number(field).unwrap_or(0);
    if let Some(known) = cookie.and_then(|cookie| find(call, cookie)) {
        let protocol = match known.transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        };
        if known.state == CONNECTED {
            return Err(Errno::ESOCKTNOSUPPORT);
        }
        if protocol != wanted("protocol") {
            return Err(Errno::EPROTOTYPE);
        }
        // those of IPv6 take IPv4, too
        if known.local.is_ipv4() && wanted("family") != 2 {
            return Err(Errno::EAFNOSUPPORT);
        }
    }
    let state = call.state();
    if state.redirect.is_some() && flags & REPLACE == 0 {
        return Err(Errno::EEXIST);
    }
    state.redirect = cookie.map(|cookie| Redirect::Socket { cookie, flags });
    Ok(())
}

/// Puts the socket that the program works on into a map.
pub(crate) fn keep(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let key = key_at(call)?;
    let (flags, endian) = (call.args[3], call.endian());
    let cookie = call.scenario().socket_cookie;
    let number = call.map_number(1)?;
    let State {
        maps, memory, timers, ..
    } = call.state();
    let Some(map) = maps.get_mut(number).filter(|map| map.holds_sockets()) else {
        return Err(call.bad(2, "no map of sockets"));
    };
    let value = map.number_bytes(cookie, endian);
    Ok(status(map.update(
        memory,
        timers,
        &key,
        Put::Cpu(0, &value),
        flags,
        endian,
    )))
}
