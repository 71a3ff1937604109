//! Helpers on ring buffers.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::GuestAddr;
use crate::fault::Trap;
use crate::map::{Contents, RecordState};
use crate::state::State;

/// Flags for waking the reader, whom the host wakes anyway.
const WAKE_FLAGS: u64 = 3;

pub(crate) fn reserve(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = ring(call)?;
    let [_, size, flags, ..] = call.args;
    if flags != 0 {
        return Ok(0);
    }
    let State { maps, memory, .. } = call.state();
    let map = maps.get_mut(number);
    Ok(map.and_then(|map| map.reserve(memory, size)).unwrap_or(0))
}

pub(crate) fn submit(call: &mut Call<'_>) -> Result<u64, Trap> {
    let record = call.args[0];
    finish(call, record, RecordState::Submitted)
}

pub(crate) fn discard(call: &mut Call<'_>) -> Result<u64, Trap> {
    let record = call.args[0];
    finish(call, record, RecordState::Discarded)
}

pub(super) fn finish(call: &mut Call<'_>, record: u64, to: RecordState) -> Result<u64, Trap> {
    let region = GuestAddr(record).region();
    let State { maps, memory, .. } = call.state();
    let map = maps
        .iter_mut()
        .find(|map| map.region == region && matches!(map.contents, Contents::Ring(_)));
    if map.is_some_and(|map| map.finish(memory, record, to)) {
        return Ok(0);
    }
    Err(call.bad(1, "no record that is reserved"))
}

pub(crate) fn output(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = ring(call)?;
    let [_, data, size, flags, _] = call.args;
    if flags & !WAKE_FLAGS != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    call.charge((size / 64) as usize);
    let data = call
        .read(data, usize::try_from(size).unwrap_or(usize::MAX))?
        .to_vec();
    let State { maps, memory, .. } = call.state();
    let done = maps.get_mut(number).is_some_and(|map| map.output(memory, &data));
    Ok(if done { 0 } else { errno(Errno::EAGAIN) })
}

pub(crate) fn query(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = ring(call)?;
    let what = call.args[1];
    let map = call.run.state.maps.get(number).map(|map| &map.contents);
    let Some(Contents::Ring(ring)) = map else {
        return Ok(0);
    };
    let found = ring.query();
    Ok(match what {
        0 => found.available,
        1 => found.size,
        2 => found.consumer,
        3 => found.producer,
        _ => 0,
    })
}

fn ring(call: &mut Call<'_>) -> Result<usize, Trap> {
    let (number, map) = call.map(0)?;
    match map.contents {
        Contents::Ring(_) => Ok(number),
        _ => Err(call.bad(1, "no ring buffer")),
    }
}
