//! Iterators on the stack of the program: over numbers, over the bits of words, and over tasks.

use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::task;
use crate::fault::Trap;

/// The longest range of numbers, as in the kernel.
const MAX_LOOPS: i64 = 8 * 1024 * 1024;
/// The most iterators over bits at once.
const MOST_ITERATORS: usize = 1 << 10;
/// The most words of bits.
const MOST_WORDS: u32 = 511;

/// `struct bpf_iter_num`: the number before the next one, and the end.
pub(crate) fn num_new(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, start, end, ..] = call.args;
    let (start, end) = (start as i32, end as i32);
    let error = match i64::from(end) - i64::from(start) {
        ..0 => Some(Errno::EINVAL),
        0..=MAX_LOOPS => None,
        _ => Some(Errno::E2BIG),
    };
    let (current, end) = match error {
        None => (start.wrapping_sub(1), end),
        Some(_) => (0, 0),
    };
    call.write_number(at, u64::from(current as u32), 4)?;
    call.write_number(at.wrapping_add(4), u64::from(end as u32), 4)?;
    Ok(error.map_or(0, errno))
}

pub(crate) fn num_next(call: &mut Call<'_>) -> Result<u64, Trap> {
    let at = call.args[0];
    let (current, end) = (call.read_i32(at)?, call.read_i32(at.wrapping_add(4))?);
    // the kernel adds in 32 bits, too
    let next = current.wrapping_add(1);
    if next >= end {
        num_destroy(call)?;
        return Ok(0);
    }
    call.write_number(at, u64::from(next as u32), 4)?;
    Ok(at)
}

pub(crate) fn num_destroy(call: &mut Call<'_>) -> Result<u64, Trap> {
    let at = call.args[0];
    call.write_number(at, 0, 8)?;
    Ok(0)
}

/// `struct bpf_iter_task` begins with the next task: there is one, if the first argument leaves it in.
pub(crate) fn task_new(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// All processes, all threads, the threads of a process.
    const WHAT: core::ops::Range<u32> = 0..3;
    let [at, of, what, ..] = call.args;
    let of_process = what as u32 == WHAT.end - 1;
    let own = task::current(call)?;
    // a process must be named where its threads are asked for
    let error = !WHAT.contains(&(what as u32)) || of_process && of == 0;
    let is_there = !error && (!of_process || of == own);
    call.write(at, &[0; 24])?;
    call.write_number(at, if is_there { own } else { 0 }, 8)?;
    Ok(if error { errno(Errno::EINVAL) } else { 0 })
}

pub(crate) fn task_next(call: &mut Call<'_>) -> Result<u64, Trap> {
    let at = call.args[0];
    let next = call.read_u64(at)?;
    call.write_number(at, 0, 8)?;
    Ok(next)
}

pub(crate) fn task_destroy(call: &mut Call<'_>) -> Result<u64, Trap> {
    task_next(call)?;
    Ok(0)
}

/// The words of an iterator over bits, which are copied when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
    next: u32,
}

/// Bytes of `struct bpf_iter_bits`.
const BITS_BYTES: usize = 16;

pub(crate) fn bits_new(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, words_at, count, ..] = call.args;
    let count = count as u32;
    call.write(at, &[0; BITS_BYTES])?;
    call.state().bits.remove(&at);
    match count {
        _ if words_at == 0 => return Ok(errno(Errno::EINVAL)),
        0 => return Ok(errno(Errno::EINVAL)),
        1..=MOST_WORDS => {}
        _ => return Ok(errno(Errno::E2BIG)),
    }
    let endian = call.endian();
    call.charge(count as usize / 8);
    if call.state().bits.len() >= MOST_ITERATORS {
        return Ok(errno(Errno::ENOMEM));
    }
    let Ok(bytes) = call.read(words_at, count as usize * 8) else {
        return Ok(errno(Errno::EFAULT));
    };
    let word = |bytes: &[u8; 8]| match endian {
        Endian::Little => u64::from_le_bytes(*bytes),
        Endian::Big => u64::from_be_bytes(*bytes),
    };
    let words = bytes.as_chunks().0.iter().map(word).collect();
    call.state().bits.insert(at, Bits { words, next: 0 });
    Ok(0)
}

/// The number of the next bit that is set is in the iterator itself.
pub(crate) fn bits_next(call: &mut Call<'_>) -> Result<u64, Trap> {
    /// Where in the structure it is.
    const NUMBER: u64 = 12;
    let at = call.args[0];
    let Some(bits) = call.state().bits.get_mut(&at) else {
        return Ok(0);
    };
    let first = bits.next;
    let words = (first / 64..).zip(bits.words.iter().skip((first / 64) as usize));
    let set = words.map(|(number, word)| match number == first / 64 {
        true => (number, word >> (first % 64) << (first % 64)),
        false => (number, *word),
    });
    let mut set = set.filter(|(_, word)| *word != 0);
    let found = set
        .next()
        .map(|(number, word)| number * 64 + word.trailing_zeros());
    bits.next = found.map_or(u32::MAX, |found| found + 1);
    // of what is not there, all was looked at
    let looked_at = found.map_or(bits.words.len(), |found| (found - first) as usize / 64 + 1);
    call.charge(looked_at);
    let Some(found) = found else {
        return Ok(0);
    };
    call.write_number(at.wrapping_add(NUMBER), u64::from(found), 4)?;
    Ok(at.wrapping_add(NUMBER))
}

pub(crate) fn bits_destroy(call: &mut Call<'_>) -> Result<u64, Trap> {
    let at = call.args[0];
    call.state().bits.remove(&at);
    Ok(0)
}
