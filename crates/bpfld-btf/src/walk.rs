//! The one pass over the type section that parsing is: where each type begins, and which have names.

use alloc::vec::Vec;

use crate::{
    Endian, Error, ErrorKind, Kind,
    btf::{TYPE_HEAD, shape_of},
    kind::{RecordShape, SHAPES},
    reader::Reader,
};

/// What the pass notes.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Where each type begins, in bytes from the start of the section.
    pub(crate) offsets: Vec<u32>,
    /// The numbers, from zero, of the types that have a name and are no functions.
    pub(crate) named: Vec<u32>,
}

/// The words of a record that all kinds have.
const HEAD_WORDS: usize = TYPE_HEAD / 4;
const VLEN: u32 = 0x00ff_ffff;
/// How many types are noted at a time.
const BLOCK: usize = 256;

/// For each kind one bit of the number of words that its records have after the head.
const FIXED: [u64; 2] = [bits(0, 1), bits(0, 2)];
/// The same for each element.
const ELEMENT: [u64; 2] = [bits(1, 1), bits(1, 2)];

/// One bit of a word count of each known kind: fixed part (0) or element (1).
const fn bits(part: usize, bit: u8) -> u64 {
    let (mut all, mut kind) = (0, 0);
    while kind < SHAPES.len() {
        let bytes = [SHAPES[kind].fixed, SHAPES[kind].element][part];
        assert!(bytes.is_multiple_of(4) && bytes <= 12);
        if (bytes / 4) & bit != 0 {
            all |= 1 << kind;
        }
        kind += 1;
    }
    all
}

/// The words of a record of a known kind. Where the next record begins hangs on this and nothing else can be done
/// before that is known, so that every cycle counts: shifts and masks take fewer than a table in memory.
fn known_words(kind: u32, vlen: usize) -> usize {
    let bit = |bits: u64| ((bits >> (kind & 63)) & 1) as usize;
    let all = |bits: u64| bit(bits).wrapping_neg();
    let [f0, f1] = FIXED;
    let [e0, e1] = ELEMENT;
    HEAD_WORDS + bit(f0) + (bit(f1) << 1) + (vlen & all(e0)) + (vlen << 1 & all(e1))
}

impl Walk {
    /// Walks over a type section. `layout` says how long the records of kinds are that this build does not know.
    ///
    /// # Errors
    ///
    /// When a record is of an unknown kind or does not end within the section.
    pub(crate) fn over(
        types: Reader<'_>,
        endian: Endian,
        layout: Option<&[RecordShape]>,
    ) -> Result<Self, Error> {
        if u32::try_from(types.data().len()).is_err() {
            return Err(types.error(ErrorKind::TooMany("types"), 0));
        }
        match endian {
            Endian::Little => Self::decoded(types, u32::from_le_bytes, layout),
            Endian::Big => Self::decoded(types, u32::from_be_bytes, layout),
        }
    }

    fn decoded(
        types: Reader<'_>,
        decode: impl Fn([u8; 4]) -> u32,
        layout: Option<&[RecordShape]>,
    ) -> Result<Self, Error> {
        let (words, rest) = types.data().as_chunks::<4>();
        // Kernel BTF has about 25 bytes per type, object BTF less.
        let mut offsets: Vec<u32> = Vec::with_capacity(words.len() / 5 + 1);
        let mut named: Vec<u32> = Vec::new();
        let mut at = 0;
        // In blocks that are copied when full, since one number at a time is dear; and numbers of named types are
        // written in any case, but only kept if there is a name: the processor could not predict a branch.
        let mut block = [0; BLOCK];
        let mut named_block = [0; BLOCK];
        loop {
            let first = offsets.len();
            let (mut len, mut named_len) = (0, 0);
            for offset in &mut block {
                let Some([name, info, _]) = words.get(at..).and_then(|words| words.first_chunk()) else {
                    break;
                };
                let info = decode(*info);
                let kind = info >> 24 & u32::from(Kind::MAX.0);
                let vlen = (info & VLEN) as usize;
                let size = if kind.wrapping_sub(1) < SHAPES.len() as u32 - 1 {
                    known_words(kind, vlen)
                } else {
                    let Some(shape) = shape_of(kind as u8, || layout) else {
                        return Err(types.error(ErrorKind::UnknownKind(Kind(kind as u8)), at * 4));
                    };
                    HEAD_WORDS + usize::from(shape.fixed / 4) + vlen * usize::from(shape.element / 4)
                };
                if size > words.len() - at {
                    return Err(types.error(ErrorKind::Truncated("type record"), at * 4));
                }
                *offset = at as u32 * 4;
                if let Some(place) = named_block.get_mut(named_len % BLOCK) {
                    *place = (first + len) as u32;
                }
                let is_named = (*name != [0; 4]) & (kind != u32::from(Kind::FUNC.0));
                named_len += usize::from(is_named);
                len += 1;
                at += size;
            }
            offsets.extend_from_slice(block.get(..len).unwrap_or_default());
            named.extend_from_slice(named_block.get(..named_len).unwrap_or_default());
            if len < BLOCK {
                break;
            }
        }
        if at < words.len() || !rest.is_empty() {
            return Err(types.error(ErrorKind::Truncated("type record"), at * 4));
        }
        offsets.shrink_to_fit();
        named.shrink_to_fit();
        Ok(Self { offsets, named })
    }
}
