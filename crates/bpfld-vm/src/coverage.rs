//! Which lines of the source were run, and how often.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

use crate::observe::{Control, Observed, Observer};
use crate::vm::Program;

/// An observer that counts, and tells it in the format of lcov.
///
/// Lines are those that the object's BTF tells of; without, nothing is counted.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By file and line.
    lines: BTreeMap<(String, u32), u64>,
}

impl Coverage {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a program's lines, so that those that are never run are told of, too.
    pub fn expect(&mut self, program: &Program<'_>) {
        for source in program.places().into_iter().filter_map(|place| place.source) {
            self.lines.entry((source.file, source.line)).or_default();
        }
    }

    /// How often each line was run, by file and number. A line counts each time that one of its instructions is run after one
    /// of another line.
    pub fn lines(&self) -> impl Iterator<Item = (&str, u32, u64)> {
        self.lines
            .iter()
            .map(|((file, line), count)| (file.as_str(), *line, *count))
    }

    /// The counts in the format of lcov.
    #[must_use]
    pub fn lcov(&self) -> String {
        let mut out = String::new();
        let mut current = None;
        for ((file, line), count) in &self.lines {
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
}

impl Observer for Coverage {
    fn step(&mut self, observed: &Observed<'_>) -> Control {
        let slot = observed.slot();
        // the first instruction of a line stands for it
        if let Some(line) = observed.code.line(slot).filter(|line| line.slot == slot) {
            let source = observed.code.source(line);
            *self.lines.entry((source.file, source.line)).or_default() += 1;
        }
        Control::Continue
    }
}
