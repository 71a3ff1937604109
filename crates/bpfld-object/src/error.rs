//! What can be wrong with an object file, and where.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

/// Why an object could not be read, or a program of it not be linked.
///
/// Prints in one line: the file if one was opened, the section, symbol or map that is meant, the offset where that is known, and the fault.
/// A fault of the BTF inside is [`source`](core::error::Error::source), not part of the text, but of `{:?}`: that is seen of
/// an error that leaves `main` or is unwrapped.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    detail: Cow<'static, str>,
    file: Option<String>,
    section: Option<String>,
    symbol: Option<String>,
    offset: Option<u64>,
    cause: Option<Cause>,
}

enum Cause {
    Btf(bpfld_btf::Error),
    #[cfg(feature = "asm")]
    Text(crate::TextError),
    #[cfg(feature = "std")]
    Io(std::io::Error),
}

/// The part of an object that an [`Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be read at all.
    Io,
    /// Not an ELF file, cut off, of another class or for another machine.
    Elf,
    /// A section is malformed.
    Section,
    /// A function or program is malformed.
    Program,
    /// A map definition is malformed, contradicts itself or uses an unknown attribute.
    Map,
    /// An extern has no usable declaration.
    Extern,
    /// A relocation refers to something that it cannot refer to.
    Relocation,
    /// `.BTF` or `.BTF.ext` is malformed, or missing although something depends on it.
    Btf,
    /// The assembly that it is to be made of has mistakes; they are the [`source`](core::error::Error::source).
    Assembly,
    /// Legal, but larger than this library is willing to handle.
    Limit,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            file: None,
            section: None,
            symbol: None,
            offset: None,
            cause: None,
        }))
    }

    pub(crate) fn elf(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Elf, detail)
    }

    pub(crate) fn map(name: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Map, detail).symbol(name)
    }

    pub(crate) fn btf(detail: impl Into<Cow<'static, str>>, cause: bpfld_btf::Error) -> Self {
        let mut error = Self::new(ErrorKind::Btf, detail);
        error.0.cause = Some(Cause::Btf(cause));
        error
    }

    #[cfg(feature = "asm")]
    pub(crate) fn text(cause: crate::TextError) -> Self {
        let mut error = Self::new(ErrorKind::Assembly, "cannot be assembled");
        error.0.cause = Some(Cause::Text(cause));
        error
    }

    #[cfg(feature = "std")]
    pub(crate) fn io(path: &std::path::Path, cause: std::io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, "cannot be read").in_file(path);
        error.0.cause = Some(Cause::Io(cause));
        error
    }

    /// Names the file that was opened.
    #[cfg(feature = "std")]
    pub(crate) fn in_file(mut self, path: &std::path::Path) -> Self {
        self.0.file = Some(path.display().to_string());
        self
    }

    /// Names the section, unless one is named already.
    pub(crate) fn section(mut self, name: &str) -> Self {
        self.0.section.get_or_insert_with(|| name.to_string());
        self
    }

    /// Names the symbol, unless one is named already.
    pub(crate) fn symbol(mut self, name: &str) -> Self {
        self.0.symbol.get_or_insert_with(|| name.to_string());
        self
    }

    /// Tells the offset, unless one is known already.
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// What the error is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The section that is meant, by its name in the file.
    #[must_use]
    pub fn section_name(&self) -> Option<&str> {
        self.0.section.as_deref()
    }

    /// The program, function, map, variable or extern that is meant.
    #[must_use]
    pub fn symbol_name(&self) -> Option<&str> {
        self.0.symbol.as_deref()
    }

    /// Where: in bytes from the start of the section if one is named, else from the start of the file.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            detail,
            file,
            section,
            symbol,
            offset,
            cause: _,
        } = &*self.0;
        if let Some(file) = file {
            write!(f, "{file}: ")?;
        }
        if let Some(section) = section {
            write!(f, "section {section:?}: ")?;
        }
        if let Some(symbol) = symbol {
            let noun = match kind {
                ErrorKind::Map => "map",
                ErrorKind::Extern => "extern",
                ErrorKind::Program => "function",
                _ => "symbol",
            };
            write!(f, "{noun} {symbol:?}: ")?;
        }
        if let Some(offset) = offset {
            write!(f, "offset {offset:#x}: ")?;
        }
        f.write_str(detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match core::error::Error::source(self) {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self.0.cause.as_ref()? {
            Cause::Btf(cause) => Some(cause),
            #[cfg(feature = "asm")]
            Cause::Text(cause) => Some(cause),
            #[cfg(feature = "std")]
            Cause::Io(cause) => Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_place() {
        let error = Error::new(ErrorKind::Relocation, "no such map")
            .section("xdp")
            .at(16)
            .section("other");
        assert_eq!(error.to_string(), r#"section "xdp": offset 0x10: no such map"#);
        assert_eq!(error.section_name(), Some("xdp"));
        let error = Error::map("m", "no type");
        assert_eq!(error.to_string(), r#"map "m": no type"#);
    }

    #[test]
    #[cfg(feature = "std")]
    fn unwrapped_it_tells_the_cause() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = Error::io("count.bpf.o".as_ref(), cause);
        assert_eq!(
            alloc::format!("{error:?}"),
            "count.bpf.o: cannot be read: entity not found"
        );
    }
}
