//! Writing BTF.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    Btf, Bytes, Endian, Error, ErrorKind, IntEncoding, Kind, Linkage, Type, TypeId,
    btf::{HEADER_LEN, HEADER_LEN_LAYOUT, MAGIC},
    kind::SHAPES,
    record::{self, MAX_VLEN, Reference},
    strings::StringPool,
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

/// A member for [`Builder::structure`] and [`Builder::union`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name; empty for an anonymous struct or union.
    pub name: &'a str,
    /// The type.
    pub type_id: TypeId,
    /// The offset from the start of the struct, in bits.
    pub bit_offset: u32,
    /// The width in bits if this is a bit field, else zero.
    pub bitfield_size: u8,
}

impl<'a> Field<'a> {
    /// A member at an offset in bytes. An offset that does not fit in 32 bits as bits is refused by the builder.
    pub fn new(name: &'a str, type_id: TypeId, byte_offset: u32) -> Self {
        let bit_offset = byte_offset.saturating_mul(8);
        Self {
            name,
            type_id,
            bit_offset,
            bitfield_size: 0,
        }
    }

    /// A bit field at an offset in bits.
    pub fn bits(name: &'a str, type_id: TypeId, bit_offset: u32, bitfield_size: u8) -> Self {
        Self {
            name,
            type_id,
            bit_offset,
            bitfield_size,
        }
    }
}

/// Whether the values of an enumeration are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Zero and above.
    Unsigned,
    /// Either sign.
    Signed,
}

