//! The one pass over the type section that parsing is: where each type begins, and which have names.

use alloc::vec::Vec;

use crate::{
    Endian, Error, ErrorKind, Kind,
    kind::{RecordShape, TYPE_HEAD, shape_of},
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
/// How many paths are walked at once.
const PATHS: usize = 4;
/// How many records each path meets at most, before all begin anew.
const RECORDS: usize = 512;
/// How many words each path goes at most.
const PART: usize = RECORDS * HEAD_WORDS;
/// How many records must follow each other where a path begins that does not know.
const PLAUSIBLE: usize = 4;

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
        let records = Records::new(words, decode, layout);
        // Kernel BTF has about 25 bytes per type, object BTF less.
        let mut walk = Self {
            offsets: Vec::with_capacity(words.len() / 5 + 1),
            named: Vec::new(),
        };
        let mut paths = [const { Path::new() }; PATHS];
        let mut at = 0;
        while at < words.len() {
            for (number, path) in paths.iter_mut().enumerate() {
                let part = at.saturating_add(number * PART).min(words.len());
                let start = if number == 0 { at } else { records.guess(part) };
                path.begin(start, part.saturating_add(PART).min(words.len()));
            }
            records.walk(&mut paths);
            let before = at;
            for path in &paths {
                if at > words.len() || !walk.join(path, at) {
                    break;
                }
                at = path.at;
            }
            if at == before {
                return Err(types.error(records.what_is_wrong(at), at * 4));
            }
        }
        if at > words.len() {
            let last = walk.offsets.last().map_or(0, |last| *last as usize);
            return Err(types.error(records.what_is_wrong(last / 4), last));
        }
        if !rest.is_empty() {
            return Err(types.error(ErrorKind::Truncated("type record"), at * 4));
        }
        walk.offsets.shrink_to_fit();
        walk.named.shrink_to_fit();
        Ok(walk)
    }

    /// Adds what a path has noted from the word `at` on; `false` if it did not come by there.
    fn join(&mut self, path: &Path, at: usize) -> bool {
        let offsets = path.offsets.get(..path.len).unwrap_or_default();
        let Ok(skipped) = offsets.binary_search(&(at as u32 * 4)) else {
            return false;
        };
        let named = path.named.get(..path.named_len).unwrap_or_default();
        let (_, named) = named.split_at(named.partition_point(|number| (*number as usize) < skipped));
        let shift = (self.offsets.len() as u32).wrapping_sub(skipped as u32);
        self.named
            .extend(named.iter().map(|number| number.wrapping_add(shift)));
        self.offsets
            .extend_from_slice(offsets.get(skipped..).unwrap_or_default());
        true
    }
}

/// The words of a type section, and how to tell the records in them.
struct Records<'a, D> {
    words: &'a [[u8; 4]],
    decode: D,
    /// For each kind the words of its records without elements, and of each element.
    sizes: [[u32; 2]; Kind::MAX.0 as usize + 1],
}

/// More words than any section has.
const NEVER: u32 = 1 << 30;

impl<'a, D: Fn([u8; 4]) -> u32> Records<'a, D> {
    fn new(words: &'a [[u8; 4]], decode: D, layout: Option<&[RecordShape]>) -> Self {
        let size = |kind: usize| match shape_of(kind as u8, || layout) {
            Some(shape) => [
                HEAD_WORDS as u32 + u32::from(shape.fixed / 4),
                u32::from(shape.element / 4),
            ],
            None => [NEVER, 0],
        };
        Self {
            words,
            decode,
            sizes: core::array::from_fn(size),
        }
    }

    /// Whether the record at this word has a name and is no function, and the word after it, which may be beyond the section;
    /// `None` if the section ends before.
    #[inline(always)]
    fn get(&self, at: usize) -> Option<(bool, usize)> {
        let [name, info, _] = self.words.get(at..)?.first_chunk()?;
        let info = (self.decode)(*info);
        let kind = (info >> 24) as u8 & Kind::MAX.0;
        let [fixed, element] = *self.sizes.get(usize::from(kind))?;
        let is_named = (*name != [0; 4]) & (kind != Kind::FUNC.0);
        // At most three times 2^30: cannot overflow.
        Some((is_named, at + (fixed + (info & VLEN) * element) as usize))
    }

    /// Notes the record that the path is at, and goes to the next; `false` at the end.
    #[inline(always)]
    fn step(&self, path: &mut Path) -> bool {
        if path.at >= path.end {
            return false;
        }
        let Some((is_named, next)) = self.get(path.at) else {
            path.end = path.at;
            return false;
        };
        // A number is written in any case, but only kept if there is a name: the processor could not predict a branch.
        path.offsets[path.len % RECORDS] = path.at as u32 * 4;
        path.named[path.named_len % RECORDS] = path.len as u32;
        path.named_len += usize::from(is_named);
        path.len += 1;
        path.at = next;
        true
    }

