//! Records as text: ours against bpftool's, letter for letter.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bpfld_object::BtfFile;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bpftool to compare with
    #[arg(long, default_value = "bpftool")]
    bpftool: PathBuf,
    /// Files with types
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let (mut same, mut types, mut without) = (0, 0, 0);
    let mut differences = Vec::new();
    for path in &args.files {
        let theirs = Command::new(&args.bpftool)
            .args(["btf", "dump", "file"])
            .arg(path)
            .args(["format", "raw"])
            .output()
            .with_context(|| format!("cannot start {}", args.bpftool.display()))?;
        match (ours(path), theirs.status.success()) {
            (Ok(ours), true) => {
                let theirs = String::from_utf8_lossy(&theirs.stdout);
                types += ours.lines().filter(|line| line.starts_with('[')).count();
                match difference(&ours, &theirs) {
                    None => same += 1,
                    Some(text) => differences.push(format!("{}: {text}", path.display())),
                }
            }
            (Err(_), false) => without += 1,
            (Ok(_), false) => differences.push(format!("{}: only bpftool refuses", path.display())),
            (Err(error), true) => differences.push(format!("{}: only we refuse: {error}", path.display())),
        }
    }
    println!(
        "{same} files with {types} types print the same; {without} have none; {} differ",
        differences.len()
    );
    for difference in &differences {
        println!("{difference}");
    }
    Ok(differences.is_empty())
}

fn ours(path: &Path) -> Result<String> {
    let btf = BtfFile::open(path)?.parse(None)?;
    Ok(btf.own_types().map(|ty| format!("{}\n", ty.raw())).collect())
}

fn difference(ours: &str, theirs: &str) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let mut lines = ours.lines().zip(theirs.lines());
    let found = lines.find(|(ours, theirs)| ours != theirs);
    Some(match found {
        Some((ours, theirs)) => format!("ours {ours:?}, bpftool's {theirs:?}"),
        None => "one ends before the other".to_owned(),
    })
}
