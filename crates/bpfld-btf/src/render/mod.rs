//! Values, printed by their type: as text or as JSON.

mod output;
mod scalar;
mod value;

use core::fmt;

use self::{output::Output, value::Walk};
use crate::{Btf, Endian, Error, TypeId};

/// How to print values.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    form: Form,
    layout: Layout,
    zeroes: Zeroes,
    endian: Option<Endian>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    OneLine,
    Indented,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zeroes {
    Shown,
    Hidden,
}

impl Style {
    /// Text in the manner of C: `{pid: 1, comm: "init", state: RUNNING}`.
    pub fn text() -> Self {
        Self {
            form: Form::Text,
            layout: Layout::OneLine,
            zeroes: Zeroes::Shown,
            endian: None,
        }
    }

    /// JSON: `{"pid": 1, "comm": "init", "state": "RUNNING"}`. Pointers, integers of 128 bits and floats that are not
    /// numbers become strings.
    pub fn json() -> Self {
        Self {
            form: Form::Json,
            ..Self::text()
        }
    }

    /// One member or element a line.
    #[must_use]
    pub fn indented(self) -> Self {
        Self {
            layout: Layout::Indented,
            ..self
        }
    }

    /// Leaves out members that are all zero.
    #[must_use]
    pub fn without_zeroes(self) -> Self {
        Self {
            zeroes: Zeroes::Hidden,
            ..self
        }
    }

    /// The byte order of the values, if it is not that of the BTF.
    #[must_use]
    pub fn endian(self, endian: Endian) -> Self {
        Self {
            endian: Some(endian),
            ..self
        }
    }
}

/// Why a value cannot be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderError {
    /// The BTF is broken where it was looked at, or the type has no values.
    Btf(Error),
    /// The bytes end before the value does.
    Short {
        /// The type whose value is cut off.
        type_id: TypeId,
        /// Where it begins in the bytes.
        offset: usize,
    },
    /// The types contain each other so many times over that printing would not end in reasonable time.
    TooLarge,
    /// The writer refused.
    Write,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Btf(error) => fmt::Display::fmt(error, f),
            Self::Short { type_id, offset } => {
                write!(f, "value ends inside the part of type {type_id} at byte {offset}")
            }
            Self::TooLarge => write!(f, "value has too many parts to print"),
            Self::Write => write!(f, "cannot write"),
        }
    }
}

impl core::error::Error for RenderError {}

impl From<Error> for RenderError {
    fn from(error: Error) -> Self {
        Self::Btf(error)
    }
}

impl From<fmt::Error> for RenderError {
    fn from(_: fmt::Error) -> Self {
        Self::Write
    }
}

impl Btf {
    /// Prints a value of this type: what `bytes` begin with. Bit fields, enumerations by name, character arrays as
    /// strings, members of anonymous structs and unions as if they were the outer one's; a section as a struct of its
    /// variables.
    ///
    /// ```
    /// use bpfld_btf::{Builder, Endian, Field, IntEncoding, Style};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let pair = builder.structure("pair", 8, &[Field::new("a", int, 0), Field::new("b", int, 4)])?;
    /// let btf = builder.finish()?;
    ///
    /// let mut text = String::new();
    /// let bytes = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    /// btf.render(pair, &bytes, &Style::text().endian(Endian::Little), &mut text)?;
    /// assert_eq!(text, "{a: 1, b: -1}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the bytes are too few, the type has no values or is broken, or the writer fails.
    pub fn render(
        &self,
        id: TypeId,
        bytes: &[u8],
        style: &Style,
        out: &mut impl fmt::Write,
    ) -> Result<(), RenderError> {
        let endian = style.endian.unwrap_or(self.endian());
        let mut walk = Walk::new(self, bytes, endian, style.zeroes);
        walk.value(&mut Output::new(out, style.form, style.layout), id, 0)
    }
}
