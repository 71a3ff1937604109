//! Strings, compared and searched by kernel functions (Linux 6.17; without regard to case, 6.18).

use alloc::vec::Vec;

use bpfld_sys::Errno;

use super::call::{Call, errno};
use crate::fault::Trap;

/// The longest strings, as in the kernel.
const LONGEST: usize = 1 << 16;
/// Addresses below are those of user space.
const USER_SPACE: u64 = 1 << 47;

/// A string: what can be read of it before its end.
struct Text {
    bytes: Vec<u8>,
    /// What the byte behind them is.
    end: Result<u8, Errno>,
}

impl Text {
    fn read(call: &mut Call<'_>, address: u64) -> Result<Self, Errno> {
        let memory = &call.run.state.memory;
        let unreadable = match address < USER_SPACE {
            true => Errno::ERANGE,
            false => Errno::EFAULT,
        };
        let readable = memory.readable(address, LONGEST).map_err(|_| unreadable)?;
        let bytes = memory.slice(address, readable).map_err(|_| unreadable)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = Self {
            bytes: bytes.iter().copied().take(end.unwrap_or(readable)).collect(),
            end: match end {
                Some(_) => Ok(0),
                None if readable < LONGEST => Err(Errno::EFAULT),
                None => Err(Errno::E2BIG),
            },
        };
        call.charge(text.bytes.len() / 8);
        Ok(text)
    }

    /// The byte at a place; 0 at the end.
    fn at(&self, place: usize) -> Result<u8, Errno> {
        self.bytes.get(place).map_or(self.end, |byte| Ok(*byte))
    }

    /// The first place that something holds for; it is looked at the byte behind the string, too.
    fn find(&self, most: u64, holds: impl Fn(u8) -> bool) -> Result<Found, Errno> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        for place in 0..LONGEST.min(most) {
            match self.at(place)? {
                byte if holds(byte) => return Ok(Found::At(place)),
                0 => return Ok(Found::End(place)),
                _ => {}
            }
        }
        match most >= LONGEST {
            true => Err(Errno::E2BIG),
            false => Ok(Found::Most(most)),
        }
    }
}

/// Where a search ended.
enum Found {
    /// At what was looked for.
    At(usize),
    /// At the end of the string.
    End(usize),
    /// After as many bytes as were to be looked at.
    Most(usize),
}

/// A place or an error number.
fn answer(result: Result<usize, Errno>) -> Result<u64, Trap> {
    Ok(result.map_or_else(errno, |place| place as u64))
}

/// A place that may not be there.
fn place(found: Result<Found, Errno>) -> Result<u64, Trap> {
    answer(found.and_then(|found| match found {
        Found::At(place) => Ok(place),
        Found::End(_) | Found::Most(_) => Err(Errno::ENOENT),
    }))
}

fn compared(call: &mut Call<'_>, change: impl Fn(u8) -> u8) -> Result<u64, Errno> {
    let [first, second, ..] = call.args;
    let (first, second) = (Text::read(call, first)?, Text::read(call, second)?);
    for place in 0..LONGEST {
        let (a, b) = (change(first.at(place)?), change(second.at(place)?));
        if a != b {
            return Ok(if a < b { u64::MAX } else { 1 });
        }
        if a == 0 {
            return Ok(0);
        }
    }
    Err(Errno::E2BIG)
}

/// `bpf_strcmp`
pub(crate) fn compare(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(compared(call, |byte| byte).unwrap_or_else(errno))
}

/// `bpf_strcasecmp`
pub(crate) fn compare_any_case(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok(compared(call, |byte| byte.to_ascii_lowercase()).unwrap_or_else(errno))
}

/// `bpf_strchr`
pub(crate) fn first(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, wanted, ..] = call.args;
    place(Text::read(call, text).and_then(|text| text.find(u64::MAX, |byte| byte == wanted as u8)))
}

