//! Who and where the program is.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::address::{GuestAddr, RegionId};
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

pub(crate) fn cgroup(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().task.cgroup_id)
}

/// Only a handle: what the task's structure holds is not known here.
pub(crate) fn current(call: &mut Call<'_>) -> Result<u64, Trap> {
    let pid = call.scenario().task.pid;
    Ok(GuestAddr::new(RegionId::OBJECTS, (u64::from(pid) + 1) << 16).0)
}

pub(crate) fn cookie(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().cookie)
}

pub(crate) fn set_retval(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.run.state.retval = call.args[0] as i32;
    Ok(0)
}

pub(crate) fn retval(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(i64::from(call.run.state.retval) as u64)
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
