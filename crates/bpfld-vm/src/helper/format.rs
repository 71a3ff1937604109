//! Text from a format and arguments, in the dialect of the kernel's printing helpers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use bpfld_sys::Errno;

use super::call::Call;

/// A conversion after its percent sign.
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    width: usize,
}

impl Spec {
    /// Fills up to the width.
    fn pad(&self, sign: &str, digits: impl AsRef<[u8]>, out: &mut Vec<u8>) {
        let (sign, digits) = (sign.as_bytes(), digits.as_ref());
        let missing = self.width.saturating_sub(sign.len() + digits.len());
        let fill = |out: &mut Vec<u8>, with: u8| out.extend(core::iter::repeat_n(with, missing));
        if self.left {
            out.extend([sign, digits].concat());
            fill(out, b' ');
        } else if self.zeros {
            out.extend(sign);
            fill(out, b'0');
            out.extend(digits);
        } else {
            fill(out, b' ');
            out.extend([sign, digits].concat());
        }
    }
}

/// Makes the text, which need not be UTF-8. Strings and addresses are read through the call.
///
/// # Errors
///
/// EINVAL: the format has something that the kernel does not take, or more conversions than there are arguments.
pub(crate) fn format_text(call: &Call<'_>, text: &[u8], args: &[u64]) -> Result<Vec<u8>, Errno> {
    if !text
        .iter()
        .all(|byte| is_space(*byte) || matches!(byte, b' '..=b'~'))
    {
        return Err(Errno::EINVAL);
    }
    let mut room = Room::default();
    let mut out = Vec::new();
    let mut args = args.iter().copied();
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            out.push(first);
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"%") {
            out.push(b'%');
            rest = after;
            continue;
        }
        let mut spec = Spec {
            left: false,
            zeros: false,
            plus: false,
            space: false,
            width: 0,
        };
        while let Some((flag, after)) = rest.split_first() {
            match flag {
                b'0' => spec.zeros = true,
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                _ => break,
            }
            rest = after;
        }
        while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
            spec.width = (spec.width * 10 + usize::from(digit - b'0')).min(4096);
            rest = after;
        }
        let mut wide = 0;
        while let Some(after) = rest.strip_prefix(b"l").filter(|_| wide < 2) {
            wide += 1;
            rest = after;
        }
        let (&kind, after) = rest.split_first().ok_or(Errno::EINVAL)?;
        rest = after;
        let value = args.next().ok_or(Errno::EINVAL)?;
        match kind {
            b'd' | b'i' => {
                room.number(if wide > 0 { 8 } else { 4 })?;
                let number = if wide > 0 {
                    value as i64
                } else {
                    i64::from(value as i32)
                };
                let sign = match number {
                    ..0 => "-",
                    _ if spec.plus => "+",
                    _ if spec.space => " ",
                    _ => "",
                };
                spec.pad(sign, format!("{}", number.unsigned_abs()), &mut out);
            }
            b'u' | b'x' | b'X' => {
                room.number(if wide > 0 { 8 } else { 4 })?;
                let number = if wide > 0 { value } else { u64::from(value as u32) };
                let digits = match kind {
                    b'u' => format!("{number}"),
                    b'x' => format!("{number:x}"),
                    _ => format!("{number:X}"),
                };
                spec.pad("", digits, &mut out);
            }
            b'c' if wide == 0 => {
                room.take(1)?;
                spec.pad("", [value as u8], &mut out);
            }
            b's' if wide == 0 => {
                ends_word(rest)?;
                spec.pad("", room.string(call, value)?, &mut out);
            }
            b'p' if wide == 0 => rest = pointer(call, &spec, value, rest, &mut room, &mut out)?,
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(out)
}

/// What the kernel takes for a blank.
pub(super) fn is_space(byte: u8) -> bool {
    byte == b' ' || matches!(byte, b'\t'..=b'\r')
}

