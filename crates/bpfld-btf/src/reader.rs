//! The one place that turns offsets from the input into bytes.

use crate::{Endian, Error, ErrorKind};

/// A window of the input that knows its absolute offset, for error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    base: usize,
    endian: Endian,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8], base: usize, endian: Endian) -> Self {
        Self { data, base, endian }
    }

    #[inline]
    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }

    pub(crate) fn u8(&self, offset: usize, what: &'static str) -> Result<u8, Error> {
        match self.data.get(offset) {
            Some(byte) => Ok(*byte),
            None => Err(self.error(ErrorKind::Truncated(what), offset)),
        }
    }

    pub(crate) fn u16(&self, offset: usize, what: &'static str) -> Result<u16, Error> {
        match self.data.get(offset..).and_then(|tail| tail.first_chunk()) {
            Some(bytes) => Ok(self.endian.u16(*bytes)),
            None => Err(self.error(ErrorKind::Truncated(what), offset)),
        }
    }

    pub(crate) fn u32(&self, offset: usize, what: &'static str) -> Result<u32, Error> {
        match self.data.get(offset..).and_then(|tail| tail.first_chunk()) {
            Some(bytes) => Ok(self.endian.u32(*bytes)),
            None => Err(self.error(ErrorKind::Truncated(what), offset)),
        }
    }

    /// The part `offset..offset + len`, as a reader of its own.
    pub(crate) fn window(&self, offset: usize, len: usize, kind: ErrorKind) -> Result<Reader<'a>, Error> {
        let part = offset.checked_add(len).and_then(|end| self.data.get(offset..end));
        match part {
            Some(data) => Ok(Reader {
                data,
                base: self.base + offset,
                endian: self.endian,
            }),
            None => Err(self.error(kind, offset)),
        }
    }

    pub(crate) fn error(&self, kind: ErrorKind, offset: usize) -> Error {
        Error::new(kind, self.base.saturating_add(offset))
    }
}
