//! One kernel: boot it, run the tests in it, judge.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bpfld_guest::{Accel, Ending, Event, Guest, Kernel, Outcome, Program, ProgramRun, Status};

use super::{
    Args,
    build::{Suite, Suites},
    libtest,
    matrix::{Column, Test, Verdict},
};
use crate::shell;

/// Where tests note what they skipped.
const ACCOUNT: &str = "/tmp/bpfld-skips";

/// How long a guest may take to boot, on a machine that is busy with other things.
const BOOT: Duration = Duration::from_secs(300);

/// How long one test binary may take.
const LIMIT: Duration = Duration::from_secs(480);

/// How long one test may take that is tried again by itself.
const AGAIN: Duration = Duration::from_secs(60);

/// How many tests are tried again by themselves.
const MOST_AGAIN: usize = 30;

/// Tests, by the start of their names, that ask nothing of the kernel and take long in emulation, or look for a shell: they run everywhere else.
const PURE: [(&str, &str); 3] = [
    ("cli", "inspect::"),
    ("cli", "asm::every_fixture"),
    ("cli", "completions::"),
];

/// Reasons that a kernel in a guest can have for a test to be skipped: age and configuration.
const EXCUSES: [&str; 2] = ["came with Linux", "is built without"];

pub(super) fn run(args: &Args, suites: &Suites, name: &str, kernel: &Kernel, accel: Accel) -> Result<Column> {
    let mut guest = prepare(suites, kernel)?;
    guest.accel(accel).boot_limit(BOOT);
    if args.keep {
        guest
            .shell("/bin/busybox")
            .context("a shell needs a static busybox: apt-get install busybox-static")?;
    }
    let mut plan = Vec::new();
    for suite in &suites.tests {
        plan.push(program(suite, args).arg("--list"));
        plan.push(program(suite, args).arg("--test-threads=2").limit(LIMIT));
    }
    if args.record_features {
        plan.push(Program::new(path_in_guest(&suites.command)).args(["features", "--output", "json"]));
    }
    let outcome = guest.run_programs(&plan, |event| watch(name, &plan, event))?;
    let mut column = Column {
        name: name.to_owned(),
        release: kernel.release.clone(),
        boot: outcome.boot.unwrap_or_default().as_secs_f64(),
        wall: outcome.wall.as_secs_f64(),
        problems: problems(&outcome),
        warnings: outcome.kernel_warnings().into_iter().map(str::to_owned).collect(),
        verdicts: BTreeMap::new(),
    };
    keep_log(name, &outcome, &plan)?;
    let mut lost = Vec::new();
    for (suite, runs) in suites.tests.iter().zip(outcome.programs.chunks(2)) {
        if let [list, run] = runs {
            lost.extend(judge(suite, list, run, &mut column));
        }
    }
    if !lost.is_empty() {
        println!(
            "{name}: {} tests have no result; each again by itself",
            lost.len()
        );
        again(args, &guest, &lost, &mut column)?;
    }
    column.expect_tests(args.filter.as_deref());
    if args.record_features {
        record(kernel, outcome.programs.last())?;
    }
    Ok(column)
}

/// A guest with the tests, at the paths that were compiled into them, and the files they read.
fn prepare(suites: &Suites, kernel: &Kernel) -> Result<Guest> {
    let mut guest = Guest::new(kernel, &suites.init)?;
    let root = shell::root();
    let files = guest.files();
    for suite in &suites.tests {
        files.copy(&suite.path, path_in_guest(&suite.path))?;
        files.directory(&suite.directory)?;
    }
    files.copy(&suites.command, path_in_guest(&suites.command))?;
    for directory in ["tests/fixtures", "crates/bpfld/examples"] {
        files.tree(root.join(directory), root.join(directory))?;
    }
    Ok(guest)
}

/// Tests find each other by the paths of the host.
fn path_in_guest(path: &Path) -> &Path {
    path
}

fn program(suite: &Suite, args: &Args) -> Program {
    let pure = PURE.iter().filter(|(name, _)| *name == suite.name);
    Program::new(path_in_guest(&suite.path))
        .args(args.filter.clone())
        .args(pure.flat_map(|(_, module)| ["--skip", *module]))
        .env("BPFLD_TEST_SKIPS", ACCOUNT)
        .current_dir(&suite.directory)
        .bring_back(ACCOUNT)
}

/// Says how it goes.
fn watch(name: &str, plan: &[Program], event: Event<'_>) {
    match event {
        Event::Booted(after) => println!("{name}: booted in {:.1} s", after.as_secs_f64()),
        Event::Ended(index, status) if *status != Status::Exited(0) => {
            println!("{name}: program {index} of {} {status}", plan.len());
        }
        _ => {}
    }
}

/// What is wrong with a run as a whole.
fn problems(outcome: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    if outcome.ending != Ending::PoweredOff {
        problems.push(format!(
            "the guest {}\n{}",
            outcome.ending,
            outcome.console_tail(40)
        ));
    }
    problems.extend(
        outcome
            .notes
            .iter()
            .filter(|note| !note.contains("does not go in"))
            .cloned(),
    );
    problems
}

