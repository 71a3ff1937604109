//! What is done before each instruction: it is printed, or its line is counted.

use std::io::{self, Write};

use bpfld_vm::{Control, Coverage, Observed, Observer, SourceRef};

use crate::output::Output;

/// Prints instructions with the registers that changed, and counts lines.
pub(super) struct Watch<'w> {
    output: Option<&'w mut Output>,
    coverage: Option<&'w mut Coverage>,
    before: [u64; 11],
    /// The line of the instruction before: it is not printed again.
    line: Option<(String, u32)>,
    failed: Option<io::Error>,
}

impl<'w> Watch<'w> {
    pub(super) fn new(output: Option<&'w mut Output>, coverage: Option<&'w mut Coverage>) -> Self {
        Watch {
            output,
            coverage,
            before: [0; 11],
            line: None,
            failed: None,
        }
    }

    /// Whether all could be printed.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    fn print(&mut self, step: &Observed<'_>) -> io::Result<()> {
        let Some(output) = self.output.as_deref_mut() else {
            return Ok(());
        };
        let registers = step.registers();
        let changed = registers.iter().zip(self.before).enumerate();
        for (number, (now, _)) in changed.filter(|(_, (now, before))| **now != *before) {
            writeln!(output, "              r{number} = {now:#x}")?;
        }
        self.before = *registers;
        if let Some(SourceRef { file, line, text, .. }) = step.place().source {
            let is_new = self.line.as_ref() != Some(&(file.clone(), line));
            match text.trim() {
                _ if !is_new => {}
                "" => writeln!(output, "; {file}:{line}")?,
                text => writeln!(output, "; {text}")?,
            }
            self.line = Some((file, line));
        }
        let indent = "  ".repeat(step.depth().saturating_sub(1));
        match step.insn() {
            Some(insn) => writeln!(output, "{:>6}: {indent}{insn}", step.slot()),
            None => writeln!(output, "{:>6}: {indent}?", step.slot()),
        }
    }
}

impl Observer for Watch<'_> {
    fn step(&mut self, step: &Observed<'_>) -> Control {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.step(step);
        }
        match self.print(step) {
            Ok(()) => Control::Continue,
            Err(error) => {
                self.failed = Some(error);
                Control::Stop
            }
        }
    }
}
