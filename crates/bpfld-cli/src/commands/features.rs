//! `bpfld features`: what this kernel can do, and what this process may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bpfld_features::{Answer, Capability, Feature, Group, Kfuncs, Record, Release};
use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Tell what the running kernel can do with BPF, and what this process may
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Text for people, or one JSON object, which can be kept and loaded again
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// Tell what a record says (made with --output json) instead of asking the running kernel
    #[arg(long, value_name = "FILE", conflicts_with = "diff")]
    from: Option<PathBuf>,
    /// Tell how two records differ
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    diff: Option<Vec<PathBuf>>,
    /// List in text, too, which helpers each type of program may call
    #[arg(long)]
    helpers: bool,
    /// Ask as well which kernel functions programs may call
    #[arg(long, conflicts_with_all = ["from", "diff"])]
    kfuncs: bool,
}

/// Ask the kernel, or look into records, and print the answers.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    if let Some([a, b]) = args.diff.as_deref() {
        let changes = Changes::between(&load(a)?, &load(b)?);
        match args.output {
            Format::Json => output.json(&changes)?,
            Format::Text => changes.print(output)?,
        }
        return Ok(ExitStatus::Ok);
    }
    let mut record = match &args.from {
        Some(path) => load(path)?,
        None => {
            raise_memlock();
            Record::of_running_kernel()
        }
    };
    if args.kfuncs {
        record.set_kfuncs(&Kfuncs::of_running_kernel()?);
    }
    match args.output {
        Format::Json => output.json(&record)?,
        Format::Text => print(&record, args.helpers, output)?,
    }
    Ok(ExitStatus::Ok)
}

/// Kernels before 5.11 count all maps and programs against the limit of locked memory of this process. Without the right to raise it some
/// answers stay unknown, and say so.
fn raise_memlock() {
    if Release::current().is_some_and(|release| release < Release::new(5, 11)) {
        let _ = bpfld_sys::rlimit::raise_memlock();
    }
}

/// The record in a file.
pub(crate) fn load(path: &Path) -> Result<Record> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "not a record of features: no text");
    let json = String::from_utf8(bytes).map_err(no_text);
    let json = json.with_context(|| path.display().to_string())?;
    Record::from_json(&json).with_context(|| path.display().to_string())
}

fn print(record: &Record, helpers: bool, output: &mut Output) -> io::Result<()> {
    let facts = facts(record)
        .into_iter()
        .map(|(name, value)| vec![Cell::new(name), Cell::new(value)]);
    output.table(&["system", ""], &[], facts.collect())?;
    let answers: BTreeMap<&str, _> = record
        .features
        .iter()
        .map(|row| (row.name.as_str(), row))
        .collect();
    for group in Group::ALL.iter().filter(|group| **group != Group::Helpers) {
        let rows = group.features().into_iter().filter_map(|feature| {
            let row = answers.get(feature.name().as_str())?;
            let answer = row.plain_answer()?;
            let name = row
                .name
                .split_once(':')
                .map_or(row.name.as_str(), |(_, name)| name);
            let since = row.since.as_deref().unwrap_or("");
            let why = answer.evidence().map(|e| e.to_string()).unwrap_or_default();
            Some(vec![
                Cell::new(name),
                mark(&answer),
                Cell::new(since),
                Cell::new(why),
            ])
        });
        writeln!(output)?;
        output.table(&[group.title(), "here", "since", "why"], &[], rows.collect())?;
    }
    print_helpers(record, helpers, output)?;
    let Some(kfuncs) = &record.kfuncs else {
        return Ok(());
    };
    let rows = kfuncs
        .iter()
        .map(|(name, callers)| vec![Cell::new(name), Cell::new(callers.join(", "))]);
    writeln!(output)?;
    output.table(&["kernel function", "may be called by"], &[], rows.collect())
}

/// How many helpers each type of program may call, or which.
fn print_helpers(record: &Record, list: bool, output: &mut Output) -> io::Result<()> {
    let none = BTreeSet::new();
    let every = record.helpers.get("every").unwrap_or(&none);
    let words = |names: &BTreeSet<String>| match list {
        true => names.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        false => String::new(),
    };
    let mut rows = vec![vec![
        Cell::new("every type below"),
        Cell::new(every.len()),
        Cell::new(words(every)),
    ]];
    for (program, names) in record.helpers.iter().filter(|(program, _)| *program != "every") {
        rows.push(vec![
            Cell::new(program),
            Cell::new(every.len() + names.len()),
            Cell::new(words(names)),
        ]);
    }
    for (program, why) in &record.helpers_unknown {
        rows.push(vec![
            Cell::new(program),
            Cell::new("unknown").fg(Color::Yellow),
            Cell::new(why),
        ]);
    }
    writeln!(output)?;
    output.table(&["helpers of programs", "number", ""], &[1], rows)
}

