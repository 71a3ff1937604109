//! The function that a program is attached to: its address, arguments and result.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{GuestAddr, RegionId};
use crate::fault::Trap;

pub(crate) fn address(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().function)
}

/// How many arguments there are, and whether a result follows.
fn counts(call: &Call<'_>) -> Result<(u64, bool), Trap> {
    call.context(0)?;
    let counts = call.run.state.context.arguments();
    counts.ok_or_else(|| call.bad(1, "no context of arguments"))
}

pub(crate) fn argument_count(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(counts(call)?.0)
}

pub(crate) fn argument(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, number, to, ..] = call.args;
    let number = number as u32;
    if u64::from(number) >= counts(call)?.0 {
        return Ok(errno(Errno::EINVAL));
    }
    copy(call, number.into(), to)
}

pub(crate) fn result(call: &mut Call<'_>) -> Result<u64, Trap> {
    let (count, has_result) = counts(call)?;
    match has_result {
        true => copy(call, count, call.args[1]),
        false => Ok(errno(Errno::EOPNOTSUPP)),
    }
}

fn copy(call: &mut Call<'_>, number: u64, to: u64) -> Result<u64, Trap> {
    let value = call.read_u64(GuestAddr::new(RegionId::CONTEXT, number * 8).0)?;
    call.write_number(to, value, 8)?;
    Ok(0)
}
