//! Helpers on XDP packets.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::skb::{copy_in, copy_out};
use crate::address::RegionId;
use crate::context::XdpFields;
use crate::fault::Trap;
use crate::memory::Region;

/// What the kernel keeps at the front of the headroom for itself: `struct xdp_frame`.
const FRAME: i64 = 40;
/// The shortest packet: an Ethernet header.
const ETHERNET: i64 = 14;
/// The longest metadata.
const LONGEST_META: i64 = 255;

fn parts<'c>(call: &'c mut Call<'_>) -> Result<(XdpFields, &'c mut Region), Trap> {
    call.context(0)?;
    let Some(fields) = call.run.state.context.xdp() else {
        return Err(call.bad(1, "no XDP packet"));
    };
    match call.run.state.memory.region_mut(RegionId::PACKET) {
        Some(region) => Ok((fields, region)),
        None => Err(Trap::new("no packet")),
    }
}

pub(crate) fn adjust_head(call: &mut Call<'_>) -> Result<u64, Trap> {
    let delta = i64::from(call.args[1] as i32);
    let (mut fields, region) = parts(call)?;
    let (meta, data, end) = (region.start as i64, fields.data as i64, region.end() as i64);
    let new = data + delta;
    if new < FRAME + (data - meta) || new > end - ETHERNET {
        return Ok(errno(Errno::EINVAL));
    }
    if meta < data {
        region
            .bytes
            .copy_within(meta as usize..data as usize, (meta + delta) as usize);
    }
    region.set_window((meta + delta) as usize, end as usize);
    fields.data = new as usize;
    call.state().context.set_xdp(fields);
    Ok(0)
}

pub(crate) fn adjust_meta(call: &mut Call<'_>) -> Result<u64, Trap> {
    let delta = i64::from(call.args[1] as i32);
    let (fields, region) = parts(call)?;
    let (meta, data, end) = (region.start as i64 + delta, fields.data as i64, region.end());
    if meta < FRAME || meta > data {
        return Ok(errno(Errno::EINVAL));
    }
    let len = data - meta;
    if len & 3 != 0 || len > LONGEST_META {
        return Ok(errno(Errno::EACCES));
    }
    region.set_window(meta as usize, end);
    Ok(0)
}

pub(crate) fn adjust_tail(call: &mut Call<'_>) -> Result<u64, Trap> {
    let delta = i64::from(call.args[1] as i32);
    let rest = rest_len(call);
    if rest > 0 {
        return adjust_fragments(call, delta, rest as i64);
    }
    let (fields, region) = parts(call)?;
    let (old, new) = (region.end(), region.end() as i64 + delta);
    if new > region.bytes.len() as i64 || new < fields.data as i64 + ETHERNET {
        return Ok(errno(Errno::EINVAL));
    }
    let new = new as usize;
    if let Some(grown) = region.bytes.get_mut(old..new) {
        grown.fill(0);
    }
    let start = region.start;
    region.set_window(start, new);
    Ok(0)
}

/// Bytes of the packet in other buffers than the first.
fn rest_len(call: &Call<'_>) -> usize {
    let region = call.run.state.memory.region(RegionId::FRAGMENTS);
    region.map_or(0, |region| region.bytes.len())
}

/// Moves the end of a packet in several buffers, which are pages: the last one can be filled, and all can be cut.
fn adjust_fragments(call: &mut Call<'_>, delta: i64, rest: i64) -> Result<u64, Trap> {
    /// Bytes of a page.
    const PAGE: i64 = 4096;
    let (fields, region) = parts(call)?;
    if delta > 0 && delta > PAGE - 1 - (rest - 1) % PAGE {
        return Ok(errno(Errno::EINVAL));
    }
    let first = region.end() as i64 - fields.data as i64;
    if -delta > first + rest - ETHERNET {
        return Ok(errno(Errno::EINVAL));
    }
    let kept = rest + delta;
    if kept < 0 {
        let (start, end) = (region.start, region.end() as i64 + kept);
        region.set_window(start, end as usize);
    }
    if let Some(region) = call.run.state.memory.region_mut(RegionId::FRAGMENTS) {
        let kept = kept.max(0) as usize;
        region.bytes.resize(kept, 0);
        region.set_window(0, kept);
    }
    Ok(0)
}

pub(crate) fn len(call: &mut Call<'_>) -> Result<u64, Trap> {
    let rest = rest_len(call);
    let (fields, region) = parts(call)?;
    Ok((region.end() - fields.data + rest) as u64)
}

pub(crate) fn load(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, offset, to, len, _] = call.args;
    let (offset, len) = (offset & 0xffff_ffff, len as u32);
    if let Some(error) = out_of_packet(call, offset, len)? {
        return Ok(error);
    }
    copy_out(call, offset, to, len as usize)
}

pub(crate) fn store(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, offset, from, len, _] = call.args;
    let (offset, len) = (offset & 0xffff_ffff, len as u32);
    if let Some(error) = out_of_packet(call, offset, len)? {
        return Ok(error);
    }
    copy_in(call, offset, from, len as usize)
}

fn out_of_packet(call: &mut Call<'_>, offset: u64, len: u32) -> Result<Option<u64>, Trap> {
    let all = self::len(call)?;
    if offset > 0xffff || len > 0xffff {
        return Ok(Some(errno(Errno::EFAULT)));
    }
    Ok((offset + u64::from(len) > all).then(|| errno(Errno::EINVAL)))
}
