//! Room between the headers of socket buffers.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::skb::{LONGEST, insert};
use crate::address::RegionId;
use crate::fault::Trap;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Bytes of the headers.
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// Behind the network header; behind the link layer's.
const AFTER_NETWORK: u64 = 0;
const AFTER_LINK: u64 = 1;

const FIXED_SEGMENTS: u64 = 1 << 0;
const ENCAP_IPV4: u64 = 1 << 1;
const ENCAP_IPV6: u64 = 1 << 2;
const ENCAP_GRE: u64 = 1 << 3;
const ENCAP_UDP: u64 = 1 << 4;
const KEEP_CHECKSUM: u64 = 1 << 5;
const ENCAP_ETHERNET: u64 = 1 << 6;
const DECAP_IPV4: u64 = 1 << 7;
const DECAP_IPV6: u64 = 1 << 8;
const DECAP: u64 = DECAP_IPV4 | DECAP_IPV6;
const ENCAP_L3: u64 = ENCAP_IPV4 | ENCAP_IPV6;
const ENCAP_L4: u64 = ENCAP_GRE | ENCAP_UDP;
/// Bytes of an inner link layer header, in the upper bits.
const ENCAP_LINK: u64 = 0xff << 56;
const ENCAP: u64 = ENCAP_L3 | ENCAP_L4 | ENCAP_ETHERNET | ENCAP_LINK;

/// The most that is added or taken at once.
const MOST: u32 = 0xfff;

pub(super) fn protocol(call: &mut Call<'_>) -> u16 {
    let fields = call.state().context.skb_mut();
    fields.map_or(0, |fields| u16::from_be(fields.protocol as u16))
}

pub(super) fn set_protocol(call: &mut Call<'_>, protocol: u16) {
    if let Some(fields) = call.state().context.skb_mut() {
        fields.protocol = protocol.to_be().into();
    }
}

/// Bytes of the packet before the network header, and all of them.
fn lengths(call: &Call<'_>) -> Option<(usize, usize)> {
    let state = &*call.run.state;
    let first = state.context.packet_start(&state.memory);
    let end = state.memory.region(RegionId::PACKET)?.end();
    let network = state.context.headers()?.network;
    Some((network.checked_sub(first)?, end.checked_sub(first)?))
}

pub(crate) fn adjust(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, difference, mode, flags, _] = call.args;
    let difference = difference as i32;
    let by = difference.unsigned_abs();
    if flags & !(ENCAP | FIXED_SEGMENTS | KEEP_CHECKSUM | DECAP) != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if by > MOST {
        return Ok(errno(Errno::EFAULT));
    }
    let by = by as usize;
    let header = match protocol(call) {
        IPV4 => IPV4_HEADER,
        IPV6 => IPV6_HEADER,
        _ => return Ok(errno(Errno::ENOTSUPP)),
    };
    let Some((link, len)) = lengths(call) else {
        return Ok(errno(Errno::ENOTSUPP));
    };
    let at = match mode & 0xffff_ffff {
        AFTER_NETWORK => link + header,
        AFTER_LINK => link,
        _ => return Ok(errno(Errno::ENOTSUPP)),
    };
    let shrinks = difference < 0;
    let shortest = match flags & DECAP {
        0 => header,
        DECAP if shrinks => return Ok(errno(Errno::EINVAL)),
        _ if !shrinks => return Ok(errno(Errno::EINVAL)),
        DECAP_IPV4 => IPV4_HEADER,
        _ => IPV6_HEADER,
    };
    let behind = len - link;
    let misfits = if shrinks {
        by >= behind || behind - by < shortest
    } else {
        len + by > LONGEST || at > len
    };
    if misfits {
        return Ok(errno(Errno::ENOTSUPP));
    }
    if shrinks {
        return Ok(shrink(call, at, by, flags));
    }
    Ok(grow(call, at, by, flags))
}

fn grow(call: &mut Call<'_>, at: usize, by: usize, flags: u64) -> u64 {
    let both = |flags: u64, pair: u64| flags & pair == pair;
    let inner_link = (flags >> 56) as usize;
    let is_ethernet = flags & ENCAP_ETHERNET != 0;
    if flags & ENCAP != 0
        && (both(flags, ENCAP_L3)
            || both(flags, ENCAP_L4)
            || inner_link > by
            || (is_ethernet && inner_link < 14))
    {
        return errno(Errno::EINVAL);
    }
    push(call, at, by);
    match flags & ENCAP_L3 {
        ENCAP_IPV4 => set_protocol(call, IPV4),
        ENCAP_IPV6 => set_protocol(call, IPV6),
        _ => {}
    }
    0
}

fn shrink(call: &mut Call<'_>, at: usize, by: usize, flags: u64) -> u64 {
    if flags & !(FIXED_SEGMENTS | DECAP | KEEP_CHECKSUM) != 0 {
        return errno(Errno::EINVAL);
    }
    if let Err(error) = pop(call, at, by) {
        return errno(error);
    }
    match flags & DECAP {
        DECAP_IPV4 => set_protocol(call, IPV4),
        DECAP_IPV6 => set_protocol(call, IPV6),
        _ => {}
    }
    0
}

/// Makes room; headers move to the front with what is before it.
fn push(call: &mut Call<'_>, at: usize, by: usize) {
    let before = lengths(call).map_or(0, |(link, _)| link);
    insert(call, at, by);
    call.state().context.network_at(before);
}

/// Takes bytes out, if they are there; headers move to the back with what is before it.
fn pop(call: &mut Call<'_>, at: usize, by: usize) -> Result<(), Errno> {
    let before = lengths(call).map_or(0, |(link, _)| link);
    take(call, at, by)?;
    call.state().context.network_at(before);
    Ok(())
}

/// Takes bytes out, if they are there; what is before them moves to the back.
pub(super) fn take(call: &mut Call<'_>, at: usize, by: usize) -> Result<(), Errno> {
    let state = call.state();
    let first = state.context.packet_start(&state.memory);
    let Some(region) = state.memory.region_mut(RegionId::PACKET) else {
        return Err(Errno::ENOMEM);
    };
    let end = region.end();
    if first + at + by > end {
        return Err(Errno::ENOMEM);
    }
    region.bytes.copy_within(first..first + at, first + by);
    region.set_window(first + by, end);
    state.context.moved(0, first + by, (end - first - by) as u32);
    Ok(())
}

/// From IPv4 to IPv6 or back: only the room is made.
pub(crate) fn change_protocol(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, wanted, flags, ..] = call.args;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let wanted = match call.endian() {
        bpfld_insn::Endian::Little => (wanted as u16).swap_bytes(),
        bpfld_insn::Endian::Big => wanted as u16,
    };
    let Some((link, _)) = lengths(call) else {
        return Ok(errno(Errno::ENOTSUPP));
    };
    let difference = IPV6_HEADER - IPV4_HEADER;
    match (protocol(call), wanted) {
        (IPV4, IPV6) => push(call, link, difference),
        (IPV6, IPV4) => {
            if let Err(error) = pop(call, link, difference) {
                return Ok(errno(error));
            }
        }
        _ => return Ok(errno(Errno::ENOTSUPP)),
    }
    set_protocol(call, wanted);
    Ok(0)
}
