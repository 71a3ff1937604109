//! Program tags: what the kernel shows for a program as `tag`.

use zerocopy::IntoBytes;

use crate::isa::pseudo;
use crate::slot::Slot;

/// The tag as kernels before 6.18 compute it: the start of the SHA-1 of the instructions, without the descriptors of
/// maps.
///
/// The instructions must be those handed to the kernel: before it replaces anything.
///
/// ```
/// use bpfld_insn::{Slot, tag};
///
/// let program = [Slot::new(0xb7, 0, 0, 0, 0), Slot::new(0x95, 0, 0, 0, 0)]; // r0 = 0; exit
/// assert_eq!(tag::sha1(&program), [0xa0, 0x4f, 0x5e, 0xef, 0x06, 0xa7, 0xf5, 0x55]);
/// ```
#[must_use]
pub fn sha1(slots: &[Slot]) -> [u8; 8] {
    let mut state = Sha1([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]);
    digest(slots, |block| state.block(block));
    let [a, b, ..] = state.0;
    start(a, b)
}

/// The tag as kernels since 6.18 compute it: the start of [`sha256`].
#[must_use]
pub fn sha256_tag(slots: &[Slot]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = sha256(slots);
    [a, b, c, d, e, f, g, h]
}

/// The SHA-256 of the instructions without the descriptors of maps: how kernels since 6.18 identify programs.
#[must_use]
pub fn sha256(slots: &[Slot]) -> [u8; 32] {
    let mut state = Sha256([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);
    digest(slots, |block| state.block(block));
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state.0) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn start(a: u32, b: u32) -> [u8; 8] {
    (u64::from(a) << 32 | u64::from(b)).to_be_bytes()
}

/// Cuts the instructions into blocks of 64 bytes, with the padding both digests share.
fn digest(slots: &[Slot], mut block: impl FnMut(&[u8; 64])) {
    let mut buffer = [0; 64];
    let mut filled = 0;
    let mut is_map = false;
    for &slot in slots {
        let stable = if is_map && slot.with_imm(0) == Slot::default() {
            is_map = false;
            Slot::default()
        } else {
            is_map = slot.is_ldimm64()
                && matches!(slot.src(), pseudo::LOAD_MAP | pseudo::LOAD_MAP_VALUE)
                && !is_map;
            if is_map { slot.with_imm(0) } else { slot }
        };
        if let Some(place) = buffer.get_mut(filled..filled + 8) {
            place.copy_from_slice(stable.as_bytes());
        }
        filled += 8;
        if filled == buffer.len() {
            block(&buffer);
            filled = 0;
        }
    }
    let bits = slots.len() as u64 * 64;
    let mut last = [0; 64];
    for (to, from) in last.iter_mut().zip(buffer.iter().take(filled).chain(&[0x80])) {
        *to = *from;
    }
    // a slot fits between the text and the length, or the length goes to a block of its own
    if filled + 8 > 64 - 8 {
        block(&last);
        last = [0; 64];
    }
    for (to, from) in last.iter_mut().skip(56).zip(bits.to_be_bytes()) {
        *to = from;
    }
    block(&last);
}

fn words(block: &[u8; 64]) -> impl Iterator<Item = u32> + '_ {
    let (words, _) = block.as_chunks::<4>();
    words.iter().map(|word| u32::from_be_bytes(*word))
}

struct Sha1([u32; 5]);

