//! Settings of the kernel, for programs that watch over them.

use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::context::Sysctl;
use crate::fault::Trap;

/// Only the last part of the name.
const BASE_NAME: u64 = 1;
/// The longest value: a page.
const LONGEST: usize = 4096;

fn setting<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Sysctl, Trap> {
    call.context(0)?;
    let problem = call.bad(1, "no context of a setting");
    call.state().context.sysctl_mut().ok_or(problem)
}

/// Copies a text with an end; its length, or that it does not fit.
fn copy(call: &mut Call<'_>, text: &[u8]) -> Result<u64, Trap> {
    let [_, to, len, ..] = call.args;
    let len = len as usize;
    call.charge(len / 64);
    let place = call.run.state.memory.slice_mut(to, len)?;
    let fits = text.len() < len;
    let kept = text.len().min(len.saturating_sub(1));
    place.fill(0);
    for (to, from) in place.iter_mut().zip(text.iter().take(kept)) {
        *to = *from;
    }
    Ok(if fits { kept as u64 } else { errno(Errno::E2BIG) })
}

pub(crate) fn name(call: &mut Call<'_>) -> Result<u64, Trap> {
    let flags = call.args[3];
    if flags & !BASE_NAME != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let name = setting(call)?.name.clone();
    let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let text: Vec<u8> = if flags & BASE_NAME != 0 {
        base.to_vec()
    } else {
        name
    };
    copy(call, &text)
}

pub(crate) fn current(call: &mut Call<'_>) -> Result<u64, Trap> {
    let value = setting(call)?.current.clone();
    copy(call, &value)
}

pub(crate) fn new(call: &mut Call<'_>) -> Result<u64, Trap> {
    match setting(call)?.new.clone() {
        Some(value) => copy(call, &value),
        None => {
            copy(call, &[])?;
            Ok(errno(Errno::EINVAL))
        }
    }
}

/// Another value than the one that is to be written.
pub(crate) fn set_new(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, from, len, ..] = call.args;
    let len = len as usize;
    let is_written = setting(call)?.new.is_some();
    if !is_written || len == 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if len > LONGEST - 1 {
        return Ok(errno(Errno::E2BIG));
    }
    let value = call.read(from, len)?.to_vec();
    setting(call)?.new = Some(value);
    Ok(0)
}
