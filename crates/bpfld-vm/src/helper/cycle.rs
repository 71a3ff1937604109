//! Helpers that call back.

use alloc::boxed::Box;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{GuestAddr, RegionId};
use crate::fault::Trap;
use crate::map::{Contents, number_key};

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
    // the keys of arrays are not listed: there may be very many
    let (keys, count) = match map.contents {
        Contents::Array => (None, map.spec.max_entries as usize),
        _ => {
            let keys = map.keys(endian);
            let count = keys.len();
            call.charge(count);
            (Some(keys), count)
        }
    };
    let depth = call.run.state.depth as u32;
    let mut seen = 0;
    for index in 0..count {
        let key: Box<[u8]> = match &keys {
            Some(keys) => keys.get(index).cloned().unwrap_or_default(),
            None => Box::from(number_key(index as u32, endian)),
        };
        let state = &mut *call.run.state;
        let Some(map) = state.maps.get(number) else {
            break;
        };
        // that it is shown does not count as use of it
        let place = map.peek(&key, endian);
        let value = place.and_then(|place| map.value_address(&state.memory, place, cpu));
        let Some(value) = value else {
            continue;
        };
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
