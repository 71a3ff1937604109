//! Output to perf buffers, which the host reads.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::RegionId;
use crate::fault::Trap;
use crate::map::{Contents, Event};
use crate::state::State;

/// The index that stands for the buffer of this CPU, and the bits of the index.
const CURRENT_CPU: u64 = 0xffff_ffff;
/// The bits that say how much of the packet is wanted.
const PACKET_BITS: u64 = 0xf_ffff << 32;
/// The most events that are kept for the host.
const MOST: usize = 1 << 14;
/// The most bytes of one: the kernel keeps the size in 16 bits.
const LARGEST: u64 = u16::MAX as u64;

pub(crate) fn perf(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, _, flags, data, size] = call.args;
    if flags & !(CURRENT_CPU | PACKET_BITS) != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if size > LARGEST {
        return Ok(errno(Errno::E2BIG));
    }
    let cpu = call.cpu();
    let cpus = call.run.image.cpus;
    let (number, map) = call.map(1)?;
    if !matches!(map.contents, Contents::Events(_)) {
        return Err(call.bad(2, "no array of perf buffers"));
    }
    let entries = match map.spec.max_entries {
        0 => cpus,
        entries => entries,
    };
    let index = match flags & CURRENT_CPU {
        CURRENT_CPU => cpu,
        index => index as u32,
    };
    if index >= entries {
        return Ok(errno(Errno::E2BIG));
    }
    call.charge((size / 64) as usize);
    let mut data = call
        .read(data, usize::try_from(size).unwrap_or(usize::MAX))?
        .to_vec();
    let wanted = ((flags & PACKET_BITS) >> 32) as usize;
    if wanted > 0 {
        let region = call.run.state.memory.region(RegionId::PACKET);
        let start = call.run.state.context.packet_start(&call.run.state.memory);
        let packet = region.and_then(|region| {
            region
                .bytes
                .get(start..start + wanted)
                .filter(|_| start + wanted <= region.end())
        });
        match packet {
            Some(packet) => data.extend_from_slice(packet),
            None => return Ok(errno(Errno::EFAULT)),
        }
    }
    let State { maps, memory, .. } = call.state();
    if let Some(Contents::Events(events)) = maps.get_mut(number).map(|map| &mut map.contents) {
        if events.len() >= MOST || memory.take(data.len()).is_none() {
            return Ok(errno(Errno::ENOSPC));
        }
        events.push(Event { index, data });
    }
    Ok(0)
}
