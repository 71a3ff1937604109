//! A program: its code, and what is known about it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_btf::Btf;
use bpfld_insn::{Insn, Slot};
use bpfld_object::SourceLine;
use bpfld_sys::ProgramType;

use crate::code::{Do, Effect, Step};
use crate::fault::{Place, SourceRef};

/// A program, ready to be run.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) name: Arc<str>,
    pub(crate) program_type: ProgramType,
    /// The function that is called when the program throws.
    pub(crate) exception_callback: Option<u32>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) steps: Vec<Step>,
    /// What each slot does with registers.
    pub(crate) effects: Vec<Effect>,
    /// Where each function begins, in order.
    pub(crate) functions: Vec<(u32, Arc<str>)>,
    /// Where each line of the source begins, in order.
    pub(crate) lines: Vec<SourceLine>,
    pub(crate) btf: Option<Arc<Btf>>,
}

impl Code {
    /// Whether an instruction begins at a slot.
    pub(crate) fn begins(&self, slot: u32) -> bool {
        self.steps
            .get(slot as usize)
            .is_some_and(|step| step.what != Do::Hole)
    }

    /// The instruction at a slot.
    pub(crate) fn insn(&self, slot: u32) -> Option<Insn> {
        Insn::decode(self.slots.get(slot as usize..)?).ok()
    }

    /// The function that a slot is in.
    fn function(&self, slot: u32) -> &Arc<str> {
        let after = self.functions.partition_point(|(start, _)| *start <= slot);
        let found = after.checked_sub(1).and_then(|at| self.functions.get(at));
        found.map_or(&self.name, |(_, name)| name)
    }

    /// The line of the source that a slot is of.
    pub(crate) fn line(&self, slot: u32) -> Option<&SourceLine> {
        let after = self.lines.partition_point(|line| line.slot <= slot);
        self.lines.get(after.checked_sub(1)?)
    }

    /// A line with its texts.
    pub(crate) fn source(&self, line: &SourceLine) -> SourceRef {
        let text = |offset: u32| {
            let text = self.btf.as_ref().and_then(|btf| btf.string(offset).ok());
            text.map_or_else(String::new, ToString::to_string)
        };
        SourceRef {
            file: text(line.file),
            line: line.line(),
            column: line.column(),
            text: text(line.text),
        }
    }

    /// What is known of a slot.
    pub(crate) fn place(&self, slot: u32) -> Place {
        Place {
            program: Arc::clone(&self.name),
            function: Arc::clone(self.function(slot)),
            slot,
            source: self.line(slot).map(|line| self.source(line)),
        }
    }
}
