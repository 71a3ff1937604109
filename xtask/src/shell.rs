//! What the tasks share: where the workspace is, running commands, installing what is missing.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// The exit status when a task could do nothing for lack of something from outside.
pub(crate) const UNAVAILABLE: u8 = 3;

/// Something from outside cannot be had: a package, a kernel, a toolchain. Nothing was tried, and nothing is wrong with us.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot be had: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// The top of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Runs a command to its end with inherited streams; a status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", show(command)))?;
    ensure!(status.success(), "{} failed: {status}", show(command));
    Ok(())
}

/// Runs a command and returns what it printed; a status other than 0 is an error with what it complained.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", show(command)))?;
    if !output.status.success() {
        let complaint = without_addresses(&String::from_utf8_lossy(&output.stderr));
        bail!(
            "{} failed: {}\n{}",
            show(command),
            output.status,
            complaint.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Whether a program of this name can be started.
pub(crate) fn exists(program: impl AsRef<OsStr>) -> bool {
    let Some(paths) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&paths).any(|directory| directory.join(program.as_ref()).is_file())
}

/// Installs packages of the distribution, quietly; only a failure is shown, and is [`Unavailable`].
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        output(
            Command::new("apt-get")
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
        .map(drop)
        .map_err(|error| Unavailable(format!("{error:#}")))
    };
    apt(&["update", "-qq"]).context("cannot refresh the package lists (root?)")?;
    let mut arguments = vec!["install", "-qq", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments).with_context(|| format!("cannot install {}", packages.join(" ")))
}

/// Text without network addresses: where this machine gets its packages from is nobody's business.
fn without_addresses(text: &str) -> String {
    let word = |word: &str| {
        if word.contains("://") {
            "(address)".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
