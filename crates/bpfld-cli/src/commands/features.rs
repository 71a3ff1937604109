//! `bpfld features`: what this kernel can do, and what this process may.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use bpfld_features::{
    Answer, Capabilities, Capability, Feature, FsType, Mounts, Probes, Release, Settings,
    in_initial_user_namespace,
};
use bpfld_sys::{MapType, ProgramType};
use comfy_table::{Attribute, Cell, Color};
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Tell what the running kernel can do with BPF, and what this process may
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// What the command found out; its JSON form.
#[derive(Serialize)]
struct Report {
    /// Of this form of JSON.
    version: u32,
    kernel: Kernel,
    process: Process,
    system: System,
    /// File system type to mount point.
    mounts: BTreeMap<&'static str, Option<String>>,
    features: Vec<Row>,
}

#[derive(Serialize)]
struct Kernel {
    release: Option<String>,
    version_code: Option<u32>,
}

#[derive(Serialize)]
struct Process {
    capabilities: Option<Vec<String>>,
    initial_user_namespace: Option<bool>,
}

#[derive(Serialize)]
struct System {
    unprivileged: Option<&'static str>,
    jit: Option<&'static str>,
    jit_harden: Option<u64>,
    jit_kallsyms: Option<u64>,
    jit_limit: Option<u64>,
    lockdown: Option<&'static str>,
    lockdown_source: Option<&'static str>,
    lsm: Option<Vec<String>>,
    config: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    answer: &'static str,
    /// Name of the error behind a "no" or "unknown".
    errno: Option<String>,
    how: Option<String>,
    /// The first release that has it.
    since: Option<String>,
    #[serde(skip)]
    plain: Answer,
}

/// Ask the kernel and print what it says.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let report = Report::new();
    match args.output {
        Format::Json => output.json(&report)?,
        Format::Text => report.print(output)?,
    }
    Ok(ExitStatus::Ok)
}

impl Report {
    fn new() -> Report {
        let release = Release::current();
        let settings = Settings::current();
        let mounts = Mounts::current().unwrap_or_default();
        let probes = Probes::live();
        let plain = Feature::PLAIN.iter().copied();
        let maps = MapType::ALL
            .iter()
            .filter(|t| t.0 != 0)
            .map(|t| Feature::MapType(*t));
        let programs = ProgramType::ALL
            .iter()
            .filter(|t| t.0 != 0)
            .map(|t| Feature::ProgramType(*t));
        Report {
            version: 1,
            kernel: Kernel {
                release: release.map(|r| r.to_string()),
                version_code: release.map(Release::version_code),
            },
            process: Process {
                capabilities: Capabilities::effective()
                    .map(|set| set.iter().map(|c| c.to_string()).collect()),
                initial_user_namespace: in_initial_user_namespace(),
            },
            system: System {
                unprivileged: settings.unprivileged.map(|u| u.describe()),
                jit: settings.jit.map(|jit| jit.describe()),
                jit_harden: settings.jit_harden,
                jit_kallsyms: settings.jit_kallsyms,
                jit_limit: settings.jit_limit,
                lockdown: settings.lockdown.map(|(level, _)| level.name()),
                lockdown_source: settings.lockdown.map(|(_, source)| source),
                lsm: settings.lsm,
                config: bpfld_features::Config::current()
                    .and_then(|config| Some(config.path()?.display().to_string())),
            },
            mounts: FsType::ALL
                .into_iter()
                .map(|kind| {
                    (
                        kind.name(),
                        mounts.find(kind).map(|path| path.display().to_string()),
                    )
                })
                .collect(),
            features: plain
                .chain(maps)
                .chain(programs)
                .map(|feature| row(feature, &probes))
                .collect(),
        }
    }

    fn print(&self, output: &mut Output) -> io::Result<()> {
        let Report {
            version: _,
            kernel,
            process,
            system,
            mounts,
            features,
        } = self;
        let unknown = || "unknown".to_owned();
        let number = |n: Option<u64>| n.map_or_else(unknown, |n| n.to_string());
        let mut facts = vec![
            ("kernel", kernel.release.clone().unwrap_or_else(unknown)),
            (
                "configuration",
                system.config.clone().unwrap_or_else(|| "not readable".into()),
            ),
            ("capabilities", capabilities(process)),
            (
                "without capabilities",
                system.unprivileged.unwrap_or("unknown").to_owned(),
            ),
            ("compiler (JIT)", system.jit.unwrap_or("unknown").to_owned()),
            ("JIT hardening", number(system.jit_harden)),
            (
                "lockdown",
                match (system.lockdown, system.lockdown_source) {
                    (Some(level), Some(source)) => format!("{level} ({source})"),
                    _ => unknown(),
                },
            ),
            (
                "security modules",
                system.lsm.as_ref().map_or_else(unknown, |names| names.join(", ")),
            ),
        ];
        facts.extend(
            mounts
                .iter()
                .map(|(kind, path)| (*kind, path.clone().unwrap_or_else(|| "not mounted".into()))),
        );
        let rows = facts
            .into_iter()
            .map(|(name, value)| vec![Cell::new(name), Cell::new(value)])
            .collect();
        output.table(&["system", ""], &[], rows)?;
        let groups = [
            ("feature", None),
            ("map type", Some("map_type:")),
            ("program type", Some("program_type:")),
        ];
        for (title, prefix) in groups {
            let rows = features.iter().filter_map(|row| {
                let name = match prefix {
                    Some(prefix) => row.name.strip_prefix(prefix)?,
                    None if row.name.contains(':') => return None,
                    None => &row.name,
                };
                let since = row.since.as_deref().unwrap_or("");
                Some(vec![
                    Cell::new(name),
                    answer(&row.plain),
                    Cell::new(since),
                    Cell::new(evidence(row)),
                ])
            });
            writeln!(output)?;
            output.table(&[title, "here", "since", "why"], &[], rows.collect())?;
        }
        Ok(())
    }
}

fn row(feature: Feature, probes: &Probes) -> Row {
    let plain = probes.probe(feature);
    let evidence = plain.evidence();
    Row {
        name: feature.name(),
        answer: plain.word(),
        errno: evidence.and_then(|e| e.errno).map(|errno| errno.to_string()),
        how: evidence.map(|e| e.how.to_string()),
        since: feature.since().map(|release| release.to_string()),
        plain,
    }
}

/// The capabilities that matter for BPF.
fn capabilities(process: &Process) -> String {
    let Some(names) = &process.capabilities else {
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
    if process.initial_user_namespace == Some(false) {
        text += "; in a user namespace, where they do not count";
    }
    text
}

fn answer(answer: &Answer) -> Cell {
    let cell = Cell::new(answer.word());
    match answer {
        Answer::Yes => cell.fg(Color::Green),
        Answer::No(_) => cell.fg(Color::Red),
        Answer::Unknown(_) => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
    }
}

fn evidence(row: &Row) -> String {
    row.plain.evidence().map(|e| e.to_string()).unwrap_or_default()
}
