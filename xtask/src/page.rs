//! Results that stand in the documentation, between two marks.

use std::{fmt::Display, fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::shell;

/// Where the results are kept.
const PAGE: &str = "docs/performance.md";
const END: &str = "<!-- results end -->";

/// Replaces what stands behind the mark of a task, up to the end of results.
pub(crate) fn write(root: &Path, task: &str, results: &impl Display) -> Result<()> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let begin = format!("<!-- results of `cargo xtask {task} --write` begin -->");
    let (before, rest) = page
        .split_once(&begin)
        .with_context(|| format!("{PAGE} lacks the mark {begin}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{PAGE} lacks the mark {END}"))?;
    let page = format!("{before}{begin}\n\n{results}\n{END}{after}");
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("written: {PAGE}");
    Ok(())
}

/// The kernel and the compiler, in a sentence.
pub(crate) fn surroundings() -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim().split('-').next().unwrap_or_default().to_owned();
    let rustc = shell::output(Command::new("rustc").arg("--version"))?;
    let rustc = rustc.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(format!("Linux {release}, rustc {rustc}."))
}
