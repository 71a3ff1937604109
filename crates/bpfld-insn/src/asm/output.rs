//! What the assembler makes of a text.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::error::Diagnostic;
use super::span::Span;
use crate::slot::Slot;

/// An assembled text: its sections with code and data, and all names in it.
///
/// Targets inside a section are resolved; everything else, such as maps and functions in other sections, is left as a
/// [`Relocation`]: what an ELF file would have.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Assembly {
    /// The sections, in the order they first occur. A text without `.section` has one, `.text`.
    pub sections: Vec<Section>,
    /// The names in the text: labels, and what is declared to be elsewhere.
    pub symbols: Vec<Symbol>,
    /// Maps declared by `.map`.
    pub maps: Vec<MapDeclaration>,
    /// What `.kfunc`, `.ksym` and `.kconfig` declare.
    pub externs: Vec<ExternDeclaration>,
    /// What is allowed, but perhaps not meant.
    pub warnings: Vec<Diagnostic>,
}

/// A section: instructions or data.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Section {
    /// Its name: for a program what it is for, such as `xdp`.
    pub name: String,
    /// The instructions, if it is one of code.
    pub slots: Vec<Slot>,
    /// For each slot where it comes from.
    pub spans: Vec<Span>,
    /// The bytes, if it is one of data.
    pub data: Vec<u8>,
    /// What must still be filled in.
    pub relocations: Vec<Relocation>,
}

/// A value that is not known before the program is linked or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relocation {
    /// Where: the index of a slot in a section of code, of a byte in one of data.
    pub at: usize,
    /// Index of the symbol that it is the value of.
    pub symbol: usize,
    /// Bytes from the start of that symbol.
    pub addend: i64,
    /// What is filled in.
    pub kind: RelocationKind,
}

/// What a relocation fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocationKind {
    /// The immediates of a 64-bit load.
    Load,
    /// The immediate of a call.
    Call,
    /// A number of 4 bytes in data.
    Data32,
    /// A number of 8 bytes in data.
    Data64,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Symbol {
    /// The name itself.
    pub name: String,
    /// Index of the section it is in; `None` if it is elsewhere.
    pub section: Option<usize>,
    /// Where: the index of a slot in a section of code, of a byte in one of data.
    pub at: usize,
    /// What it names.
    pub kind: SymbolKind,
    /// Who sees it.
    pub binding: Binding,
    /// Bytes, as `.size` says; 0 if it does not.
    pub size: u64,
    /// Where it is defined, or declared.
    pub span: Span,
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A place in code that jumps lead to.
    Label,
    /// A function: called, pointed to, declared by `.type`, visible to others, or first in its section.
    Function,
    /// Data, or something else that is no code.
    Object,
}

/// Who sees a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// This text.
    Local,
    /// Everybody: `.globl`.
    Global,
    /// Everybody, and it may be replaced or missing: `.weak`.
    Weak,
}

/// A map declared by `.map name type key=value …`. The assembler does not know what the attributes mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapDeclaration {
    /// Its name.
    pub name: String,
    /// Its attributes in the order of the text.
    pub attributes: Vec<MapAttribute>,
    /// Where the name is.
    pub span: Span,
}

/// An attribute of a declared map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapAttribute {
    /// What stands before the `=`; `type` for a first word that stands alone.
    pub key: String,
    /// What stands behind it; 1 for further words that stand alone.
    pub value: AttributeValue,
    /// Where both are.
    pub span: Span,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A number.
    Number(i64),
    /// A word or several with `|` between: `hash`, the name of another map, `no_prealloc|numa_node`; or a text in quotes.
    Word(String),
}

/// Something of the kernel, declared by `.kfunc`, `.ksym` or `.kconfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternDeclaration {
    /// Its name.
    pub name: String,
    /// Where the name is.
    pub span: Span,
    /// What it is.
    pub kind: ExternKind,
    /// Its type in C, and where that stands. The assembler does not read it.
    pub c_type: Option<(String, Span)>,
}

/// What an [`ExternDeclaration`] declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternKind {
    /// A function of the kernel: `.kfunc name, "int (u64)"`.
    Kfunc,
    /// A variable of the kernel: `.ksym name, "int"`; without a type, a symbol of which only the address is known.
    Ksym,
    /// A value of the kernel's configuration: `.kconfig name, "bool"`.
    Kconfig,
}

/// A function of an assembled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its symbol.
    pub symbol: &'a Symbol,
    /// Index of its section.
    pub section: usize,
    /// Its slots in the section: up to the next function.
    pub slots: Range<usize>,
}

impl Assembly {
    /// The instructions of the first section that has any: all of them, in a text without `.section`.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.code().map_or(&[], |section| &section.slots)
    }

    /// The first section that has instructions.
    #[must_use]
    pub fn code(&self) -> Option<&Section> {
        self.sections.iter().find(|section| !section.slots.is_empty())
    }

    /// The section of this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The symbol of this name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| symbol.name == name)
    }

    /// The functions, by section and place.
    #[must_use]
    pub fn functions(&self) -> Vec<Function<'_>> {
        let is_function = |symbol: &&Symbol| symbol.kind == SymbolKind::Function;
        let mut functions: Vec<_> = self
            .symbols
            .iter()
            .filter(is_function)
            .filter_map(|symbol| {
                Some(Function {
                    symbol,
                    section: symbol.section?,
                    slots: symbol.at..symbol.at,
                })
            })
            .collect();
        functions.sort_by_key(|function| (function.section, function.slots.start));
        // the end of a function is the start of the next one elsewhere in the section, so walk backwards
        let mut later: Option<Function<'_>> = None;
        for function in functions.iter_mut().rev() {
            function.slots.end = match &later {
                Some(later) if later.section == function.section => {
                    match later.slots.start == function.slots.start {
                        true => later.slots.end,
                        false => later.slots.start,
                    }
                }
                _ => self
                    .sections
                    .get(function.section)
                    .map_or(0, |section| section.slots.len()),
            };
            later = Some(function.clone());
        }
        functions
    }
}