/// No letter or digit may follow.
fn ends_word(rest: &[u8]) -> Result<(), Errno> {
    match rest.first() {
        Some(next) if !is_space(*next) && !next.is_ascii_punctuation() => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// Where the kernel puts arguments together before it prints them: numbers on whole words, and strings with their ends.
#[derive(Default)]
struct Room {
    used: usize,
}

impl Room {
    const BYTES: usize = 512;

    fn take(&mut self, bytes: usize) -> Result<(), Errno> {
        self.used += bytes;
        match self.used <= Self::BYTES {
            true => Ok(()),
            false => Err(Errno::ENOSPC),
        }
    }

    fn number(&mut self, bytes: usize) -> Result<(), Errno> {
        self.used = self.used.next_multiple_of(4);
        self.take(bytes)
    }

    /// A string, cut to what there is room for; an empty one, where none can be read.
    fn string(&mut self, call: &Call<'_>, address: u64) -> Result<Vec<u8>, Errno> {
        let left = Self::BYTES.checked_sub(self.used + 1).ok_or(Errno::ENOSPC)?;
        let text = call.read_text(address, left).unwrap_or_default();
        self.take(text.len() + 1)?;
        Ok(text)
    }
}

/// What follows `%p`. Returns the rest of the format.
fn pointer<'t>(
    call: &Call<'_>,
    spec: &Spec,
    value: u64,
    rest: &'t [u8],
    room: &mut Room,
    out: &mut Vec<u8>,
) -> Result<&'t [u8], Errno> {
    // what cannot be read is zero
    let bytes = |len: usize| call.read(value, len).unwrap_or_default();
    if let Some(rest) = rest.strip_prefix(b"ks").or_else(|| rest.strip_prefix(b"us")) {
        ends_word(rest)?;
        spec.pad("", room.string(call, value)?, out);
        return Ok(rest);
    }
    if let Some(after) = rest.strip_prefix(b"I4").or_else(|| rest.strip_prefix(b"i4")) {
        let octets: [u8; 4] = bytes(4).first_chunk().copied().unwrap_or_default();
        let text = match (rest.first(), octets) {
            (Some(b'I'), octets) => format!("{}", Ipv4Addr::from(octets)),
            (_, [a, b, c, d]) => format!("{a:03}.{b:03}.{c:03}.{d:03}"),
        };
        room.take(text.len() + 1)?;
        spec.pad("", text, out);
        return Ok(after);
    }
    if let Some(after) = rest.strip_prefix(b"I6").or_else(|| rest.strip_prefix(b"i6")) {
        let octets: [u8; 16] = bytes(16).first_chunk().copied().unwrap_or_default();
        let groups = Ipv6Addr::from(octets)
            .segments()
            .map(|group| format!("{group:04x}"));
        let text = groups.join(if rest.first() == Some(&b'I') { ":" } else { "" });
        room.take(text.len() + 1)?;
        spec.pad("", text, out);
        return Ok(after);
    }
    room.number(8)?;
    let plain: &[&[u8]] = &[b"x", b"K", b"S", b"s", b"B"];
    for suffix in plain {
        if let Some(rest) = rest.strip_prefix(*suffix) {
            spec.pad("", address(value, suffix), out);
            return Ok(rest);
        }
    }
    ends_word(rest)?;
    spec.pad("", address(value, b""), out);
    Ok(rest)
}

fn address(value: u64, suffix: &[u8]) -> String {
    match suffix {
        b"S" | b"s" | b"B" => format!("{value:#x}"),
        _ => format!("{value:016x}"),
    }
}

/// The arguments that lie in memory, one in eight bytes.
pub(crate) fn read_args(
    call: &Call<'_>,
    address: u64,
    len: u64,
) -> Result<Option<Vec<u64>>, crate::fault::Trap> {
    if len & 7 != 0 || len > 12 * 8 || (len > 0 && address == 0) {
        return Ok(None);
    }
    (0..len / 8)
        .map(|number| call.read_u64(address + number * 8))
        .collect::<Result<_, _>>()
        .map(Some)
}
