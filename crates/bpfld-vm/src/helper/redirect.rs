//! Where packets are to go.

use bpfld_sys::{Errno, MapType, ProgramType};

use super::call::{Call, errno};
use crate::fault::Trap;
use crate::map::{Contents, number_key};
use crate::redirect::Redirect;

/// What XDP and traffic control programs return.
const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;
const TC_SHOT: u64 = 2;
const TC_REDIRECT: u64 = 7;

const INGRESS: u64 = 1;
const BROADCAST: u64 = 8;
const EXCLUDE_INGRESS: u64 = 16;

pub(crate) fn device(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [ifindex, flags, ..] = call.args;
    let (refused, done, known) = match call.program_type() {
        ProgramType::XDP => (XDP_ABORTED, XDP_REDIRECT, 0),
        _ => (TC_SHOT, TC_REDIRECT, INGRESS),
    };
    if flags & !known != 0 {
        return Ok(refused);
    }
    call.state().redirect = Some(Redirect::Device {
        ifindex: ifindex as u32,
        flags,
    });
    Ok(done)
}

pub(crate) fn peer(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [ifindex, flags, ..] = call.args;
    if flags != 0 {
        return Ok(TC_SHOT);
    }
    call.state().redirect = Some(Redirect::Peer {
        ifindex: ifindex as u32,
    });
    Ok(TC_REDIRECT)
}

pub(crate) fn neighbour(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [ifindex, _, len, flags, _] = call.args;
    // struct bpf_redir_neigh: 20 bytes
    if flags != 0 || (len != 0 && len < 20) {
        return Ok(TC_SHOT);
    }
    call.state().redirect = Some(Redirect::Neighbour {
        ifindex: ifindex as u32,
    });
    Ok(TC_REDIRECT)
}

pub(crate) fn clone(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, ifindex, flags, ..] = call.args;
    // no device has the number 0
    if flags & !INGRESS != 0 || ifindex as u32 == 0 {
        return Ok(errno(Errno::EINVAL));
    }
    call.state().redirect = Some(Redirect::Clone {
        ifindex: ifindex as u32,
        flags,
    });
    Ok(0)
}

pub(crate) fn map(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, key, flags, ..] = call.args;
    let endian = call.endian();
    let (number, map) = call.map(0)?;
    let map_type = map.spec.map_type;
    let known = match map_type {
        MapType::DEVMAP | MapType::DEVMAP_HASH => BROADCAST | EXCLUDE_INGRESS,
        MapType::CPUMAP | MapType::XSKMAP => 0,
        _ => return Err(call.bad(1, "no map of devices, processors or sockets")),
    };
    if flags & !(3 | known) != 0 {
        return Ok(XDP_ABORTED);
    }
    let found = match &map.contents {
        Contents::Hash(hash) => hash.peek(&number_key(key as u32, endian)).is_some(),
        _ => false,
    };
    if !found && flags & BROADCAST == 0 {
        return Ok(flags & 3);
    }
    call.state().redirect = Some(Redirect::Map {
        map: number,
        map_type,
        key,
        flags,
    });
    Ok(XDP_REDIRECT)
}
