//! Reads a ring buffer at its full rate for a long time, with random stalls.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context as _, Result};

use crate::{page, shell};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Put the figures into docs/performance.md
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root();
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&root).args(["run", "--quiet", "--release"]);
    cargo.args(["--package", "bpfld-tests", "--bin", "bpfld-soak", "--"]);
    let output = shell::output(cargo.arg(args.seconds.to_string()))?;
    let figures = figures(&output)?;
    print!("{figures}");
    if args.write {
        page::write(&root, "soak", &figures)?;
    }
    Ok(())
}

/// The figures in words.
fn figures(output: &str) -> Result<String> {
    let numbers: BTreeMap<&str, u64> = output
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect();
    let number = |name: &str| {
        numbers
            .get(name)
            .copied()
            .with_context(|| format!("the soak printed no {name}"))
    };
    let (seconds, records) = (number("seconds")?, number("records")?);
    Ok(format!(
        "{} In {seconds} seconds {records} records came ({:.2} million a second, {} MiB in all), with {} stalls of up to 50 ms. \
         Programs found no room {} times. Lost: {}. Memory of the process after a tenth of the time: {} KiB; at the end: {} KiB.\n",
        page::surroundings()?,
        records as f64 / seconds as f64 / 1e6,
        number("bytes")? >> 20,
        number("stalls")?,
        number("refused")?,
        number("lost")?,
        number("memory_before")? >> 10,
        number("memory_after")? >> 10,
    ))
}
