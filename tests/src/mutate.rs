//! Naive mutation of bytes: what a fuzzer does in its first minute, the same on every run.

use std::ops::Range;

/// Random numbers that depend on nothing but the seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            (self.bits() % end as u64) as usize
        }
    }

    /// A non-empty range within `0..length`, mostly short. Empty only if `length` is 0.
    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length);
        let rest = length - start;
        let most = if self.below(4) == 0 { rest } else { rest.min(64) };
        start..start + (1 + self.below(most)).min(rest)
    }
}

/// Numbers that like to be wrong as sizes, offsets, counts and ids.
const EXTREMES: [u64; 14] = [
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Changes `bytes` in one to six places: bits, bytes, numbers of 2, 4 or 8 bytes in either byte order set to extremes or
/// moved a little, ranges copied, doubled, removed or filled, the end cut off.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        change(bytes, random);
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.bits() as u8);
        return;
    }
    let length = bytes.len();
    let at = random.below(length);
    match random.below(16) {
        0..=3 => bytes[at] ^= 1 << random.below(8),
        4..=6 => bytes[at] = random.bits() as u8,
        7..=10 => {
            let value = EXTREMES[random.below(EXTREMES.len())];
            number(bytes, random, at, |_| value);
        }
        11..=12 => {
            let step = random.below(9) as u64;
            number(bytes, random, at, |old| old.wrapping_add(step).wrapping_sub(4));
        }
        13 => {
            let (from, to) = (random.range(length), at);
            let copy = bytes[from].to_vec();
            let end = (to + copy.len()).min(length);
            bytes[to..end].copy_from_slice(&copy[..end - to]);
        }
        14 => match random.below(4) {
            0 => drop(bytes.drain(random.range(length))),
            1 => {
                let copy = bytes[random.range(length)].to_vec();
                bytes.splice(at..at, copy);
            }
            2 => {
                let fill = [0, 0xff, random.bits() as u8][random.below(3)];
                bytes[random.range(length)].fill(fill);
            }
            _ => bytes.truncate(at),
        },
        // The places that everything else hangs on: the head of the file and the tables at its end.
        _ => {
            let head = if random.below(2) == 0 {
                random.below(length.min(64))
            } else {
                length - 1 - random.below(length.min(2048))
            };
            bytes[head] = random.bits() as u8;
        }
    }
}

/// Changes a number at about `at`, mostly aligned to its size.
fn number(bytes: &mut [u8], random: &mut Random, at: usize, new: impl Fn(u64) -> u64) {
    let size = [2, 4, 4, 8][random.below(4)];
    let at = if random.below(8) == 0 { at } else { at - at % size };
    let Some(place) = bytes.get_mut(at..at + size) else {
        return;
    };
    let big_endian = random.below(2) == 0;
    let mut old = [0; 8];
    if big_endian {
        old[8 - size..].copy_from_slice(place);
        place.copy_from_slice(&new(u64::from_be_bytes(old)).to_be_bytes()[8 - size..]);
    } else {
        old[..size].copy_from_slice(place);
        place.copy_from_slice(&new(u64::from_le_bytes(old)).to_le_bytes()[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_bytes() {
        let run = |seed| {
            let (mut bytes, mut random) = ((0..200).collect::<Vec<u8>>(), Random::new(seed));
            (0..50).for_each(|_| mutate(&mut bytes, &mut random));
            bytes
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn short_inputs_are_fine() {
        for length in 0..20 {
            for seed in 0..2000 {
                let mut bytes = vec![7; length];
                mutate(&mut bytes, &mut Random::new(seed));
            }
        }
    }
}
