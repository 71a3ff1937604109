//! Sets of processors (`struct bpf_cpumask`), which are objects with a bit for each.

use alloc::vec::Vec;

use bpfld_insn::Endian;

use super::call::Call;
use super::objects;
use crate::address::GuestAddr;
use crate::fault::Trap;
use crate::memory::Rights;

/// The bits of a set, in words.
type Words = Vec<u64>;

fn cpus(call: &Call<'_>) -> u32 {
    call.run.image.cpus
}

/// All bits that stand for a processor.
fn all(call: &Call<'_>) -> Words {
    let cpus = cpus(call);
    let bits = |word: u32| match cpus - word * 64 {
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    };
    (0..cpus.div_ceil(64)).map(bits).collect()
}

/// The set that an argument is the address of.
fn read(call: &Call<'_>, argument: usize) -> Result<Words, Trap> {
    let address = call.args.get(argument).copied().unwrap_or(0);
    let words = all(call).into_iter().enumerate();
    words
        .map(|(number, all)| Ok(call.read_u64(address.wrapping_add(number as u64 * 8))? & all))
        .collect()
}

/// Changes the set that an argument is the address of, which must be the program's own.
fn write(call: &mut Call<'_>, argument: usize, words: &[u64]) -> Result<(), Trap> {
    let address = call.args.get(argument).copied().unwrap_or(0);
    let endian = call.endian();
    let bytes = words.iter().flat_map(|word| match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    });
    let bytes: Vec<u8> = bytes.collect();
    let own = objects::bytes_mut(call, GuestAddr(address));
    match own.filter(|place| place.len() == bytes.len()) {
        Some(place) => {
            place.copy_from_slice(&bytes);
            Ok(())
        }
        None => Err(call.bad(argument as u8 + 1, "no set of processors that is alive")),
    }
}

/// The lowest bit; the number of processors, if there is none.
fn lowest(call: &Call<'_>, words: impl IntoIterator<Item = u64>) -> u64 {
    let mut words = words.into_iter().zip(0u64..).filter(|(word, _)| *word != 0);
    words.next().map_or(cpus(call).into(), |(word, number)| {
        number * 64 + u64::from(word.trailing_zeros())
    })
}

/// Two sets, word by word.
fn both(call: &Call<'_>, first: usize) -> Result<impl Iterator<Item = (u64, u64)> + use<>, Trap> {
    Ok(read(call, first)?.into_iter().zip(read(call, first + 1)?))
}

pub(crate) fn create(call: &mut Call<'_>) -> Result<u64, Trap> {
    let size = all(call).len() * 8;
    Ok(objects::make(call, size, "set of processors", Rights::Read))
}

pub(crate) fn first(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(lowest(call, read(call, 0)?))
}

pub(crate) fn first_zero(call: &mut Call<'_>) -> Result<u64, Trap> {
    let words = read(call, 0)?.into_iter().zip(all(call));
    Ok(lowest(call, words.map(|(word, all)| !word & all)))
}

pub(crate) fn first_and(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(lowest(call, both(call, 0)?.map(|(a, b)| a & b)))
}

/// Puts a bit of the second argument, a set, to a value, and tells what it was; processors that are not there are in no set.
fn put(call: &mut Call<'_>, value: Option<bool>) -> Result<u64, Trap> {
    let cpu = call.args[0] as u32;
    let mut words = read(call, 1)?;
    let Some(word) = words
        .get_mut((cpu / 64) as usize)
        .filter(|_| cpu < call.run.image.cpus)
    else {
        return Ok(0);
    };
    let bit = 1 << (cpu % 64);
    let was = *word & bit != 0;
    match value {
        Some(true) => *word |= bit,
        Some(false) => *word &= !bit,
        None => return Ok(was.into()),
    }
    write(call, 1, &words)?;
    Ok(was.into())
}

pub(crate) fn set_cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    put(call, Some(true))
}

pub(crate) fn clear_cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    put(call, Some(false))
}

pub(crate) fn test_cpu(call: &mut Call<'_>) -> Result<u64, Trap> {
    put(call, None)
}

pub(crate) fn set_all(call: &mut Call<'_>) -> Result<u64, Trap> {
    let all = all(call);
    write(call, 0, &all)?;
    Ok(0)
}

pub(crate) fn clear(call: &mut Call<'_>) -> Result<u64, Trap> {
    let none: Words = all(call).iter().map(|_| 0).collect();
    write(call, 0, &none)?;
    Ok(0)
}

/// Makes the first of two others; whether anything is in it.
fn combine(call: &mut Call<'_>, with: impl Fn(u64, u64) -> u64) -> Result<u64, Trap> {
    let words: Words = both(call, 1)?.map(|(a, b)| with(a, b)).collect();
    write(call, 0, &words)?;
    Ok(words.iter().any(|word| *word != 0).into())
}

pub(crate) fn and(call: &mut Call<'_>) -> Result<u64, Trap> {
    combine(call, |a, b| a & b)
}

pub(crate) fn or(call: &mut Call<'_>) -> Result<u64, Trap> {
    combine(call, |a, b| a | b)
}

pub(crate) fn xor(call: &mut Call<'_>) -> Result<u64, Trap> {
    combine(call, |a, b| a ^ b)
}

pub(crate) fn copy(call: &mut Call<'_>) -> Result<u64, Trap> {
    let words = read(call, 1)?;
    write(call, 0, &words)?;
    Ok(0)
}

pub(crate) fn equal(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(both(call, 0)?.all(|(a, b)| a == b).into())
}

pub(crate) fn intersects(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(both(call, 0)?.any(|(a, b)| a & b != 0).into())
}

/// Whether all of the first is in the second.
pub(crate) fn subset(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(both(call, 0)?.all(|(a, b)| a & !b == 0).into())
}

pub(crate) fn empty(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(read(call, 0)?.iter().all(|word| *word == 0).into())
}

pub(crate) fn full(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok((read(call, 0)? == all(call)).into())
}

pub(crate) fn weight(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(read(call, 0)?
        .iter()
        .map(|word| u64::from(word.count_ones()))
        .sum())
}
