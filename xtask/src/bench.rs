//! Compares us with libbpf, aya and bare system calls, as ratios of one run.
//!
//! The machine is noisy, so every measurement is a process of its own, the implementations take turns, and the fastest of
//! several rounds counts.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use bpfld_btf::{Btf, Kind};

use crate::{page, shell};

mod btf;
mod machine;
mod maps;
mod xsk;

/// What the builds of libbpf and of the user of libxdp want, and what makes devices.
const PACKAGES: [&str; 7] = [
    "gcc",
    "iproute2",
    "libelf-dev",
    "libxdp-dev",
    "make",
    "pkg-config",
    "zlib1g-dev",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many processes each implementation gets for each question
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Put the table into docs/performance.md
    #[arg(long)]
    write: bool,
    /// Answer only these questions
    #[arg(value_name = "CASE")]
    only: Vec<String>,
}

/// One question.
struct Case {
    name: &'static str,
    question: &'static str,
    /// The first is the one that all others are divided by.
    implementations: &'static [&'static str],
    /// Whether the first call in a process is of interest.
    cold: bool,
}

const CASES: [Case; 8] = [
    Case {
        name: "open",
        question: "open the object",
        implementations: &["bpfld", "libbpf", "aya"],
        cold: false,
    },
    Case {
        name: "type",
        question: "kernel BTF until its last struct is found",
        implementations: &["bpfld", "libbpf", "aya"],
        cold: true,
    },
    Case {
        name: "types",
        question: "kernel BTF until 40 structs are found",
        implementations: &["bpfld", "libbpf", "aya"],
        cold: true,
    },
    Case {
        name: "load",
        question: "load the object, from its bytes until all is closed",
        implementations: &["bpfld", "bpfld-2", "libbpf", "aya"],
        cold: true,
    },
    Case {
        name: "decode",
        question: "decode 1,000 instructions",
        implementations: &["bpfld", "copy"],
        cold: false,
    },
    Case {
        name: "encode",
        question: "encode 1,000 instructions",
        implementations: &["bpfld", "copy"],
        cold: false,
    },
    Case {
        name: "print",
        question: "disassemble 1,000 instructions to text",
        implementations: &["bpfld", "rbpf"],
        cold: false,
    },
    Case {
        name: "assemble",
        question: "assemble 1,000 instructions",
        implementations: &["bpfld"],
        cold: false,
    },
];

/// The implementations and what the table calls them.
const COLUMNS: [(&str, &str); 14] = [
    ("bpfld", "bpfld"),
    ("bpfld-2", "bpfld, 2 threads"),
    ("libbpf", "libbpf"),
    ("aya", "aya"),
    ("btf", "the `btf` crate"),
    ("raw", "bare system call"),
    ("rbpf", "rbpf"),
    ("libxdp", "libxdp"),
    ("rbpf-jit", "rbpf, compiled, unchecked"),
    ("sbpf", "solana-sbpf"),
    ("sbpf-jit", "solana-sbpf, compiled"),
    ("kernel", "the kernel's test run"),
    ("copy", "bare copy of 8 bytes each"),
    ("memory", "plain memory"),
];

/// Fastest first call and fastest later call, in nanoseconds.
#[derive(Clone, Copy)]
struct Least {
    cold: u64,
    warm: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root();
    let program = build(&root)?;
    let last = last_struct()?;
    let mut rows = Vec::new();
    for case in CASES
        .iter()
        .chain(&btf::CASES)
        .chain(&xsk::CASES)
        .chain(&maps::CASES)
        .chain(&machine::CASES)
        .filter(|case| args.only.is_empty() || args.only.iter().any(|only| only == case.name))
    {
        println!("{}: {}", case.name, case.question);
        let results = measure(&program, case, &last, args.rounds)?;
        for row in table_rows(case, &results)? {
            println!("  {}", row.join("  "));
            rows.push(row);
        }
    }
    ensure!(!rows.is_empty(), "there is no such question");
    if args.write {
        write(&root, &rows)?;
    }
    Ok(())
}

/// Builds the program that measures, with what that needs.
fn build(root: &Path) -> Result<std::path::PathBuf> {
    let missing = PACKAGES.iter().any(|package| {
        !Command::new("dpkg")
            .args(["-s", package])
            .output()
            .is_ok_and(|output| output.status.success())
    });
    if missing && shell::exists("apt-get") {
        shell::install(&PACKAGES)?;
    }
    let manifest = root.join("tests/bench/Cargo.toml");
    let target = root.join("target/bench");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(manifest);
    shell::run(cargo.arg("--target-dir").arg(&target))?;
    Ok(target.join("release/bpfld-bench"))
}

/// The struct that a search from the front meets last.
fn last_struct() -> Result<String> {
    let path = "/sys/kernel/btf/vmlinux";
    let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
    let btf = Arc::new(Btf::parse(bytes).context("the kernel's BTF does not parse")?);
    let last = btf
        .types()
        .rev()
        .find(|ty| ty.kind() == Kind::STRUCT && !ty.is_anonymous());
    Ok(last
        .context("the kernel's BTF has no structs")?
        .name()?
        .to_owned())
}

fn measure(program: &Path, case: &Case, last: &str, rounds: u32) -> Result<BTreeMap<&'static str, Least>> {
    let mut results = BTreeMap::new();
    for _ in 0..rounds {
        for implementation in case.implementations {
            let output = shell::output(Command::new(program).args([case.name, implementation, last]))?;
            let numbers: Vec<u64> = output
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let &[cold, warm] = numbers.as_slice() else {
                anyhow::bail!("{} {implementation} printed {output:?}", case.name);
            };
            let least = results.entry(*implementation).or_insert(Least { cold, warm });
            *least = Least {
                cold: least.cold.min(cold),
                warm: least.warm.min(warm),
            };
        }
    }
    Ok(results)
}

/// One line, or two where the first call in a process is told apart.
fn table_rows(case: &Case, results: &BTreeMap<&'static str, Least>) -> Result<Vec<Vec<String>>> {
    type Pick = fn(&Least) -> u64;
    let mut kinds: Vec<(&str, Pick)> = vec![("", |least| least.warm)];
    if case.cold {
        kinds.push((", first call in a process", |least| least.cold));
    }
    let mut rows = Vec::new();
    for (suffix, pick) in kinds {
        let own = results.get("bpfld").map(pick).context("bpfld was not measured")?;
        let mut row = vec![format!("{}{suffix}", case.question), time(own)];
        for (name, _) in &COLUMNS[1..] {
            row.push(match results.get(name).map(pick) {
                Some(other) => format!("{} ({:.2}x)", time(other), other as f64 / own as f64),
                None => "-".to_owned(),
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        0..=9_999 => format!("{nanoseconds} ns"),
        10_000..=9_999_999 => format!("{:.1} us", nanoseconds as f64 / 1e3),
        _ => format!("{:.1} ms", nanoseconds as f64 / 1e6),
    }
}

/// Puts the table into the page.
fn write(root: &Path, rows: &[Vec<String>]) -> Result<()> {
    let titles: Vec<&str> = COLUMNS.iter().map(|(_, title)| *title).collect();
    let mut table = format!(
        "{}\n\n| question | {} |\n",
        page::surroundings()?,
        titles.join(" | ")
    );
    writeln!(table, "|{}", " --- |".repeat(COLUMNS.len() + 1))?;
    for row in rows {
        writeln!(table, "| {} |", row.join(" | "))?;
    }
    page::write(root, "bench", &table)
}
