//! `bpfld run`: run one program on given input, in the kernel or in the userspace machine, and show what it leaves in its
//! maps.

mod kernel;
mod pcap;
mod vm;
mod watch;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bpfld_object::Object;
use serde::Serialize;

use super::inspect;
use crate::bytes::{dump, hex};
use crate::contents::{MapContents, Raw};
use crate::exit::{ExitStatus, Usage};
use crate::input;
use crate::output::{Format, Output};

/// Run a program of an object, and show what it returns and what is in its maps afterwards
///
/// In the kernel the object is loaded, nothing is attached, and all of it is gone afterwards; programs of the object that do
/// not load are left out. The userspace machine needs no rights.
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
    /// Where to run it; without this in the kernel, or where that is not permitted in the userspace machine
    #[arg(long, value_enum)]
    on: Option<Engine>,
    /// Print every instruction with the registers that changed; in the userspace machine
    #[arg(long)]
    trace: bool,
    /// Write which lines of the source were run how often, in the format of lcov; in the userspace machine
    #[arg(long, value_name = "OUT")]
    coverage: Option<PathBuf>,
    /// Print which functions, lines and instructions were run most, twenty of each; in the userspace machine
    #[arg(long)]
    profile: bool,
    /// Run it on each packet of a capture (pcap or pcapng) of Ethernet, one after the other; in the userspace machine
    #[arg(long, value_name = "IN", conflicts_with_all = ["data", "repeat"])]
    pcap: Option<PathBuf>,
    /// Write the packets as it left them as a capture
    #[arg(long, value_name = "OUT", requires = "pcap")]
    pcap_out: Option<PathBuf>,
    /// How often to run it; the time is the average
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// What runs programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Engine {
    /// The running kernel
    Kernel,
    /// The machine in this process
    Vm,
}

/// What came of a run, from whichever engine.
struct Ran {
    return_value: u32,
    duration: Duration,
    data: Vec<u8>,
    context: Vec<u8>,
    /// What came of each packet of a capture.
    packets: Vec<Verdict>,
    maps: Vec<Raw>,
}

/// What came of one packet of a capture.
struct Verdict {
    return_value: u32,
    data: Vec<u8>,
}

/// What came of the run; its JSON form.
#[derive(Serialize)]
struct Report {
    /// Of this form of JSON.
    version: u32,
    object: String,
    program: String,
    /// Where it ran.
    on: Engine,
    return_value: u32,
    /// Of one run, on average.
    duration_ns: u128,
    repeat: u32,
    /// The packet afterwards, in hexadecimal.
    data_out: String,
    /// The context afterwards, in hexadecimal.
    context_out: String,
    /// For each packet of a capture, what the program returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packets: Vec<u32>,
    maps: Vec<MapContents>,
}

/// Load, run, and print.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let object = inspect::open(&args.file)?;
    let data = args.data.as_deref().map(input::read).transpose()?;
    check_name(&object, &args.program)?;
    let (on, ran) = choose(args, &object, data.as_deref(), output)?;
    if let Some(path) = &args.pcap_out {
        let packets = ran.packets.iter().map(|packet| &*packet.data);
        pcap::write(path, packets).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let report = Report {
        version: 1,
        object: args.file.display().to_string(),
        program: args.program.clone(),
        on,
        return_value: ran.return_value,
        duration_ns: ran.duration.as_nanos(),
        repeat: args.repeat,
        data_out: hex(&ran.data),
        context_out: hex(&ran.context),
        packets: ran.packets.iter().map(|packet| packet.return_value).collect(),
        maps: ran
            .maps
            .into_iter()
            .map(|raw| MapContents::new(&object, raw))
            .collect(),
    };
    match args.output {
        Format::Json => output.json(&report)?,
        Format::Text => print(&report, &ran.data, &ran.context, output)?,
    }
    Ok(ExitStatus::Ok)
}

/// Run it where it is to be run, or can be.
fn choose(args: &Args, object: &Object, data: Option<&[u8]>, output: &mut Output) -> Result<(Engine, Ran)> {
    let needs_vm = args.trace || args.profile || args.coverage.is_some() || args.pcap.is_some();
    if needs_vm && args.on == Some(Engine::Kernel) {
        let message = "--trace, --profile, --coverage and --pcap are for the userspace machine";
        return Err(Usage(message.to_owned()).into());
    }
    if (args.trace || args.profile) && args.output == Format::Json {
        return Err(Usage("--trace and --profile are for text".to_owned()).into());
    }
    let mut in_vm = || vm::run(args, object, data, output).map(|ran| (Engine::Vm, ran));
    if needs_vm || args.on == Some(Engine::Vm) {
        return in_vm();
    }
    match kernel::run(object, &args.program, data, args.repeat) {
        Err(error) if args.on.is_none() && ExitStatus::of(&error) == ExitStatus::NotPermitted => in_vm(),
        ran => Ok((Engine::Kernel, ran?)),
    }
}

/// The program must be in the object.
pub(super) fn check_name(object: &Object, program: &str) -> Result<()> {
    if object.program(program).is_some() {
        return Ok(());
    }
    Err(missing(object.name(), program, object).into())
}

/// That a program is not in the object, but others are.
pub(super) fn missing(file: &str, program: &str, object: &Object) -> Usage {
    let names: Vec<&str> = object.programs().iter().map(|program| &*program.name).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    Usage(format!("{file} has no program '{program}'; it has {names}"))
}

fn print(report: &Report, data: &[u8], context: &[u8], output: &mut Output) -> io::Result<()> {
    let Report {
        on,
        return_value,
        duration_ns,
        repeat,
        packets,
        maps,
        ..
    } = report;
    if *on == Engine::Vm {
        writeln!(output, "ran in        the userspace machine")?;
    }
    if !packets.is_empty() {
        return print_packets(report, output);
    }
    writeln!(output, "return value  {return_value}")?;
    match repeat {
        1 => writeln!(output, "time          {duration_ns} ns")?,
        _ => writeln!(
            output,
            "time          {duration_ns} ns on average of {repeat} runs"
        )?,
    }
    for (title, bytes) in [("data", data), ("context", context)] {
        if !bytes.is_empty() {
            writeln!(output, "\n{title} afterwards, {} bytes", bytes.len())?;
            write!(output, "{}", dump(bytes))?;
        }
    }
    maps.iter().try_for_each(|map| map.print(output))
}

/// What came of a capture: how often each value was returned.
fn print_packets(report: &Report, output: &mut Output) -> io::Result<()> {
    let mut counts = BTreeMap::new();
    for value in &report.packets {
        *counts.entry(value).or_insert(0u64) += 1;
    }
    writeln!(output, "packets       {}", report.packets.len())?;
    writeln!(output, "time          {} ns on average", report.duration_ns)?;
    for (value, count) in counts {
        writeln!(output, "returned      {value}: {count} times")?;
    }
    report.maps.iter().try_for_each(|map| map.print(output))
}
