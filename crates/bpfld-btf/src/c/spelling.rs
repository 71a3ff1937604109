//! How C spells integers and floating-point numbers.

use alloc::string::String;

use crate::{IntEncoding, Kind, Type};

/// The words that C's own numeric types consist of, as far as compilers have them for BPF.
const WORDS: [&str; 11] = [
    "char", "short", "int", "long", "signed", "unsigned", "_Bool", "__int128", "float", "double", "_Complex",
];

/// C's name of a number: its own, if that is C's, else that of one of the same encoding and size, or, for a size that C
/// does not know, the next smaller. Floating-point numbers that compilers for BPF lack, or make smaller (`long double`), become
/// integers as large.
pub(super) fn number(ty: &Type<'_>) -> String {
    let name = ty.name().unwrap_or_default();
    let size = ty.size_bytes().unwrap_or(0);
    let is_c = !name.is_empty() && name.split(' ').all(|word| WORDS.contains(&word));
    let is_smaller = name == "long double" && size > 8;
    if is_c && !is_smaller {
        return name.into();
    }
    let encoding = ty.int().map_or(IntEncoding::UNSIGNED, |int| int.encoding);
    let name = match (ty.kind(), size) {
        (Kind::FLOAT, 0..=1) => "unsigned char",
        (Kind::FLOAT, 2..=3) => "unsigned short",
        (Kind::FLOAT, 4..=7) => "float",
        (Kind::FLOAT, 8..=15) => "double",
        (Kind::FLOAT, _) => "unsigned __int128",
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
