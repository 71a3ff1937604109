//! Strings and numbers in them.

use core::cmp::Ordering;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use super::format::is_space;
use crate::fault::Trap;

pub(crate) fn compare(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [first, size, second, ..] = call.args;
    let size = size as u32 as usize;
    call.charge(size / 8);
    let first = call.read(first, size)?;
    let second = call.read_text(second, size)?;
    let until_end = |bytes: &[u8]| -> alloc::vec::Vec<u8> {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.iter().copied().take(end.min(size)).collect()
    };
    Ok(match until_end(first).cmp(&until_end(&second)) {
        Ordering::Less => u64::MAX,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

pub(crate) fn signed(call: &mut Call<'_>) -> Result<u64, Trap> {
    let to = call.args[3];
    call.write_number(to, 0, 8)?;
    let (negative, value, taken) = match number(call)? {
        Ok(found) => found,
        Err(error) => return Ok(errno(error)),
    };
    let value = match (negative, i64::try_from(value)) {
        (false, Ok(value)) => value,
        (true, _) if value <= 1 << 63 => (value as i64).wrapping_neg(),
        _ => return Ok(errno(Errno::ERANGE)),
    };
    call.write_number(to, value as u64, 8)?;
    Ok(taken)
}

pub(crate) fn unsigned(call: &mut Call<'_>) -> Result<u64, Trap> {
    let to = call.args[3];
    call.write_number(to, 0, 8)?;
    let (negative, value, taken) = match number(call)? {
        Ok(found) => found,
        Err(error) => return Ok(errno(error)),
    };
    if negative {
        return Ok(errno(Errno::EINVAL));
    }
    call.write_number(to, value, 8)?;
    Ok(taken)
}

/// The most characters that the kernel looks at behind the sign.
const MOST: usize = 63;

/// Sign, value, and how many characters it took.
fn number(call: &mut Call<'_>) -> Result<Result<(bool, u64, u64), Errno>, Trap> {
    let [text, len, base, ..] = call.args;
    let bytes = call.read(text, len as u32 as usize)?;
    if !matches!(base, 0 | 8 | 10 | 16) || bytes.is_empty() {
        return Ok(Err(Errno::EINVAL));
    }
    let blanks = bytes.iter().take_while(|byte| is_space(**byte)).count();
    let rest = bytes.get(blanks..).unwrap_or_default();
    let (negative, rest) = match rest.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, rest),
    };
    let before = bytes.len() - rest.len();
    let rest = rest.get(..MOST).unwrap_or(rest);
    let (base, digits) = match (base, rest) {
        // without a digit behind it, the prefix is a zero and a letter; but not where the base is given
        (0, [b'0', b'x' | b'X', digits @ ..]) if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, digits)
        }
        (16, [b'0', b'x' | b'X', digits @ ..]) => (16, digits),
        (0, [b'0', ..]) => (8, rest),
        (0, _) => (10, rest),
        (base, _) => (base as u32, rest),
    };
    let mut value = 0u64;
    let mut count = 0;
    for byte in digits {
        let Some(digit) = char::from(*byte).to_digit(base) else {
            break;
        };
        let next = value
            .checked_mul(base.into())
            .and_then(|value| value.checked_add(digit.into()));
        let Some(next) = next else {
            return Ok(Err(Errno::ERANGE));
        };
        value = next;
        count += 1;
    }
    if count == 0 {
        return Ok(Err(Errno::EINVAL));
    }
    let taken = before + rest.len() - digits.len() + count;
    Ok(Ok((negative, value, taken as u64)))
}