/// A variable for [`Builder::section`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// The variable or function.
    pub type_id: TypeId,
    /// Its offset in the section, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
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

    fn add(&mut self, name: &str, info: u32, size_or_target: u32, body: &[u32]) -> Result<TypeId, Error> {
        let name = self.string(name)?;
        let mut words = Vec::with_capacity(record::HEAD_WORDS + body.len());
        words.extend([name, info, size_or_target]);
        words.extend_from_slice(body);
        self.push(&words)
    }

    fn reference(&mut self, kind: Kind, name: &str, target: TypeId) -> Result<TypeId, Error> {
        self.add(name, record::info(kind, 0, false), target.0, &[])
    }

    /// An integer of `size` bytes.
    ///
    /// # Errors
    ///
    /// As all methods that add a type: when the name contains a zero byte, or something does not fit the format.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> Result<TypeId, Error> {
        let Ok(bits) = u8::try_from(size.saturating_mul(8)) else {
            return Err(Error::new(ErrorKind::Overflow(self.next_id()), 0));
        };
        self.int_bits(name, size, encoding, 0, bits)
    }

    /// An integer of `size` bytes of which only some bits hold the value.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn int_bits(
        &mut self,
        name: &str,
        size: u32,
        encoding: IntEncoding,
        bit_offset: u8,
        bits: u8,
    ) -> Result<TypeId, Error> {
        let word = u32::from(encoding.0 & 0xf) << 24 | u32::from(bit_offset) << 16 | u32::from(bits);
        self.add(name, record::info(Kind::INT, 0, false), size, &[word])
    }

    /// A floating-point number of `size` bytes (kernel 5.13).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn float(&mut self, name: &str, size: u32) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::FLOAT, 0, false), size, &[])
    }

    /// A pointer.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn pointer(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::PTR, "", target)
    }

    /// An array of `len` elements.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> Result<TypeId, Error> {
        self.add(
            "",
            record::info(Kind::ARRAY, 0, false),
            0,
            &[element.0, index.0, len],
        )
    }

    /// A struct of `size` bytes.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn structure(&mut self, name: &str, size: u32, fields: &[Field<'_>]) -> Result<TypeId, Error> {
        self.composite(Kind::STRUCT, name, size, fields)
    }

    /// A union of `size` bytes.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn union(&mut self, name: &str, size: u32, fields: &[Field<'_>]) -> Result<TypeId, Error> {
        self.composite(Kind::UNION, name, size, fields)
    }

    fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        fields: &[Field<'_>],
    ) -> Result<TypeId, Error> {
        let overflow = Error::new(ErrorKind::Overflow(self.next_id()), 0);
        let has_bitfields = fields.iter().any(|field| field.bitfield_size != 0);
        let mut body = Vec::with_capacity(fields.len() * 3);
        for Field {
            name,
            type_id,
            bit_offset,
            bitfield_size,
        } in fields
        {
            let limit = if has_bitfields { 0x00ff_ffff } else { u32::MAX - 1 };
            if *bit_offset > limit {
                return Err(overflow);
            }
            let name = self.string(name)?;
            body.extend([name, type_id.0, u32::from(*bitfield_size) << 24 | bit_offset]);
        }
        let vlen = vlen(fields.len(), "members")?;
        self.add(name, record::info(kind, vlen, has_bitfields), size, &body)
    }

    /// An enumeration of `size` bytes whose values fit in 32 bits.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when a value does not fit.
    pub fn enumeration(
        &mut self,
        name: &str,
        size: u32,
        sign: Sign,
        values: &[(&str, i64)],
    ) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(values.len() * 2);
        for (name, value) in values {
            let bits = match sign {
                Sign::Signed => i32::try_from(*value).ok().map(|value| value as u32),
                Sign::Unsigned => u32::try_from(*value).ok(),
            };
            let bits = bits.ok_or_else(|| Error::new(ErrorKind::Overflow(self.next_id()), 0))?;
            body.extend([self.string(name)?, bits]);
        }
        let vlen = vlen(values.len(), "enumeration values")?;
        self.add(
            name,
            record::info(Kind::ENUM, vlen, sign == Sign::Signed),
            size,
            &body,
        )
    }

    /// An enumeration with 64-bit values (kernel 6.0).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when a value does not fit.
    pub fn enumeration64(
        &mut self,
        name: &str,
        size: u32,
        sign: Sign,
        values: &[(&str, i128)],
    ) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(values.len() * 3);
        for (name, value) in values {
            let bits = match sign {
                Sign::Signed => i64::try_from(*value).ok().map(|value| value as u64),
                Sign::Unsigned => u64::try_from(*value).ok(),
            };
            let bits = bits.ok_or_else(|| Error::new(ErrorKind::Overflow(self.next_id()), 0))?;
            body.extend([self.string(name)?, bits as u32, (bits >> 32) as u32]);
        }
        let vlen = vlen(values.len(), "enumeration values")?;
        self.add(
            name,
            record::info(Kind::ENUM64, vlen, sign == Sign::Signed),
            size,
            &body,
        )
    }

    /// A struct or union that is declared but not defined; `kind` says which.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when `kind` is neither.
    pub fn forward(&mut self, name: &str, kind: Kind) -> Result<TypeId, Error> {
        if !kind.is_composite() {
            let id = self.next_id();
            let kind = ErrorKind::UnexpectedKind {
                id,
                kind,
                expected: "STRUCT or UNION",
            };
            return Err(Error::new(kind, 0));
        }
        self.add(name, record::info(Kind::FWD, 0, kind == Kind::UNION), 0, &[])
    }

    /// A typedef.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn typedef(&mut self, name: &str, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::TYPEDEF, name, target)
    }

    /// A `const` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn constant(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::CONST, "", target)
    }

    /// A `volatile` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn volatile(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::VOLATILE, "", target)
    }

    /// A `restrict` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn restrict(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::RESTRICT, "", target)
    }

    /// A type with a tag (kernel 5.18).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn type_tag(&mut self, tag: &str, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::TYPE_TAG, tag, target)
    }

    /// A type with a GNU attribute: a tag with the kind flag set (kernel 6.15).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn type_attribute(&mut self, attribute: &str, target: TypeId) -> Result<TypeId, Error> {
        self.add(attribute, record::info(Kind::TYPE_TAG, 0, true), target.0, &[])
    }

    /// A function (kernel 5.0).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn function(&mut self, name: &str, linkage: Linkage, prototype: TypeId) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::FUNC, linkage.0, false), prototype.0, &[])
    }

    /// A function prototype (kernel 5.0). A variadic one ends in a parameter without name and type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn prototype(&mut self, returns: TypeId, params: &[(&str, TypeId)]) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(params.len() * 2);
        for (name, ty) in params {
            body.extend([self.string(name)?, ty.0]);
        }
        let vlen = vlen(params.len(), "parameters")?;
        self.add("", record::info(Kind::FUNC_PROTO, vlen, false), returns.0, &body)
    }

    /// A global variable (kernel 5.2).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn variable(&mut self, name: &str, ty: TypeId, linkage: Linkage) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::VAR, 0, false), ty.0, &[linkage.0])
    }

    /// A section of variables (kernel 5.2).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn section(&mut self, name: &str, size: u32, entries: &[SectionEntry]) -> Result<TypeId, Error> {
        let words = |entry: &SectionEntry| [entry.type_id.0, entry.offset, entry.size];
        let body: Vec<u32> = entries.iter().flat_map(words).collect();
        let vlen = vlen(entries.len(), "variables")?;
        self.add(name, record::info(Kind::DATASEC, vlen, false), size, &body)
    }

    /// A tag on a declaration; `component` is the member or parameter it is about (kernel 5.16).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn decl_tag(&mut self, tag: &str, target: TypeId, component: Option<u32>) -> Result<TypeId, Error> {
        let component = component.unwrap_or(u32::MAX);
        self.add(
            tag,
            record::info(Kind::DECL_TAG, 0, false),
            target.0,
            &[component],
        )
    }

    /// A GNU attribute on a declaration: a tag with the kind flag set (kernel 6.15).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn decl_attribute(
        &mut self,
        attribute: &str,
        target: TypeId,
        component: Option<u32>,
    ) -> Result<TypeId, Error> {
        let component = component.unwrap_or(u32::MAX);
        self.add(
            attribute,
            record::info(Kind::DECL_TAG, 0, true),
            target.0,
            &[component],
        )
    }

    /// Appends a copy of one type, from any BTF, whose references are translated by `translate`; names are taken over.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`]; also when a name is out of bounds, the kind is not known, or `translate` fails.
    pub fn copy(
        &mut self,
        ty: &Type<'_>,
        mut translate: impl FnMut(TypeId) -> Result<TypeId, Error>,
    ) -> Result<TypeId, Error> {
        let mut words = record::words(ty)?;
        let source = ty.btf();
        record::visit(&mut words, |reference, word| {
            *word = match reference {
                Reference::Type => translate(TypeId(*word))?.0,
                Reference::String => self.string_bytes(source.string_bytes(*word)?)?,
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

fn vlen(len: usize, what: &'static str) -> Result<u32, Error> {
    let vlen = u32::try_from(len).ok().filter(|len| *len <= MAX_VLEN);
    vlen.ok_or_else(|| Error::new(ErrorKind::TooMany(what), 0))
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
