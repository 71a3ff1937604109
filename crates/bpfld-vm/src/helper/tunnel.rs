//! The tunnel that a socket buffer is to take.

use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// A tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    /// `struct bpf_tunnel_key`.
    key: Vec<u8>,
    /// 1: of IPv6.
    family: u64,
    options: Vec<u8>,
}

/// Bytes of `struct bpf_tunnel_key`, and the shorter forms that older programs have.
const KEY: usize = 44;
const SHORTER: [usize; 4] = [28, 26, 24, 20];
const IPV6_KEY: u64 = 1;
const SET_FLAGS: u64 = 0x1f;

fn is_key(len: usize) -> bool {
    len == KEY || SHORTER.contains(&len)
}

pub(crate) fn set_key(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, from, len, flags, _] = call.args;
    let len = len as u32 as usize;
    if flags & !SET_FLAGS != 0 || !is_key(len) {
        return Ok(errno(Errno::EINVAL));
    }
    let mut key = call.read(from, len)?.to_vec();
    key.resize(KEY, 0);
    call.state().tunnel = Some(Tunnel {
        key,
        family: flags & IPV6_KEY,
        options: Vec::new(),
    });
    Ok(0)
}

pub(crate) fn key(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, to, len, flags, _] = call.args;
    let len = len as u32 as usize;
    let held = call.state().tunnel.clone();
    let error = match &held {
        Some(tunnel) if tunnel.family == flags & IPV6_KEY => None,
        None => Some(Errno::EINVAL),
        Some(_) => Some(Errno::EPROTO),
    };
    let error = error.or((!is_key(len)).then_some(Errno::EINVAL));
    if let (None, Some(tunnel)) = (error, held) {
        call.write(to, tunnel.key.get(..len).unwrap_or_default())?;
        return Ok(0);
    }
    call.run.state.memory.slice_mut(to, len)?.fill(0);
    Ok(error.map_or(0, errno))
}

/// The longest options of a tunnel.
const LONGEST_OPTIONS: usize = 255;

pub(crate) fn set_options(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, from, len, ..] = call.args;
    let len = len as u32 as usize;
    if call.run.state.tunnel.is_none() || !len.is_multiple_of(4) {
        return Ok(errno(Errno::EINVAL));
    }
    if len > LONGEST_OPTIONS {
        return Ok(errno(Errno::ENOMEM));
    }
    let options = call.read(from, len)?.to_vec();
    if let Some(tunnel) = &mut call.state().tunnel {
        tunnel.options = options;
    }
    Ok(0)
}

/// Copies the options, and returns how long they are.
pub(crate) fn options(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, to, len, ..] = call.args;
    let len = len as u32 as usize;
    let held = call
        .run
        .state
        .tunnel
        .as_ref()
        .map(|tunnel| tunnel.options.clone());
    let place = call.run.state.memory.slice_mut(to, len)?;
    place.fill(0);
    let options = match held {
        Some(options) if !options.is_empty() => options,
        _ => return Ok(errno(Errno::ENOENT)),
    };
    let Some(place) = place.get_mut(..options.len()) else {
        return Ok(errno(Errno::ENOMEM));
    };
    place.copy_from_slice(&options);
    Ok(options.len() as u64)
}
