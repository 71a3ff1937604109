//! What can be wrong with BTF, and where.

use core::fmt;

use crate::{Kind, TypeId};

/// BTF that cannot be read: what is wrong, and at which byte of the data.
///
/// `{:?}` prints the same as `{}`, as that is seen of an error that leaves `main` or is unwrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    offset: usize,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The byte offset, from the start of the BTF (or BTF.ext) data, at which it was noticed. Zero where no single
    /// place is to blame, such as a type id that a caller made up.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// The ways in which BTF can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The data ends before the named thing does.
    Truncated(&'static str),
    /// The first two bytes are not `0xeb9f` in either byte order.
    Magic(u16),
    /// A format version other than 1.
    Version(u8),
    /// The header is shorter than any known form, or longer than the data.
    HeaderLength(u32),
    /// A section is misaligned, out of bounds or overlaps another; names the section.
    Section(&'static str),
    /// The string section does not end in a zero byte, or does not begin with one. Split BTF that is opened without
    /// its base looks like this.
    Strings,
    /// A kind that is neither known nor described by the layout section.
    UnknownKind(Kind),
    /// A type id beyond the last type.
    TypeId(TypeId),
    /// A string offset beyond the string section.
    StringOffset(u32),
    /// A string that is not UTF-8.
    Utf8(u32),
    /// A chain of types is longer than any compiler makes, or turns back on itself.
    Depth(TypeId),
    /// The type has no size or alignment: void, a forward declaration or a function.
    Unsized(TypeId),
    /// A size or offset does not fit in 32 bits.
    Overflow(TypeId),
    /// The type is of another kind than it must be here.
    UnexpectedKind {
        /// The type.
        id: TypeId,
        /// Its kind.
        kind: Kind,
        /// What was expected.
        expected: &'static str,
    },
    /// A record size that is too small for its known fields, or not a multiple of four.
    RecordSize(u32),
    /// More types, strings or members than the format can number; names the thing.
    TooMany(&'static str),
    /// A variable of a section for which the object has no symbol, or a section that the object does not have.
    Unplaced(TypeId),
    /// A name with a zero byte inside.
    NulInName,
    /// BTF without a base, where split BTF is needed.
    NotSplit,
    /// A type of a distilled base for which the real base has none of the same name, kind and size.
    Unmatched(TypeId),
    /// A type of a distilled base for which the real base has several.
    Ambiguous(TypeId),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Truncated(what) => write!(f, "data ends inside {what}")?,
            ErrorKind::Magic(magic) => write!(f, "not BTF: magic number {magic:#06x} instead of 0xeb9f")?,
            ErrorKind::Version(version) => write!(f, "unknown BTF version {version}")?,
            ErrorKind::HeaderLength(len) => write!(f, "impossible header length {len}")?,
            ErrorKind::Section(what) => write!(f, "{what} section out of bounds or misaligned")?,
            ErrorKind::Strings => {
                write!(
                    f,
                    "malformed string section (is this split BTF without its base?)"
                )?;
            }
            ErrorKind::UnknownKind(kind) => write!(f, "unknown type kind {}", kind.0)?,
            ErrorKind::TypeId(id) => write!(f, "no type with id {id}")?,
            ErrorKind::StringOffset(offset) => write!(f, "string offset {offset} out of bounds")?,
            ErrorKind::Utf8(offset) => write!(f, "string at {offset} is not UTF-8")?,
            ErrorKind::Depth(id) => write!(f, "type {id} is nested too deeply or contains itself")?,
            ErrorKind::Unsized(id) => write!(f, "type {id} has no size")?,
            ErrorKind::Overflow(id) => write!(f, "size of type {id} does not fit in 32 bits")?,
            ErrorKind::UnexpectedKind { id, kind, expected } => {
                write!(f, "type {id} is a {kind}, expected {expected}")?;
            }
            ErrorKind::RecordSize(size) => write!(f, "impossible record size {size}")?,
            ErrorKind::TooMany(what) => write!(f, "too many {what}")?,
            ErrorKind::Unplaced(id) => write!(f, "the object has no symbol or section for type {id}")?,
            ErrorKind::NulInName => write!(f, "name contains a zero byte")?,
            ErrorKind::NotSplit => write!(f, "not split BTF: it has no base")?,
            ErrorKind::Unmatched(id) => {
                write!(f, "the base has nothing for type {id} of the distilled base")?
            }
            ErrorKind::Ambiguous(id) => {
                write!(
                    f,
                    "the base has several types for type {id} of the distilled base"
                )?;
            }
        }
        if self.offset != 0 {
            write!(f, " (at byte {:#x})", self.offset)?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwrapped_it_reads_as_printed() {
        let error = Error::new(ErrorKind::Magic(0x6f6e), 4);
        let expected = "not BTF: magic number 0x6f6e instead of 0xeb9f (at byte 0x4)";
        assert_eq!(std::format!("{error:?}"), expected);
    }
}
