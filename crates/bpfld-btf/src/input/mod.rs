//! Values from text, by their type: the way back from [`Btf::render`].

mod lexer;
mod number;
mod value;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use self::{lexer::Lexer, value::Walk};
use crate::{Btf, Endian, Error, TypeId};

/// Bytes of the largest value that is made.
const MOST: u32 = 64 << 20;

/// Why a text is no value of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    kind: InputErrorKind,
    offset: usize,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputErrorKind {
    /// The BTF is broken where it was looked at, or the type has no values.
    Btf(Error),
    /// The type is larger than 64 MiB, or nests too deeply.
    TooLarge,
    /// Something else should stand here.
    Expected(&'static str),
    /// A number does not fit into so many bits.
    OutOfRange {
        /// Bits of the type or bit field.
        bits: u32,
        /// Whether it can be negative.
        signed: bool,
    },
    /// There is no such member, variable or enumerator.
    Unknown {
        /// What it says.
        name: String,
        /// What could stand there.
        names: Vec<String>,
    },
    /// An array has no room for so many elements or characters.
    TooMany {
        /// Elements of the array.
        len: u32,
    },
}

impl InputError {
    fn new(kind: InputErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &InputErrorKind {
        &self.kind
    }

    /// Where in the text, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: ", self.offset + 1)?;
        match &self.kind {
            InputErrorKind::Btf(error) => write!(f, "{error}"),
            InputErrorKind::TooLarge => f.write_str("values of this type are too large"),
            InputErrorKind::Expected(what) => write!(f, "expected {what}"),
            InputErrorKind::OutOfRange { bits, signed } => {
                let sign = if *signed { "signed" } else { "unsigned" };
                write!(f, "number does not fit into {bits} bits ({sign})")
            }
            InputErrorKind::Unknown { name, names } => {
                write!(f, "there is no '{name}' here; there are {}", names.join(", "))
            }
            InputErrorKind::TooMany { len } => write!(f, "more than the {len} elements there is room for"),
        }
    }
}

impl core::error::Error for InputError {}

impl Btf {
    /// The bytes of a value that is given as text: what [`Btf::render`] prints, as text or JSON, and some more.
    ///
    /// Structs, unions and sections are `{member: value, …}`, where members of anonymous structs and unions count as the outer one's and members
    /// that are not named are zero; arrays are `[value, …]`, filled up with zeros, or for characters and bytes text in quotes; integers decimal or with
    /// `0x`, `0o`, `0b`, or a character as `'a'`; enumerators by name or number; pointers as numbers.
    ///
    /// `endian` is the byte order of the value, if it is not that of the BTF.
    ///
    /// ```
    /// use bpfld_btf::{Builder, Endian, Field, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let pair = builder.structure("pair", 8, &[Field::new("a", int, 0), Field::new("b", int, 4)])?;
    /// let btf = builder.finish()?;
    ///
    /// let bytes = btf.encode(pair, "{b: -1}", Some(Endian::Little))?;
    /// assert_eq!(bytes, [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no value of the type, which the error says where and why; and when the type has no values or is broken.
    pub fn encode(&self, id: TypeId, text: &str, endian: Option<Endian>) -> Result<Vec<u8>, InputError> {
        let failed = |error: Error| InputError::new(InputErrorKind::Btf(error), 0);
        let size = self.resolve_size(id).map_err(failed)?;
        if size > MOST {
            return Err(InputError::new(InputErrorKind::TooLarge, 0));
        }
        let mut lexer = Lexer::new(text);
        let mut walk = Walk::new(self, size as usize, endian.unwrap_or(self.endian()));
        walk.value(&mut lexer, id, 0)?;
        lexer.end()?;
        Ok(walk.finish())
    }
}
