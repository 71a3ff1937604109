//! What the declarations need to read and write bits and parts.

use crate::Endian;

/// Functions that read and write bits, for methods of bit fields.
pub(super) fn helpers(endian: Endian) -> &'static str {
    match endian {
        Endian::Little => LITTLE,
        Endian::Big => BIG,
    }
}

const LITTLE: &str = "\
/// The `len` bits at bit `start`.
#[allow(dead_code, clippy::all)]
fn __bits(bytes: &[u8], start: usize, len: usize) -> u64 {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (at % 8) & 1));
    (0..len).rev().fold(0, |value, at| value << 1 | bit(start + at))
}

/// Writes the `len` bits at bit `start`.
#[allow(dead_code, clippy::all)]
fn __set_bits(bytes: &mut [u8], start: usize, len: usize, value: u64) {
    for at in 0..len {
        if let Some(byte) = bytes.get_mut((start + at) / 8) {
            let shift = (start + at) % 8;
            *byte = *byte & !(1 << shift) | ((value >> at & 1) as u8) << shift;
        }
    }
}

";

const BIG: &str = "\
/// The `len` bits at bit `start`, the highest first.
#[allow(dead_code, clippy::all)]
fn __bits(bytes: &[u8], start: usize, len: usize) -> u64 {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (7 - at % 8) & 1));
    (0..len).fold(0, |value, at| value << 1 | bit(start + at))
}

/// Writes the `len` bits at bit `start`, the highest first.
#[allow(dead_code, clippy::all)]
fn __set_bits(bytes: &mut [u8], start: usize, len: usize, value: u64) {
    for at in 0..len {
        if let Some(byte) = bytes.get_mut((start + at) / 8) {
            let shift = 7 - (start + at) % 8;
            *byte = *byte & !(1 << shift) | ((value >> (len - 1 - at) & 1) as u8) << shift;
        }
    }
}

";

/// A function that reads a member of a union.
pub(super) const PART: &str = "\
/// The value that these bytes begin with.
#[allow(dead_code, clippy::all)]
fn __part<T: ::zerocopy::FromBytes>(bytes: &[u8]) -> T {
    match T::read_from_prefix(bytes) {
        Ok((value, _)) => value,
        Err(_) => <T as ::zerocopy::FromZeros>::new_zeroed(),
    }
}

";
