//! All types of a builder and its base in one row, and what of a record is compared.

use alloc::vec::Vec;

use core::hash::BuildHasher as _;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{
    Btf, Builder, Error, ErrorKind, Kind, TypeId,
    record::{self, HEAD_WORDS, Reference},
};

/// The records of all types, those of the base first, as words in host order. Equal strings have equal offsets, and all
/// ids lead to a type.
#[derive(Debug)]
pub(super) struct Types {
    words: Vec<u32>,
    /// Where each record begins; and where the last ends.
    starts: Vec<u32>,
    pub(super) first_own: u32,
}

impl Types {
    pub(super) fn new(builder: &Builder) -> Result<Self, Error> {
        let len = builder.len();
        let mut types = Self {
            words: Vec::new(),
            starts: Vec::with_capacity(len as usize + 1),
            first_own: builder.first_id().0,
        };
        // `void`.
        types.starts.extend([0, 0]);
        let mut base_strings = None;
        if let Some(base) = builder.base() {
            for ty in base.types() {
                record::extend_words(&mut types.words, &ty)?;
                types.close()?;
            }
            base_strings = Some(BaseStrings::new(base));
        }
        let words = builder.words();
        types.words.reserve(words.len());
        for id in types.first_own..len {
            types
                .words
                .extend_from_slice(builder.record(TypeId(id)).unwrap_or_default());
            types.close()?;
        }
        let string = |offset: u32| builder.string_at(offset).unwrap_or_default();
        for id in 1..len {
            let is_own = id >= types.first_own;
            record::visit(types.record_mut(id), |reference, word| match reference {
                Reference::Type if *word >= len => Err(Error::new(ErrorKind::TypeId(TypeId(*word)), 0)),
                Reference::Type => Ok(()),
                Reference::String => {
                    if let Some(base) = &base_strings {
                        *word = base.offset(*word, is_own, string);
                    }
                    Ok(())
                }
            })?;
        }
        Ok(types)
    }

    /// Ends a record.
    fn close(&mut self) -> Result<(), Error> {
        let end = u32::try_from(self.words.len()).map_err(|_| Error::new(ErrorKind::TooMany("types"), 0))?;
        self.starts.push(end);
        Ok(())
    }

    /// The number of types, `void` and those of the base included.
    pub(super) fn len(&self) -> u32 {
        self.starts.len().saturating_sub(1) as u32
    }

    fn range(&self, id: u32) -> Option<core::ops::Range<usize>> {
        let [start, end] = *self.starts.get(id as usize..)?.first_chunk()?;
        Some(start as usize..end as usize)
    }

    /// The words of a record; none for `void`.
    pub(super) fn record(&self, id: u32) -> &[u32] {
        self.range(id)
            .and_then(|range| self.words.get(range))
            .unwrap_or_default()
    }

    pub(super) fn record_mut(&mut self, id: u32) -> &mut [u32] {
        self.range(id)
            .and_then(|range| self.words.get_mut(range))
            .unwrap_or_default()
    }

    /// The offset of the name.
    pub(super) fn name(&self, id: u32) -> u32 {
        let start = self.starts.get(id as usize).copied().unwrap_or(0);
        match id {
            0 => 0,
            _ => self.words.get(start as usize).copied().unwrap_or(0),
        }
    }

    /// The first words of a record; zeros for `void`.
    pub(super) fn head(&self, id: u32) -> [u32; HEAD_WORDS] {
        let start = self.starts.get(id as usize).copied().unwrap_or(0) as usize;
        let head = self.words.get(start..).and_then(|words| words.first_chunk());
        match id {
            0 => [0; HEAD_WORDS],
            _ => head.copied().unwrap_or_default(),
        }
    }

    pub(super) fn kind(&self, id: u32) -> Kind {
        kind(self.record(id))
    }
}

/// The strings of a base by their content, so that types written here can be compared with its.
struct BaseStrings<'a> {
    base: &'a Btf,
    offsets: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<'a> BaseStrings<'a> {
    fn new(base: &'a Btf) -> Self {
        let mut strings = Self {
            base,
            offsets: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        let mut at = 0;
        while let Ok(string) = base.string_bytes(at) {
            // The first of several equal ones stays.
            let hash = strings.hasher.hash_one(string);
            let is_same = |other: &u32| base.string_bytes(*other) == Ok(string);
            if strings.offsets.find(hash, is_same).is_none() {
                let rehash = |other: &u32| {
                    strings
                        .hasher
                        .hash_one(base.string_bytes(*other).unwrap_or_default())
                };
                strings.offsets.insert_unique(hash, at, rehash);
            }
            at = at.saturating_add(string.len() as u32 + 1);
        }
        strings
    }

    /// The one offset that stands for the string at this offset.
    fn offset<'b>(&self, offset: u32, is_own: bool, own: impl Fn(u32) -> &'b [u8]) -> u32 {
        let string = match self.base.string_bytes(offset) {
            Ok(string) => string,
            Err(_) if is_own => own(offset),
            Err(_) => return offset,
        };
        let is_same = |other: &u32| self.base.string_bytes(*other) == Ok(string);
        let found = self.offsets.find(self.hasher.hash_one(string), is_same);
        found.copied().unwrap_or(offset)
    }
}

