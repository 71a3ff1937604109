//! The hash of names: of a slice, and of a zero-terminated name in one pass.

use crate::essential_name;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(SEED);
    (product as u64) ^ (product >> 64) as u64
}

/// The hash of a name: over words of eight bytes, the last filled up with zeros.
pub(crate) fn hash_name(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mut hash = SEED;
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    finish(mix(hash, u64::from_le_bytes(last)))
}

fn finish(hash: u64) -> u64 {
    hash.wrapping_mul(SEED) ^ (hash >> 29)
}

const LOW: u64 = 0x0101_0101_0101_0101;
const LOW7: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The highest bit of each byte of `word` that is zero; exact.
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW7) + LOW7) | word | LOW7)
}

/// The hash of the flavour-free part of the zero-terminated name at the front of `tail`: [`hash_name`] of it, found
/// in one pass, eight bytes at a time, that also watches for the three underscores of a flavour.
pub(crate) fn hash_terminated(tail: &[u8]) -> u64 {
    let mut hash = SEED;
    let mut previous = 0;
    let mut at = 0;
    while let Some(chunk) = tail.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let ends = zero_bytes(word);
        let underscores = zero_bytes(word ^ (LOW * u64::from(b'_')));
        let run = underscores & (underscores << 8 | previous >> 56) & (underscores << 16 | previous >> 48);
        if ends != 0 {
            let bytes = ends.trailing_zeros() / 8;
            let within = (1u64 << (bytes * 8)) - 1;
            if run & within != 0 {
                break;
            }
            return finish(mix(hash, word & within));
        }
        if run != 0 {
            break;
        }
        hash = mix(hash, word);
        previous = underscores;
        at += 8;
    }
    // A possible flavour, or the end of the section.
    let len = tail.iter().position(|byte| *byte == 0).unwrap_or(tail.len());
    hash_name(essential_name(tail.get(..len).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    #[test]
    fn both_hashes_agree() {
        for prefix in 0..20 {
            for suffix in [
                "", "_", "__", "___", "___x", "___x___y", "____x", "x___", "__x", "___x_", "_x___yy",
            ] {
                let name = format!("{}{suffix}", "abcdefghijklmnopqrst".get(..prefix).unwrap());
                for padding in [
                    "\0",
                    "\0________________",
                    "\0\0\0\0\0\0\0\0\0\0\0\0\0",
                    "\0a___bcdefghijkl\0",
                ] {
                    let text = String::from(name.as_str()) + padding;
                    assert_eq!(
                        hash_terminated(text.as_bytes()),
                        hash_name(essential_name(name.as_bytes())),
                        "{text:?}"
                    );
                }
            }
        }
    }
}
