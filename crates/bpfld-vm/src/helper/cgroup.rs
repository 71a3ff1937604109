//! Control groups: those of the scenario's task, which are also those of sockets here.

use alloc::vec::Vec;

use bpfld_sys::{Errno, MapType};

use super::call::{Call, errno};
use crate::address::cgroup_object;
use crate::fault::Trap;
use crate::map::{Contents, number_key};

pub(crate) fn own(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(call.scenario().task.cgroup_id)
}

/// Of the task: the level is the first argument.
pub(crate) fn ancestor(call: &mut Call<'_>) -> Result<u64, Trap> {
    at_level(call, 0)
}

/// Of a packet or socket: the level is the second.
pub(crate) fn ancestor_of(call: &mut Call<'_>) -> Result<u64, Trap> {
    at_level(call, 1)
}

/// The group at a level below the root, which has the level 0; 0: there is none.
fn at_level(call: &mut Call<'_>, argument: usize) -> Result<u64, Trap> {
    let level = call.args.get(argument).map_or(0, |level| *level as u32);
    let task = &call.scenario().task;
    let all = task.cgroup_ancestors.iter().chain([&task.cgroup_id]);
    let found = all.into_iter().nth(level as usize);
    Ok(found.copied().unwrap_or(0))
}

/// The groups that are known, from the root on.
fn all(call: &mut Call<'_>) -> Vec<u64> {
    let task = &call.scenario().task;
    [&task.cgroup_ancestors[..], &[task.cgroup_id]].concat()
}

/// `bpf_cgroup_from_id`: a handle, if it is one of the task's groups.
pub(crate) fn with_id(call: &mut Call<'_>) -> Result<u64, Trap> {
    let id = call.args[0];
    Ok(match all(call).contains(&id) {
        true => cgroup_object(id),
        false => 0,
    })
}

/// `bpf_cgroup_ancestor`: the group at a level above another.
pub(crate) fn above(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [group, level, ..] = call.args;
    let all = all(call);
    let own = all.iter().position(|id| cgroup_object(*id) == group);
    let at_level = usize::try_from(level as i32)
        .ok()
        .filter(|level| Some(*level) <= own);
    Ok(at_level
        .and_then(|level| all.get(level))
        .map_or(0, |id| cgroup_object(*id)))
}

/// `bpf_task_under_cgroup`
pub(crate) fn contains_task(call: &mut Call<'_>) -> Result<u64, Trap> {
    let group = call.args[1];
    Ok(all(call).iter().any(|id| cgroup_object(*id) == group).into())
}

/// Whether the task is in a group of an array, or below it.
pub(crate) fn task_is_under(call: &mut Call<'_>) -> Result<u64, Trap> {
    is_under(call, 0, call.args[1])
}

/// The same of a packet's socket.
pub(crate) fn packet_is_under(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    is_under(call, 1, call.args[2])
}

fn is_under(call: &mut Call<'_>, argument: usize, index: u64) -> Result<u64, Trap> {
    let (endian, index) = (call.endian(), index as u32);
    let number = call.map_number(argument)?;
    let state = call.state();
    let map = state.maps.get(number);
    let Some(map) = map.filter(|map| map.spec.map_type == MapType::CGROUP_ARRAY) else {
        return Err(call.bad(argument as u8 + 1, "no array of control groups"));
    };
    if index >= map.spec.max_entries {
        return Ok(errno(Errno::E2BIG));
    }
    let Contents::Hash(hash) = &map.contents else {
        return Ok(errno(Errno::EAGAIN));
    };
    let place = hash.peek(&number_key(index, endian));
    let Some(group) = place.and_then(|place| map.number_at(&state.memory, place, endian)) else {
        return Ok(errno(Errno::EAGAIN));
    };
    let task = &state.scenario.task;
    let mut all = task.cgroup_ancestors.iter().chain([&task.cgroup_id]);
    // elements have 32 bits
    Ok(all.any(|id| *id as u32 == group as u32).into())
}
