//! Holds what we make of BPF objects and kernels' types against libbpf, bpftool, clang and rustc.
//!
//! Takes a corpus: a directory of BPF objects, at any depth. The kernels come from the distribution.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use bpfld_guest::{Arch, Cache, KernelName};

use crate::{codegen::fetch, shell};

/// What libbpf's build wants.
const PACKAGES: [&str; 5] = ["gcc", "libelf-dev", "make", "pkg-config", "zlib1g-dev"];

/// Kernels beside the running one.
const KERNELS: [&str; 2] = ["5.10", "6.1"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to compare
    #[arg(value_enum, required = true)]
    questions: Vec<Question>,
    /// A directory with BPF objects; the fixtures if not given
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Kernels whose types are asked, beside the running one
    #[arg(long = "kernel", value_name = "RELEASE", default_values = KERNELS)]
    kernels: Vec<String>,
    /// Where bpftool is
    #[arg(long, value_name = "FILE", default_value = "bpftool")]
    bpftool: PathBuf,
    /// Where clang is
    #[arg(long, value_name = "FILE", default_value = "clang-19")]
    clang: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Question {
    /// Instructions after CO-RE relocation, against libbpf's
    Core,
    /// Instructions after relocation against minimal types, against those with all types
    Min,
    /// Records of types as text, against bpftool's
    Raw,
    /// C declarations: what clang reads from them is what they were made of
    C,
    /// Types of all objects merged, against libbpf's
    Dedup,
    /// Rust declarations: rustc takes them, with sizes and offsets
    Rust,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root();
    let program = build(&root)?;
    let objects = objects(args.corpus.as_deref().unwrap_or(&root.join("tests/fixtures")))?;
    let kernels = kernels(&args.kernels)?;
    let mut failed = Vec::new();
    for question in &args.questions {
        let mut command = Command::new(&program);
        match question {
            Question::Core | Question::Min => {
                command.arg(if *question == Question::Core {
                    "core"
                } else {
                    "min"
                });
                for kernel in &kernels {
                    command.arg("--btf").arg(kernel);
                }
                command.args(&objects);
            }
            Question::Raw => {
                command.arg("raw").arg("--bpftool").arg(&args.bpftool);
                command.args(&kernels).args(&objects);
            }
            Question::C => {
                command.arg("c").arg("--clang").arg(&args.clang).args(&kernels);
            }
            Question::Dedup => {
                command.arg("dedup").args(&objects);
            }
            Question::Rust => {
                command.arg("rust").args(&kernels).args(&objects);
            }
        }
        println!("== {question:?}");
        if let Err(error) = shell::run(&mut command) {
            // The command line names every object.
            let reason: String = error.root_cause().to_string().chars().take(200).collect();
            println!("{question:?}: {reason}…");
            failed.push(format!("{question:?}"));
        }
    }
    ensure!(failed.is_empty(), "no agreement: {}", failed.join(", "));
    Ok(())
}

/// Builds the program that compares, with what that needs.
fn build(root: &Path) -> Result<PathBuf> {
    let is_missing = |package: &&str| {
        let mut command = Command::new("dpkg");
        shell::output(command.args(["-s", package])).is_err()
    };
    if PACKAGES.iter().any(is_missing) {
        shell::install(&PACKAGES)?;
    }
    let directory = root.join("tests/oracle");
    let mut cargo = Command::new("cargo");
    shell::run(
        cargo
            .args(["build", "--quiet", "--release"])
            .current_dir(&directory),
    )?;
    Ok(directory.join("target/release/bpfld-oracle"))
}

/// All objects below a directory, each content once, in order.
fn objects(directory: &Path) -> Result<Vec<PathBuf>> {
    let (mut pending, mut paths) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|ending| ending == "o") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| fs::read(path).is_ok_and(|bytes| seen.insert(bytes)));
    ensure!(!paths.is_empty(), "no objects below {}", directory.display());
    Ok(paths)
}

/// Files with the types of the kernels: taken from the distribution's packages, and the running one's.
fn kernels(names: &[String]) -> Result<Vec<PathBuf>> {
    let cache = Cache::of_user()?;
    let arch = Arch::host().context("no kernels for this machine")?;
    let mut files = Vec::new();
    for name in names {
        let wanted: KernelName = name.parse()?;
        let kernel = cache.fetch(wanted, arch, &[])?;
        let file = cache.directory().join(format!("{name}.btf"));
        fs::write(&file, fetch::btf(&kernel.image)?).with_context(|| file.display().to_string())?;
        println!("{name}: {}", kernel.release);
        files.push(file);
    }
    let running = cache.directory().join("running.btf");
    fs::write(&running, fs::read("/sys/kernel/btf/vmlinux")?)?;
    files.push(running);
    Ok(files)
}
