//! Functions and programs: the functions that stand outside of `.text`.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bpfld_insn::{Endian, Slot};

use crate::elf::{Elf, Section, Symbol};
use crate::{Error, ErrorKind, FunctionIndex, ProgramSpec, SectionIndex};

/// The size of an instruction slot in bytes.
pub(crate) const SLOT: u64 = 8;

/// A function of the object: a program or a subprogram.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Function {
    /// The function's name.
    pub name: Box<str>,
    /// The section it lies in.
    pub section: SectionIndex,
    /// Where in the section it begins, in instruction slots.
    pub start: u32,
    /// How many instruction slots it has.
    pub len: u32,
    /// Who sees it.
    pub linkage: Linkage,
    /// Hidden functions are global to the linker, but static to the kernel's verifier: verified as part of each caller.
    pub hidden: bool,
}

/// Who sees a function or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// Only its own source file.
    Static,
    /// Everybody.
    Global,
    /// Everybody, unless another file has a definition that isn't weak.
    Weak,
}

/// A program: a function that the kernel can be told to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Program {
    /// The name of the function.
    pub name: Box<str>,
    /// The name of the section, without a leading `?`.
    pub section: Box<str>,
    /// What the section's name says. `None`: a name of the user's own; the type must be given before loading.
    pub spec: Option<ProgramSpec>,
    /// Whether the program is to be loaded by default: not if its section name has a leading `?`.
    pub autoload: bool,
    /// The function.
    pub function: FunctionIndex,
}

impl Linkage {
    pub(crate) fn of(symbol: &Symbol<'_>) -> Self {
        if symbol.is_local() {
            Self::Static
        } else if symbol.is_weak() {
            Self::Weak
        } else {
            Self::Global
        }
    }
}

impl Function {
    /// Whether the instruction slot `slot` of the function's section is part of the function.
    pub(crate) fn contains(&self, slot: u32) -> bool {
        slot >= self.start && slot - self.start < self.len
    }
}

/// The instructions of an executable section.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) section: SectionIndex,
    pub(crate) slots: Vec<Slot>,
}

/// Finds the functions of all executable sections, in the order of section and position, and decodes the sections.
pub(crate) fn find_functions(elf: &Elf<'_>) -> Result<(Vec<Function>, Vec<Code>), Error> {
    let mut sections = BTreeSet::new();
    let mut functions = Vec::new();
    for symbol in elf.symbols.iter().filter(|symbol| symbol.is_function()) {
        let section = elf
            .section(SectionIndex(symbol.section))
            .filter(|section| section.is_executable());
        let Some(section) = section else { continue };
        functions.push(function(section, symbol)?);
        sections.insert(section.index);
    }
    let mut code = Vec::with_capacity(sections.len());
    let mut total = 0;
    for section in sections.into_iter().filter_map(|index| elf.section(index)) {
        let data = elf.section_data(section)?;
        total += data.len();
        if total > elf.data.len() {
            return Err(Error::new(ErrorKind::Section, "overlaps with other sections").section(&section.name));
        }
        let insns = data.as_chunks::<8>().0.iter();
        // one loop for each order: that of the host's own is a mere copy
        let slots = match elf.endian {
            Endian::Little => insns
                .map(|bytes| Slot::from_bytes(*bytes, Endian::Little))
                .collect(),
            Endian::Big => insns.map(|bytes| Slot::from_bytes(*bytes, Endian::Big)).collect(),
        };
        code.push(Code {
            section: section.index,
            slots,
        });
    }
    // stable: of two names for one function, the first in the symbol table is found
    functions.sort_by_key(|function| (function.section, function.start));
    Ok((functions, code))
}

fn function(section: &Section, symbol: &Symbol<'_>) -> Result<Function, Error> {
    let error = |detail: &'static str| {
        Error::new(ErrorKind::Program, detail)
            .section(&section.name)
            .symbol(symbol.name)
            .at(symbol.value)
    };
    if symbol.size == 0 {
        return Err(error("the function is empty"));
    }
    if !symbol.size.is_multiple_of(SLOT) || !symbol.value.is_multiple_of(SLOT) {
        return Err(error("the function does not consist of whole instructions"));
    }
    if symbol
        .value
        .checked_add(symbol.size)
        .is_none_or(|end| end > section.size)
    {
        return Err(error("the function reaches beyond the end of its section"));
    }
    let slots = |bytes: u64| u32::try_from(bytes / SLOT).map_err(|_| error("the function is too large"));
    Ok(Function {
        name: symbol.name.into(),
        section: section.index,
        start: slots(symbol.value)?,
        len: slots(symbol.size)?,
        linkage: Linkage::of(symbol),
        hidden: !symbol.is_local() && symbol.is_hidden(),
    })
}

/// The programs among the functions: those that are not static and not in `.text`.
pub(crate) fn find_programs(functions: &[Function], sections: &[Section]) -> Vec<Program> {
    let mut programs = Vec::new();
    for (index, function) in functions.iter().enumerate() {
        let Some(section) = sections.get(function.section.index()) else {
            continue;
        };
        if &*section.name == TEXT || function.linkage == Linkage::Static {
            continue;
        }
        let name = section.name.strip_prefix('?');
        programs.push(Program {
            name: function.name.clone(),
            section: name.unwrap_or(&section.name).into(),
            spec: ProgramSpec::from_section(&section.name),
            autoload: name.is_none(),
            function: FunctionIndex::new(index),
        });
    }
    programs
}

/// The section of functions that are no programs.
pub(crate) const TEXT: &str = ".text";

/// The function at a slot of a section, in the sorted list of [`find_functions`].
pub(crate) fn function_at(functions: &[Function], section: SectionIndex, slot: u32) -> Option<FunctionIndex> {
    let after = functions.partition_point(|function| (function.section, function.start) <= (section, slot));
    let start = functions.get(after.checked_sub(1)?)?.start;
    let first = functions.partition_point(|function| (function.section, function.start) < (section, start));
    let found = functions.get(first)?;
    (found.section == section && found.contains(slot)).then(|| FunctionIndex::new(first))
}