/// Puts the verdicts of a test binary into the column; returns the tests that have none.
fn judge<'a>(
    suite: &'a Suite,
    list: &ProgramRun,
    run: &ProgramRun,
    column: &mut Column,
) -> Vec<(&'a Suite, String)> {
    let text = String::from_utf8_lossy(&run.stdout);
    let mut verdicts = libtest::verdicts(&text);
    for (test, reason) in skips(run) {
        if verdicts.get(&test) == Some(&Verdict::Pass) {
            verdicts.insert(test, skip(reason));
        }
    }
    let all = libtest::listed(&String::from_utf8_lossy(&list.stdout));
    let lost: Vec<_> = all
        .iter()
        .filter(|test| !verdicts.contains_key(*test))
        .map(|test| (suite, test.clone()))
        .collect();
    let failed = verdicts
        .values()
        .any(|verdict| matches!(verdict, Verdict::Fail { .. }));
    // Where the guest itself did not come to its end, that has been said.
    let own =
        run.status != Status::Exited(0) && (run.status != Status::Unfinished || column.problems.is_empty());
    if lost.is_empty() && !failed && own {
        let complaint = String::from_utf8_lossy(&run.stderr);
        column
            .problems
            .push(format!("{} {}\n{complaint}", suite.name, run.status));
    }
    for (test, verdict) in verdicts {
        column.verdicts.insert((suite.name.clone(), test), verdict);
    }
    lost
}

fn skips(run: &ProgramRun) -> BTreeMap<String, String> {
    let account = run.files.iter().find(|(path, _)| path == Path::new(ACCOUNT));
    account.map_or_else(BTreeMap::new, |(_, content)| {
        libtest::skips(&String::from_utf8_lossy(content))
    })
}

/// A test may be skipped for its kernel's age or configuration; here, as root in a machine of our own, for nothing else.
fn skip(reason: String) -> Verdict {
    if EXCUSES.iter().any(|excuse| reason.contains(excuse)) {
        Verdict::Skip { reason }
    } else {
        Verdict::Fail {
            message: format!("skipped without an excuse: {reason}"),
        }
    }
}

/// Runs tests that have no result, because the process they were in was killed or the guest died, each in a process of its
/// own.
fn again(args: &Args, guest: &Guest, lost: &[(&Suite, String)], column: &mut Column) -> Result<()> {
    let (tried, untried) = lost.split_at(lost.len().min(MOST_AGAIN));
    let plan: Vec<Program> = tried
        .iter()
        .map(|(suite, test)| {
            let mut program = program(suite, args).limit(AGAIN);
            if args.filter.is_some() {
                program = Program::new(path_in_guest(&suite.path))
                    .env("BPFLD_TEST_SKIPS", ACCOUNT)
                    .current_dir(&suite.directory)
                    .bring_back(ACCOUNT)
                    .limit(AGAIN);
            }
            program.args(["--exact", test])
        })
        .collect();
    let outcome = guest.run_programs(&plan, |_| {})?;
    keep_log(&format!("{}-again", column.name), &outcome, &plan)?;
    column.wall += outcome.wall.as_secs_f64();
    let mut done = BTreeSet::new();
    for ((suite, test), run) in tried.iter().zip(&outcome.programs) {
        let key: Test = (suite.name.clone(), test.clone());
        let text = String::from_utf8_lossy(&run.stdout);
        let verdict = match (libtest::verdicts(&text).remove(test), skips(run).remove(test)) {
            (Some(Verdict::Pass), Some(reason)) => skip(reason),
            (Some(verdict), _) => verdict,
            (None, _) => Verdict::Fail {
                message: format!(
                    "the process {}\n{text}\n{}\n{}",
                    run.status,
                    String::from_utf8_lossy(&run.stderr),
                    if outcome.ending == Ending::PoweredOff {
                        String::new()
                    } else {
                        outcome.console_tail(20)
                    }
                ),
            },
        };
        done.insert(key.clone());
        column.verdicts.insert(key, verdict);
    }
    for (suite, test) in untried {
        let message = "no result: the process it was in did not end well".to_owned();
        column
            .verdicts
            .insert((suite.name.clone(), test.clone()), Verdict::Fail { message });
    }
    Ok(())
}

/// All that was printed, for whoever looks into a failure.
fn keep_log(name: &str, outcome: &Outcome, plan: &[Program]) -> Result<()> {
    let mut log = String::new();
    for (program, run) in plan.iter().zip(&outcome.programs) {
        log += &format!("== {program:?}\n{}\n", run.status);
        log += &String::from_utf8_lossy(&run.stdout);
        log += &String::from_utf8_lossy(&run.stderr);
    }
    for note in &outcome.notes {
        log += &format!("== {note}\n");
    }
    log += &format!("== console\n{}", outcome.console);
    super::write(
        &shell::root().join("target/vm-test"),
        &format!("{name}.log"),
        &log,
    )
}

/// Saves what a kernel can do.
fn record(kernel: &Kernel, run: Option<&ProgramRun>) -> Result<()> {
    let Some(run) = run.filter(|run| run.status == Status::Exited(0)) else {
        bail!("`bpfld features` failed on {}", kernel.release);
    };
    let directory = shell::root().join("tests/fixtures/kernels");
    fs::create_dir_all(&directory)?;
    let name = format!("{}-{}.json", kernel.line(), kernel.arch.name());
    fs::write(directory.join(&name), &run.stdout).with_context(|| format!("cannot write {name}"))
}
