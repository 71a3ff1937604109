//! A linked program: instructions, and what they refer to.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_btf::CoreRelocation;
use bpfld_insn::Slot;

use crate::info::{FunctionInfo, SourceLine};
use crate::{ExternIndex, FunctionIndex, MapIndex};

/// A program with all subprograms it reaches, complete but for what only a kernel (or another machine) can tell.
///
/// Subprograms follow in the order in which they are first used, each with those that it uses itself. Calls and
/// references between functions are resolved; all other references are listed in [`relocations`](Self::relocations).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkedProgram {
    /// The program's name.
    pub name: Box<str>,
    /// The instructions, in the layout of the host.
    pub insns: Vec<Slot>,
    /// Instructions that refer to something, by slot.
    pub relocations: Vec<Relocation>,
    /// The functions, in the order in which they follow each other; the first is the program itself.
    pub functions: Vec<LinkedFunction>,
    /// The types of the functions, for `func_info` of `BPF_PROG_LOAD` (kernel 5.0). Empty unless BTF knows all of them.
    pub func_info: Vec<FunctionInfo>,
    /// Source lines, for `line_info` of `BPF_PROG_LOAD` (kernel 5.0). Empty unless BTF knows them for all functions.
    pub line_info: Vec<SourceLine>,
    /// Tables of jump targets.
    pub jump_tables: Vec<JumpTable>,
    /// The slot where the function begins that handles the program's exceptions (kernel 6.7), if it names one.
    pub exception_callback: Option<u32>,
}

/// A function within a [`LinkedProgram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkedFunction {
    /// The function.
    pub function: FunctionIndex,
    /// The slot where it begins.
    pub start: u32,
    /// Its length in slots.
    pub len: u32,
}

/// An instruction that refers to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relocation {
    /// The slot of the instruction.
    pub at: u32,
    /// What it refers to.
    pub target: Target,
}

/// What an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A map (64-bit load).
    Map(MapIndex),
    /// A byte of a map's value (64-bit load): a global variable, configuration value, or variable of an arena. The
    /// offset of an arena's variable is that in its initial contents.
    MapValue {
        /// The map.
        map: MapIndex,
        /// Where in the value, in bytes.
        offset: u32,
    },
    /// A variable or symbol of the kernel (64-bit load).
    Ksym(ExternIndex),
    /// The address of a function of the kernel (64-bit load).
    KfuncAddress(ExternIndex),
    /// A function of the kernel (call).
    Kfunc(ExternIndex),
    /// A table of jump targets (64-bit load), by its position in [`LinkedProgram::jump_tables`]. The load's second slot
    /// holds an offset already.
    JumpTable(u32),
    /// A fact about the kernel's types. See [`LinkedProgram::apply_core`].
    Core(CoreRelocation),
}

/// A table of jump targets, for a map of type `INSN_ARRAY` (kernel 6.19).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JumpTable {
    /// The slots that can be jumped to.
    pub targets: Vec<u32>,
    /// Where the table begins in section `.jumptables`, in bytes.
    pub(super) offset: u32,
    /// The function it belongs to.
    pub(super) function: FunctionIndex,
}

impl JumpTable {
    /// Where the table begins in section `.jumptables`, in bytes.
    #[must_use]
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// The function that uses the table.
    #[must_use]
    pub fn function(&self) -> FunctionIndex {
        self.function
    }
}
