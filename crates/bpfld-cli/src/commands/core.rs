//! `bpfld core`: do objects fit kernels? Asks their types alone; nothing is loaded.

mod report;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use bpfld::KernelBtf;
use bpfld_btf::{Module, Targets};
use comfy_table::Cell;

use self::report::{Answer, RelocationRow};
use crate::commands::btf::Source;
use crate::commands::inspect::open;
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Show whether the CO-RE relocations of objects can be resolved on kernels, without loading anything
///
/// Exit status 1 if something cannot be relocated: a question without an answer, or a field or type that a kernel lacks.
/// (Programs may ask first and guard what needs it; with --guarded, what is missing is taken to be guarded.)
#[derive(clap::Args)]
#[command(override_usage = "bpfld core [OPTIONS] <FILE>... [--btf <SOURCE>...]")]
pub(crate) struct Args {
    /// Compiled BPF objects
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A kernel's types: several for several kernels; the running one if not given
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    btf: Vec<Source>,
    /// Print each relocation: what the object asks, what may fit, what was chosen, and the numbers
    #[arg(long)]
    report: bool,
    /// Count what a kernel lacks as guarded by the program
    #[arg(long)]
    guarded: bool,
    /// A table for people; or one JSON object for each program and kernel, or with --report for each relocation
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// A kernel to hold programs against.
struct Kernel {
    name: String,
    targets: Targets,
}

/// Resolve everything on every kernel and tell how that went.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let kernels = kernels(&args.btf)?;
    let mut status = ExitStatus::Ok;
    for path in &args.files {
        let object = open(path)?;
        let file = path.display().to_string();
        let mut table = Vec::new();
        let mut rows: Vec<RelocationRow> = Vec::new();
        for program in object.programs() {
            let mut cells = vec![Cell::new(&program.name)];
            for kernel in &kernels {
                let (row, relocations) = report::program(&file, &object, program, kernel)?;
                if row.is_failure() || row.missing > 0 && !args.guarded {
                    status = ExitStatus::Negative;
                }
                cells.push(Cell::new(row.cell()));
                if args.output == Format::Json && !args.report {
                    output.json(&row)?;
                }
                rows.extend(relocations);
            }
            table.push(cells);
        }
        match (args.output, args.report) {
            (Format::Json, true) => rows.iter().try_for_each(|row| output.json(row))?,
            (Format::Json, false) => {}
            (Format::Text, true) => rows.iter().try_for_each(|row| writeln!(output, "{row}\n"))?,
            (Format::Text, false) => {
                let heading: Vec<&str> = std::iter::once(&*file)
                    .chain(kernels.iter().map(|kernel| &*kernel.name))
                    .collect();
                output.table(&heading, &[], table)?;
                reasons(&rows, output)?;
            }
        }
    }
    Ok(status)
}

/// The relocations without a good answer, each once, with the kernels that have none.
fn reasons(rows: &[RelocationRow], output: &mut Output) -> Result<()> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for row in rows.iter().filter(|row| row.answer != Answer::Resolved) {
        let text = format!(
            "{} instruction {}: {}: {}",
            row.program,
            row.instruction,
            row.local.as_deref().unwrap_or(&row.kind),
            row.reason.as_deref().unwrap_or("?")
        );
        match reasons.iter_mut().find(|(other, _)| *other == text) {
            Some((_, kernels)) => kernels.push(&row.kernel),
            None => reasons.push((text, vec![&row.kernel])),
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(output)?;
    for (text, kernels) in reasons {
        writeln!(output, "{text} ({})", kernels.join(", "))?;
    }
    Ok(())
}

/// The kernels that are asked for, by the names of their files.
fn kernels(sources: &[Source]) -> Result<Vec<Kernel>> {
    if sources.is_empty() {
        return Ok(vec![running()?]);
    }
    let kernel = |source: &Source| {
        let name = match source {
            Source::Kernel => return running(),
            Source::File(path) => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            other => other.to_string(),
        };
        let targets = Targets::new(source.read(None)?);
        Ok(Kernel { name, targets })
    };
    sources.iter().map(kernel).collect()
}

/// The running kernel, with its modules.
fn running() -> Result<Kernel> {
    let kernel = KernelBtf::shared()?;
    let modules = kernel.modules()?;
    let module = |module: &std::sync::Arc<bpfld::ModuleBtf>| Module {
        name: module.name().to_owned(),
        btf: module.btf().clone(),
    };
    let targets = Targets::new(kernel.vmlinux().clone());
    Ok(Kernel {
        name: "running".to_owned(),
        targets: targets.with_modules(move || modules.iter().map(module).collect()),
    })
}
