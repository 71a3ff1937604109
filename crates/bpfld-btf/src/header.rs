//! What the header of BTF says: the byte order, and where types, strings and the layout of records are.

use alloc::boxed::Box;

use crate::{Endian, Error, ErrorKind, Kind, kind::RecordShape, reader::Reader};

/// The first two bytes of BTF, in its own byte order.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// Header up to and including the string section: all kernels before 7.1.
pub(crate) const HEADER_LEN: usize = 24;
/// Header with the layout section.
pub(crate) const HEADER_LEN_LAYOUT: usize = 32;

/// A part of the data, checked to lie within it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Section {
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

/// How the headers of BTF and BTF.ext begin.
pub(crate) struct Preamble {
    pub(crate) endian: Endian,
    /// In bytes: at least what was asked for, and no more than there are.
    pub(crate) header_len: usize,
}

impl Preamble {
    pub(crate) fn parse(data: &[u8], min_len: usize) -> Result<Self, Error> {
        let native = Reader::new(data, 0, Endian::Little);
        let endian = match native.u16(0, "header")? {
            MAGIC => Endian::Little,
            magic if magic.swap_bytes() == MAGIC => Endian::Big,
            magic => return Err(Error::new(ErrorKind::Magic(magic), 0)),
        };
        let reader = Reader::new(data, 0, endian);
        let version = reader.u8(2, "header")?;
        if version != 1 {
            return Err(Error::new(ErrorKind::Version(version), 2));
        }
        let header_len = reader.u32(4, "header")?;
        let len = header_len as usize;
        if len < min_len || len > data.len() {
            return Err(Error::new(ErrorKind::HeaderLength(header_len), 4));
        }
        Ok(Self {
            endian,
            header_len: len,
        })
    }
}

/// What the header says, checked.
pub(crate) struct Header {
    pub(crate) endian: Endian,
    pub(crate) types: Section,
    pub(crate) strings: Section,
    pub(crate) layout: Option<Section>,
    pub(crate) has_unknown_header: bool,
}

impl Header {
    pub(crate) fn parse(data: &[u8]) -> Result<Self, Error> {
        let Preamble { endian, header_len } = Preamble::parse(data, HEADER_LEN)?;
        let (head, reader) = (header_len, Reader::new(data, 0, endian));
        let field = |at| reader.u32(at, "header");
        let body_len = data.len() - head;
        let section = |name, at, align| -> Result<(Section, usize), Error> {
            let (start, len) = (field(at)? as usize, field(at + 4)? as usize);
            match start.checked_add(len) {
                Some(end) if end <= body_len && start.is_multiple_of(align) => Ok((
                    Section {
                        start: head + start,
                        len,
                    },
                    head + end,
                )),
                _ => Err(Error::new(ErrorKind::Section(name), at)),
            }
        };
        let (types, types_end) = section("type", 8, 4)?;
        let (strings, _) = section("string", 16, 1)?;
        if types_end > strings.start {
            return Err(Error::new(ErrorKind::Section("type"), 8));
        }
        let has_layout_fields = head >= HEADER_LEN_LAYOUT;
        let layout = if has_layout_fields && field(28)? != 0 {
            let (layout, layout_end) = section("layout", 24, 4)?;
            if layout.start < types_end || layout_end > strings.start {
                return Err(Error::new(ErrorKind::Section("layout"), 24));
            }
            Some(layout)
        } else {
            None
        };
        let known = if has_layout_fields {
            HEADER_LEN_LAYOUT
        } else {
            HEADER_LEN
        };
        let unknown = data.get(known..head).unwrap_or_default();
        let has_unknown_header = unknown.iter().any(|byte| *byte != 0);
        Ok(Self {
            endian,
            types,
            strings,
            layout,
            has_unknown_header,
        })
    }
}

/// Reads the layout section: for each kind the fixed and per-element length (and flags without a meaning so far).
pub(crate) fn read_layout(data: &[u8], start: usize) -> Result<Box<[RecordShape]>, Error> {
    let (records, rest) = data.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::new(ErrorKind::Section("layout"), start));
    }
    let aligned = |fixed: u8, element: u8| fixed.is_multiple_of(4) && element.is_multiple_of(4);
    Ok(records
        .iter()
        .take(usize::from(Kind::MAX.0) + 1)
        .map(|[fixed, element, _, _]| RecordShape {
            fixed: *fixed,
            element: *element,
            known: aligned(*fixed, *element),
        })
        .collect())
}
