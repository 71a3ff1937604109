//! The built command, run on the fixtures.

#![expect(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

mod asm;
mod btf;
mod check;
mod completions;
mod core;
mod debug;
mod exit;
mod features;
mod inspect;
mod maps;
mod programs;
mod rights;
mod run;
mod verify;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the command came to.
#[derive(Debug)]
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Run `bpfld` in the folder of the fixtures, so that paths in its output are the same everywhere.
#[track_caller]
fn bpfld<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let output = command().args(args).output().unwrap();
    Run {
        status: output.status.code().expect("the command was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the command and wants it to succeed.
#[track_caller]
fn ok(args: &[&str]) -> String {
    let Run {
        status,
        stdout,
        stderr,
    } = bpfld(args);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    stdout
}

/// Runs the command and wants it to fail with this status and text.
#[track_caller]
fn fails(args: &[&str], status: i32, text: &str) {
    let run = bpfld(args);
    assert_eq!(run.status, status, "{run:?}");
    assert!(run.stderr.contains(text), "{run:?}");
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bpfld"));
    command.current_dir(fixtures());
    command
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// The name of a fixture's object for this machine.
fn fixture(name: &str) -> String {
    format!(
        "{name}.{}.o",
        if cfg!(target_endian = "big") { "eb" } else { "el" }
    )
}

/// Each line of the output as JSON.
#[track_caller]
fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
