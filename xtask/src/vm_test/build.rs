//! Builds the tests, linked statically so that they run where there is no library.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use bpfld_guest::Arch;
use serde_json::Value;

use crate::shell;

/// What is built: the crates that make system calls, and the tests that need a kernel.
const TESTS: [&str; 16] = [
    "--package",
    "bpfld-sys",
    "--package",
    "bpfld-features",
    "--package",
    "bpfld",
    "--package",
    "bpfld-cli",
    "--package",
    "bpfld-tests",
    "--lib",
    "--test",
    "kernel",
    "--test",
    "cli",
    "--quiet",
];

/// Programs for guests.
pub(super) struct Suites {
    /// The first process.
    pub(super) init: PathBuf,
    /// The command `bpfld`, which is tested too.
    pub(super) command: PathBuf,
    /// Test binaries by name.
    pub(super) tests: Vec<Suite>,
}

/// One test binary.
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The directory of its package.
    pub(super) directory: PathBuf,
}

impl Suites {
    pub(super) fn build(arch: Arch) -> Result<Suites> {
        let init = artifacts(arch, &["build", "--package", "bpfld-guest", "--quiet"])?;
        let all = artifacts(arch, &[&["test", "--no-run"], &TESTS[..]].concat())?;
        let program = |artifacts: &[Artifact], name: &str| {
            artifacts
                .iter()
                .find(|artifact| artifact.name == name && !artifact.is_test)
                .map(|artifact| artifact.path.clone())
                .with_context(|| format!("cargo did not build {name}"))
        };
        let (init, command) = (program(&init, "bpfld-guest")?, program(&all, "bpfld")?);
        let mut tests: Vec<Suite> = all
            .into_iter()
            .filter(|artifact| artifact.is_test)
            .map(|artifact| Suite {
                name: artifact.name,
                path: artifact.path,
                directory: artifact.directory,
            })
            .collect();
        tests.sort_by_key(|suite| (suite.name != "kernel", suite.name.clone()));
        Ok(Suites { init, command, tests })
    }
}

struct Artifact {
    name: String,
    path: PathBuf,
    directory: PathBuf,
    is_test: bool,
}

/// Runs cargo for the guest's target and collects the executables that it names.
fn artifacts(arch: Arch, arguments: &[&str]) -> Result<Vec<Artifact>> {
    let target = arch.rust_target();
    let flags = format!(
        "CARGO_TARGET_{}_RUSTFLAGS",
        target.to_uppercase().replace('-', "_")
    );
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .args(["--message-format=json-render-diagnostics", "--target", target])
        .env(flags, "-C target-feature=+crt-static")
        // A panic says file and line anyway, and the files of a guest lie in its memory.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        // Emulation is slow enough; overflow checks and assertions stay.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
        .current_dir(shell::root())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shell::show(&command)))?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut artifacts = Vec::new();
    for line in BufReader::new(output).lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let Some(path) = text(&message["executable"]) else {
            continue;
        };
        let manifest = text(&message["manifest_path"]).unwrap_or_default();
        artifacts.push(Artifact {
            name: text(&message["target"]["name"]).context("an artifact has a name")?,
            path: path.into(),
            directory: Path::new(&manifest)
                .parent()
                .map(Path::to_owned)
                .unwrap_or_default(),
            is_test: message["profile"]["test"] == true,
        });
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} failed: {status}", shell::show(&command));
    Ok(artifacts)
}