/// `bpf_strnchr`
pub(crate) fn first_of(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, most, wanted, ..] = call.args;
    place(Text::read(call, text).and_then(|text| text.find(most, |byte| byte == wanted as u8)))
}

/// `bpf_strchrnul`
pub(crate) fn first_or_end(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, wanted, ..] = call.args;
    let text = Text::read(call, text);
    place(text.and_then(|text| text.find(u64::MAX, |byte| byte == wanted as u8 || byte == 0)))
}

/// `bpf_strrchr`
pub(crate) fn last(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [text, wanted, ..] = call.args;
    let wanted = wanted as u8;
    answer(Text::read(call, text).and_then(|text| {
        text.end?;
        match wanted {
            0 => Ok(text.bytes.len()),
            wanted => text
                .bytes
                .iter()
                .rposition(|byte| *byte == wanted)
                .ok_or(Errno::ENOENT),
        }
    }))
}

/// `bpf_strlen`
pub(crate) fn len(call: &mut Call<'_>) -> Result<u64, Trap> {
    length(call, u64::MAX, |_| false)
}

/// `bpf_strnlen`
pub(crate) fn len_up_to(call: &mut Call<'_>) -> Result<u64, Trap> {
    length(call, call.args[1], |_| false)
}

/// How many bytes come before the end, or before one that something holds for.
fn length(call: &mut Call<'_>, most: u64, stops: impl Fn(u8) -> bool) -> Result<u64, Trap> {
    let text = Text::read(call, call.args[0]);
    answer(text.and_then(|text| {
        let (Found::At(place) | Found::End(place) | Found::Most(place)) = text.find(most, stops)?;
        Ok(place)
    }))
}

/// The bytes of a string, for looking them up.
fn bytes_of(call: &mut Call<'_>) -> Result<[bool; 256], Errno> {
    let text = Text::read(call, call.args[1])?;
    text.end?;
    let mut known = [false; 256];
    for byte in text.bytes {
        if let Some(known) = known.get_mut(usize::from(byte)) {
            *known = true;
        }
    }
    Ok(known)
}

/// `bpf_strspn`
pub(crate) fn made_of(call: &mut Call<'_>) -> Result<u64, Trap> {
    match bytes_of(call) {
        Ok(known) => length(call, u64::MAX, |byte| {
            known.get(usize::from(byte)) == Some(&false)
        }),
        Err(error) => Ok(errno(error)),
    }
}

/// `bpf_strcspn`
pub(crate) fn free_of(call: &mut Call<'_>) -> Result<u64, Trap> {
    match bytes_of(call) {
        Ok(known) => length(call, u64::MAX, |byte| known.get(usize::from(byte)) == Some(&true)),
        Err(error) => Ok(errno(error)),
    }
}

/// `bpf_strstr`
pub(crate) fn part(call: &mut Call<'_>) -> Result<u64, Trap> {
    answer(find_part(call, u64::MAX))
}

/// `bpf_strnstr`
pub(crate) fn part_of(call: &mut Call<'_>) -> Result<u64, Trap> {
    answer(find_part(call, call.args[2]))
}

/// Where the second string begins in the first `most` bytes of the first.
fn find_part(call: &mut Call<'_>, most: u64) -> Result<usize, Errno> {
    let [all, wanted, ..] = call.args;
    let (all, wanted) = (Text::read(call, all)?, Text::read(call, wanted)?);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut looked_at = 0;
    for start in 0..LONGEST {
        let mut place = 0;
        while place < LONGEST {
            let byte = wanted.at(place)?;
            if byte == 0 {
                return Ok(start);
            }
            if start + place == most {
                return Err(Errno::ENOENT);
            }
            match all.at(start + place)? {
                0 => return Err(Errno::ENOENT),
                other if other != byte => break,
                _ => place += 1,
            }
        }
        looked_at += place;
        // no longer than a run may take: what is charged for it ends the run
        if looked_at / 8 > call.run.state.left.max(0) as usize {
            break;
        }
    }
    call.charge(looked_at / 8);
    Err(Errno::E2BIG)
}
