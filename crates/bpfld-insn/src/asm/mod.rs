//! The assembler: from text to instructions.
//!
//! It reads all dialects that [`print`](crate::print()) writes, what compilers write with `-S`, and lines copied from
//! verifier logs, from `bpftool prog dump xlated` and from object dumps; statements of different dialects can be mixed.
//!
//! - Instructions are separated by line ends or `;`. Comments begin with `#` or `//`, or stand in `/* */`; a line that
//!   begins with `;` is one, too.
//! - `name:` is a label; names with other characters are quoted. `1:` is a label that may occur again; `1b` and `1f` refer to
//!   the last and the next one. Labels of other sections can be called, not jumped to.
//! - Calls name a function of the text, a helper (`bpf_map_lookup_elem`), or something declared by `.extern`; or they
//!   have a number: `call 1` is a helper, `call +1` a distance, `call kfunc 1234` a kernel function by BTF id.
//! - Numbers can be expressions with constants: `.set NAME, value`, those of [`Assembler::define`], and common ones such
//!   as `XDP_PASS`.
//! - `r1 = name ll` loads the address of a map, of data or of a function. Numbers that the kernel replaces are written
//!   `map[fd:3]`, `map[fd:3][0]+8`, `map[idx:0]`, `map[idx:0]+8`, `var[id:77]`, `subprog[+5]`.
//! - `.section name` begins a section, `.map name hash key=4 value=8 …` declares a map, `.license "GPL"` says what it
//!   says, `.kfunc name, "int (u64)"`, `.ksym name` and `.kconfig name, "bool"` declare what the kernel has, `.byte` to `.quad`, `.asciz` and `.zero` make data, `.globl` and `.type` say what a symbol is, `.insn opcode, dst,
//!   src, offset, imm` is a slot as it is.

mod c_address;
mod c_assign;
mod c_jump;
mod c_like;
mod c_memory;
mod constants;
mod data;
mod directive;
mod error;
mod gnu;
mod lexer;
mod line;
mod number;
mod operand;
mod output;
mod parser;
mod resolve;
mod span;

use alloc::string::String;
use alloc::vec::Vec;

pub use error::{Diagnostic, Errors};
pub use output::{
    Assembly, AttributeValue, Binding, ExternDeclaration, ExternKind, Function, MapAttribute, MapDeclaration,
    Relocation, RelocationKind, Section, Symbol, SymbolKind,
};
pub use span::Span;

use crate::slot::Endian;
use parser::Parser;

/// Assembles a text with the usual options.
///
/// # Errors
///
/// Everything that is wrong in the text, each with its place.
///
/// ```
/// use bpfld_insn::{Slot, assemble};
///
/// let assembly = assemble("
///     if r1 == 0 goto out       # any dialect, labels, comments
///     call bpf_ktime_get_ns
/// out:
///     r0 = XDP_PASS
///     exit
/// ")?;
/// assert_eq!(assembly.slots()[0], Slot::new(0x15, 1, 0, 1, 0));
/// assert_eq!(assembly.slots().len(), 4);
/// # Ok::<(), bpfld_insn::asm::Errors>(())
/// ```
pub fn assemble(text: &str) -> Result<Assembly, Errors> {
    Assembler::new().assemble(text)
}

/// Options of the assembler.
///
/// ```
/// use bpfld_insn::{Assembler, Reg, Insn, decode};
///
/// let mut assembler = Assembler::new();
/// assembler.define("LIMIT", 1500);
/// let assembly = assembler.assemble("if r1 > LIMIT goto +1")?;
/// assert_eq!(assembly.slots()[0].imm, 1500);
/// # Ok::<(), bpfld_insn::asm::Errors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Assembler {
    constants: Vec<(String, i64)>,
    endian: Endian,
    internal: bool,
    relocatable: bool,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// The usual options.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            constants: Vec::new(),
            endian: Endian::NATIVE,
            internal: false,
            relocatable: false,
        }
    }

    /// Defines a constant for the texts that are assembled.
    pub fn define(&mut self, name: impl Into<String>, value: i64) -> &mut Self {
        self.constants.push((name.into(), value));
        self
    }

    /// Writes numbers in data in this order of bytes; the host's unless said otherwise. Slots are always in the host's.
    pub fn endian(&mut self, endian: Endian) -> &mut Self {
        self.endian = endian;
        self
    }

    /// Also takes what only the kernel puts into programs: r11, `nospec`, per-CPU addresses.
    pub fn internal(&mut self) -> &mut Self {
        self.internal = true;
        self
    }

    /// Makes what a compiler would put into an object file: names that are nowhere defined are taken to be elsewhere,
    /// and calls of global functions and addresses of functions stay relocations.
    pub fn relocatable(&mut self) -> &mut Self {
        self.relocatable = true;
        self
    }

    /// Assembles a text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text, each with its place.
    pub fn assemble(&self, text: &str) -> Result<Assembly, Errors> {
        match self.assemble_partly(text) {
            (assembly, None) => Ok(assembly),
            (_, Some(errors)) => Err(errors),
        }
    }

    /// Assembles what can be made of a text, for those who look for further mistakes in it.
    #[must_use]
    pub fn assemble_partly(&self, text: &str) -> (Assembly, Option<Errors>) {
        if u32::try_from(text.len()).is_err() {
            let error = Diagnostic::new(Span::default(), "texts of 4 GiB and more are not taken");
            return (Assembly::default(), Errors::from_list(Vec::from([*error]), ""));
        }
        let mut parser = Parser::new(self, text);
        parser.run();
        let assembly = parser.finish();
        (assembly, parser.errors(text))
    }
}
