//! Text that iterators write.

use bpfld_sys::Errno;

use super::call::{Call, errno, status};
use super::format::{format_text, read_args};
use crate::address::SEQUENCE_OBJECT;
use crate::fault::Trap;

fn put(call: &mut Call<'_>, bytes: &[u8]) -> Result<u64, Trap> {
    if call.args[0] != SEQUENCE_OBJECT.0 {
        return Err(call.bad(1, "not the text of an iterator"));
    }
    call.charge(bytes.len() / 64);
    let problem = call.bad(1, "no context of an iterator");
    let written = call.state().context.written_mut().ok_or(problem)?;
    Ok(status(written.add(bytes)))
}

pub(crate) fn print(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, text, len, data, data_len] = call.args;
    let Some(args) = read_args(call, data, data_len & 0xffff_ffff)? else {
        return Ok(errno(Errno::EINVAL));
    };
    let bytes = call.read(text, len as u32 as usize)?;
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
        return Ok(errno(Errno::EINVAL));
    };
    let text = bytes.get(..end).unwrap_or_default().to_vec();
    match format_text(call, &text, &args) {
        Ok(line) => put(call, &line),
        Err(error) => Ok(errno(error)),
    }
}

pub(crate) fn write(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, data, len, ..] = call.args;
    let bytes = call.read(data, len as u32 as usize)?.to_vec();
    put(call, &bytes)
}
