//! Locks: one thread runs, so that there is nobody to wait for.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// Bytes of a `struct bpf_spin_lock`.
const LOCK: usize = 4;

pub(crate) fn lock(call: &mut Call<'_>) -> Result<u64, Trap> {
    let address = call.args[0];
    if call.read(address, LOCK)?.iter().any(|byte| *byte != 0) {
        return Err(call.bad(1, "the lock is held already: the kernel would wait for ever"));
    }
    call.write_number(address, 1, LOCK)?;
    Ok(0)
}

/// A lock that can be refused: held already, it is the same that the kernel finds to wait for itself.
pub(crate) fn try_lock(call: &mut Call<'_>) -> Result<u64, Trap> {
    let address = call.args[0];
    if call.read(address, LOCK)?.iter().any(|byte| *byte != 0) {
        return Ok(errno(Errno::EDEADLK));
    }
    lock(call)
}

pub(crate) fn unlock(call: &mut Call<'_>) -> Result<u64, Trap> {
    let address = call.args[0];
    if call.read(address, LOCK)?.iter().all(|byte| *byte == 0) {
        return Err(call.bad(1, "the lock is not held"));
    }
    call.write_number(address, 0, LOCK)?;
    Ok(0)
}

pub(crate) fn nothing(_: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(0)
}
