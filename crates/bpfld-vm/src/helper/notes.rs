//! What is noted about a socket buffer beside its bytes.

use bpfld_sys::Errno;

use super::call::{Call, errno, status};
use super::room::protocol;
use crate::address::RegionId;
use crate::fault::Trap;

pub(crate) fn change_type(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let wanted = call.args[1] as u32;
    if wanted > 3 {
        return Ok(errno(Errno::EINVAL));
    }
    if let Some(fields) = call.state().context.skb_mut() {
        fields.pkt_type = wanted;
    }
    Ok(0)
}

pub(crate) fn invalidate_hash(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    if let Some(fields) = call.state().context.skb_mut() {
        fields.hash = 0;
    }
    Ok(0)
}

pub(crate) fn set_hash(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let hash = call.args[1] as u32;
    if let Some(fields) = call.state().context.skb_mut() {
        fields.hash = hash;
    }
    Ok(0)
}

pub(crate) fn hash(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    Ok(call
        .state()
        .context
        .skb_mut()
        .map_or(0, |fields| fields.hash.into()))
}

/// How many checksums, one inside the other, are known to be right.
pub(crate) fn checksum_level(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// The kernel counts up to here.
    const MOST: u8 = 3;
    call.context(0)?;
    let what = call.args[1];
    let Some(level) = call.state().context.checksum_level() else {
        return Err(call.bad(1, "no socket buffer"));
    };
    *level = match (what, *level) {
        (0, level) => return Ok(level.map_or(errno(Errno::EACCES), u64::from)),
        (1, None) => Some(0),
        (1, Some(level)) => Some(MOST.min(level + 1)),
        (2, level) => level.and_then(|level| level.checked_sub(1)),
        (3, _) => None,
        _ => return Ok(errno(Errno::EINVAL)),
    };
    Ok(0)
}

/// When the packet is to be sent, and by which clock.
pub(crate) fn set_time(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// Of the clocks, the one that may be at zero: that of the date.
    const REAL: u32 = 0;
    const MONOTONIC: u32 = 1;
    const TAI: u32 = 2;
    call.context(0)?;
    let [_, time, clock, ..] = call.args;
    let clock = clock as u32;
    let Some(fields) = call.state().context.skb_mut() else {
        return Err(call.bad(1, "no socket buffer"));
    };
    let protocol = u16::from_be(fields.protocol as u16);
    let result = match clock {
        _ if protocol != 0x0800 && protocol != 0x86dd => Err(Errno::EOPNOTSUPP),
        MONOTONIC | TAI if time == 0 => Err(Errno::EINVAL),
        REAL | MONOTONIC | TAI => Ok(()),
        _ => Err(Errno::EINVAL),
    };
    if result.is_ok() {
        (fields.tstamp, fields.tstamp_type) = (time, clock as u8);
    }
    Ok(status(result))
}

/// Marks the packet as one that met congestion: 1 if it bears the mark then.
pub(crate) fn met_congestion(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let protocol = protocol(call);
    let state = call.state();
    let Some(network) = state.context.headers().map(|headers| headers.network) else {
        return Err(call.bad(1, "no socket buffer"));
    };
    let region = state.memory.region_mut(RegionId::PACKET);
    let header = region.and_then(|region| {
        let end = region.end();
        region.bytes.get_mut(network..end)
    });
    let marked = match (protocol, header) {
        (0x0800, Some(header)) if header.len() >= 20 => mark_v4(header),
        (0x86dd, Some(header)) if header.len() >= 40 => mark_v6(header),
        _ => false,
    };
    Ok(marked.into())
}

/// The two bits: not capable, and met congestion.
const NOT_CAPABLE: u8 = 0;
const MET: u8 = 3;

fn mark_v4(header: &mut [u8]) -> bool {
    let [_, service, ..] = header else { return false };
    match *service & MET {
        NOT_CAPABLE => return false,
        MET => return true,
        _ => {}
    }
    let old = u16::from(*service & MET);
    *service |= MET;
    let added = u16::from(MET) - old;
    // the header's checksum takes what was added off
    if let Some([high, low]) = header.get_mut(10..12) {
        let (sum, borrow) = u16::from_be_bytes([*high, *low]).overflowing_sub(added);
        [*high, *low] = sum.wrapping_sub(borrow.into()).to_be_bytes();
    }
    true
}

fn mark_v6(header: &mut [u8]) -> bool {
    // the bits lie across the upper half of the second byte
    let [_, flow, ..] = header else { return false };
    match *flow >> 4 & MET {
        NOT_CAPABLE => false,
        _ => {
            *flow |= MET << 4;
            true
        }
    }
}
