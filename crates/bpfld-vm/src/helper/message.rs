//! Messages on their way into a socket: which part a verdict is about, and what is in them.

use alloc::vec::Vec;

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

/// Puts bytes in or takes them out at a place, both arguments of the call. Then all of the message is accessible.
fn edit(
    call: &mut Call<'_>,
    change: impl FnOnce(&mut Vec<u8>, usize, usize) -> Result<(), Errno>,
) -> Result<u64, Trap> {
    let [_, start, len, flags, _] = call.args;
    let (start, len) = (start as u32 as usize, len as u32 as usize);
    let all = bytes(call)?.bytes.len();
    call.charge((all + len) / 64);
    let region = bytes(call)?;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if len == 0 {
        return Ok(0);
    }
    if let Err(error) = change(&mut region.bytes, start, len) {
        return Ok(errno(error));
    }
    let len = region.bytes.len();
    region.set_window(0, len);
    call.state().context.set_data_len(len as u32);
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
    edit(call, |bytes, start, len| {
        if start > bytes.len() {
            return Err(Errno::EINVAL);
        }
        if bytes.len() + len > LONGEST {
            return Err(Errno::ENOMEM);
        }
        bytes.splice(start..start, core::iter::repeat_n(0, len));
        Ok(())
    })
}

/// Takes bytes out from `start` on.
pub(crate) fn pop(call: &mut Call<'_>) -> Result<u64, Trap> {
    edit(call, |bytes, start, len| {
        if start + len > bytes.len() {
            return Err(Errno::EINVAL);
        }
        bytes.drain(start..start + len);
        Ok(())
    })
}
