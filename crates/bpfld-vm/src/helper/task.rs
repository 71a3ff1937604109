//! Who and where the program is.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{PACKET_OBJECT, task_object};
use crate::fault::Trap;

pub(crate) fn cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.cpu().into())
}

pub(crate) fn node(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().numa_node.into())
}

pub(crate) fn pid_tgid(call: &mut Call<'_>) -> Result<u64, Trap> {
    let task = &call.scenario().task;
    Ok(u64::from(task.tgid) << 32 | u64::from(task.pid))
}

pub(crate) fn uid_gid(call: &mut Call<'_>) -> Result<u64, Trap> {
    let task = &call.scenario().task;
    Ok(u64::from(task.gid) << 32 | u64::from(task.uid))
}

pub(crate) fn comm(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, size, ..] = call.args;
    let size = size as u32 as usize;
    let name = call.scenario().task.comm.clone();
    let place = call.run.state.memory.slice_mut(to, size)?;
    place.fill(0);
    let room = size.saturating_sub(1).min(15);
    for (to, from) in place.iter_mut().take(room).zip(name.as_bytes()) {
        *to = *from;
    }
    Ok(if size == 0 { errno(Errno::EINVAL) } else { 0 })
}

/// The same as numbers of a namespace, which is that of the scenario or unknown.
pub(crate) fn pid_tgid_in(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [device, inode, to, size, _] = call.args;
    let task = &call.scenario().task;
    let (namespace, pid, tgid) = (task.pid_namespace, task.pid, task.tgid);
    let place = call.run.state.memory.slice_mut(to, size as u32 as usize)?;
    place.fill(0);
    if size as u32 != 8 || (device, inode) != namespace {
        return Ok(errno(Errno::EINVAL));
    }
    // struct bpf_pidns_info
    call.write_number(to, pid.into(), 4)?;
    call.write_number(to.wrapping_add(4), tgid.into(), 4)?;
    Ok(0)
}

/// Only noted.
pub(crate) fn signal(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// `_NSIG`
    const LAST: u32 = 64;
    /// How many are noted.
    const MOST: usize = 1 << 10;
    let number = call.args[0] as u32;
    if number > LAST {
        return Ok(errno(Errno::EINVAL));
    }
    let signals = &mut call.scenario().task.signals;
    if signals.len() >= MOST {
        return Ok(errno(Errno::EBUSY));
    }
    signals.push(number);
    Ok(0)
}

/// Its structure, if the host gave it; else only a handle.
pub(crate) fn current(call: &mut Call<'_>) -> Result<u64, Trap> {
    let task = &call.scenario().task;
    Ok(task
        .structure
        .map_or_else(|| task_object(task.pid), |given| given.0))
}

/// The task of a number: there is one.
pub(crate) fn with_pid(call: &mut Call<'_>) -> Result<u64, Trap> {
    match call.args[0] as u32 == call.scenario().task.pid {
        true => current(call),
        false => Ok(0),
    }
}

/// A null pointer, to what there is none of here.
pub(crate) fn nowhere(_: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(0)
}

/// The context as the kernel's own structure: a handle, as its fields are not known here.
pub(crate) fn packet(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    Ok(PACKET_OBJECT.0)
}

pub(crate) fn cookie(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().cookie)
}

pub(crate) fn set_retval(call: &mut Call<'_>) -> Result<u64, Trap> {
    let value = call.args[0] as i32;
    let state = call.state();
    state.retval = value;
    // of an option, it is a field of the context, too
    state.context.set_number("retval", u64::from(value as u32));
    Ok(0)
}

/// What the function is to return instead of being run.
pub(crate) fn override_return(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.run.state.retval = call.args[1] as i32;
    Ok(0)
}

pub(crate) fn retval(call: &mut Call<'_>) -> Result<u64, Trap> {
    let state = &*call.run.state;
    let field = state.context.number("retval").map(|value| value as i32);
    Ok(i64::from(field.unwrap_or(state.retval)) as u64)
}

/// Variables of the kernel exist once here, for every CPU the same.
pub(crate) fn per_cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [variable, cpu, ..] = call.args;
    Ok(if cpu < u64::from(call.run.image.cpus) {
        variable
    } else {
        0
    })
}

pub(crate) fn this_cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.args[0])
}
