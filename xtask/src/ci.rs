//! Everything that must hold before a change lands, in one command. `.ci/run` calls this and nothing else.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::{self, UNAVAILABLE, Unavailable};

/// The command that the README promises will pass the tests.
const TEST_COMMAND: &str = "cargo test";

/// A target without std: what builds there is truly `no_std`.
const BARE_TARGET: &str = "x86_64-unknown-none";

/// Crates that build without std, and the features they have there.
const BARE: [(&str, &[&str]); 5] = [
    ("bpfld-sys", &[""]),
    ("bpfld-insn", &["", "alloc"]),
    ("bpfld-btf", &[""]),
    ("bpfld-object", &[""]),
    ("bpfld-vm", &[""]),
];

/// Inputs of the mutation ring.
const MUTATIONS: &str = "100000";

/// Programs that the userspace machine and the kernel must agree on.
const DIFFERENTIAL: &str = "20000";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install what is missing (compiler for the fixtures, Rust targets)
    #[arg(long)]
    install: bool,
    /// Run only these steps
    #[arg(value_name = "STEP")]
    only: Vec<String>,
}

type Step = (&'static str, fn(&Args) -> Result<()>);

const STEPS: [Step; 14] = [
    ("format", |_| {
        cargo(&["fmt", "--all", "--check", "--", "--color", "never"])
    }),
    ("clippy", |_| {
        cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ])
    }),
    ("docs", docs),
    ("codegen", |_| task(&["codegen", "--check"])),
    ("fixtures", fixtures),
    ("llvm", |args| {
        let mut arguments = vec!["llvm"];
        arguments.extend(args.install.then_some("--install"));
        task(&arguments)
    }),
    ("features", features),
    ("test", test),
    ("mutation", mutation),
    ("machine", machine),
    ("quickstart", |_| {
        cargo(&["run", "--quiet", "--example", "quickstart"])
    }),
    ("big-endian", |args| {
        emulated(args, &["vm-test", "--arch", "s390x", "--pure"])
    }),
    ("guests", |args| emulated(args, &["vm-test", "--guests"])),
    // The loader on the ends of the row; all tests on all of it are `cargo xtask vm-test`.
    ("kernels", |args| {
        emulated(args, &["vm-test", "5.10", "newest", "--filter", "load::"])
    }),
];

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// Something that it needs from outside could not be had.
    Skipped,
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
        })
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    for name in &args.only {
        let names = STEPS.map(|(name, _)| name);
        ensure!(
            names.contains(&name.as_str()),
            "there is no step {name}; there are {}",
            names.join(", ")
        );
    }
    let mut report = Vec::new();
    for (name, step) in STEPS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let result = step(args);
        let outcome = match &result {
            Ok(()) => Outcome::Passed,
            Err(error) if error.is::<Unavailable>() => Outcome::Skipped,
            Err(_) => Outcome::Failed,
        };
        if let Err(error) = &result {
            println!("{name}: {outcome}: {error:#}");
        }
        report.push((name, start.elapsed().as_secs(), outcome));
    }
    println!("== summary");
    for (name, seconds, outcome) in &report {
        println!("{name:<12} {seconds:>5} s  {outcome}");
    }
    let failed: Vec<&str> = report
        .iter()
        .filter(|(_, _, outcome)| *outcome == Outcome::Failed)
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(shell::root());
    command
}

fn cargo(arguments: &[&str]) -> Result<()> {
    shell::run(&mut command(arguments))
}

/// Another task of this program.
fn task(arguments: &[&str]) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    shell::run(Command::new(program).args(arguments))
}

/// A task with emulators, kernels and toolchains that must be downloaded. What cannot be had is no fault of a change.
fn emulated(args: &Args, arguments: &[&str]) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(arguments).args(args.install.then_some("--install"));
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shell::show(&command)))?;
    if status.code() == Some(UNAVAILABLE.into()) {
        return Err(Unavailable("what it needs; see above".to_owned()).into());
    }
    ensure!(status.success(), "{} failed: {status}", shell::show(&command));
    Ok(())
}

