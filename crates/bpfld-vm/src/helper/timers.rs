//! Timers in map values, and work (`struct bpf_wq`), which is a timer that is due at once.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::code_at;
use crate::fault::Trap;
use crate::timer::Timer;

/// Start at a time, not after one.
const ABSOLUTE: u64 = 1;
/// That, and to stay on this processor.
const START_FLAGS: u64 = 3;
/// `CLOCK_REALTIME`, `CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`.
const REAL: u64 = 0;
const CLOCKS: [u64; 3] = [REAL, 1, 7];
/// The most timers at once.
const MOST: usize = 1 << 16;

pub(crate) fn init(call: &mut Call<'_>) -> Result<u64, Trap> {
    let clock = call.args[2];
    if !CLOCKS.contains(&clock) {
        return Ok(errno(Errno::EINVAL));
    }
    add(call, clock == REAL)
}

fn add(call: &mut Call<'_>, by_date: bool) -> Result<u64, Trap> {
    let address = call.args[0];
    // struct bpf_timer, struct bpf_wq: 16 bytes
    call.read(address, 16)?;
    let map = call.map_number(1)?;
    let timers = &mut call.state().timers;
    if timers.at(address).is_some() {
        return Ok(errno(Errno::EBUSY));
    }
    if timers.len() >= MOST {
        return Ok(errno(Errno::ENOMEM));
    }
    timers.add(address, Timer::new(map, by_date));
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
    if flags & !START_FLAGS != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let (now, boot) = (call.scenario().time, call.scenario().boot);
    let timers = &mut call.state().timers;
    let Some(timer) = timers.at(address).filter(|timer| timer.callback != 0) else {
        return Ok(errno(Errno::EINVAL));
    };
    let due = match flags & ABSOLUTE {
        0 => now.saturating_add(nanoseconds),
        _ if timer.by_date => nanoseconds.saturating_sub(boot),
        _ => nanoseconds,
    };
    timers.start(address, due);
    Ok(0)
}

pub(crate) fn cancel(call: &mut Call<'_>) -> Result<u64, Trap> {
    let address = call.args[0];
    let timers = &mut call.state().timers;
    let running = timers.running;
    let Some(timer) = timers.at(address) else {
        return Ok(errno(Errno::EINVAL));
    };
    // its own function cannot wait for its end
    if running == Some(address) {
        return Ok(errno(Errno::EDEADLK));
    }
    timer.callback = 0;
    Ok(timers.stop(address).into())
}

/// `bpf_wq_init`
pub(crate) fn init_work(call: &mut Call<'_>) -> Result<u64, Trap> {
    match call.args[2] as u32 {
        0 => add(call, false),
        _ => Ok(errno(Errno::EINVAL)),
    }
}

/// `bpf_wq_set_callback_impl`
pub(crate) fn set_work(call: &mut Call<'_>) -> Result<u64, Trap> {
    match call.args[2] as u32 {
        0 => set_callback(call),
        _ => Ok(errno(Errno::EINVAL)),
    }
}

/// `bpf_wq_start`: it is done when the host next moves the clock, be it by nothing.
pub(crate) fn start_work(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [address, flags, ..] = call.args;
    let now = call.scenario().time;
    let timers = &mut call.state().timers;
    let has_function = timers.at(address).is_some_and(|timer| timer.callback != 0);
    if flags as u32 != 0 || !has_function {
        return Ok(errno(Errno::EINVAL));
    }
    timers.start(address, now);
    Ok(0)
}