impl Sha1 {
    fn block(&mut self, block: &[u8; 64]) {
        let mut schedule = [0_u32; 80];
        for (to, from) in schedule.iter_mut().zip(words(block)) {
            *to = from;
        }
        for at in 16..80 {
            schedule[at] =
                (schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.0;
        for (at, word) in schedule.into_iter().enumerate() {
            let (mix, constant) = match at {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (state, value) in self.0.iter_mut().zip([a, b, c, d, e]) {
            *state = state.wrapping_add(value);
        }
    }
}

struct Sha256([u32; 8]);

/// The fractions of the cube roots of the first 64 primes.
const ROUNDS: [u32; 64] = rounds();

/// Computes [`ROUNDS`]: the root of each prime by bisection, as a number with 32 bits behind the point.
const fn rounds() -> [u32; 64] {
    let mut rounds = [0; 64];
    let (mut count, mut candidate) = (0, 2_u128);
    while count < 64 {
        let mut divisor = 2;
        while divisor * divisor <= candidate && candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor * divisor > candidate {
            let (mut low, mut high) = (0_u128, 1 << 36);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if middle * middle * middle <= candidate << 96 {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            rounds[count] = low as u32;
            count += 1;
        }
        candidate += 1;
    }
    rounds
}

impl Sha256 {
    fn block(&mut self, block: &[u8; 64]) {
        let mut schedule = [0_u32; 64];
        for (to, from) in schedule.iter_mut().zip(words(block)) {
            *to = from;
        }
        for at in 16..64 {
            let (two, fifteen) = (schedule[at - 2], schedule[at - 15]);
            let s0 = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ fifteen >> 3;
            let s1 = two.rotate_right(17) ^ two.rotate_right(19) ^ two >> 10;
            schedule[at] = schedule[at - 16]
                .wrapping_add(s0)
                .wrapping_add(schedule[at - 7])
                .wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.0;
        for (word, constant) in schedule.into_iter().zip(ROUNDS) {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = e & f ^ !e & g;
            let first = h
                .wrapping_add(s1)
                .wrapping_add(choice)
                .wrapping_add(constant)
                .wrapping_add(word);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let second = s0.wrapping_add(a & b ^ a & c ^ b & c);
            (h, g, f, e, d, c, b, a) = (
                g,
                f,
                e,
                d.wrapping_add(first),
                c,
                b,
                a,
                first.wrapping_add(second),
            );
        }
        for (state, value) in self.0.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state = state.wrapping_add(value);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::slot::Endian;

    /// Slots of the bytes 1, 2, 3, …; expected values from the tools `sha1sum` and `sha256sum`.
    fn counting(slots: usize) -> Vec<Slot> {
        let bytes: Vec<u8> = (1..=slots * 8).map(|byte| byte as u8).collect();
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| Slot::from_bytes(*bytes, Endian::NATIVE))
            .collect()
    }

    #[track_caller]
    fn check(slots: usize, sha1_start: u64, sha256_start: u64) {
        assert_eq!(u64::from_be_bytes(sha1(&counting(slots))), sha1_start);
        assert_eq!(u64::from_be_bytes(sha256_tag(&counting(slots))), sha256_start);
    }

    #[test]
    fn digests() {
        check(0, 0xda39_a3ee_5e6b_4b0d, 0xe3b0_c442_98fc_1c14);
        check(1, 0xdd57_83bc_f1e9_002b, 0x6684_0dda_154e_8a11);
        check(6, 0x4f97_f5aa_623d_4260, 0xc4b9_c926_a389_c451);
        check(7, 0x6bfa_1eec_7d9a_7ab5, 0xf0ec_e3bf_f9d9_9a79);
        check(8, 0x92cb_89df_62d9_00b3, 0x20a7_ec84_684f_7fe1);
        check(9, 0x8b30_d341_89b6_1b66, 0x87a2_fa2e_ec53_053c);
        check(15, 0x64ee_c39d_6c32_4610, 0x1ea7_bb62_d361_2f7a);
        check(100, 0x3be1_4549_1a58_e6b7, 0xe627_6231_3b9e_46d1);
    }

    #[test]
    fn descriptors_of_maps_do_not_count() {
        let program = |src, fd, high| {
            [
                Slot::new(0x18, 1, src, 0, fd),
                Slot::new(0, 0, 0, 0, high),
                Slot::new(0x95, 0, 0, 0, 0),
            ]
        };
        for src in [1, 2] {
            assert_eq!(sha1(&program(src, 3, 0)), sha1(&program(src, 99, 8)));
        }
        for src in [0, 5] {
            assert_ne!(sha1(&program(src, 3, 0)), sha1(&program(src, 99, 0)));
        }
    }
}
