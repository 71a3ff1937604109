//! Compares us with libbpf, aya and bare system calls, as ratios of one run.
//!
//! The machine is noisy, so every measurement is a process of its own, the implementations take turns, and the fastest of
//! several rounds counts.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use bpfld_btf::{Btf, Kind};

use crate::{page, shell};

mod btf;
mod machine;
mod maps;
mod xsk;

/// What the builds of libbpf, of the user of libxdp and of xsk-rs want, and what makes devices.
const PACKAGES: [&str; 10] = [
    "clang",
    "gcc",
    "iproute2",
    "libclang-dev",
    "libelf-dev",
    "libxdp-dev",
    "m4",
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
    measure: Measure,
}

/// What is of interest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// The fastest call.
    Fastest,
    /// That, and the first call in a process.
    FirstToo,
    /// How implementations that take turns with our own, in one process, compare with it: the median.
    Turns,
}

const CASES: [Case; 8] = [
    Case {
        name: "open",
        question: "open the object",
        implementations: &["bpfld", "libbpf", "aya"],
        measure: Measure::Fastest,
    },
    Case {
        name: "type",
        question: "kernel BTF until its last struct is found",
        implementations: &["bpfld", "libbpf", "aya"],
        measure: Measure::FirstToo,
    },
    Case {
        name: "types",
        question: "kernel BTF until 40 structs are found",
        implementations: &["bpfld", "libbpf", "aya"],
        measure: Measure::FirstToo,
    },
    Case {
        name: "load",
        question: "load the object, from its bytes until all is closed",
        implementations: &["bpfld", "bpfld-2", "libbpf", "aya"],
        measure: Measure::FirstToo,
    },
    Case {
        name: "decode",
        question: "decode 1,000 instructions",
        implementations: &["bpfld", "copy"],
        measure: Measure::Fastest,
    },
    Case {
        name: "encode",
        question: "encode 1,000 instructions",
        implementations: &["bpfld", "copy"],
        measure: Measure::Fastest,
    },
    Case {
        name: "print",
        question: "disassemble 1,000 instructions to text",
        implementations: &["bpfld", "rbpf"],
        measure: Measure::Fastest,
    },
    Case {
        name: "assemble",
        question: "assemble 1,000 instructions",
        implementations: &["bpfld"],
        measure: Measure::Fastest,
    },
];

/// The implementations and what the table calls them.
const NAMES: [(&str, &str); 15] = [
    ("bpfld-2", "2 threads"),
    ("libbpf", "libbpf"),
    ("aya", "aya"),
    ("btf", "the `btf` crate"),
    ("raw", "bare system call"),
    ("rbpf", "rbpf"),
    ("xdpsock", "libxdp's example xdpsock"),
    (XSK_RS, "xsk-rs"),
    ("libxdp", "libxdp at its best"),
    ("rbpf-jit", "rbpf, compiled, unchecked"),
    ("sbpf", "solana-sbpf"),
    ("sbpf-jit", "solana-sbpf, compiled"),
    ("kernel", "the kernel's test run"),
    ("copy", "bare copy of 8 bytes each"),
    ("memory", "plain memory"),
];

/// What is measured by a program of its own.
const XSK_RS: &str = "xsk-rs";

/// Fastest first call and fastest later call, in nanoseconds.
#[derive(Clone, Copy)]
struct Least {
    cold: f64,
    warm: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root();
    let programs = Programs::build(&root)?;
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
        let results = match case.measure {
            Measure::Turns => take_turns(&programs, case, args.rounds)?,
            _ => measure(&programs, case, &last, args.rounds)?,
        };
        for row in table_rows(case, &results)? {
            println!("  {}", row.join("  |  "));
            rows.push(row);
        }
    }
    ensure!(!rows.is_empty(), "there is no such question");
    if args.write {
        write(&root, &rows)?;
    }
    Ok(())
}

/// The programs that measure.
struct Programs {
    bench: PathBuf,
    xsk_rs: PathBuf,
}