fn facts(record: &Record) -> Vec<(&str, String)> {
    let (kernel, system) = (&record.kernel, &record.system);
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "unknown".to_owned());
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let mut facts = vec![
        ("kernel", word(&kernel.release)),
        ("name", word(&kernel.name)),
        ("machine", word(&kernel.machine)),
        (
            "configuration",
            record
                .config_source
                .clone()
                .unwrap_or_else(|| "not readable".to_owned()),
        ),
        ("capabilities", capabilities(record)),
        ("without capabilities", word(&system.unprivileged)),
        ("compiler (JIT)", word(&system.jit)),
        ("JIT hardening", number(system.jit_harden)),
        ("JIT limit", number(system.jit_limit)),
        (
            "lockdown",
            match (&system.lockdown, &system.lockdown_source) {
                (Some(level), Some(source)) => format!("{level} ({source})"),
                _ => "unknown".to_owned(),
            },
        ),
        (
            "security modules",
            system
                .lsm
                .as_ref()
                .map_or_else(|| "unknown".to_owned(), |names| names.join(", ")),
        ),
    ];
    let mounts = record.mounts.iter();
    facts.extend(mounts.map(|(kind, path)| {
        (
            kind.as_str(),
            path.clone().unwrap_or_else(|| "not mounted".to_owned()),
        )
    }));
    facts
}

/// The capabilities that matter for BPF.
fn capabilities(record: &Record) -> String {
    let Some(names) = &record.process.capabilities else {
        return "unknown".into();
    };
    let matter = [
        Capability::BPF,
        Capability::PERFMON,
        Capability::NET_ADMIN,
        Capability::SYS_ADMIN,
        Capability::SYS_RESOURCE,
    ];
    let (have, lack): (Vec<String>, Vec<String>) = matter
        .iter()
        .map(|c| c.to_string())
        .partition(|name| names.contains(name));
    let mut text = if have.is_empty() {
        "none that BPF asks for".to_owned()
    } else {
        have.join(", ")
    };
    if !lack.is_empty() {
        text += &format!("; not {}", lack.join(", "));
    }
    if record.process.initial_user_namespace == Some(false) {
        text += "; in a user namespace, where they do not count";
    }
    text
}

fn mark(answer: &Answer) -> Cell {
    let cell = Cell::new(answer.word());
    match answer {
        Answer::Yes => cell.fg(Color::Green),
        Answer::No(_) => cell.fg(Color::Red),
        Answer::Unknown(_) => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
    }
}

/// How two records differ; its JSON form.
#[derive(Serialize)]
struct Changes {
    /// Of this form of JSON.
    version: u32,
    /// The releases of the two kernels.
    kernels: [Option<String>; 2],
    features: Vec<Change>,
}

/// A feature with two answers.
#[derive(Serialize)]
struct Change {
    name: String,
    answers: [&'static str; 2],
    since: Option<String>,
    #[serde(skip)]
    plain: [Answer; 2],
}

impl Changes {
    fn between(a: &Record, b: &Record) -> Changes {
        let probes = [a.probes(), b.probes()];
        let features = Group::ALL.iter().flat_map(|group| group.features());
        let change = |feature: Feature| {
            let plain = [probes[0].probe(feature), probes[1].probe(feature)];
            let answers = [plain[0].word(), plain[1].word()];
            (answers[0] != answers[1]).then(|| Change {
                name: feature.name(),
                answers,
                since: feature.since().map(|release| release.to_string()),
                plain,
            })
        };
        Changes {
            version: 1,
            kernels: [a.kernel.release.clone(), b.kernel.release.clone()],
            features: features.filter_map(change).collect(),
        }
    }

    fn print(&self, output: &mut Output) -> io::Result<()> {
        let rows = self.features.iter().map(|change| {
            let Change {
                name,
                answers: _,
                since,
                plain: [a, b],
            } = change;
            vec![
                Cell::new(name),
                mark(a),
                mark(b),
                Cell::new(since.as_deref().unwrap_or_default()),
            ]
        });
        let [a, b] = self
            .kernels
            .each_ref()
            .map(|release| release.as_deref().unwrap_or("unknown"));
        output.table(&["feature", a, b, "since"], &[], rows.collect())
    }
}
