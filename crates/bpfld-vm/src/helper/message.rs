//! Messages on their way into a socket: which part a verdict is about, and what is in them.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::RegionId;
use crate::context::Message;
use crate::fault::Trap;
use crate::memory::Region;

fn message<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Message, Trap> {
    call.context(0)?;
    let problem = call.bad(1, "no context of a message");
    call.state().context.message_mut().ok_or(problem)
}

/// The bytes of the message; what programs can access of them is the region's window.
fn bytes<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Region, Trap> {
    message(call)?;
    let problem = call.bad(1, "no message");
    call.state().memory.region_mut(RegionId::PACKET).ok_or(problem)
}

/// Makes all of the message accessible, and tells its length.
fn resized(call: &mut Call<'_>) -> Result<u64, Trap> {
    let region = bytes(call)?;
    let len = region.bytes.len();
    region.set_window(0, len);
    call.state().context.set_message_size(len as u32);
    Ok(0)
}

pub(crate) fn apply(call: &mut Call<'_>) -> Result<u64, Trap> {
    let count = call.args[1] as u32;
    message(call)?.apply_bytes = count;
    Ok(0)
}

pub(crate) fn cork(call: &mut Call<'_>) -> Result<u64, Trap> {
    let count = call.args[1] as u32;
    message(call)?.cork_bytes = count;
    Ok(0)
}

/// The data are those from `start` to `end`.
pub(crate) fn pull(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, start, end, flags, _] = call.args;
    let (start, end) = (start as u32 as usize, end as u32 as usize);
    let region = bytes(call)?;
    if flags != 0 || end <= start || end > region.bytes.len() {
        return Ok(errno(Errno::EINVAL));
    }
    region.set_window(start, end);
    Ok(0)
}

/// Makes room at `start`.
pub(crate) fn push(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// The longest message.
    const LONGEST: usize = 1 << 20;
    let [_, start, len, flags, _] = call.args;
    let (start, len) = (start as u32 as usize, len as u32 as usize);
    let region = bytes(call)?;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if len == 0 {
        return Ok(0);
    }
    if start > region.bytes.len() {
        return Ok(errno(Errno::EINVAL));
    }
    if region.bytes.len() + len > LONGEST {
        return Ok(errno(Errno::ENOMEM));
    }
    region.bytes.splice(start..start, core::iter::repeat_n(0, len));
    resized(call)
}

/// Takes bytes out from `start` on.
pub(crate) fn pop(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, start, len, flags, _] = call.args;
    let (start, len) = (start as u32 as usize, len as u32 as usize);
    let region = bytes(call)?;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if len == 0 {
        return Ok(0);
    }
    if start + len > region.bytes.len() {
        return Ok(errno(Errno::EINVAL));
    }
    region.bytes.drain(start..start + len);
    resized(call)
}
