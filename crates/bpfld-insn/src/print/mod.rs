//! From instructions to text, in three dialects.

#[cfg(feature = "alloc")]
mod annotate;
mod gnu;
mod kernel;
#[cfg(feature = "alloc")]
mod listing;
mod llvm;
#[cfg(feature = "alloc")]
mod marks;
#[cfg(feature = "alloc")]
mod notes;
mod text;

use core::fmt;

#[cfg(feature = "alloc")]
pub use annotate::{Annotate, SourceLine, Symbol};
#[cfg(feature = "alloc")]
pub use listing::{Printer, print};
#[cfg(feature = "alloc")]
pub use notes::Notes;

use crate::insn::Insn;
use text::{Refer, Style};

/// A way to write instructions. The assembler reads all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// LLVM's: `r0 = *(u32 *)(r1 + 4)`, `goto +5`.
    #[default]
    Llvm,
    /// The kernel's, of verifier logs and `bpftool prog dump xlated`: `(61) r0 = *(u32 *)(r1 +4)`, `(05) goto pc+5`.
    Kernel,
    /// The GNU assembler's mnemonics: `ldxw %r0,[%r1+4]`, `ja 5`.
    Gnu,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Llvm, Self::Kernel, Self::Gnu];

    /// Its name: `llvm`, `kernel` or `gnu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llvm => "llvm",
            Self::Kernel => "kernel",
            Self::Gnu => "gnu",
        }
    }

    /// The dialect of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    fn write<W: fmt::Write + ?Sized>(
        self,
        out: &mut W,
        insn: Insn,
        refer: Refer<'_>,
        style: Style,
    ) -> fmt::Result {
        match self {
            Self::Llvm => llvm::insn(out, insn, refer, style),
            Self::Kernel => kernel::insn(out, insn, insn.op().pattern().opcode, refer, style),
            Self::Gnu => gnu::insn(out, insn, refer, style),
        }
    }
}

/// A name as the assembler reads it: in quotes where it is no plain identifier.
///
/// ```
/// assert_eq!(bpfld_insn::print::name("main").to_string(), "main");
/// assert_eq!(bpfld_insn::print::name("r1").to_string(), "\"r1\"");
/// ```
pub fn name(name: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| text::name_text(f, name))
}

impl Insn {
    /// Writes this instruction alone in a dialect, with numbers where a listing would have names.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// ```
    /// use bpfld_insn::{Dialect, Insn, Slot};
    ///
    /// let insn = Insn::decode(&[Slot::new(0x61, 0, 1, 4, 0)])?;
    /// let mut text = String::new();
    /// insn.write(Dialect::Gnu, &mut text)?;
    /// assert_eq!(text, "ldxw %r0,[%r1+4]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write<W: fmt::Write + ?Sized>(self, dialect: Dialect, out: &mut W) -> fmt::Result {
        dialect.write(
            out,
            self,
            Refer::Number,
            Style {
                hex: false,
                helper_names: true,
                map_ids: false,
            },
        )
    }
}

/// The instruction in LLVM's dialect.
///
/// ```
/// use bpfld_insn::{Insn, Slot};
///
/// let insn = Insn::decode(&[Slot::new(0x61, 0, 1, 4, 0)])?;
/// assert_eq!(insn.to_string(), "w0 = *(u32 *)(r1 + 4)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(Dialect::Llvm, f)
    }
}
