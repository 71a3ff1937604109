//! BTF as it lies in memory: sections, the offset of every type, strings.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use crate::{
    Bytes, Endian, Error, ErrorKind, Kind, Type, TypeId,
    header::{Header, Section, read_layout},
    index::NameIndex,
    kind::{RecordShape, shape_of},
    lazy::Lazy,
    reader::Reader,
    strings::before_zero,
    walk::Walk,
};

/// BTF: types and their names.
///
/// Parsing is one pass that notes where each type begins; types are decoded when asked for, as borrowed [`Type`] views
/// without allocation, and the name index is built at the first look-up. Nothing in the data is trusted: what a view
/// hands out is checked when it is asked for.
///
/// A `Btf` is immutable and can be shared between threads. Split BTF (modules, most BTF that `pahole` makes on top of
/// another) shares its base by [`Arc`] and answers for both.
///
/// ```
/// use bpfld_btf::{Btf, Builder, IntEncoding, Kind};
///
/// let mut builder = Builder::new();
/// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
/// builder.typedef("pid_t", int)?;
/// let btf = Btf::parse(builder.to_bytes())?;
///
/// let pid = btf.find("pid_t", Kind::TYPEDEF).unwrap();
/// assert_eq!(btf.resolve_size(pid)?, 4);
/// # Ok::<(), bpfld_btf::Error>(())
/// ```
pub struct Btf {
    bytes: Bytes,
    endian: Endian,
    types: Section,
    strings: Section,
    layout: Option<Box<[RecordShape]>>,
    has_unknown_header: bool,
    base: Option<Arc<Btf>>,
    /// The id of the first type written here.
    first_id: u32,
    /// The string offset at which our own strings begin.
    first_string: u32,
    /// Where each own type begins within the type section.
    offsets: Vec<u32>,
    /// Which own types have a name and are no functions, counted from the first.
    named: Vec<u32>,
    index: NameIndex,
    pointer_size: Lazy<Option<u32>>,
}

