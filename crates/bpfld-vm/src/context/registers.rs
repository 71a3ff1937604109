//! The registers of a processor, for kprobes and uprobes.

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::{plain, sealed::Sealed};
use crate::memory::Rights;
use crate::state::State;

/// How many registers `struct pt_regs` of x86-64 has.
const COUNT: usize = 21;
/// The places of those that hold arguments, in their order.
const ARGUMENTS: [usize; 6] = [14, 13, 12, 11, 9, 8];
const RESULT: usize = 10;
const INSTRUCTION: usize = 16;
const STACK: usize = 19;

/// `struct pt_regs` of x86-64: what programs on kprobes and uprobes get.
///
/// ```
/// use bpfld_vm::Registers;
///
/// let at_entry = Registers::new().argument(0, 42).argument(1, 7);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers([u64; COUNT]);

impl Registers {
    /// All of them zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, place: usize, value: u64) -> Self {
        if let Some(register) = self.0.get_mut(place) {
            *register = value;
        }
        self
    }

    /// An argument of the function, from 0 to 5; others are on the stack and are not set.
    #[must_use]
    pub fn argument(self, number: usize, value: u64) -> Self {
        match ARGUMENTS.get(number) {
            Some(&place) => self.with(place, value),
            None => self,
        }
    }

    /// What the function returns.
    #[must_use]
    pub fn result(self, value: u64) -> Self {
        self.with(RESULT, value)
    }

    /// The address of the instruction.
    #[must_use]
    pub fn instruction(self, address: u64) -> Self {
        self.with(INSTRUCTION, address)
    }

    /// The stack pointer.
    #[must_use]
    pub fn stack(self, address: u64) -> Self {
        self.with(STACK, address)
    }
}

impl Sealed for Registers {
    fn enter(&mut self, state: &mut State, _: ProgramType, endian: Endian) {
        let bytes = self.0.iter().flat_map(|number| match endian {
            Endian::Little => number.to_le_bytes(),
            Endian::Big => number.to_be_bytes(),
        });
        plain::open(state, bytes.collect(), Rights::Read);
    }

    fn leave(&mut self, state: &mut State) {
        plain::close(state);
    }
}
