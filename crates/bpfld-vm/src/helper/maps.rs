//! Helpers on maps.

use bpfld_sys::Errno;

use super::call::{Call, errno, status};
use crate::fault::Trap;
use crate::map::{Contents, Put};
use crate::state::State;

pub(crate) fn lookup(call: &mut Call<'_>) -> Result<u64, Trap> {
    let cpu = call.cpu();
    lookup_for(call, cpu)
}

pub(crate) fn lookup_percpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    let cpu = call.args[2] as u32;
    if cpu >= call.run.image.cpus {
        return Ok(0);
    }
    lookup_for(call, cpu)
}

fn lookup_for(call: &mut Call<'_>, cpu: u32) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let endian = call.endian();
    let key = call.args[1];
    let State { maps, memory, .. } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let key = memory.slice(key, map.spec.key_size as usize)?;
    let work = map.key_work();
    if map.holds_sockets() {
        let place = map.peek(key, endian);
        let cookie = place.and_then(|place| map.number_at(memory, place, endian));
        return Ok(cookie.map_or(0, |cookie| super::socket::with_cookie(call, cookie)));
    }
    let found = map.lookup(memory, key, cpu, endian);
    call.charge(work);
    Ok(found)
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    if call.map(0)?.1.holds_sockets() {
        return update_socket(call, number);
    }
    let (endian, cpu) = (call.endian(), call.cpu());
    let [_, key_at, value_at, flags, _] = call.args;
    let State {
        maps,
        memory,
        timers,
        scratch,
        ..
    } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let key = memory.slice(key_at, map.spec.key_size as usize)?;
    let value = memory.slice(value_at, map.spec.value_size as usize)?;
    scratch.key.clear();
    scratch.key.extend_from_slice(key);
    scratch.value.clear();
    scratch.value.extend_from_slice(value);
    let work = map.key_work() + map.value_work();
    let result = map.update(
        memory,
        timers,
        &scratch.key,
        Put::Cpu(cpu, &scratch.value),
        flags,
        endian,
    );
    call.charge(work);
    Ok(status(result))
}

/// The value is a socket, which is kept by its cookie.
fn update_socket(call: &mut Call<'_>, number: usize) -> Result<u64, Trap> {
    let (endian, cpu) = (call.endian(), call.cpu());
    let [_, key_at, socket, flags, _] = call.args;
    // of the sockets of a test run, none is of a kind that maps take
    let Some(cookie) = super::socket::cookie_at(call, socket) else {
        return Ok(errno(Errno::EOPNOTSUPP));
    };
    let State {
        maps, memory, timers, ..
    } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let key = memory.slice(key_at, map.spec.key_size as usize)?.to_vec();
    let value = map.number_bytes(cookie, endian);
    Ok(status(map.update(
        memory,
        timers,
        &key,
        Put::Cpu(cpu, &value),
        flags,
        endian,
    )))
}

pub(crate) fn delete(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let endian = call.endian();
    let key = call.args[1];
    let State {
        maps, memory, timers, ..
    } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let key = memory.slice(key, map.spec.key_size as usize)?;
    let work = map.key_work();
    let result = map.delete(memory, timers, key, endian);
    call.charge(work);
    Ok(status(result))
}

pub(crate) fn push(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let [_, value, flags, ..] = call.args;
    let State { maps, memory, .. } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let value = memory.slice(value, map.spec.value_size as usize)?;
    let work = map.value_work();
    let result = map.push(value, flags);
    call.charge(work);
    Ok(status(result))
}

pub(crate) fn pop(call: &mut Call<'_>) -> Result<u64, Trap> {
    take(call, |map| map.pop())
}

pub(crate) fn peek(call: &mut Call<'_>) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let value = call.args[1];
    let State { maps, memory, .. } = call.state();
    if let Some(Contents::Bloom(bloom)) = maps.get(number).map(|map| &map.contents) {
        let (size, work) = maps
            .get(number)
            .map_or((0, 0), |map| (map.spec.value_size as usize, map.value_work()));
        let found = bloom.may_hold(memory.slice(value, size)?);
        call.charge(work);
        return Ok(if found { 0 } else { errno(Errno::ENOENT) });
    }
    take(call, |map| map.front())
}

fn take(
    call: &mut Call<'_>,
    from: impl FnOnce(&mut crate::map::Map) -> Result<alloc::vec::Vec<u8>, Errno>,
) -> Result<u64, Trap> {
    let number = call.map_number(0)?;
    let to = call.args[1];
    let State { maps, memory, .. } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(0);
    };
    let (size, work) = (map.spec.value_size as usize, map.value_work());
    let place = memory.slice_mut(to, size)?;
    let result = match from(map) {
        Ok(value) => {
            place.copy_from_slice(value.get(..size).unwrap_or(&value));
            0
        }
        Err(error) => {
            place.fill(0);
            errno(error)
        }
    };
    call.charge(work);
    Ok(result)
}