impl Btf {
    /// Reads BTF that stands on its own: a kernel's, or an object file's `.BTF` section.
    ///
    /// # Errors
    ///
    /// When the header, the sections or the records do not fit together. References between types and strings are
    /// checked when followed, or all at once by [`Btf::validate`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        Self::parse_on(bytes.into(), None)
    }

    /// Reads split BTF, such as a kernel module's (kernel 5.11), whose type ids and string offsets continue those of
    /// `base`.
    ///
    /// # Errors
    ///
    /// As for [`Btf::parse`].
    pub fn parse_split(bytes: impl Into<Bytes>, base: Arc<Btf>) -> Result<Self, Error> {
        Self::parse_on(bytes.into(), Some(base))
    }

    fn parse_on(bytes: Bytes, base: Option<Arc<Btf>>) -> Result<Self, Error> {
        let data = bytes.as_slice();
        let header = Header::parse(data)?;
        let Header {
            endian,
            types,
            strings,
            layout,
            has_unknown_header,
        } = header;

        let string_data = strings.of(data);
        let is_terminated = string_data.last() == Some(&0);
        let starts_empty = string_data.first() == Some(&0);
        let ok = match base {
            Some(_) => string_data.is_empty() || is_terminated,
            None => is_terminated && starts_empty,
        };
        if !ok {
            return Err(Error::new(ErrorKind::Strings, strings.start));
        }

        let layout = match layout {
            Some(section) => Some(read_layout(section.of(data), section.start)?),
            None => None,
        };
        let shapes = layout
            .as_deref()
            .or_else(|| base.as_deref().and_then(Btf::inherited_layout));
        let type_data = Reader::new(types.of(data), types.start, endian);
        let Walk { offsets, named } = Walk::over(type_data, endian, shapes)?;

        let (first_id, first_string) = match &base {
            Some(base) => (base.len(), base.string_end()),
            None => (1, 0),
        };
        let too_many = u32::try_from(offsets.len())
            .ok()
            .and_then(|n| n.checked_add(first_id))
            .is_none();
        if too_many
            || u32::try_from(strings.len)
                .ok()
                .and_then(|n| n.checked_add(first_string))
                .is_none()
        {
            return Err(Error::new(ErrorKind::TooMany("types or strings"), 0));
        }

        Ok(Self {
            bytes,
            endian,
            types,
            strings,
            layout,
            has_unknown_header,
            base,
            first_id,
            first_string,
            offsets,
            named,
            index: NameIndex::new(),
            pointer_size: Lazy::new(),
        })
    }

    /// The data this was parsed from.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The byte order of the data.
    #[inline]
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The BTF this one continues.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// Whether the header has fields beyond those this build knows. Such BTF can be read, but rewriting it would lose
    /// something.
    pub fn has_unknown_header(&self) -> bool {
        self.has_unknown_header
    }

    /// Whether there is a layout section, which says how long the records of each kind are (kernel 7.1).
    pub fn has_layout(&self) -> bool {
        self.layout.is_some()
    }

    /// The number of type ids, `void` and those of the base included: valid ids are below it.
    #[expect(clippy::len_without_is_empty, reason = "void is always there")]
    pub fn len(&self) -> u32 {
        // Cannot overflow: checked when parsed.
        self.first_id.wrapping_add(self.offsets.len() as u32)
    }

    /// The id of the first type that is written here and not in the base.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// One past the largest string offset that this BTF and its base cover.
    pub(crate) fn string_end(&self) -> u32 {
        self.first_string.wrapping_add(self.strings.len as u32)
    }

    /// The string offset at which the own strings begin.
    pub(crate) fn first_string(&self) -> u32 {
        self.first_string
    }

    /// The own string section.
    #[inline]
    pub(crate) fn string_data(&self) -> &[u8] {
        self.strings.of(self.bytes.as_slice())
    }

    /// The own type section, and where each own type begins in it.
    pub(crate) fn type_data(&self) -> (&[u8], &[u32]) {
        (self.types.of(self.bytes.as_slice()), &self.offsets)
    }

    /// Which own types have a name and are no functions, counted from the first own type.
    pub(crate) fn named(&self) -> &[u32] {
        &self.named
    }

    pub(crate) fn name_index(&self) -> &NameIndex {
        &self.index
    }

    pub(crate) fn lazy_pointer_size(&self, compute: impl FnOnce() -> Option<u32>) -> Option<u32> {
        *self.pointer_size.get(compute)
    }

    /// How long records of each kind are, where a layout section says so: ours, or else that of a base.
    fn inherited_layout(&self) -> Option<&[RecordShape]> {
        let mut btf = self;
        loop {
            if let Some(layout) = &btf.layout {
                return Some(layout);
            }
            btf = btf.base.as_deref()?;
        }
    }

    #[inline]
    pub(crate) fn shape(&self, kind: Kind) -> Option<RecordShape> {
        shape_of(kind.0, || self.inherited_layout())
    }

    /// The type with this id. Id 0 gives `void`.
    ///
    /// # Errors
    ///
    /// When there is no such id.
    pub fn ty(&self, id: TypeId) -> Result<Type<'_>, Error> {
        let mut btf = self;
        loop {
            if let Some(own) = id.0.checked_sub(btf.first_id) {
                let Some(start) = btf.offsets.get(own as usize) else {
                    break;
                };
                return Type::read(btf, btf.type_reader(), id, *start);
            }
            match &btf.base {
                Some(base) => btf = base,
                None if id.is_void() => return Ok(Type::void(btf)),
                None => break,
            }
        }
        Err(Error::new(ErrorKind::TypeId(id), 0))
    }

    /// A reader over the own type section.
    #[inline]
    pub(crate) fn type_reader(&self) -> Reader<'_> {
        Reader::new(
            self.types.of(self.bytes.as_slice()),
            self.types.start,
            self.endian,
        )
    }

    /// All types by id, those of the base first, without `void`.
    #[inline]
    pub fn types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> {
        let mut chain = Vec::from([self]);
        while let Some(base) = chain.last().and_then(|btf| btf.base.as_deref()) {
            chain.push(base);
        }
        chain.into_iter().rev().flat_map(Self::own_types)
    }

    /// The types that are written here and not in the base, by id.
    #[inline]
    pub fn own_types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> {
        let reader = self.type_reader();
        // Cannot overflow: checked when parsed.
        let id = |own: usize| TypeId(self.first_id.wrapping_add(own as u32));
        let offsets = self.offsets.iter().enumerate();
        offsets.filter_map(move |(own, start)| Type::read(self, reader, id(own), *start).ok())
    }

    /// The string at an offset, without its terminating zero.
    ///
    /// # Errors
    ///
    /// When the offset is out of bounds.
    #[inline]
    pub fn string_bytes(&self, offset: u32) -> Result<&[u8], Error> {
        let mut btf = self;
        let own = loop {
            if let Some(own) = offset.checked_sub(btf.first_string) {
                break own as usize;
            }
            // The first BTF of the chain begins at zero, so that this ends.
            match &btf.base {
                Some(base) => btf = base,
                None => return Err(Error::new(ErrorKind::StringOffset(offset), 0)),
            }
        };
        let tail = btf.string_data().get(own..).unwrap_or_default();
        before_zero(tail).ok_or(Error::new(ErrorKind::StringOffset(offset), 0))
    }

    /// Whether the string at an offset is empty, or beyond the section.
    pub(crate) fn starts_with_zero(&self, offset: u32) -> bool {
        match offset.checked_sub(self.first_string) {
            Some(own) => self
                .string_data()
                .get(own as usize)
                .is_none_or(|first| *first == 0),
            None => self.string_bytes(offset).map_or(true, <[u8]>::is_empty),
        }
    }

    /// Whether there is a string at this offset: the section ends in a zero, so that there is if it is in bounds.
    pub(crate) fn check_string(&self, offset: u32) -> Result<(), Error> {
        if offset < self.string_end() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::StringOffset(offset), 0))
    }

    /// Whether there is a type with this id.
    pub(crate) fn check_id(&self, id: TypeId) -> Result<(), Error> {
        if id.0 < self.len() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TypeId(id), 0))
    }

    /// The string at an offset.
    ///
    /// # Errors
    ///
    /// When the offset is out of bounds, or the bytes there are not UTF-8.
    pub fn string(&self, offset: u32) -> Result<&str, Error> {
        let bytes = self.string_bytes(offset)?;
        core::str::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Utf8(offset), 0))
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("endian", &self.endian)
            .field("first_id", &self.first_id)
            .field("len", &self.len())
            .field("strings", &self.strings.len)
            .finish_non_exhaustive()
    }
}
