//! Stack traces: those of the scenario's task.

use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::{Errno, MapFlags, MapType};

use super::call::{Call, errno};
use crate::fault::Trap;
use crate::map::{Put, number_key};
use crate::state::State;

/// How many of the innermost functions to leave out.
const SKIP: u64 = 0xff;
const USER: u64 = 1 << 8;
/// Take stacks for the same whose hashes are.
const FAST_COMPARE: u64 = 1 << 9;
/// Forget the other stack that has the number.
const REUSE: u64 = 1 << 10;
/// Files and offsets in place of addresses.
const BUILD_ID: u64 = 1 << 11;

/// The return addresses that are left, as bytes; `None`: there are none.
fn trace(call: &Call<'_>, flags: u64) -> Option<Vec<u8>> {
    let task = &call.run.state.scenario.task;
    let addresses = match flags & USER {
        0 => &task.kernel_stack,
        _ => &task.user_stack,
    };
    let kept = addresses.get((flags & SKIP) as usize..)?;
    let bytes = kept.iter().flat_map(|address| match call.endian() {
        Endian::Little => address.to_le_bytes(),
        Endian::Big => address.to_be_bytes(),
    });
    Some(bytes.collect())
}

/// Puts the stack into a map of stacks, and tells by which number it is there.
pub(crate) fn number(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let flags = call.args[2];
    let endian = call.endian();
    let (number, map) = call.map(1)?;
    let spec = &map.spec;
    if spec.map_type != MapType::STACK_TRACE || spec.flags.contains(MapFlags::STACK_BUILD_ID) {
        return Err(call.bad(2, "no map of stacks as addresses"));
    }
    let (room, buckets) = (
        spec.value_size as usize,
        u64::from(spec.max_entries).next_power_of_two(),
    );
    if flags & !(SKIP | USER | FAST_COMPARE | REUSE) != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let Some(mut stack) = trace(call, flags).filter(|stack| !stack.is_empty()) else {
        return Ok(errno(Errno::EFAULT));
    };
    call.charge(room / 64);
    stack.truncate(room);
    let id = hash(&stack) & (buckets - 1);
    stack.resize(room, 0);
    let key = number_key(id as u32, endian);
    let State {
        maps, memory, timers, ..
    } = call.state();
    let Some(map) = maps.get_mut(number) else {
        return Ok(errno(Errno::EFAULT));
    };
    if let Some(place) = map.peek(&key, endian) {
        if map.value(memory, place, 0) == Some(&stack[..]) {
            return Ok(id);
        }
        if flags & REUSE == 0 {
            return Ok(errno(Errno::EEXIST));
        }
    }
    Ok(
        match map.update(memory, timers, &key, Put::Cpu(0, &stack), 0, endian) {
            Ok(()) => id,
            Err(error) => errno(error),
        },
    )
}

/// FNV-1a: the same stack has the same number everywhere; which one is nobody's business.
fn hash(bytes: &[u8]) -> u64 {
    let mixed = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mixed ^ mixed >> 32
}

/// Copies the stack into memory, and tells how many bytes of it there are.
pub(crate) fn copy(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, to, size, flags, _] = call.args;
    let size = size as u32 as usize;
    // what an element is: an address, or `struct bpf_stack_build_id`, which only user space has
    let (element, of_files) = match flags & (USER | BUILD_ID) == USER | BUILD_ID {
        true => (32, BUILD_ID),
        false => (8, 0),
    };
    let stack = match flags & !(SKIP | USER | of_files) {
        0 if size.is_multiple_of(element) => trace(call, flags).ok_or(Errno::EFAULT),
        _ => Err(Errno::EINVAL),
    };
    // the kernel has one for each task
    let stack = stack.and_then(|stack| match stack.is_empty() && flags & SKIP == 0 {
        true => Err(Errno::EFAULT),
        false => Ok(stack),
    });
    if stack.is_ok() && of_files != 0 {
        return Err(call.bad(4, "identifiers of files are not known here"));
    }
    let place = call.run.state.memory.slice_mut(to, size)?;
    place.fill(0);
    Ok(match stack {
        Ok(stack) => {
            for (to, from) in place.iter_mut().zip(&stack) {
                *to = *from;
            }
            stack.len().min(size) as u64
        }
        Err(error) => errno(error),
    })
}
