//! All that does not change while a machine runs.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_insn::{Endian, Helper};

use crate::code::Step;
use crate::exec::KFUNC;
use crate::fault::{Fault, FaultKind, Report, Trap};
use crate::helper::Function;
use crate::program::Code;
use crate::state::Stop;

/// Programs, and the functions that they can call.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) endian: Endian,
    pub(crate) programs: Vec<Arc<Code>>,
    /// By number.
    pub(crate) helpers: Vec<Option<Function>>,
    /// By the number that calls have.
    pub(crate) kfuncs: Vec<Kfunc>,
    /// Whether tail calls are the machine's own.
    pub(crate) tail_calls: bool,
    /// Whether some program may read a register that holds nothing, so that each read is looked at.
    pub(crate) doubtful: bool,
    pub(crate) cpus: u32,
}

/// A kernel function, there or not.
#[derive(Clone, Debug)]
pub(crate) struct Kfunc {
    pub(crate) name: Arc<str>,
    pub(crate) function: Option<Function>,
}

impl Image {
    #[inline(always)]
    pub(crate) fn steps(&self, program: usize) -> &[Step] {
        self.programs.get(program).map_or(&[], |program| &program.steps)
    }

    pub(crate) fn begins(&self, program: usize, slot: u32) -> bool {
        self.programs
            .get(program)
            .is_some_and(|program| program.begins(slot))
    }

    #[inline]
    pub(crate) fn helper(&self, number: u64) -> Option<&Function> {
        self.helpers.get(number as usize)?.as_ref()
    }

    pub(crate) fn kfunc(&self, number: u64) -> Option<&Function> {
        self.kfuncs.get(number as usize)?.function.as_ref()
    }

    /// The number of a kernel function, given if it is new.
    pub(crate) fn kfunc_number(&mut self, name: &str) -> usize {
        let found = self.kfuncs.iter().position(|kfunc| &*kfunc.name == name);
        found.unwrap_or_else(|| {
            self.kfuncs.push(Kfunc {
                name: name.into(),
                function: None,
            });
            self.kfuncs.len() - 1
        })
    }

    #[cold]
    pub(crate) fn no_function(&self, number: u64) -> FaultKind {
        if number & KFUNC != 0 {
            let kfunc = self.kfuncs.get((number & !KFUNC) as usize);
            let name = kfunc.map_or_else(|| "without a name".into(), |kfunc| Arc::clone(&kfunc.name));
            return FaultKind::UnknownKfunc(name);
        }
        FaultKind::UnknownHelper(Helper(number as u32))
    }

    /// A trap with its place.
    #[cold]
    pub(crate) fn fault(&self, trap: Trap, stop: Option<Stop>) -> Fault {
        let stop = stop.unwrap_or(Stop {
            program: 0,
            slot: 0,
            registers: [0; 11],
            callers: Vec::new(),
        });
        let place = |program: usize, slot: u32| match self.programs.get(program) {
            Some(code) => code.place(slot),
            None => crate::fault::Place {
                program: "?".into(),
                function: "?".into(),
                slot,
                source: None,
            },
        };
        let report = Report {
            kind: trap.into_kind(),
            place: place(stop.program, stop.slot),
            insn: self
                .programs
                .get(stop.program)
                .and_then(|code| code.insn(stop.slot)),
            registers: stop.registers,
            callers: stop
                .callers
                .into_iter()
                .map(|(program, slot)| place(program, slot))
                .collect(),
        };
        report.into()
    }
}