pub(super) fn kind(words: &[u32]) -> Kind {
    words.get(1).map_or(Kind::VOID, |info| record::kind_of(*info))
}

pub(super) fn vlen(words: &[u32]) -> u32 {
    words.get(1).map_or(0, |info| info & record::MAX_VLEN)
}

/// Which kind a forward declaration declares.
pub(super) fn forward_kind(words: &[u32]) -> Option<Kind> {
    let union = if words.get(1)? >> 31 == 0 {
        Kind::STRUCT
    } else {
        Kind::UNION
    };
    (kind(words) == Kind::FWD).then_some(union)
}

/// Whether enumerations are equal, or one has a name only and it is the other's.
pub(super) fn enums_are_compatible(a: &[u32], b: &[u32]) -> bool {
    let has_name_only = vlen(a) == 0 || vlen(b) == 0;
    a == b || has_name_only && a.first() == b.first()
}

/// Whether two records of one kind are the same but for the types that they refer to.
pub(super) fn same_shape(a: &[u32], b: &[u32]) -> bool {
    let (Some((a_head, a)), Some((b_head, b))) = (
        a.split_first_chunk::<HEAD_WORDS>(),
        b.split_first_chunk::<HEAD_WORDS>(),
    ) else {
        return a.len() == b.len();
    };
    let ([name, info, size], [other_name, other_info, other_size]) = (*a_head, *b_head);
    if (name, info) != (other_name, other_info) || a.len() != b.len() {
        return false;
    }
    let kind = record::kind_of(info);
    match kind {
        Kind::STRUCT | Kind::UNION => {
            let mut members = a.as_chunks::<3>().0.iter().zip(b.as_chunks::<3>().0);
            let is_same = |([name, _, offset], [other_name, _, other_offset]): (&[u32; 3], &[u32; 3])| {
                (name, offset) == (other_name, other_offset)
            };
            size == other_size && members.all(is_same)
        }
        Kind::FUNC_PROTO => {
            let mut params = a.as_chunks::<2>().0.iter().zip(b.as_chunks::<2>().0);
            params.all(|([name, _], [other, _])| name == other)
        }
        Kind::ARRAY => a.get(2) == b.get(2),
        _ => (kind.has_target() || size == other_size) && a == b,
    }
}

/// The hash of what [`same_shape`] compares in a struct, union or typedef.
pub(super) fn shape_hash(words: &[u32]) -> u32 {
    let Some((&[name, info, size], body)) = words.split_first_chunk::<HEAD_WORDS>() else {
        return 0;
    };
    let hash = mix(u64::from(name) << 32 | u64::from(info), SEED);
    match record::kind_of(info) {
        Kind::STRUCT | Kind::UNION => {
            let member =
                |hash, [name, _, offset]: &[u32; 3]| mix(u64::from(*name) << 32 | u64::from(*offset), hash);
            finish(body.as_chunks().0.iter().fold(mix(size.into(), hash), member))
        }
        _ => finish(hash),
    }
}

/// The hash of an enumeration: of its name, since one without values is to be found too; of all of it if it has none.
pub(super) fn enum_hash(words: &[u32]) -> u32 {
    match words.first() {
        Some(0) => hash(words),
        Some(name) => hash(&[*name]),
        None => 0,
    }
}

/// The hash of a whole record.
pub(super) fn hash(words: &[u32]) -> u32 {
    let (pairs, rest) = words.as_chunks::<2>();
    let pair = |hash, [a, b]: &[u32; 2]| mix(u64::from(*a) << 32 | u64::from(*b), hash);
    let hash = pairs.iter().fold(SEED, pair);
    finish(rest.iter().fold(hash, |hash, word| mix(u64::from(*word), hash)))
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(word: u64, hash: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(SEED);
    (product as u64) ^ (product >> 64) as u64
}

fn finish(hash: u64) -> u32 {
    (hash.wrapping_mul(SEED) >> 32) as u32
}

/// Calls `each` for all types that a record refers to.
pub(super) fn for_each_type(words: &[u32], mut each: impl FnMut(u32)) {
    let Some((&[_, info, target], body)) = words.split_first_chunk::<HEAD_WORDS>() else {
        return;
    };
    let kind = record::kind_of(info);
    if kind.has_target() {
        each(target);
    }
    match kind {
        Kind::ARRAY => body.iter().take(2).for_each(|ty| each(*ty)),
        Kind::STRUCT | Kind::UNION => body
            .as_chunks()
            .0
            .iter()
            .for_each(|[_, ty, _]: &[u32; 3]| each(*ty)),
        Kind::FUNC_PROTO => body.as_chunks().0.iter().for_each(|[_, ty]: &[u32; 2]| each(*ty)),
        Kind::DATASEC => body
            .as_chunks()
            .0
            .iter()
            .for_each(|[ty, _, _]: &[u32; 3]| each(*ty)),
        _ => {}
    }
}
