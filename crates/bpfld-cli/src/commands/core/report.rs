//! What a kernel's types answer to a program's relocations, in rows.

use std::fmt;

use anyhow::{Context, Result};
use bpfld_object::{CoreOutcome, CoreReport, Object, Program};
use serde::Serialize;

use super::Kernel;

/// A program on a kernel.
#[derive(Debug, Serialize)]
pub(super) struct ProgramRow {
    object: String,
    program: String,
    kernel: String,
    relocations: usize,
    /// How many ask for what this kernel lacks: the instruction must not be reached.
    pub(super) missing: usize,
    /// How many have no answer at all: the program cannot be loaded.
    failed: usize,
}

impl ProgramRow {
    /// Whether the program cannot be loaded.
    pub(super) fn is_failure(&self) -> bool {
        self.failed > 0
    }

    /// The entry of the matrix.
    pub(super) fn cell(&self) -> String {
        let Self {
            relocations,
            missing,
            failed,
            ..
        } = self;
        match (relocations, missing, failed) {
            (0, ..) => "-".to_owned(),
            (_, 0, 0) => "ok".to_owned(),
            (_, missing, 0) => format!("{missing} of {relocations} missing"),
            (_, _, failed) => format!("{failed} of {relocations} fail"),
        }
    }
}

/// How a relocation came out.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The instruction has its new value.
    Resolved,
    /// This kernel lacks what is asked for; the instruction is poisoned.
    Missing,
    /// There is no answer, or it does not fit the instruction.
    Failed,
}

/// A relocation on a kernel.
#[derive(Debug, Serialize)]
pub(super) struct RelocationRow {
    object: String,
    pub(super) program: String,
    pub(super) instruction: u32,
    pub(super) kernel: String,
    pub(super) kind: String,
    /// What is asked, in the object's terms.
    pub(super) local: Option<String>,
    /// Types of the right name and kind.
    candidates: Vec<String>,
    /// The same in the kernel's terms.
    target: Option<String>,
    /// Where that is: vmlinux or a module.
    origin: Option<String>,
    pub(super) answer: Answer,
    old: Option<u64>,
    new: Option<u64>,
    /// Why there is no good answer.
    pub(super) reason: Option<String>,
}

/// Links a program and relocates it for a kernel.
pub(super) fn program(
    file: &str,
    object: &Object,
    program: &Program,
    kernel: &Kernel,
) -> Result<(ProgramRow, Vec<RelocationRow>)> {
    let mut linked = object
        .link(program)
        .with_context(|| format!("{file}: {}", program.name))?;
    let reports = linked.apply_core(object, &kernel.targets);
    let rows: Vec<RelocationRow> = reports
        .iter()
        .map(|report| RelocationRow::new(file, program, kernel, report))
        .collect();
    let count = |answer| rows.iter().filter(|row| row.answer == answer).count();
    let row = ProgramRow {
        object: file.to_owned(),
        program: program.name.to_string(),
        kernel: kernel.name.clone(),
        relocations: rows.len(),
        missing: count(Answer::Missing),
        failed: count(Answer::Failed),
    };
    Ok((row, rows))
}

impl RelocationRow {
    fn new(file: &str, program: &Program, kernel: &Kernel, report: &CoreReport<'_>) -> Self {
        let resolution = report.resolution.as_ref();
        let (answer, old, new, reason) = match &report.outcome {
            CoreOutcome::Patched { from, to } => (Answer::Resolved, Some(*from), Some(*to), None),
            CoreOutcome::Poisoned(poison) => (Answer::Missing, None, None, Some(poison.to_string())),
            CoreOutcome::PoisonedWidth { local, target } => {
                let reason = format!("the field has {target} bytes here and {local} in the object");
                (Answer::Missing, None, None, Some(reason))
            }
            CoreOutcome::Unresolved(error) => (Answer::Failed, None, None, Some(error.to_string())),
            CoreOutcome::Unfit(unfit) => (Answer::Failed, None, None, Some(unfit.to_string())),
            _ => (Answer::Failed, None, None, Some(report.to_string())),
        };
        let candidates = resolution
            .map(|resolution| &*resolution.candidates)
            .unwrap_or_default();
        let candidate = |candidate: &bpfld_btf::Candidate<'_>| {
            let name = candidate.btf.type_name(candidate.id);
            let origin = candidate
                .module
                .map(|module| format!(" in {module}"))
                .unwrap_or_default();
            format!("[{}] {name}{origin}", candidate.id)
        };
        let chosen = resolution.and_then(|resolution| resolution.chosen);
        Self {
            object: file.to_owned(),
            program: program.name.to_string(),
            instruction: report.at,
            kernel: kernel.name.clone(),
            kind: report.record.kind.to_string(),
            local: resolution.map(|resolution| resolution.local.to_string()),
            candidates: candidates.iter().map(candidate).collect(),
            target: resolution
                .and_then(|resolution| resolution.target.as_ref())
                .map(ToString::to_string),
            origin: chosen.map(|chosen| chosen.module.unwrap_or("vmlinux").to_owned()),
            answer,
            old: old.or(resolution.map(|resolution| resolution.original)),
            new,
            reason,
        }
    }
}

/// The block of `--report`.
impl fmt::Display for RelocationRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            program,
            instruction,
            kernel,
            kind,
            local,
            candidates,
            target,
            origin,
            answer,
            old,
            new,
            reason,
        } = self;
        writeln!(
            f,
            "{object} {program} instruction {instruction} on {kernel}: {kind}"
        )?;
        writeln!(f, "  local       {}", local.as_deref().unwrap_or("?"))?;
        let none = "none".to_owned();
        for (number, candidate) in candidates
            .iter()
            .chain(candidates.is_empty().then_some(&none))
            .enumerate()
        {
            let label = if number == 0 { "candidates" } else { "" };
            writeln!(f, "  {label:<11} {candidate}")?;
        }
        match target {
            Some(target) => writeln!(
                f,
                "  target      {target} in {}",
                origin.as_deref().unwrap_or("?")
            )?,
            None => writeln!(f, "  target      none")?,
        }
        match (answer, old, new) {
            (Answer::Missing, Some(old), _) => write!(f, "  value       {old} becomes poison")?,
            (_, Some(old), Some(new)) => write!(f, "  value       {old} becomes {new}")?,
            _ => write!(f, "  value       stays")?,
        }
        match reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}
