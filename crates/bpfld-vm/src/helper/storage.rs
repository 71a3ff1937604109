//! Storage that belongs to tasks, sockets, inodes and control groups, by their handle.

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;
use crate::map::Put;
use crate::state::State;

/// Make it if it is not there.
const CREATE: u64 = 1;

pub(crate) fn get(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, owner, value, flags, _] = call.args;
    if owner == 0 || flags > CREATE {
        return Ok(0);
    }
    find(call, owner, value, flags)
}

/// Of the control group that the program is attached to: there is one.
pub(crate) fn local(call: &mut Call<'_>) -> Result<u64, Trap> {
    find(call, 1, 0, CREATE)
}

fn find(call: &mut Call<'_>, owner: u64, value: u64, flags: u64) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let work = call.map(0)?.1.value_work();
    call.charge(work);
    let (endian, cpu) = (call.endian(), call.cpu());
    let key = owner.to_ne_bytes();
    let State {
        maps, memory, timers, ..
    } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let found = map.lookup(memory, &key, cpu, endian);
    if found != 0 || flags != CREATE {
        return Ok(found);
    }
    let initial = match value {
        0 => alloc::vec::Vec::new(),
        _ => memory.slice(value, map.spec.value_size as usize)?.to_vec(),
    };
    match map.update(memory, timers, &key, Put::Cpu(cpu, &initial), 0, endian) {
        Ok(()) => Ok(map.lookup(memory, &key, cpu, endian)),
        Err(_) => Ok(0),
    }
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<u64, Trap> {
    let owner = call.args[1];
    let endian = call.endian();
    let number = call.map_number(0)?;
    let key = owner.to_ne_bytes();
    let State {
        maps, memory, timers, ..
    } = call.state();
    let map = maps.get_mut(number);
    let result = map.map(|map| map.delete(memory, timers, &key, endian));
    Ok(match result {
        Some(Ok(())) => 0,
        _ => errno(Errno::ENOENT),
    })
}
