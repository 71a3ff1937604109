//! Helpers that read memory which may not be there.

use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// Addresses below are those of user space: the kernel's reading of its own memory does not try them.
const USER_SPACE: u64 = 1 << 47;

/// Memory of the kernel's.
pub(crate) fn read_kernel(call: &mut Call<'_>) -> Result<u64, Trap> {
    let from = call.args[2];
    let result = read(call)?;
    if result == errno(Errno::EFAULT) && from < USER_SPACE {
        return Ok(errno(Errno::ERANGE));
    }
    Ok(result)
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, size, from, ..] = call.args;
    let size = size as u32 as usize;
    call.charge(size / 64);
    let bytes = call.run.state.memory.slice(from, size).map(<[u8]>::to_vec);
    let place = call.run.state.memory.slice_mut(to, size)?;
    Ok(match bytes {
        Ok(bytes) => {
            place.copy_from_slice(&bytes);
            0
        }
        Err(_) => {
            place.fill(0);
            errno(Errno::EFAULT)
        }
    })
}

/// Memory of a task: there is one.
pub(crate) fn read_of_task(call: &mut Call<'_>) -> Result<u64, Trap> {
    if call.args[4] != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    read(call)
}

/// The same of the kernel's.
pub(crate) fn read_kernel_string(call: &mut Call<'_>) -> Result<u64, Trap> {
    let from = call.args[2];
    let result = read_string(call)?;
    if result == errno(Errno::EFAULT) && from < USER_SPACE {
        return Ok(errno(Errno::ERANGE));
    }
    Ok(result)
}

pub(crate) fn read_string(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, size, from, ..] = call.args;
    let size = size as u32 as usize;
    if size == 0 {
        return Ok(0);
    }
    let readable = call.run.state.memory.readable(from, size);
    call.charge(readable.as_ref().map_or(0, |readable| readable / 64));
    let memory = &mut call.run.state.memory;
    let text: Option<Vec<u8>> = readable.ok().and_then(|readable| {
        let bytes = memory.slice(from, readable).ok()?;
        let end = bytes.iter().position(|byte| *byte == 0);
        // what is as long as the room is cut; what ends where memory ends cannot be read
        match end {
            Some(end) => bytes.get(..=end).map(<[u8]>::to_vec),
            None if readable == size => {
                let mut cut = bytes.to_vec();
                if let Some(last) = cut.last_mut() {
                    *last = 0;
                }
                Some(cut)
            }
            None => None,
        }
    });
    let place = memory.slice_mut(to, size)?;
    let Some(text) = text else {
        place.fill(0);
        return Ok(errno(Errno::EFAULT));
    };
    if let Some(place) = place.get_mut(..text.len()) {
        place.copy_from_slice(&text);
    }
    Ok(text.len() as u64)
}

pub(crate) fn write(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, from, size, ..] = call.args;
    call.charge(size as u32 as usize / 64);
    let bytes = call.read(from, size as u32 as usize)?.to_vec();
    Ok(match call.write(to, &bytes) {
        Ok(()) => 0,
        Err(_) => errno(Errno::EFAULT),
    })
}
