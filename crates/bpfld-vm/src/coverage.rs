//! Which instructions and lines of the source were run, and how often.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::counts::{self, Counted};
use crate::observe::{Control, Observed, Observer};
use crate::profile::Profile;
use crate::program::Code;
use crate::vm::Program;

/// An observer that counts. It tells lines in the format of lcov, and where a program spends its instructions as a
/// [`Profile`].
///
/// Lines are those that the object's BTF tells of.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    programs: Vec<Counted>,
}

impl Coverage {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a program, so that it is told of even if it is never run.
    pub fn expect(&mut self, program: &Program<'_>) {
        if let Some(code) = program.code() {
            self.counted(code);
        }
    }

    /// How often each line was run, by file and number: as often as that column of it that was run most. What compilers made up, and give
    /// to no line, is not told of.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<(String, u32), u64> {
        let mut lines = counts::lines(&self.programs);
        lines.retain(|(_, line), _| *line > 0);
        lines
    }

    /// Where the instructions were run: by function, by line, and one by one.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile::of(&self.programs)
    }

    /// The counts of lines in the format of lcov.
    #[must_use]
    pub fn lcov(&self) -> String {
        let mut out = String::new();
        let mut current = None;
        let lines = self.lines();
        for ((file, line), count) in &lines {
            if current != Some(file) {
                if current.is_some() {
                    out.push_str("end_of_record\n");
                }
                let _ = writeln!(out, "TN:\nSF:{file}"); // a string takes all
                current = Some(file);
            }
            let _ = writeln!(out, "DA:{line},{count}");
        }
        if current.is_some() {
            out.push_str("end_of_record\n");
        }
        out
    }

    /// The counts of a program: of this one, or of the same in another machine.
    fn counted(&mut self, code: &Arc<Code>) -> Option<&mut Counted> {
        let same = |program: &Counted| {
            Arc::ptr_eq(&program.code, code)
                || (program.code.name == code.name && program.code.slots == code.slots)
        };
        let at = self.programs.iter().position(same).unwrap_or_else(|| {
            self.programs.push(Counted::new(code));
            self.programs.len() - 1
        });
        self.programs.get_mut(at)
    }
}

impl Observer for Coverage {
    fn step(&mut self, observed: &Observed<'_>) -> Control {
        if let Some(program) = self.counted(observed.code) {
            program.add(observed.slot());
        }
        Control::Continue
    }
}