impl Programs {
    /// Builds them, with what that needs.
    fn build(root: &Path) -> Result<Self> {
        let missing = PACKAGES.iter().any(|package| {
            !Command::new("dpkg")
                .args(["-s", package])
                .output()
                .is_ok_and(|output| output.status.success())
        });
        if missing && shell::exists("apt-get") {
            shell::install(&PACKAGES)?;
        }
        let target = root.join("target/bench");
        for directory in ["tests/bench", "tests/bench/xsk-rs"] {
            let mut cargo = Command::new("cargo");
            cargo
                .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
                .arg(root.join(directory).join("Cargo.toml"));
            shell::run(cargo.arg("--target-dir").arg(&target))?;
        }
        Ok(Self {
            bench: target.join("release/bpfld-bench"),
            xsk_rs: target.join("release/bpfld-bench-xsk-rs"),
        })
    }

    /// The two numbers that the program for an implementation prints.
    fn ask(&self, implementation: &str, arguments: &[&str]) -> Result<[f64; 2]> {
        let program = match implementation {
            XSK_RS => &self.xsk_rs,
            _ => &self.bench,
        };
        let output = shell::output(Command::new(program).args(arguments))?;
        let numbers = output.split_whitespace().map(str::parse);
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>().unwrap_or_default();
        <[f64; 2]>::try_from(numbers)
            .ok()
            .with_context(|| format!("{} printed {output:?}", arguments.join(" ")))
    }
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

fn measure(
    programs: &Programs,
    case: &Case,
    last: &str,
    rounds: u32,
) -> Result<BTreeMap<&'static str, Least>> {
    let mut results = BTreeMap::new();
    for _ in 0..rounds {
        for implementation in case.implementations {
            let [cold, warm] = programs.ask(implementation, &[case.name, implementation, last])?;
            let least = results.entry(*implementation).or_insert(Least { cold, warm });
            *least = Least {
                cold: least.cold.min(cold),
                warm: least.warm.min(warm),
            };
        }
    }
    Ok(results)
}

/// Our own fastest turn, and for each other implementation what that is times the median of how many times as long it takes.
fn take_turns(programs: &Programs, case: &Case, rounds: u32) -> Result<BTreeMap<&'static str, Least>> {
    let others = case.implementations.get(1..).unwrap_or_default();
    let mut own = f64::MAX;
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for implementation in others {
            let [least, ratio] = programs.ask(implementation, &[case.name, implementation])?;
            own = own.min(least);
            ratios.entry(implementation).or_default().push(ratio);
        }
    }
    let figure = |ratio: f64| Least {
        cold: own * ratio,
        warm: own * ratio,
    };
    let mut results = BTreeMap::from([("bpfld", figure(1.0))]);
    for (implementation, mut ratios) in ratios {
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied();
        results.insert(implementation, figure(median.context("nothing was measured")?));
    }
    Ok(results)
}

/// One line, or two where the first call in a process is told apart.
fn table_rows(case: &Case, results: &BTreeMap<&'static str, Least>) -> Result<Vec<[String; 3]>> {
    type Pick = fn(&Least) -> f64;
    let mut kinds: Vec<(&str, Pick)> = vec![("", |least| least.warm)];
    if case.measure == Measure::FirstToo {
        kinds.push((", first call in a process", |least| least.cold));
    }
    let mut rows = Vec::new();
    for (suffix, pick) in kinds {
        let own = results.get("bpfld").map(pick).context("bpfld was not measured")?;
        let others = NAMES.iter().filter_map(|(name, title)| {
            let other = pick(results.get(name)?);
            let ratio = other / own;
            // Turns tell a thousandth.
            let digits = if case.measure == Measure::Turns { 3 } else { 2 };
            Some(format!("{title} {} ({ratio:.digits$}x)", time(other)))
        });
        let others: Vec<String> = others.collect();
        rows.push([format!("{}{suffix}", case.question), time(own), others.join(", ")]);
    }
    Ok(rows)
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..10.0 => format!("{nanoseconds:.1} ns"),
        ..1e4 => format!("{nanoseconds:.0} ns"),
        ..1e7 => format!("{:.1} us", nanoseconds / 1e3),
        _ => format!("{:.1} ms", nanoseconds / 1e6),
    }
}

/// Puts the table into the page.
fn write(root: &Path, rows: &[[String; 3]]) -> Result<()> {
    let mut table = format!(
        "{}\n\n| question | bpfld | others |\n| --- | --- | --- |\n",
        page::surroundings()?
    );
    for row in rows {
        writeln!(table, "| {} |", row.join(" | "))?;
    }
    page::write(root, "bench", &table)
}
