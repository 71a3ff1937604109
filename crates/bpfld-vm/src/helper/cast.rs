//! Sockets, told to be of another type: the same address if they are, else a null pointer.

use super::call::Call;
use super::socket::{known, number_at};
use crate::fault::Trap;
use crate::network::{Socket, Transport};

/// States of TCP: waiting after the end, and before the beginning.
const TIME_WAIT: u32 = 6;
const NEW_REQUEST: u32 = 12;

/// The address, if it is that of a socket of the scenario for which something holds; or that of memory which the host gave, which is
/// what the host says it is.
fn cast(call: &Call<'_>, holds: impl Fn(&Socket) -> bool) -> Result<u64, Trap> {
    let address = call.args[0];
    let number = number_at(call, address);
    let socket = number.and_then(|number| known(call, number));
    Ok(match socket {
        Some(socket) if !holds(socket) => 0,
        Some(_) => address,
        None if call.read(address, 1).is_ok() => address,
        None => 0,
    })
}

fn is_full_tcp(socket: &Socket) -> bool {
    socket.transport == Transport::Tcp && !matches!(socket.state, TIME_WAIT | NEW_REQUEST)
}

pub(crate) fn tcp(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, is_full_tcp)
}

pub(crate) fn tcp6(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, |socket| is_full_tcp(socket) && socket.local.is_ipv6())
}

pub(crate) fn udp6(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, |socket| {
        socket.transport == Transport::Udp && socket.local.is_ipv6()
    })
}

pub(crate) fn waiting(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, |socket| {
        socket.transport == Transport::Tcp && socket.state == TIME_WAIT
    })
}

pub(crate) fn request(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, |socket| {
        socket.transport == Transport::Tcp && socket.state == NEW_REQUEST
    })
}

/// Sockets of other families: none is in the scenario.
pub(crate) fn other(call: &mut Call<'_>) -> Result<u64, Trap> {
    cast(call, |_| false)
}
