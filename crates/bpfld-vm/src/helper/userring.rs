//! User ring buffers: samples that the host puts in and programs take out.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::dynptr::{self, Dynptr};
use crate::address::GuestAddr;
use crate::fault::Trap;
use crate::map::Contents;

/// The most samples of one call, as in the kernel.
const MOST: u64 = 128 * 1024;
/// Flags for waking the producer, which the host needs not.
const WAKE_FLAGS: u64 = 3;

pub(crate) fn drain(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, callback, context, flags, _] = call.args;
    let (number, map) = call.map(0)?;
    if !matches!(map.contents, Contents::UserRing(_)) {
        return Err(call.bad(1, "no user ring buffer"));
    }
    let region = map.region;
    if flags & !WAKE_FLAGS != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let mut taken = 0;
    while taken < MOST {
        let state = &mut *call.run.state;
        let map = state.maps.get_mut(number).map(|map| &mut map.contents);
        let Some(Contents::UserRing(samples)) = map else {
            break;
        };
        let Some(sample) = samples.pop_front() else { break };
        let len = sample.len();
        if let Some(region) = state.memory.region_mut(region) {
            region.bytes = sample;
            region.set_window(0, len);
        }
        taken += 1;
        let lent = Dynptr::memory(GuestAddr::new(region, 0).0, len as u32);
        let stop = dynptr::lend(call, lent, callback, context)?;
        if let Some(region) = call.run.state.memory.region_mut(region) {
            region.set_window(0, 0);
        }
        if stop != 0 {
            break;
        }
    }
    Ok(taken)
}
