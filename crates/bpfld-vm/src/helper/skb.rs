//! Helpers on socket buffers.

use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::RegionId;
use crate::fault::Trap;

/// Bytes of the packet at an offset from its start.
pub(crate) fn bytes<'c>(call: &'c Call<'_>, offset: u64, len: usize) -> Option<&'c [u8]> {
    let state = &*call.run.state;
    let region = state.memory.region(RegionId::PACKET)?;
    let start = usize::try_from(offset)
        .ok()?
        .checked_add(state.context.packet_start(&state.memory))?;
    let end = start.checked_add(len).filter(|end| *end <= region.end())?;
    region.bytes.get(start..end)
}

/// The same, to be changed.
pub(crate) fn bytes_mut<'c>(call: &'c mut Call<'_>, offset: u64, len: usize) -> Option<&'c mut [u8]> {
    let state = &mut *call.run.state;
    let first = state.context.packet_start(&state.memory);
    let region = state.memory.region_mut(RegionId::PACKET)?;
    let start = usize::try_from(offset).ok()?.checked_add(first)?;
    let end = start.checked_add(len).filter(|end| *end <= region.end())?;
    region.bytes.get_mut(start..end)
}

/// Bytes of the packet from whichever buffers they are in.
pub(super) fn gather(call: &Call<'_>, offset: u64, len: usize) -> Option<Vec<u8>> {
    if let Some(bytes) = bytes(call, offset, len) {
        return Some(bytes.to_vec());
    }
    let memory = &call.run.state.memory;
    let fragments = &memory.region(RegionId::FRAGMENTS)?.bytes;
    let first = first_len(call);
    let offset = usize::try_from(offset).ok()?;
    let split = first.saturating_sub(offset).min(len);
    let mut found = match split {
        0 => Vec::new(),
        _ => bytes(call, offset as u64, split)?.to_vec(),
    };
    let start = offset.max(first) - first;
    found.extend_from_slice(fragments.get(start..start.checked_add(len - split)?)?);
    Some(found)
}

/// Bytes of the packet in its first buffer.
pub(super) fn first_len(call: &Call<'_>) -> usize {
    let state = &*call.run.state;
    let region = state.memory.region(RegionId::PACKET);
    region.map_or(0, |region| {
        region.end() - state.context.packet_start(&state.memory)
    })
}

/// Copies out of the packet; beyond it, zeros and EFAULT.
pub(crate) fn copy_out(call: &mut Call<'_>, offset: u64, to: u64, len: usize) -> Result<u64, Trap> {
    call.charge(len / 64);
    let found: Option<Vec<u8>> = gather(call, offset, len);
    let place = call.run.state.memory.slice_mut(to, len)?;
    Ok(match found {
        Some(found) => {
            place.copy_from_slice(&found);
            0
        }
        None => {
            place.fill(0);
            errno(Errno::EFAULT)
        }
    })
}

/// Copies into the packet.
pub(crate) fn copy_in(call: &mut Call<'_>, offset: u64, from: u64, len: usize) -> Result<u64, Trap> {
    call.charge(len / 64);
    let data = call.read(from, len)?.to_vec();
    Ok(match scatter(call, offset, &data) {
        Some(()) => 0,
        None => errno(Errno::EFAULT),
    })
}

/// Puts bytes into whichever buffers they belong; nothing, if they do not fit.
pub(super) fn scatter(call: &mut Call<'_>, offset: u64, data: &[u8]) -> Option<()> {
    gather(call, offset, data.len())?;
    let first = first_len(call);
    let offset = usize::try_from(offset).ok()?;
    let split = first.saturating_sub(offset).min(data.len());
    let (here, there) = data.split_at_checked(split)?;
    if !here.is_empty() {
        bytes_mut(call, offset as u64, split)?.copy_from_slice(here);
    }
    if !there.is_empty() {
        let start = offset.max(first) - first;
        let fragments = call.run.state.memory.region_mut(RegionId::FRAGMENTS)?;
        fragments
            .bytes
            .get_mut(start..start + there.len())?
            .copy_from_slice(there);
    }
    Some(())
}

pub(crate) fn load(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, offset, to, len, _] = call.args;
    copy_out(call, offset & 0xffff_ffff, to, len as u32 as usize)
}

