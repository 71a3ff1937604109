//! Why a CO-RE relocation cannot be resolved at all.

use alloc::string::String;
use core::fmt;

use crate::{CoreKind, Error, TypeId};

/// A CO-RE relocation that makes no sense or has no single answer. (A type or field that the kernel lacks is an answer:
/// see [`Outcome`](super::Outcome).)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoreError {
    /// One of the BTFs is broken where it was looked at.
    Btf(Error),
    /// A relocation kind this build does not know.
    UnknownKind(CoreKind),
    /// The access path is not indices with colons between, or does not fit the type.
    Access {
        /// The type of the object's BTF that the path starts from.
        type_id: TypeId,
        /// The path.
        access: String,
    },
    /// The path, or the nesting of the types along it, is deeper than supported.
    TooDeep,
    /// Matching takes unreasonably long: the types are nested without end or beyond reason.
    TooComplex,
    /// The relocation is about a type without a name, which cannot be looked up.
    Anonymous(TypeId),
    /// The question cannot be asked of an array element.
    ArrayElement(CoreKind),
    /// The bit field cannot be read with one load of at most 64 bits.
    WideBitfield,
    /// Several types of the kernel match, and disagree about where the field is.
    AmbiguousOffset {
        /// The types that disagree.
        types: [TypeId; 2],
        /// Their offsets in bits.
        bit_offsets: [u32; 2],
    },
    /// Several types of the kernel match, and give different answers.
    AmbiguousValue {
        /// The types that disagree.
        types: [TypeId; 2],
        /// Their answers.
        values: [u64; 2],
    },
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Btf(error) => fmt::Display::fmt(error, f),
            Self::UnknownKind(kind) => write!(f, "unknown CO-RE relocation kind {}", kind.0),
            Self::Access { type_id, access } => {
                write!(f, "access path '{access}' does not fit type {type_id}")
            }
            Self::TooDeep => write!(f, "types along the access path are nested too deeply"),
            Self::TooComplex => write!(f, "types are nested beyond reason"),
            Self::Anonymous(id) => {
                write!(
                    f,
                    "type {id} has no name, so that it cannot be found in the kernel"
                )
            }
            Self::ArrayElement(kind) => write!(f, "relocation {kind} cannot be applied to an array element"),
            Self::WideBitfield => write!(f, "bit field cannot be read with one 64-bit load"),
            Self::AmbiguousOffset {
                types: [a, b],
                bit_offsets: [x, y],
            } => {
                write!(
                    f,
                    "field is ambiguous: at bit {x} in type {a}, at bit {y} in type {b} of the kernel"
                )
            }
            Self::AmbiguousValue {
                types: [a, b],
                values: [x, y],
            } => {
                write!(
                    f,
                    "answer is ambiguous: {x} for type {a}, {y} for type {b} of the kernel"
                )
            }
        }
    }
}

impl core::error::Error for CoreError {}

impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        Self::Btf(error)
    }
}
