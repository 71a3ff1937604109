//! Helpers that print.

use alloc::string::String;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::format::{format_text, read_args};
use crate::fault::Trap;

/// How many lines are kept.
const MOST_LINES: usize = 1 << 16;
/// How long they are kept: as long as the kernel's buffer.
const LONGEST_LINE: usize = 1024;

pub(crate) fn trace(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, len, first, second, third] = call.args;
    print(call, text, len, &[first, second, third])
}

pub(crate) fn trace_array(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, len, data, data_len, _] = call.args;
    match read_args(call, data, data_len & 0xffff_ffff)? {
        Some(args) => print(call, text, len, &args),
        None => Ok(errno(Errno::EINVAL)),
    }
}

fn print(call: &mut Call<'_>, text: u64, len: u64, args: &[u64]) -> Result<u64, Trap> {
    call.charge(len as u32 as usize / 64);
    let bytes = call.read(text, len as u32 as usize)?;
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
        return Ok(errno(Errno::EINVAL));
    };
    let text = bytes.get(..end).unwrap_or_default().to_vec();
    Ok(match format_text(call, &text, args) {
        Ok(line) => {
            let len = line.len() as u64;
            call.charge(line.len() / 16);
            let printed = &mut call.state().printed;
            if printed.len() < MOST_LINES {
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let kept = line.get(..LONGEST_LINE).unwrap_or(line);
                printed.push(String::from_utf8_lossy(kept).into_owned());
            }
            len
        }
        Err(error) => errno(error),
    })
}

pub(crate) fn to_memory(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, size, text, data, data_len] = call.args;
    let Some(args) = read_args(call, data, data_len & 0xffff_ffff)? else {
        return Ok(errno(Errno::EINVAL));
    };
    let text = call.read_string(text)?;
    call.charge(text.len() / 8);
    let made = match format_text(call, &text, &args) {
        Ok(made) => made,
        Err(error) => return Ok(errno(error)),
    };
    call.charge(made.len() / 16);
    let room = size as u32 as usize;
    if room > 0 {
        let mut bytes = made.clone();
        bytes.truncate(room - 1);
        bytes.push(0);
        // all of the room counts as written
        call.run.state.memory.slice_mut(to, room)?;
        call.write(to, &bytes)?;
    }
    Ok(made.len() as u64 + 1)
}