fn docs(_: &Args) -> Result<()> {
    let mut command = command(&["doc", "--quiet", "--workspace", "--no-deps", "--all-features"]);
    shell::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn fixtures(args: &Args) -> Result<()> {
    let mut arguments = vec!["fixtures", "--check"];
    arguments.extend(args.install.then_some("--install"));
    task(&arguments)
}

/// Each crate by itself, with its features and without, and the lower ones where there is no std.
fn features(args: &Args) -> Result<()> {
    let members = crates(&shell::root().join("crates"))?;
    for name in &members {
        cargo(&["clippy", "--quiet", "--package", name, "--", "-D", "warnings"])?;
        // The compiler does not see the implementations of Debug that our macros write where there is no std.
        let lints = ["-D", "warnings", "-A", "missing_debug_implementations"];
        let mut bare = command(&[
            "clippy",
            "--quiet",
            "--package",
            name,
            "--no-default-features",
            "--",
        ]);
        shell::run(bare.args(lints))?;
    }
    if args.install {
        shell::output(Command::new("rustup").args(["target", "add", BARE_TARGET]))?;
    }
    for (name, sets) in BARE
        .iter()
        .filter(|(name, _)| members.iter().any(|member| member == name))
    {
        for set in *sets {
            let features = [
                "check",
                "--quiet",
                "--package",
                name,
                "--no-default-features",
                "--features",
                set,
            ];
            shell::run(command(&features).args(["--target", BARE_TARGET]))
                .with_context(|| format!("is the target installed? rustup target add {BARE_TARGET}"))?;
        }
    }
    println!(
        "{} crates, each with its default features and with none; the lower ones for {BARE_TARGET}",
        members.len()
    );
    Ok(())
}

fn crates(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The README's command, with a count of what ran and of what did not.
fn test(_: &Args) -> Result<()> {
    let readme = fs::read_to_string(shell::root().join("README.md")).context("cannot read README.md")?;
    ensure!(
        readme.lines().any(|line| line.trim() == TEST_COMMAND),
        "README.md does not name `{TEST_COMMAND}` as the command for the tests"
    );
    let (_, arguments) = TEST_COMMAND.split_once(' ').context("a command has arguments")?;
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let passed = counted(&mut command(&arguments))?;
    ensure!(passed > 0, "no test ran");
    Ok(())
}

/// Many more mutated inputs than a plain `cargo test` takes.
fn mutation(_: &Args) -> Result<()> {
    shell::run(ring("mutation").env("BPFLD_MUTATIONS", MUTATIONS))
}

/// Many more random programs in the userspace machine and in the kernel than a plain `cargo test` compares.
fn machine(_: &Args) -> Result<()> {
    shell::run(
        ring("kernel")
            .arg("machine::random")
            .env("BPFLD_DIFFERENTIAL", DIFFERENTIAL),
    )
}

/// Tests of a ring, optimised, with overflow checks and assertions.
fn ring(test: &str) -> Command {
    let mut command = command(&["test", "--quiet", "--profile", "mutation"]);
    command.args(["--package", "bpfld-tests", "--test", test, "--", "--nocapture"]);
    command
}

/// Runs tests, shows their output, and prints how many passed and which were skipped for which reason.
fn counted(command: &mut Command) -> Result<u64> {
    let account = std::env::temp_dir().join(format!("bpfld-skips-{}", std::process::id()));
    let mut child = command
        .env("BPFLD_TEST_SKIPS", &account)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shell::show(command)))?;
    let output = child.stdout.take().context("its output is piped")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read the output of the tests")?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += number_before(result, " passed");
            failed += number_before(result, " failed");
        }
    }
    let status = child.wait().context("cannot wait for the tests")?;
    let skips = fs::read_to_string(&account).unwrap_or_default();
    let _ = fs::remove_file(&account);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, reason) in skips.lines().filter_map(|line| line.split_once('\t')) {
        reasons.entry(reason).or_default().push(test);
    }
    let skipped = reasons.values().map(|tests| tests.len() as u64).sum::<u64>();
    println!(
        "{} tests ran, {failed} failed, {skipped} were skipped",
        passed + failed - skipped
    );
    for (reason, tests) in reasons {
        println!("  {reason}: {}", tests.join(", "));
    }
    ensure!(status.success(), "{} failed: {status}", shell::show(command));
    Ok(passed - skipped)
}

/// The number that stands before a word: 12 in `ok. 12 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
