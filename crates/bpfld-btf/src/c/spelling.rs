//! How C spells integers and floating-point numbers.

use alloc::string::String;

use crate::{IntEncoding, Kind, Type};

/// The words that C's own numeric types consist of.
const WORDS: [&str; 16] = [
    "char",
    "short",
    "int",
    "long",
    "signed",
    "unsigned",
    "_Bool",
    "__int128",
    "float",
    "double",
    "_Complex",
    "_Float16",
    "__bf16",
    "__float128",
    "_Float128",
    "__fp16",
];

/// C's name of a number: its own, if that is C's, else that of one of the same encoding and size, or, for a size that C
/// does not know, the next smaller.
pub(super) fn number(ty: &Type<'_>) -> String {
    let name = ty.name().unwrap_or_default();
    let is_c = !name.is_empty() && name.split(' ').all(|word| WORDS.contains(&word));
    if is_c {
        return name.into();
    }
    let size = ty.size_bytes().unwrap_or(0);
    let encoding = ty.int().map_or(IntEncoding::UNSIGNED, |int| int.encoding);
    let name = match (ty.kind(), size) {
        (Kind::FLOAT, 0..=2) => "_Float16",
        (Kind::FLOAT, 3..=7) => "float",
        (Kind::FLOAT, 8..=9) => "double",
        (Kind::FLOAT, _) => "long double",
        _ if encoding.contains(IntEncoding::BOOL) => "_Bool",
        (_, 0..=1) if encoding.contains(IntEncoding::SIGNED) => "signed char",
        (_, 0..=1) => "unsigned char",
        (_, size) => {
            let name = match size {
                0..=3 => "short",
                4..=7 => "int",
                8..=15 => "long long",
                _ => "__int128",
            };
            let sign = if encoding.contains(IntEncoding::SIGNED) {
                ""
            } else {
                "unsigned "
            };
            return String::from(sign) + name;
        }
    };
    name.into()
}
