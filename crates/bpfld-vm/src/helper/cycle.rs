//! Helpers that call back.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{GuestAddr, RegionId};
use crate::fault::Trap;

/// The most rounds of a loop, as in the kernel.
const MAX_LOOPS: u64 = 8 * 1024 * 1024;

pub(crate) fn repeat(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [rounds, callback, context, flags, _] = call.args;
    let rounds = rounds & 0xffff_ffff;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if rounds > MAX_LOOPS {
        return Ok(errno(Errno::E2BIG));
    }
    for round in 0..rounds {
        if call.callback(callback, [round, context, 0, 0, 0])? != 0 {
            return Ok(round + 1);
        }
    }
    Ok(rounds)
}

pub(crate) fn for_each(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [map_at, callback, context, flags, _] = call.args;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let (endian, cpu) = (call.endian(), call.cpu());
    let (number, map) = call.map(0)?;
    let keys = map.keys(endian);
    call.charge(keys.len());
    let depth = call.run.state.depth as u32;
    let mut seen = 0;
    for key in keys {
        let state = &mut *call.run.state;
        let Some(map) = state.maps.get_mut(number) else {
            break;
        };
        let value = map.lookup(&state.memory, &key, cpu, endian);
        if value == 0 {
            continue;
        }
        let id = RegionId(RegionId::KEYS.0 + depth);
        if let Some(region) = state.memory.region_mut(id) {
            region.bytes.clear();
            region.bytes.extend_from_slice(&key);
            region.set_window(0, key.len());
        }
        seen += 1;
        let key = GuestAddr::new(id, 0).0;
        if call.callback(callback, [map_at, key, value, context, 0])? != 0 {
            break;
        }
    }
    Ok(seen)
}