pub(crate) fn load_relative(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, offset, to, len, from] = call.args;
    let len = len as u32 as usize;
    let Some(headers) = call.run.state.context.headers() else {
        return Ok(errno(Errno::EFAULT));
    };
    let base = match from {
        0 => headers.link,
        1 => headers.network,
        _ => {
            call.run.state.memory.slice_mut(to, len)?.fill(0);
            return Ok(errno(Errno::EFAULT));
        }
    };
    // headers before the packet can be read, too
    let start = base.saturating_add((offset & 0xffff_ffff) as usize);
    let memory = &mut call.run.state.memory;
    let region = memory.region(RegionId::PACKET);
    let end = start.checked_add(len);
    let found = region
        .zip(end)
        .filter(|(region, end)| *end <= region.end())
        .and_then(|(region, end)| Some(region.bytes.get(start..end)?.to_vec()));
    let place = memory.slice_mut(to, len)?;
    match found {
        Some(found) => place.copy_from_slice(&found),
        None => {
            place.fill(0);
            return Ok(errno(Errno::EFAULT));
        }
    }
    Ok(0)
}

/// Recompute the checksum, forget the hash: there is neither.
const STORE_FLAGS: u64 = 3;

pub(crate) fn store(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, offset, from, len, flags] = call.args;
    if flags & !STORE_FLAGS != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let offset = offset & 0xffff_ffff;
    if offset > i32::MAX as u64 {
        return Ok(errno(Errno::EFAULT));
    }
    copy_in(call, offset, from, len as u32 as usize)
}

/// All of the packet can be accessed already.
pub(crate) fn pull(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let len = call.args[1] & 0xffff_ffff;
    Ok(match bytes(call, 0, len as usize) {
        Some(_) => 0,
        None => errno(Errno::ENOMEM),
    })
}

/// The longest packet that one can be made.
pub(super) const LONGEST: usize = 65_535;

pub(crate) fn change_tail(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, len, flags, ..] = call.args;
    let len = len as u32 as usize;
    let state = call.state();
    let first = state.context.packet_start(&state.memory);
    let Some(headers) = state.context.headers() else {
        return Ok(errno(Errno::EINVAL));
    };
    let shortest = headers.network.saturating_sub(first);
    if flags != 0 || len > LONGEST || len < shortest {
        return Ok(errno(Errno::EINVAL));
    }
    let Some(region) = state.memory.region_mut(RegionId::PACKET) else {
        return Ok(errno(Errno::EINVAL));
    };
    let (old, new) = (region.end(), first + len);
    if region.bytes.len() < new {
        region.bytes.resize(new, 0);
    }
    if let Some(grown) = region.bytes.get_mut(old..new) {
        grown.fill(0);
    }
    let start = region.start;
    region.set_window(start, new);
    state.context.set_len(len as u32);
    Ok(0)
}

pub(crate) fn change_head(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, more, flags, ..] = call.args;
    let more = more as u32 as usize;
    let state = call.state();
    let first = state.context.packet_start(&state.memory);
    let Some(region) = state.memory.region_mut(RegionId::PACKET) else {
        return Ok(errno(Errno::EINVAL));
    };
    let len = region.end() - first;
    if flags != 0 || len + more > LONGEST {
        return Ok(errno(Errno::EINVAL));
    }
    insert(call, 0, more);
    Ok(0)
}

/// Makes room in the packet, filled with zeros. What lies before it moves to the front.
pub(super) fn insert(call: &mut Call<'_>, at: usize, more: usize) {
    call.charge(first_len(call) / 64);
    let state = call.state();
    let first = state.context.packet_start(&state.memory);
    let Some(region) = state.memory.region_mut(RegionId::PACKET) else {
        return;
    };
    let short = more.saturating_sub(first);
    if short > 0 {
        // more headroom: everything moves back
        region.bytes.splice(0..0, core::iter::repeat_n(0, short));
        let (start, end) = (region.start + short, region.end() + short);
        region.set_window(start, end);
    }
    let first = first + short;
    let at = at.min(region.end().saturating_sub(first));
    region.bytes.copy_within(first..first + at, first - more);
    if let Some(gap) = region.bytes.get_mut(first - more + at..first + at) {
        gap.fill(0);
    }
    let end = region.end();
    region.set_window(first - more, end);
    let len = (end - (first - more)) as u32;
    state.context.moved(short as i64, first - more, len);
}
