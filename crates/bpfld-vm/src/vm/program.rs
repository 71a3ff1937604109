//! Running programs.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_insn::Slot;
use bpfld_sys::ProgramType;

use super::Vm;
use crate::address::{GuestAddr, RegionId};
use crate::context::Context;
use crate::exec::{Entry, Run};
use crate::fault::{Fault, FaultKind, Place};
use crate::observe::Observer;
use crate::program::Code;
use crate::redirect::Redirect;

/// A program of a machine. Made by [`Vm::program`].
#[derive(Debug)]
pub struct Program<'v> {
    vm: &'v mut Vm,
    number: usize,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome<C> {
    /// All 64 bits of r0.
    pub r0: u64,
    /// How many instruction slots it took.
    pub slots: u64,
    /// What the call that the program was asked about is to return, by `bpf_set_retval` or `bpf_override_return`; 0 if nothing
    /// was said.
    pub retval: i32,
    /// Where the program wants its packet to go.
    pub redirect: Option<Redirect>,
    /// The context, as the program left it.
    pub context: C,
}

impl<C> Outcome<C> {
    /// What the program returned: the lower half of r0, which is what kernels look at.
    #[must_use]
    pub fn return_value(&self) -> u32 {
        self.r0 as u32
    }
}

impl<'v> Program<'v> {
    pub(super) fn new(vm: &'v mut Vm, number: usize) -> Self {
        Self { vm, number }
    }

    /// Runs the program on a context, which comes back in the outcome.
    ///
    /// # Errors
    ///
    /// What stopped it. The context is lost then; use [`run_on`](Self::run_on) to keep it.
    pub fn run<C: Context>(&mut self, mut context: C) -> Result<Outcome<C>, Fault> {
        let r0 = self.run_on(&mut context)?;
        Ok(Outcome {
            r0,
            slots: self.vm.state.taken(),
            retval: self.vm.state.retval,
            redirect: self.vm.state.redirect.take(),
            context,
        })
    }

    /// Runs the program on a context that stays where it is, and returns r0: the quickest way to run it many times.
    ///
    /// # Errors
    ///
    /// What stopped it.
    #[inline]
    pub fn run_on<C: Context>(&mut self, context: &mut C) -> Result<u64, Fault> {
        self.start(context, None)
    }

    /// Runs the program while an observer is told of each instruction.
    ///
    /// ```
    /// use bpfld_insn::{Endian, Slot};
    /// use bpfld_vm::{Control, Observed, ProgramType, Vm};
    ///
    /// let mut vm = Vm::builder().empty(Endian::Little);
    /// let code = [Slot::new(0xb7, 0, 0, 0, 1), Slot::new(0x95, 0, 0, 0, 0)]; // r0 = 1; exit
    /// let mut trace = Vec::new();
    /// let mut program = vm.add_program("one", ProgramType::XDP, &code).unwrap();
    /// let r0 = program.observe(&mut (), &mut |step: &Observed<'_>| {
    ///     trace.push(step.insn().unwrap().to_string());
    ///     Control::Continue
    /// });
    /// assert_eq!(r0, Ok(1));
    /// assert_eq!(trace, ["r0 = 1", "exit"]);
    /// ```
    ///
    /// # Errors
    ///
    /// What stopped it.
    pub fn observe<C: Context>(
        &mut self,
        context: &mut C,
        observer: &mut dyn Observer,
    ) -> Result<u64, Fault> {
        self.start(context, Some(observer))
    }

    fn start<C: Context>(
        &mut self,
        context: &mut C,
        observer: Option<&mut dyn Observer>,
    ) -> Result<u64, Fault> {
        let program_type = self.program_type();
        let Vm { image, state, .. } = &mut *self.vm;
        state.begin();
        context.enter(state, program_type, image.endian);
        let mut run = Run {
            image,
            state: &mut *state,
            observer: observer.map(|observer| observer as &mut dyn Observer),
        };
        let entry = Entry {
            program: self.number,
            slot: 0,
        };
        let argument = GuestAddr::new(RegionId::CONTEXT, 0).0;
        let mut result = run.enter(entry, [argument, 0, 0, 0, 0]);
        if let Err(trap) = &result
            && let FaultKind::Thrown { cookie } = *trap.kind()
        {
            result = run.catch(self.number, cookie);
        }
        context.leave(state);
        result.map_err(|trap| image.fault(trap, state.stop.take()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.code().map_or("", |code| &code.name)
    }

    pub(crate) fn code(&self) -> Option<&Arc<Code>> {
        self.vm.image.programs.get(self.number)
    }

    /// Its type, as far as it is known.
    #[must_use]
    pub fn program_type(&self) -> ProgramType {
        self.code().map_or(ProgramType::UNSPEC, |code| code.program_type)
    }

    /// Its instructions, with the numbers of maps in place of their names.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        self.code().map_or(&[], |code| &code.slots)
    }

    /// Function and source line of each instruction of which they are known.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let Some(code) = self.code() else {
            return Vec::new();
        };
        let slots = (0..code.slots.len() as u32).filter(|slot| code.begins(*slot));
        slots.map(|slot| code.place(slot)).collect()
    }

    /// How many slots the last run took.
    #[must_use]
    pub fn slots_taken(&self) -> u64 {
        self.vm.state.taken()
    }
}
