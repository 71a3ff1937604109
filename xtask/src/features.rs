//! Holds the answers of `bpfld features` against those of `bpftool feature probe`, and their times.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::shell;

/// Where the two may differ, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "program_type:tracing",
        "bpftool asks for programs at the entry of functions, which a kernel may refuse to everybody: bpfld's fentry",
    ),
    (
        "isa:v4",
        "bpftool asks for the long jump alone, which the stable line of 6.1 has without the rest",
    ),
];

/// More than any type of program may call: who says so did not understand the verifier.
const ALL_HELPERS: usize = 200;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The other tool, of at least version 7.4: older ones do not understand what verifiers say since 6.10
    #[arg(long, default_value = "bpftool")]
    bpftool: PathBuf,
    /// Our command, if it is not to be built
    #[arg(long)]
    bpfld: Option<PathBuf>,
    /// How often each is run, in turn
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let bpfld = match &args.bpfld {
        Some(path) => path.clone(),
        None => {
            let mut build = Command::new("cargo");
            build.args(["build", "--release", "--quiet", "--package", "bpfld-cli"]);
            shell::run(build.current_dir(shell::root()))?;
            shell::root().join("target/release/bpfld")
        }
    };
    let (ours, _) = json(&bpfld, &["features", "--output", "json"])?;
    let (theirs, _) = json(&args.bpftool, &["-j", "feature", "probe", "full"])?;
    let mut unexplained = 0;
    let pairs = pairs(&ours, &theirs)?;
    for (name, ours, theirs) in pairs.iter().filter(|(_, ours, theirs)| ours != theirs) {
        let reason = REASONS.iter().find(|(known, _)| known == name);
        println!(
            "{name}: bpfld {ours}, bpftool {theirs}: {}",
            reason.map_or("NO REASON LISTED", |(_, reason)| reason)
        );
        unexplained += usize::from(reason.is_none());
    }
    println!(
        "{} answers compared, {unexplained} differ without a reason",
        pairs.len()
    );
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        our_times.push(json(&bpfld, &["features", "--output", "json"])?.1);
        their_times.push(json(&args.bpftool, &["-j", "feature", "probe", "full"])?.1);
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    println!(
        "full probe, whole processes in turn, median of {}: bpfld {:.0} ms, bpftool {:.0} ms, ratio {:.2}",
        args.runs,
        ours.as_secs_f64() * 1000.0,
        theirs.as_secs_f64() * 1000.0,
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    ensure!(unexplained == 0, "answers differ");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Runs a command that prints JSON, and times it.
fn json(program: &Path, arguments: &[&str]) -> Result<(Value, Duration)> {
    let start = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let time = start.elapsed();
    ensure!(
        output.status.success(),
        "{} failed: {}",
        program.display(),
        output.status
    );
    let value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} printed no JSON", program.display()))?;
    Ok((value, time))
}

/// Every question that both answer: its name, our answer and theirs.
fn pairs(ours: &Value, theirs: &Value) -> Result<Vec<(String, bool, bool)>> {
    let rows = ours["features"].as_array().context("no features")?;
    let our = |name: &str| {
        rows.iter()
            .find(|row| row["name"] == name)
            .map(|row| row["answer"] == "yes")
    };
    let mut pairs = Vec::new();
    let mut types = |section: &str, suffix: &str, prefix: &str| {
        for (key, answer) in theirs[section].as_object().into_iter().flatten() {
            let name = key
                .strip_prefix("have_")
                .and_then(|key| key.strip_suffix(suffix))
                .unwrap_or(key);
            let name = format!("{prefix}:{name}");
            if let (Some(ours), Some(theirs)) = (our(&name), answer.as_bool()) {
                pairs.push((name, ours, theirs));
            }
        }
    };
    types("program_types", "_prog_type", "program_type");
    types("map_types", "_map_type", "map_type");
    let misc = [
        ("have_large_insn_limit", "large_instruction_limit"),
        ("have_bounded_loops", "bounded_loops"),
        ("have_v2_isa_extension", "isa:v2"),
        ("have_v3_isa_extension", "isa:v3"),
        ("have_v4_isa_extension", "isa:v4"),
    ];
    for (key, name) in misc {
        if let (Some(ours), Some(theirs)) = (our(name), theirs["misc"][key].as_bool()) {
            pairs.push((name.to_owned(), ours, theirs));
        }
    }
    let names = |value: &Value| -> BTreeSet<String> {
        let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        names
            .map(|name| name.trim_start_matches("bpf_").to_owned())
            .collect()
    };
    let every = names(&ours["helpers"]["every"]);
    for (key, list) in theirs["helpers"].as_object().context("no helpers")? {
        let program = key.trim_end_matches("_available_helpers");
        let Some(own) = ours["helpers"].get(program) else {
            continue;
        };
        let (ours, theirs) = (&every | &names(own), names(list));
        if theirs.len() > ALL_HELPERS {
            bail!("this bpftool does not understand the verifier: {program} programs may call everything");
        }
        for helper in &ours | &theirs {
            let name = format!("helper:{program}:{helper}");
            pairs.push((name, ours.contains(&helper), theirs.contains(&helper)));
        }
    }
    Ok(pairs)
}
