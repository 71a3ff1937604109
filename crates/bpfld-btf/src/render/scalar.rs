//! Numbers out of bytes and bits.

use crate::Endian;

/// The number that `bytes`, at most 16, hold in this byte order.
pub(super) fn unsigned(bytes: &[u8], endian: Endian) -> Option<u128> {
    let push = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
    match endian {
        _ if bytes.len() > 16 => None,
        Endian::Big => Some(bytes.iter().fold(0, push)),
        Endian::Little => Some(bytes.iter().rev().fold(0, push)),
    }
}

/// The same with its sign, if the topmost of `bits` bits is one.
pub(super) fn extend_sign(number: u128, bits: u32) -> i128 {
    match 128u32.checked_sub(bits) {
        Some(unused @ 0..128) => (number << unused) as i128 >> unused,
        _ => number as i128,
    }
}

/// The `count` (at most 128) bits that begin at bit `start` of `bytes`. Bits are counted from the least significant of
/// the first byte in little-endian order, from the most significant in big-endian order.
pub(super) fn bit_field(bytes: &[u8], start: u64, count: u32, endian: Endian) -> Option<u128> {
    let end = start.checked_add(u64::from(count))?;
    let first = usize::try_from(start / 8).ok()?;
    let last = usize::try_from(end.div_ceil(8)).ok()?;
    let window = bytes.get(first..last)?;
    if window.len() > 16 {
        return None;
    }
    let number = unsigned(window, endian)?;
    let skip = match endian {
        Endian::Little => start % 8,
        Endian::Big => end.div_ceil(8) * 8 - end,
    };
    let mask = 1u128.checked_shl(count).unwrap_or(0).wrapping_sub(1);
    Some(number >> skip & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        let bytes = [0b1010_0101, 0b1100_0011];
        assert_eq!(bit_field(&bytes, 0, 4, Endian::Little), Some(0b0101));
        assert_eq!(bit_field(&bytes, 6, 4, Endian::Little), Some(0b1110));
        assert_eq!(bit_field(&bytes, 0, 4, Endian::Big), Some(0b1010));
        assert_eq!(bit_field(&bytes, 6, 4, Endian::Big), Some(0b0111));
        assert_eq!(bit_field(&bytes, 9, 8, Endian::Big), None);
        assert_eq!(bit_field(&bytes, u64::MAX, 8, Endian::Big), None);
        assert_eq!(extend_sign(0b110, 3), -2);
        assert_eq!(extend_sign(0b010, 3), 2);
        assert_eq!(extend_sign(u128::MAX, 128), -1);
        assert_eq!(extend_sign(5, 0), 5);
    }
}
