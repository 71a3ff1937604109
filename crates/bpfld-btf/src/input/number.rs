//! Numbers from words, and into bytes and bits.

use crate::Endian;

/// An integer: its size, and whether it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    magnitude: u128,
    is_negative: bool,
}

impl Integer {
    pub(super) fn of(number: i128) -> Self {
        Self {
            magnitude: number.unsigned_abs(),
            is_negative: number < 0,
        }
    }

    /// Reads `12`, `-12`, `0x1f`, `0o17`, `0b101`; underscores between digits are passed over.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let (is_negative, digits) = match word.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let (radix, digits) = match digits.get(..2) {
            Some("0x" | "0X") => (16, digits.get(2..)?),
            Some("0o") => (8, digits.get(2..)?),
            Some("0b") => (2, digits.get(2..)?),
            _ => (10, digits),
        };
        if !digits.starts_with(|c: char| c.is_digit(radix)) {
            return None;
        }
        let mut magnitude = 0u128;
        for digit in digits.chars().filter(|c| *c != '_') {
            let digit = digit.to_digit(radix)?;
            magnitude = magnitude
                .checked_mul(u128::from(radix))?
                .checked_add(u128::from(digit))?;
        }
        Some(Self {
            magnitude,
            is_negative,
        })
    }

    /// The low `bits` bits, if the number fits. Numbers with the topmost bit set are taken for signed types too when they are
    /// not negative: they are written in hexadecimal that way.
    pub(super) fn bits(self, bits: u32, is_signed: bool) -> Option<u128> {
        let mask = mask(bits);
        if !self.is_negative {
            return (self.magnitude <= mask).then_some(self.magnitude);
        }
        let most = 1u128.checked_shl(bits.checked_sub(1)?)?;
        (is_signed && self.magnitude <= most).then(|| self.magnitude.wrapping_neg() & mask)
    }
}

fn mask(bits: u32) -> u128 {
    1u128.checked_shl(bits).unwrap_or(0).wrapping_sub(1)
}

/// Writes a number of `bytes.len()` bytes, at most 16.
pub(super) fn write(bytes: &mut [u8], number: u128, endian: Endian) {
    let little = number.to_le_bytes();
    let len = bytes.len();
    for (index, byte) in bytes.iter_mut().enumerate() {
        let place = match endian {
            Endian::Little => index,
            Endian::Big => len - 1 - index,
        };
        *byte = little.get(place).copied().unwrap_or(0);
    }
}

/// Sets the `count` bits that begin at bit `start`, counted as for reading: from the least significant of the first byte in
/// little-endian order, from the most significant in big-endian order. Nothing where they are not all within.
pub(super) fn write_bits(
    bytes: &mut [u8],
    start: u64,
    count: u32,
    number: u128,
    endian: Endian,
) -> Option<()> {
    if count > u128::BITS {
        return None;
    }
    for bit in 0..u64::from(count) {
        // Bit 0 of the number is the first in little-endian order, the last in big-endian order.
        let (place, shift) = match endian {
            Endian::Little => (start + bit, (start + bit) % 8),
            Endian::Big => {
                let place = start + u64::from(count) - 1 - bit;
                (place, 7 - place % 8)
            }
        };
        let byte = bytes.get_mut(usize::try_from(place / 8).ok()?)?;
        let set = (number >> bit & 1) as u8;
        *byte = *byte & !(1 << shift) | set << shift;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let bits = |word: &str, count, signed| Integer::parse(word)?.bits(count, signed);
        assert_eq!(bits("255", 8, false), Some(255));
        assert_eq!(bits("256", 8, false), None);
        assert_eq!(bits("-1", 8, true), Some(255));
        assert_eq!(bits("-128", 8, true), Some(128));
        assert_eq!(bits("-129", 8, true), None);
        assert_eq!(bits("-1", 8, false), None);
        assert_eq!(bits("0xff", 8, true), Some(255));
        assert_eq!(bits("0b1_01", 3, false), Some(5));
        assert_eq!(bits("0o17", 8, false), Some(15));
        let most = "340282366920938463463374607431768211455";
        assert_eq!(bits(most, 128, false), Some(u128::MAX));
        assert_eq!(bits("340282366920938463463374607431768211456", 128, false), None);
        for word in ["", "-", "0x", "x", "1e3", "1.0", "_1", "--1"] {
            assert_eq!(Integer::parse(word), None, "{word}");
        }
    }

    #[test]
    fn bit_fields() {
        let mut bytes = [0xff; 2];
        write_bits(&mut bytes, 6, 4, 0b1010, Endian::Little).unwrap();
        assert_eq!(bytes, [0b1011_1111, 0b1111_1110]);
        let mut bytes = [0; 2];
        write_bits(&mut bytes, 6, 4, 0b1010, Endian::Big).unwrap();
        assert_eq!(bytes, [0b10, 0b1000_0000]);
        assert_eq!(write_bits(&mut bytes, 14, 4, 1, Endian::Little), None);
        assert_eq!(write_bits(&mut [0; 64], 0, 129, 1, Endian::Little), None);
    }
}