    /// Goes all paths to their ends.
    fn walk(&self, paths: &mut [Path; PATHS]) {
        let mut going: Vec<&mut Path> = paths.iter_mut().collect();
        loop {
            match going.as_mut_slice() {
                [a, b, c, d] => while self.step(a) && self.step(b) && self.step(c) && self.step(d) {},
                [a, b, c] => while self.step(a) && self.step(b) && self.step(c) {},
                [a, b] => while self.step(a) && self.step(b) {},
                [a] => while self.step(a) {},
                _ => return,
            }
            going.retain(|path| path.at < path.end);
        }
    }

    /// The first word from here on that may be where a record begins.
    fn guess(&self, from: usize) -> usize {
        let end = self.words.len();
        let is_plausible = |start: &usize| {
            let mut at = *start;
            (0..PLAUSIBLE).all(|_| match self.get(at) {
                Some((_, next)) => {
                    at = next;
                    next <= end
                }
                None => at == end,
            })
        };
        (from..end.min(from.saturating_add(PART)))
            .find(is_plausible)
            .unwrap_or(end)
    }

    /// Why there is no record at this word.
    fn what_is_wrong(&self, at: usize) -> ErrorKind {
        let kind = self
            .words
            .get(at + 1)
            .map(|info| (self.decode)(*info) >> 24 & u32::from(Kind::MAX.0));
        match kind {
            Some(kind) if self.sizes.get(kind as usize) == Some(&[NEVER, 0]) => {
                ErrorKind::UnknownKind(Kind(kind as u8))
            }
            _ => ErrorKind::Truncated("type record"),
        }
    }
}

/// A walk through a part of the section.
///
/// Where a record ends is known only when its head is read, so that the processor waits most of the time; with
/// several paths there is something to do meanwhile. All but the first begin where a record may begin, and count only
/// if the path before comes by there: from that place on both are the same.
struct Path {
    at: usize,
    end: usize,
    offsets: [u32; RECORDS],
    len: usize,
    /// Numbers of types, counted from the first of this path.
    named: [u32; RECORDS],
    named_len: usize,
}

impl Path {
    const fn new() -> Self {
        Self {
            at: 0,
            end: 0,
            offsets: [0; RECORDS],
            len: 0,
            named: [0; RECORDS],
            named_len: 0,
        }
    }

    fn begin(&mut self, start: usize, end: usize) {
        (self.at, self.end, self.len, self.named_len) = (start, end, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Noted = (Vec<u32>, Vec<u32>);

    /// The same with one path.
    fn one_by_one(words: &[u32]) -> Result<Noted, Error> {
        let (mut offsets, mut named) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < words.len() {
            let offset = at * 4;
            let cut = Error::new(ErrorKind::Truncated("type record"), offset);
            let Some([name, info, _]) = words.get(at..).and_then(|words| words.first_chunk()) else {
                return Err(cut);
            };
            let kind = (info >> 24) as u8 & Kind::MAX.0;
            let Some(shape) = shape_of(kind, || None) else {
                return Err(Error::new(ErrorKind::UnknownKind(Kind(kind)), offset));
            };
            let words_of = |bytes: u8| usize::from(bytes) / 4;
            at += HEAD_WORDS + words_of(shape.fixed) + (info & VLEN) as usize * words_of(shape.element);
            if at > words.len() {
                return Err(cut);
            }
            if *name != 0 && kind != Kind::FUNC.0 {
                named.push(offsets.len() as u32);
            }
            offsets.push(offset as u32);
        }
        Ok((offsets, named))
    }

    fn walk(words: &[u32]) -> Result<Noted, Error> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Walk::over(Reader::new(&bytes, 0, Endian::Little), Endian::Little, None)
            .map(|walk| (walk.offsets, walk.named))
    }

    /// Records of all kinds, whose contents look like heads of records quite often.
    fn records() -> impl Strategy<Value = Vec<u32>> {
        let word = prop_oneof![
            3 => 0u32..100,
            1 => Just(u32::from(Kind::FUNC.0) << 24),
            1 => (1u32..20, 0u32..4).prop_map(|(kind, vlen)| kind << 24 | vlen),
        ];
        let record = (
            word.clone(),
            1u8..20,
            prop_oneof![4 => 0usize..4, 1 => 0usize..300],
            any::<u32>(),
        );
        let seeds = proptest::collection::vec(word, 16);
        (proptest::collection::vec(record, 0..6000), seeds).prop_map(|(records, seeds)| {
            let mut filling = seeds.into_iter().cycle();
            let mut words = Vec::new();
            for (name, kind, vlen, ty) in records {
                words.extend([name, u32::from(kind) << 24 | vlen as u32, ty]);
                let shape = shape_of(kind, || None).unwrap();
                let len = usize::from(shape.fixed / 4) + vlen * usize::from(shape.element / 4);
                words.extend(filling.by_ref().take(len));
            }
            words
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn several_paths_find_what_one_finds(
            mut words in records(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..3),
            cut in 0usize..4,
        ) {
            words.truncate(words.len().saturating_sub(cut));
            for (place, word) in changes {
                if !words.is_empty() {
                    let at = place.index(words.len());
                    words[at] = word;
                }
            }
            prop_assert_eq!(walk(&words), one_by_one(&words));
        }
    }
}
