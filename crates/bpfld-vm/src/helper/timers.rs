//! Timers in map values.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::code_at;
use crate::fault::Trap;
use crate::timer::Timer;

/// Start at a time, not after one.
const ABSOLUTE: u64 = 1;
/// The most timers at once.
const MOST: usize = 1 << 16;

pub(crate) fn init(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [address, _, _clock, ..] = call.args;
    // struct bpf_timer: 16 bytes
    call.read(address, 16)?;
    let map = call.map_number(1)?;
    let timers = &mut call.state().timers;
    if timers.at(address).is_some() {
        return Ok(errno(Errno::EBUSY));
    }
    if timers.list.len() >= MOST {
        return Ok(errno(Errno::ENOMEM));
    }
    timers.list.push(Timer {
        address,
        map,
        callback: 0,
        due: None,
    });
    Ok(0)
}

pub(crate) fn set_callback(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [address, callback, ..] = call.args;
    if code_at(callback).is_none() {
        return Err(call.bad(2, "no function"));
    }
    Ok(match call.state().timers.at(address) {
        Some(timer) => {
            timer.callback = callback;
            0
        }
        None => errno(Errno::EINVAL),
    })
}

pub(crate) fn start(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [address, nanoseconds, flags, ..] = call.args;
    let now = call.scenario().time;
    if flags > 3 {
        return Ok(errno(Errno::EINVAL));
    }
    let due = if flags & ABSOLUTE != 0 {
        nanoseconds
    } else {
        now.saturating_add(nanoseconds)
    };
    Ok(match call.state().timers.at(address) {
        Some(timer) if timer.callback != 0 => {
            timer.due = Some(due);
            0
        }
        _ => errno(Errno::EINVAL),
    })
}

pub(crate) fn cancel(call: &mut Call<'_>) -> Result<u64, Trap> {
    let address = call.args[0];
    Ok(match call.state().timers.at(address) {
        Some(timer) => {
            let was_active = timer.due.take().is_some();
            timer.callback = 0;
            was_active.into()
        }
        None => errno(Errno::EINVAL),
    })
}
