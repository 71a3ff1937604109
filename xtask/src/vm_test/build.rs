//! Builds the tests, linked statically so that they run where there is no library.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::toolchain::Toolchain;
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
    pub(super) fn build(toolchain: &Toolchain) -> Result<Suites> {
        let init = artifacts(toolchain, &["build", "--package", "bpfld-guest", "--quiet"])?;
        let all = artifacts(toolchain, &[&["test", "--no-run"], &TESTS[..]].concat())?;
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
fn artifacts(toolchain: &Toolchain, arguments: &[&str]) -> Result<Vec<Artifact>> {
    let mut command = toolchain.cargo(arguments);
    command
        .arg("--message-format=json-render-diagnostics")
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
