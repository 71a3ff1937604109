//! Internet checksums.

use bpfld_insn::Endian;
use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::skb;
use crate::fault::Trap;

/// Adds with the carry coming back in.
fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry.into())
}

/// The ones' complement sum of words in the order of the guest, on top of a seed.
fn sum(bytes: &[u8], seed: u32, endian: Endian) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let word = |bytes: [u8; 4]| match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    };
    let total = words.iter().fold(seed, |total, bytes| add(total, word(*bytes)));
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    add(total, word(last))
}

/// From 32 to 16 bits.
fn fold(sum: u32) -> u16 {
    (add(sum, sum.rotate_left(16)) >> 16) as u16
}

pub(crate) fn difference(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [from, from_size, to, to_size, seed] = call.args;
    let (from_size, to_size) = (from_size as u32 as usize, to_size as u32 as usize);
    let (seed, endian) = (seed as u32, call.endian());
    if (from_size | to_size) & 3 != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    call.charge((from_size + to_size) / 16);
    let from = call.read(from, from_size)?;
    let to = call.read(to, to_size)?;
    let total = match (from.is_empty(), to.is_empty()) {
        (false, false) => add(sum(to, seed, endian), !sum(from, 0, endian)),
        (true, false) => sum(to, seed, endian),
        (false, true) => !sum(from, !seed, endian),
        (true, true) => seed,
    };
    Ok(fold(total).into())
}

/// The checksum field with one value replaced by another: RFC 1624.
fn replaced(check: u16, from: u32, to: u32) -> u16 {
    !fold(add(add(u32::from(!check), !from), to))
}

const SIZE: u64 = 0xf;
const PSEUDO_HEADER: u64 = 1 << 4;
const MARK_MANGLED_ZERO: u64 = 1 << 5;
const MARK_ENFORCE: u64 = 1 << 6;
const IPV6: u64 = 1 << 7;

pub(crate) fn replace_network(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, offset, from, to, flags] = call.args;
    if flags & !SIZE != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    replace(call, offset, from, to, flags & SIZE, false)
}

pub(crate) fn replace_transport(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    let [_, offset, from, to, flags] = call.args;
    if flags & !(SIZE | PSEUDO_HEADER | MARK_MANGLED_ZERO | MARK_ENFORCE | IPV6) != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    let marked = flags & MARK_MANGLED_ZERO != 0;
    let current = skb::bytes(call, offset, 2).map(|bytes| bytes.iter().all(|byte| *byte == 0));
    if marked && flags & MARK_ENFORCE == 0 && current == Some(true) {
        return Ok(0);
    }
    replace(call, offset, from, to, flags & SIZE, marked)
}

fn replace(
    call: &mut Call<'_>,
    offset: u64,
    from: u64,
    to: u64,
    size: u64,
    marked: bool,
) -> Result<u64, Trap> {
    let endian = call.endian();
    if offset > 0xffff || offset & 1 != 0 {
        return Ok(errno(Errno::EFAULT));
    }
    let Some(field) = skb::bytes_mut(call, offset, 2) else {
        return Ok(errno(Errno::EFAULT));
    };
    let bytes = field.first_chunk().copied().unwrap_or_default();
    let check = match endian {
        Endian::Little => u16::from_le_bytes(bytes),
        Endian::Big => u16::from_be_bytes(bytes),
    };
    let check = match size {
        // the difference is given
        0 if from == 0 => replaced(check, 0, to as u32),
        2 => replaced(check, u32::from(from as u16), u32::from(to as u16)),
        4 => replaced(check, from as u32, to as u32),
        _ => return Ok(errno(Errno::EINVAL)),
    };
    let check = if marked && check == 0 { 0xffff } else { check };
    field.copy_from_slice(&match endian {
        Endian::Little => check.to_le_bytes(),
        Endian::Big => check.to_be_bytes(),
    });
    Ok(0)
}

/// There is no checksum of the hardware's to be updated.
pub(crate) fn update(call: &mut Call<'_>) -> Result<u64, Trap> {
    call.context(0)?;
    Ok(errno(Errno::ENOTSUPP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_fold() {
        assert_eq!(fold(0x0001_ffff), 1);
        assert_eq!(fold(0xffff_0001), 1);
        assert_eq!(sum(&[1, 0, 0, 0, 2, 0, 0, 0], 3, Endian::Little), 6);
        assert_eq!(sum(&[0xff, 0xff, 0xff, 0xff], 1, Endian::Little), 1);
    }

    #[test]
    fn a_replaced_field_keeps_the_sum_right() {
        // 0x4500 + 0x0030 summed, complemented; then 0x0030 becomes 0x0040
        let check = !fold(0x4500 + 0x0030);
        assert_eq!(replaced(check, 0x0030, 0x0040), !fold(0x4500 + 0x0040));
    }
}
