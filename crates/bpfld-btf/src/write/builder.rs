//! A BTF that grows, and how it is written.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    Btf, Bytes, Endian, Error, ErrorKind, Kind, Type, TypeId,
    header::{HEADER_LEN, HEADER_LEN_LAYOUT, MAGIC},
    kind::SHAPES,
    record::{self, Reference},
    strings::{Room, StringPool},
};

/// Builds BTF, one type after the other. Ids are given in order, so that a type may refer to one that is added later:
/// [`Builder::next_id`] tells which id comes next.
///
/// ```
/// use bpfld_btf::{Btf, Builder, Endian, Field, IntEncoding, Kind};
///
/// let mut builder = Builder::new();
/// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
/// // struct node { int value; struct node *next; };
/// let node = builder.next_id();
/// let pointer = bpfld_btf::TypeId(node.0 + 1);
/// builder.structure("node", 16, &[Field::new("value", int, 0), Field::new("next", pointer, 8)])?;
/// builder.pointer(node)?;
///
/// let btf = Btf::parse(builder.to_bytes_in(Endian::Big))?;
/// assert_eq!(btf.find("node", Kind::STRUCT), Some(node));
/// # Ok::<(), bpfld_btf::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    words: Vec<u32>,
    /// Where each own type begins in `words`.
    starts: Vec<usize>,
    strings: StringPool,
    base: Option<Arc<Btf>>,
    first_id: u32,
    with_layout: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// For BTF that stands on its own.
    pub fn new() -> Self {
        Self {
            words: Vec::new(),
            starts: Vec::new(),
            strings: StringPool::new(),
            base: None,
            first_id: 1,
            with_layout: false,
        }
    }

    /// For split BTF that continues `base`.
    pub fn split(base: Arc<Btf>) -> Self {
        let (first_id, strings) = (base.len(), StringPool::after(base.string_end()));
        Self {
            words: Vec::new(),
            starts: Vec::new(),
            strings,
            base: Some(base),
            first_id,
            with_layout: false,
        }
    }

    /// A copy of `btf`, to be changed: type ids and string offsets stay as they are.
    pub(crate) fn edit(btf: &Btf) -> Result<Self, Error> {
        if btf.base().is_some() {
            return Err(Error::new(ErrorKind::TypeId(btf.first_id()), 0));
        }
        let mut builder = Self::new();
        builder.strings = StringPool::from_data(btf.string_data());
        let (types, offsets) = btf.type_data();
        let (words, _) = types.as_chunks::<4>();
        builder.words = words.iter().map(|word| btf.endian().u32(*word)).collect();
        builder.starts = offsets.iter().map(|offset| *offset as usize / 4).collect();
        for start in &builder.starts {
            let kind = builder
                .words
                .get(start + 1)
                .map_or(Kind::VOID, |info| record::kind_of(*info));
            if kind == Kind::VOID || kind.name().is_none() {
                return Err(Error::new(ErrorKind::UnknownKind(kind), 0));
            }
        }
        Ok(builder)
    }

    /// The words of an own type.
    pub(crate) fn record_mut(&mut self, id: TypeId) -> Option<&mut [u32]> {
        let own = id.0.checked_sub(self.first_id)? as usize;
        let start = *self.starts.get(own)?;
        let end = self.starts.get(own + 1).copied().unwrap_or(self.words.len());
        self.words.get_mut(start..end)
    }

    /// The same, to look at.
    pub(crate) fn record(&self, id: TypeId) -> Option<&[u32]> {
        let own = id.0.checked_sub(self.first_id)? as usize;
        let start = *self.starts.get(own)?;
        let end = self.starts.get(own + 1).copied().unwrap_or(self.words.len());
        self.words.get(start..end)
    }

    /// The records of all own types, one after the other.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The BTF that this one continues.
    pub(crate) fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// Whether this is split BTF on `base`, or on what is split on that.
    pub(crate) fn continues(&self, base: &Arc<Btf>) -> bool {
        let mut at = self.base.as_ref();
        while let Some(own) = at {
            if Arc::ptr_eq(own, base) {
                return true;
            }
            at = own.base();
        }
        false
    }

    /// A builder without types that continues the same base, if any, and writes the same sections.
    pub(crate) fn empty_like(&self) -> Self {
        let mut builder = match &self.base {
            Some(base) => Self::split(Arc::clone(base)),
            None => Self::new(),
        };
        builder.with_layout = self.with_layout;
        builder
    }

    /// Takes away all types from this one on.
    pub(crate) fn truncate(&mut self, id: TypeId) {
        let own = id.0.saturating_sub(self.first_id) as usize;
        if let Some(start) = self.starts.get(own) {
            self.words.truncate(*start);
            self.starts.truncate(own);
        }
    }

    /// A builder with the same strings, but without types.
    pub(crate) fn without_types(&self) -> Self {
        Self {
            words: Vec::with_capacity(self.words.len()),
            starts: Vec::with_capacity(self.starts.len()),
            strings: self.strings.clone(),
            base: self.base.clone(),
            ..*self
        }
    }

    /// The string at an offset, of the base's too.
    pub(crate) fn any_string_at(&self, offset: u32) -> Option<&[u8]> {
        match &self.base {
            Some(base) if offset < self.first_string() => base.string_bytes(offset).ok(),
            _ => self.string_at(offset),
        }
    }

    /// The string offset at which the own strings begin.
    pub(crate) fn first_string(&self) -> u32 {
        self.strings.first()
    }

    /// The length of the own strings in bytes.
    pub(crate) fn string_len(&self) -> usize {
        self.strings.data().len()
    }

    /// The string at an offset of the own section.
    pub(crate) fn string_at(&self, offset: u32) -> Option<&[u8]> {
        self.strings.at(offset)
    }

    /// Writes a layout section, by which readers can skip kinds they do not know. Kernels before 7.1 refuse it.
    #[must_use]
    pub fn with_layout(mut self) -> Self {
        self.with_layout = true;
        self
    }

    /// The id the next type will get.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.first_id + self.starts.len() as u32)
    }

    /// The id of the first type that is written here and not in the base.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// The number of type ids so far, `void` and those of the base included.
    #[expect(clippy::len_without_is_empty, reason = "void is always there")]
    pub fn len(&self) -> u32 {
        self.next_id().0
    }

    /// The offset of a string in the string section; it is added if it is new.
    ///
    /// # Errors
    ///
    /// When the string contains a zero byte or the section is full.
    pub fn string(&mut self, string: &str) -> Result<u32, Error> {
        self.strings.add(string.as_bytes())
    }

    pub(crate) fn string_bytes(&mut self, string: &[u8]) -> Result<u32, Error> {
        self.strings.add(string)
    }

    /// The offset of a string that comes from the source for which there is this room.
    pub(crate) fn string_within(&mut self, string: &[u8], room: &mut Room) -> Result<u32, Error> {
        let before = self.string_len();
        let offset = self.strings.add(string)?;
        room.take(self.string_len() - before)?;
        Ok(offset)
    }

    /// Appends a whole record in host-order words whose references are already ours.
    pub(crate) fn push(&mut self, words: &[u32]) -> Result<TypeId, Error> {
        let id = self.next_id();
        if id.0 >= u32::MAX / 16 || self.words.len() >= (u32::MAX / 4) as usize - words.len() {
            return Err(Error::new(ErrorKind::TooMany("types"), 0));
        }
        self.starts.push(self.words.len());
        self.words.extend_from_slice(words);
        Ok(id)
    }

    /// Appends a copy of one type, from any BTF, whose references are translated by `translate`; names are taken over.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`]; also when a name is out of bounds, the kind is not known, or `translate` fails.
    pub fn copy(
        &mut self,
        ty: &Type<'_>,
        translate: impl FnMut(TypeId) -> Result<TypeId, Error>,
    ) -> Result<TypeId, Error> {
        self.copy_within(ty, &mut Room::of(ty.btf()), translate)
    }

    /// The same for one of many types of the source for which there is this room.
    pub(crate) fn copy_within(
        &mut self,
        ty: &Type<'_>,
        room: &mut Room,
        mut translate: impl FnMut(TypeId) -> Result<TypeId, Error>,
    ) -> Result<TypeId, Error> {
        let mut words = record::words(ty)?;
        let source = ty.btf();
        record::visit(&mut words, |reference, word| {
            *word = match reference {
                Reference::Type => translate(TypeId(*word))?.0,
                Reference::String => self.string_within(source.string_bytes(*word)?, room)?,
            };
            Ok(())
        })?;
        self.push(&words)
    }

    /// The BTF as bytes, in the byte order of this machine: what this machine's kernel takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_in(Endian::NATIVE)
    }

    /// The BTF as bytes, in the given byte order.
    pub fn to_bytes_in(&self, endian: Endian) -> Vec<u8> {
        serialize(&self.words, self.strings.data(), self.with_layout, endian)
    }

    /// The BTF, ready to be looked into.
    ///
    /// # Errors
    ///
    /// When it has become larger than the format can address.
    pub fn finish(&self) -> Result<Btf, Error> {
        let bytes = Bytes::from(self.to_bytes());
        match &self.base {
            Some(base) => Btf::parse_split(bytes, base.clone()),
            None => Btf::parse(bytes),
        }
    }
}

/// Header, types, perhaps layout, strings.
fn serialize(words: &[u32], strings: &[u8], with_layout: bool, endian: Endian) -> Vec<u8> {
    let types_len = words.len() * 4;
    let (header_len, layout_len) = if with_layout {
        (HEADER_LEN_LAYOUT, SHAPES.len() * 4)
    } else {
        (HEADER_LEN, 0)
    };
    let mut bytes = Vec::with_capacity(header_len + types_len + layout_len + strings.len());
    bytes.extend(endian.u16_bytes(MAGIC));
    bytes.extend([1, 0]);
    let string_start = types_len + layout_len;
    for field in [header_len, 0, types_len, string_start, strings.len()] {
        bytes.extend(endian.u32_bytes(field as u32));
    }
    if with_layout {
        bytes.extend(endian.u32_bytes(types_len as u32));
        bytes.extend(endian.u32_bytes(layout_len as u32));
    }
    for word in words {
        bytes.extend(endian.u32_bytes(*word));
    }
    if with_layout {
        for shape in SHAPES {
            bytes.extend([shape.fixed, shape.element, 0, 0]);
        }
    }
    bytes.extend_from_slice(strings);
    bytes
}
