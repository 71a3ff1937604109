//! `bpfld run`: run one program in the kernel on given input, and show what it leaves in its maps.

mod contents;
mod input;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use bpfld::{Loader, Program, TestRunResult};
use bpfld_object::{Object, Pinning};
use serde::Serialize;

use self::contents::MapContents;
use super::inspect;
use crate::bytes::{dump, hex};
use crate::exit::{ExitStatus, Usage};
use crate::output::{Format, Output};

/// Run a program of an object in the kernel, and show what it returns and what is in its maps afterwards
///
/// The object is loaded, nothing is attached, and all of it is gone afterwards. Programs of the object that do not load
/// are left out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A compiled BPF object
    file: PathBuf,
    /// The name of the program's function
    program: String,
    /// What the program gets: a file, or bytes in hexadecimal such as `450000…`. A packet for programs that take packets
    /// (without this one of 64 zeros), else the context
    #[arg(long, value_name = "FILE|HEX")]
    data: Option<String>,
    /// How often to run it; the time is the average
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// What came of the run; its JSON form.
#[derive(Serialize)]
struct Report {
    /// Of this form of JSON.
    version: u32,
    object: String,
    program: String,
    return_value: u32,
    /// Of one run, on average.
    duration_ns: u128,
    repeat: u32,
    /// The packet afterwards, in hexadecimal.
    data_out: String,
    /// The context afterwards, in hexadecimal.
    context_out: String,
    maps: Vec<MapContents>,
}

/// Load, run, and print.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let object = inspect::open(&args.file)?;
    let data = args.data.as_deref().map(input::read).transpose()?;
    let loaded = load(&object, &args.program)?;
    let program = loaded.program(&args.program)?;
    let result = test_run(program, data, args.repeat)?;
    let report = Report {
        version: 1,
        object: args.file.display().to_string(),
        program: args.program.clone(),
        return_value: result.return_value,
        duration_ns: result.duration.as_nanos(),
        repeat: args.repeat,
        data_out: hex(&result.data),
        context_out: hex(&result.context),
        maps: loaded.maps().map(|map| MapContents::read(&object, map)).collect(),
    };
    match args.output {
        Format::Json => output.json(&report)?,
        Format::Text => print(&report, &result, output)?,
    }
    Ok(ExitStatus::Ok)
}

/// Load the object without pinning anything. Only the program asked for must load.
fn load(object: &Object, program: &str) -> Result<bpfld::Loaded> {
    if object.program(program).is_none() {
        let names: Vec<&str> = object.programs().iter().map(|program| &*program.name).collect();
        let message = format!(
            "{} has no program '{program}'; it has {}",
            object.name(),
            names.join(", ")
        );
        return Err(Usage(message).into());
    }
    let mut loader = Loader::new();
    for map in object.maps().iter().filter(|map| map.pinning != Pinning::None) {
        loader.map(&*map.name).no_pin();
    }
    let mut partial = loader.autoload(program, true).load_partial(object)?;
    match partial.failed.iter().position(|(name, _)| name == program) {
        Some(at) => Err(partial.failed.swap_remove(at).1.into()),
        None => Ok(partial.loaded),
    }
}

fn test_run(program: &Program, data: Option<Vec<u8>>, repeat: u32) -> Result<TestRunResult> {
    let kind = program.program_type();
    let run = program.test_run();
    let run = if repeat > 1 { run.repeat(repeat) } else { run };
    let result = match (input::Takes::of(kind), &data) {
        (input::Takes::Packet, Some(data)) => run.data(data).run(),
        (input::Takes::Packet, None) => run.data(&[0; 64]).run(),
        (input::Takes::Context, Some(data)) => run.context(&data[..]).run(),
        (input::Takes::Context, None) => run.run(),
    };
    result.with_context(|| format!("cannot run a program of type {kind}"))
}

fn print(report: &Report, result: &TestRunResult, output: &mut Output) -> io::Result<()> {
    let Report {
        return_value,
        duration_ns,
        repeat,
        maps,
        ..
    } = report;
    writeln!(output, "return value  {return_value}")?;
    match repeat {
        1 => writeln!(output, "time          {duration_ns} ns")?,
        _ => writeln!(
            output,
            "time          {duration_ns} ns on average of {repeat} runs"
        )?,
    }
    for (title, bytes) in [("data", &result.data), ("context", &result.context)] {
        if !bytes.is_empty() {
            writeln!(output, "\n{title} afterwards, {} bytes", bytes.len())?;
            write!(output, "{}", dump(bytes))?;
        }
    }
    maps.iter().try_for_each(|map| map.print(output))
}
