//! Bloom filters: sets that may say yes too often.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::MapSpec;

/// A set of values, as bits.
#[derive(Clone, Debug)]
pub(crate) struct Bloom {
    bits: Vec<u64>,
    hashes: u64,
}

impl Bloom {
    pub(crate) fn new(spec: &MapSpec, limit: usize) -> Result<Self, String> {
        let hashes = match spec.map_extra & 0xf {
            0 => 5,
            hashes => hashes,
        };
        // as many bits as make it wrong least often: entries times hashes over ln 2
        let bits = u64::from(spec.max_entries) * hashes * 7 / 5;
        let words = bits.next_power_of_two().div_ceil(64) as usize;
        if words > limit / 8 {
            return Err(format!("it would take more than the limit of {limit} bytes"));
        }
        Ok(Self {
            bits: vec![0; words],
            hashes,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bits.len() * 8
    }

    pub(crate) fn add(&mut self, value: &[u8]) {
        for number in 0..self.hashes {
            let bit = self.bit(value, number);
            if let Some(word) = self.bits.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    pub(crate) fn may_hold(&self, value: &[u8]) -> bool {
        let is_set = |bit: u64| {
            let word = self.bits.get((bit / 64) as usize);
            word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
        };
        (0..self.hashes).all(|number| is_set(self.bit(value, number)))
    }

    fn bit(&self, value: &[u8], number: u64) -> u64 {
        let start = 0xcbf2_9ce4_8422_2325 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = value.iter().fold(start, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) % (self.bits.len() as u64 * 64).max(1)
    }
}
