//! BTF out of arbitrary bytes: each byte is a choice, so that a fuzzer that knows nothing of the format gets past the header.

use bpfld_btf::{Endian, Kind};

/// Names that are empty, common, keywords, no names in C, and not even text.
const STRINGS: &[u8] =
    b"\0a\0b\0int\0n\0next\0list\0size_t\0hidden\0struct\0long long\0.data\0a::b\0\xc3\xa4\0\xff\0list___x\0";

/// Sizes, numbers of bits, and numbers that like to be wrong.
const NUMBERS: [u32; 16] = [
    0,
    1,
    2,
    4,
    8,
    16,
    12,
    3,
    24,
    32,
    64,
    128,
    1 << 24,
    0x0100_0020,
    0x7fff_ffff,
    u32::MAX,
];

const HEADER_WORDS: usize = 6;
const LAYOUT_WORDS: usize = 2;
/// A layout section describes kinds in order from zero.
const LAYOUT: [[u8; 4]; 21] = {
    let mut layout = [[0, 0, 0, 0]; 21];
    // INT, ARRAY, STRUCT, UNION, ENUM, FUNC_PROTO, VAR, DATASEC, DECL_TAG, ENUM64, and one that nobody knows
    layout[1][0] = 4;
    layout[3][0] = 12;
    layout[4][1] = 12;
    layout[5][1] = 12;
    layout[6][1] = 8;
    layout[13][1] = 8;
    layout[14][0] = 4;
    layout[15][1] = 12;
    layout[17][0] = 4;
    layout[19][1] = 12;
    layout[20] = [4, 4, 0, 0];
    layout
};

/// Bytes taken one by one; zeros when there are no more.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// One of `numbers`.
    fn of(&mut self, numbers: &[u32]) -> u32 {
        numbers[usize::from(self.next()) % numbers.len()]
    }

    /// A type that may be there: one of the first sixty, seldom one that never is.
    fn id(&mut self) -> u32 {
        match self.next() {
            255 => u32::MAX,
            254 => 0x0010_0000,
            choice => u32::from(choice % 64),
        }
    }

    /// Where a name begins, or the middle of one, or a place behind all.
    fn name(&mut self) -> u32 {
        u32::from(self.next()) % (STRINGS.len() as u32 + 2)
    }
}

/// A type record's words.
fn record(choices: &mut Choices<'_>, with_layout: bool, words: &mut Vec<u32>) {
    let choice = choices.next();
    let kind = Kind(match choice {
        255 => 0x7f,
        _ if !choice.is_multiple_of(20) => choice % 20,
        _ if with_layout => 20,
        _ => 1,
    });
    let flag = u32::from(choice >= 176) << 31;
    let count = match kind {
        Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::FUNC_PROTO | Kind::DATASEC => {
            u32::from(choices.next() % 8)
        }
        Kind::FUNC => u32::from(choices.next() % 4),
        Kind(20) => 1,
        _ => 0,
    };
    words.push(choices.name());
    words.push(flag | u32::from(kind.0) << 24 | count);
    words.push(match kind {
        Kind::INT | Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::DATASEC | Kind::FLOAT => {
            choices.of(&NUMBERS)
        }
        _ => choices.id(),
    });
    match kind {
        Kind::INT => words.push(u32::from(choices.next() % 8) << 24 | choices.of(&NUMBERS)),
        Kind::ARRAY => words.extend([choices.id(), choices.id(), choices.of(&NUMBERS)]),
        Kind::VAR | Kind::DECL_TAG => words.push(u32::from(choices.next() % 4).wrapping_sub(1)),
        Kind(20) => words.extend([1, 2]),
        _ => {}
    }
    for number in 0..count {
        match kind {
            Kind::STRUCT | Kind::UNION => {
                let bits = if flag == 0 {
                    0
                } else {
                    u32::from(choices.next()) << 24
                };
                let offset = (u32::from(choices.next()) * 8) >> (number & 1);
                words.extend([choices.name(), choices.id(), bits | offset]);
            }
            Kind::ENUM => words.extend([choices.name(), choices.of(&NUMBERS)]),
            Kind::ENUM64 => words.extend([choices.name(), choices.of(&NUMBERS), choices.of(&NUMBERS)]),
            Kind::FUNC_PROTO => words.extend([choices.name(), choices.id()]),
            Kind::DATASEC => words.extend([choices.id(), choices.of(&NUMBERS), choices.of(&NUMBERS)]),
            _ => {}
        }
    }
}

/// BTF that is mostly right, in either byte order. The first byte says how it is written and how many words are wrong in the
/// end; each following byte is a choice.
pub fn btf_of(choices: &[u8]) -> Vec<u8> {
    let mut choices = Choices(choices);
    let how = choices.next();
    let endian = match how & 1 {
        0 => Endian::Little,
        _ => Endian::Big,
    };
    let with_layout = how & 2 != 0;
    let wounds: Vec<[u8; 3]> = (0..(how >> 2 & 15).saturating_sub(12))
        .map(|_| [choices.next(), choices.next(), choices.next()])
        .collect();
    let mut types = Vec::new();
    while !choices.0.is_empty() {
        record(&mut choices, with_layout, &mut types);
    }
    let layout: &[[u8; 4]] = if with_layout { &LAYOUT } else { &[] };
    let header_words = HEADER_WORDS + if with_layout { LAYOUT_WORDS } else { 0 };
    let [header_len, types_len, layout_len] =
        [header_words, types.len(), layout.len()].map(|words| words as u32 * 4);
    let mut words = vec![
        0,
        header_len,
        0,
        types_len,
        types_len + layout_len,
        STRINGS.len() as u32,
    ];
    if with_layout {
        words.extend([types_len, layout_len]);
    }
    let in_order = |word: u32| match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    };
    let mut bytes: Vec<u8> = words.into_iter().flat_map(in_order).collect();
    // magic, version, flags
    bytes[..4].copy_from_slice(&match endian {
        Endian::Little => [0x9f, 0xeb, 1, 0],
        Endian::Big => [0xeb, 0x9f, 1, 0],
    });
    bytes.extend(types.into_iter().flat_map(in_order));
    bytes.extend(layout.iter().flatten());
    bytes.extend_from_slice(STRINGS);
    for [low, high, value] in wounds {
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        bytes[at] = value;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use bpfld_btf::Btf;

    use super::*;
    use crate::mutate::Random;

    /// Most of what is made can be read: else the fuzzer would see headers only.
    #[test]
    fn most_can_be_read() {
        let mut random = Random::new(1);
        let mut read = 0;
        for _ in 0..1000 {
            let choices: Vec<u8> = (0..random.below(200)).map(|_| random.bits() as u8).collect();
            let btf = Btf::parse(btf_of(&choices));
            read += usize::from(btf.is_ok_and(|btf| choices.len() < 20 || btf.len() > 1));
        }
        assert!(read > 500, "{read} of 1000");
    }
}
