//! Bytes between dynamic pointers, and the same byte all over one (Linux 6.16, 6.17).

use alloc::vec;
use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno, status};
use super::dynptr::{Dynptr, Kind};
use super::skb;
use crate::fault::Trap;

/// What can be said about a range before anything is read or written.
fn check(found: &Dynptr, offset: u64, len: u64, writes: bool) -> Result<(), Errno> {
    if found.data == 0 || writes && found.read_only {
        return Err(Errno::EINVAL);
    }
    match found.holds(offset, len) {
        true => Ok(()),
        false => Err(Errno::E2BIG),
    }
}

fn write(call: &mut Call<'_>, to: &Dynptr, offset: u64, bytes: &[u8]) -> Result<Result<(), Errno>, Trap> {
    let at = to.at(offset);
    match to.kind {
        Kind::Memory => call.write(at, bytes).map(Ok),
        Kind::Packet => Ok(skb::scatter(call, at, bytes).ok_or(Errno::EFAULT)),
    }
}

/// `bpf_dynptr_copy`
pub(crate) fn copy(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, to_offset, from, from_offset, len] = call.args;
    let [to_offset, from_offset, len] = [to_offset, from_offset, len].map(|number| number & 0xffff_ffff);
    let (to, from) = (Dynptr::read(call, to)?, Dynptr::read(call, from)?);
    match (
        check(&to, to_offset, len, true),
        check(&from, from_offset, len, false),
    ) {
        (Ok(()), Ok(())) => {}
        (Err(_), Err(_)) => return Ok(errno(Errno::E2BIG)),
        (Err(error), _) | (_, Err(error)) => return Ok(errno(error)),
    }
    call.charge(len as usize / 32);
    let at = from.at(from_offset);
    let bytes: Option<Vec<u8>> = match from.kind {
        Kind::Memory => Some(call.read(at, len as usize)?.to_vec()),
        Kind::Packet => skb::gather(call, at, len as usize),
    };
    match bytes {
        Some(bytes) => Ok(status(write(call, &to, to_offset, &bytes)?)),
        None => Ok(errno(Errno::EFAULT)),
    }
}

/// `bpf_dynptr_memset`
pub(crate) fn fill(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, offset, len, byte, _] = call.args;
    let (offset, len) = (offset & 0xffff_ffff, len & 0xffff_ffff);
    let found = Dynptr::read(call, at)?;
    if let Err(error) = check(&found, offset, len, true) {
        // one that is null has no room
        let is_null = found.data == 0;
        return Ok(errno(if is_null { Errno::E2BIG } else { error }));
    }
    call.charge(len as usize / 32);
    let bytes = vec![byte as u8; len as usize];
    Ok(status(write(call, &found, offset, &bytes)?))
}
