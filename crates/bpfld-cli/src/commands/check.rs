//! `bpfld check`: would these objects load on another kernel? Nothing is asked of the one that runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bpfld::{Check, Checked, Fit, Loader, OtherKernel, Subject};
use bpfld_features::{Config, Record};
use comfy_table::{Cell, Color};
use serde::Serialize;

use crate::commands::btf::Source;
use crate::commands::features;
use crate::commands::inspect::open;
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Tell whether objects would load on another kernel, from a record of what it can do; nothing is loaded
///
/// A record is what `bpfld features --output json` prints there. With the kernel's types (its /sys/kernel/btf/vmlinux, and the files
/// beside it for modules), CO-RE relocations, kernel functions and what programs attach to are looked up too. Code that constants make unreachable needs
/// nothing. What only the verifier can tell is not known: "fits" says that nothing is missing.
///
/// Exit status 1 if an object would be refused.
#[derive(clap::Args)]
#[command(override_usage = "bpfld check [OPTIONS] <FILE>... --kernel <RECORD>...")]
pub(crate) struct Args {
    /// Compiled BPF objects
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The record of a kernel; several for several kernels
    #[arg(long, required = true, num_args = 1.., value_name = "RECORD")]
    kernel: Vec<PathBuf>,
    /// The types of that kernel, then those of its modules that count, by the names of their files (one kernel only)
    #[arg(long, num_args = 1.., value_name = "SOURCE")]
    btf: Vec<Source>,
    /// Its configuration, for programs that ask for values of it; what the record has of it if not given (one kernel only)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tables for people; or one JSON object for each program and map, then one for each file, on each kernel
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Hold everything against everything and tell how that went.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    if args.kernel.len() > 1 && (!args.btf.is_empty() || args.config.is_some()) {
        let message = "types and configuration are those of one kernel";
        return Err(crate::exit::Usage(message.to_owned()).into());
    }
    let kernels: Vec<(String, OtherKernel)> = args
        .kernel
        .iter()
        .map(|path| kernel(path, args))
        .collect::<Result<_>>()?;
    let mut status = ExitStatus::Ok;
    for path in &args.files {
        let object = open(path)?;
        for (name, kernel) in &kernels {
            let check = Loader::new().check(&object, kernel)?;
            if check.fit() == Fit::Refused {
                status = ExitStatus::Negative;
            }
            match args.output {
                Format::Json => json(path, name, &check, output)?,
                Format::Text => text(path, name, &check, output)?,
            }
        }
    }
    Ok(status)
}

/// A kernel and its name, from the record.
fn kernel(path: &Path, args: &Args) -> Result<(String, OtherKernel)> {
    let record: Record = features::load(path)?;
    let mut kernel = OtherKernel::new(record.probes());
    if let Some(release) = record.release() {
        kernel = kernel.release(release);
    }
    if let Some(kfuncs) = record.kfuncs() {
        kernel = kernel.kfuncs(kfuncs);
    }
    let config = match &args.config {
        Some(path) => Some(Config::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => record.config(),
    };
    if let Some(config) = config {
        kernel = kernel.config(config);
    }
    if let Some((vmlinux, modules)) = args.btf.split_first() {
        let vmlinux = vmlinux.read(None)?;
        for module in modules {
            let btf = module.read(Some(Arc::clone(&vmlinux)))?;
            kernel = kernel.module(module.module_name(), btf);
        }
        kernel = kernel.btf(vmlinux);
    }
    let name = record
        .kernel
        .release
        .unwrap_or_else(|| path.display().to_string());
    Ok((name, kernel))
}

/// A program or map on a kernel; its JSON form.
#[derive(Serialize)]
struct Row<'a> {
    kind: &'static str,
    object: String,
    kernel: &'a str,
    name: &'a str,
    selected: bool,
    fit: String,
    findings: Vec<FindingRow<'a>>,
}

/// What speaks against it.
#[derive(Serialize)]
struct FindingRow<'a> {
    stage: String,
    fit: String,
    feature: Option<String>,
    reason: &'a str,
}

/// An object on a kernel; its JSON form.
#[derive(Serialize)]
struct ObjectRow<'a> {
    kind: &'static str,
    object: String,
    kernel: &'a str,
    fit: String,
    adaptations: Vec<String>,
}

fn json(path: &Path, kernel: &str, check: &Check, output: &mut Output) -> Result<()> {
    for checked in check.programs.iter().chain(&check.maps) {
        let (kind, name) = names(checked);
        output.json(&Row {
            kind,
            object: path.display().to_string(),
            kernel,
            name,
            selected: checked.selected,
            fit: checked.fit().to_string(),
            findings: checked
                .findings
                .iter()
                .map(|finding| FindingRow {
                    stage: finding.stage.to_string(),
                    fit: finding.fit.to_string(),
                    feature: finding.feature.map(|feature| feature.name()),
                    reason: &finding.reason,
                })
                .collect(),
        })?;
    }
    output.json(&ObjectRow {
        kind: "object",
        object: path.display().to_string(),
        kernel,
        fit: check.fit().to_string(),
        adaptations: check.adaptations.iter().map(ToString::to_string).collect(),
    })?;
    Ok(())
}

fn names(checked: &Checked) -> (&'static str, &str) {
    match &checked.subject {
        Subject::Map(name) => ("map", name),
        Subject::Program(name) => ("program", name),
        _ => ("object", ""),
    }
}

fn text(path: &Path, kernel: &str, check: &Check, output: &mut Output) -> Result<()> {
    let mut rows = Vec::new();
    // Maps only where something is to be said.
    let maps = check.maps.iter().filter(|map| !map.findings.is_empty());
    for checked in check.programs.iter().chain(maps) {
        let (kind, name) = names(checked);
        let label = if kind == "map" {
            format!("map {name}")
        } else {
            name.to_owned()
        };
        let first = checked.findings.first();
        rows.push(vec![Cell::new(label), mark(checked.fit()), words(first)]);
        let rest = checked.findings.iter().skip(1);
        rows.extend(rest.map(|finding| vec![Cell::new(""), Cell::new(""), words(Some(finding))]));
    }
    let title = format!("{} on {kernel}", path.display());
    output.table(&[&title, "", "why"], &[], rows)?;
    let verdict = match check.fit() {
        Fit::Fits => "nothing is missing",
        Fit::Unknown => "not all is known",
        Fit::Refused => "it would be refused",
    };
    writeln!(output, "as a whole: {verdict}")?;
    if !check.adaptations.is_empty() {
        writeln!(output, "what the loader does for it:")?;
    }
    for adaptation in &check.adaptations {
        writeln!(output, "  {adaptation}")?;
    }
    writeln!(output)?;
    Ok(())
}

/// A reason; when it is no load that it speaks against, it says so.
fn words(finding: Option<&bpfld::Finding>) -> Cell {
    Cell::new(finding.map_or_else(String::new, |finding| match finding.stage {
        bpfld::Stage::Attach => format!("when attached: {}", finding.reason),
        _ => finding.reason.to_string(),
    }))
}

fn mark(fit: Fit) -> Cell {
    let cell = Cell::new(fit);
    match fit {
        Fit::Fits => cell.fg(Color::Green),
        Fit::Unknown => cell.fg(Color::Yellow),
        Fit::Refused => cell.fg(Color::Red),
    }
}
