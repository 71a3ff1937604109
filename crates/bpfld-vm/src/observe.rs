//! Watching a program run, instruction by instruction.

use bpfld_insn::Insn;

use crate::fault::Place;
use crate::program::Code;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop before this instruction: the run ends with [`FaultKind::Stopped`](crate::FaultKind::Stopped).
    Stop,
}

/// Somebody who is told of each instruction before it is run.
///
/// Closures will do: anything that takes an [`Observed`] and returns a [`Control`].
pub trait Observer {
    /// An instruction is about to be run.
    fn step(&mut self, observed: &Observed<'_>) -> Control;
}

impl<F: FnMut(&Observed<'_>) -> Control> Observer for F {
    fn step(&mut self, observed: &Observed<'_>) -> Control {
        self(observed)
    }
}

/// What an observer sees.
#[derive(Debug)]
pub struct Observed<'a> {
    pub(crate) code: &'a Code,
    pub(crate) slot: u32,
    pub(crate) registers: &'a [u64; 11],
    pub(crate) depth: usize,
    pub(crate) left: i64,
}

impl Observed<'_> {
    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.code.name
    }

    /// The slot of the instruction.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The instruction.
    #[must_use]
    pub fn insn(&self) -> Option<Insn> {
        self.code.insn(self.slot)
    }

    /// The registers r0 to r10 before it.
    #[must_use]
    pub fn registers(&self) -> &[u64; 11] {
        self.registers
    }

    /// How many functions are running: 1 in the program itself.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Function and line of the source.
    #[must_use]
    pub fn place(&self) -> Place {
        self.code.place(self.slot)
    }

    /// How many slots the run may still take, as of the last call.
    #[must_use]
    pub fn budget_left(&self) -> u64 {
        self.left.max(0) as u64
    }
}
