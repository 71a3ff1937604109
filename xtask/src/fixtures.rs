//! Compiles the BPF C sources of tests, examples and benchmarks into the objects that are committed beside them.
//!
//! The objects come out the same on every machine: one compiler release, no absolute path, no date, types kept, DWARF
//! removed. A source may change its flags with a line `// build: FLAGS` near its head.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell;

/// The compiler release that the committed objects come from: the newest of Debian 12.
const RELEASE: &str = "19.1.7";
const CLANG: &str = "clang-19";
const STRIP: &str = "llvm-strip-19";
const PACKAGES: [&str; 2] = ["clang-19", "llvm-19"];

/// Where sources are looked for.
const DIRECTORIES: [&str; 3] = ["tests/fixtures", "crates/bpfld/examples", "tests/bench"];

/// Byte orders: ending of the object, target of the compiler.
const ORDERS: [(&str, &str); 2] = [("el", "bpfel"), ("eb", "bpfeb")];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if an object differs from what its source compiles to
    #[arg(long)]
    check: bool,
    /// Install the compiler with apt-get if it is missing
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    compiler(args.install)?;
    let root = shell::root();
    let scratch = std::env::temp_dir().join(format!("bpfld-fixtures-{}", std::process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let result = all(&root, &scratch, args.check);
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    result
}

/// The compiler must be the pinned release: another one writes other objects, and every check would fail.
fn compiler(install: bool) -> Result<()> {
    if install && !(shell::exists(CLANG) && shell::exists(STRIP)) {
        shell::install(&PACKAGES)?;
    }
    let version = shell::output(Command::new(CLANG).arg("--version")).with_context(|| {
        format!(
            "the fixtures need {CLANG}: apt-get install {}",
            PACKAGES.join(" ")
        )
    })?;
    ensure!(
        version.contains(RELEASE),
        "the fixtures need {CLANG} {RELEASE}, this is {}",
        version.trim_end()
    );
    Ok(())
}

fn all(root: &Path, scratch: &Path, check: bool) -> Result<()> {
    let (mut same, mut changed) = (0, Vec::new());
    let mut expected = Vec::new();
    for directory in DIRECTORIES {
        for source in sources(&root.join(directory))? {
            for (ending, target) in ORDERS {
                let object = source.with_extension("").with_extension(format!("{ending}.o"));
                let bytes = compile(root, &source, target, scratch)
                    .with_context(|| format!("cannot compile {} for {target}", source.display()))?;
                if fs::read(&object).is_ok_and(|old| old == bytes) {
                    same += 1;
                } else {
                    if !check {
                        fs::write(&object, bytes)
                            .with_context(|| format!("cannot write {}", object.display()))?;
                    }
                    changed.push(object.clone());
                }
                expected.push(object);
            }
        }
    }
    let orphans = orphans(root, &expected)?;
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).display().to_string();
    for object in &changed {
        println!("{} {}", if check { "differs" } else { "written" }, name(object));
    }
    for object in &orphans {
        println!("without a source: {}", name(object));
    }
    println!(
        "{same} objects unchanged, {} {}",
        changed.len(),
        if check { "differ" } else { "written" }
    );
    if !orphans.is_empty() || check && !changed.is_empty() {
        bail!("the objects are not what their sources compile to: run `cargo xtask fixtures`");
    }
    Ok(())
}

/// The sources of a directory, by name.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    files(directory, ".bpf.c")
}

/// Committed objects that no source of ours makes.
fn orphans(root: &Path, expected: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut orphans = Vec::new();
    for directory in DIRECTORIES {
        for (ending, _) in ORDERS {
            let objects = files(&root.join(directory), &format!(".{ending}.o"))?;
            orphans.extend(objects.into_iter().filter(|object| !expected.contains(object)));
        }
    }
    Ok(orphans)
}

fn files(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", directory.display()))?
            .path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with(ending))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Compiles one source and returns the object.
fn compile(root: &Path, source: &Path, target: &str, scratch: &Path) -> Result<Vec<u8>> {
    let directory = source.parent().context("a source has a directory")?;
    let shown = directory
        .strip_prefix(root)
        .context("sources are inside the workspace")?;
    let text = fs::read_to_string(source)?;
    let flags = text
        .lines()
        .take(5)
        .find_map(|line| line.strip_prefix("// build:"))
        .unwrap_or("");
    let object = scratch.join("object.o");
    shell::output(
        Command::new(CLANG)
            .current_dir(directory)
            .args([
                "-target",
                target,
                "-O2",
                "-g",
                "-mcpu=v3",
                "-std=gnu11",
                "-Wall",
                "-Werror",
                "-fno-ident",
            ])
            .arg(format!("-fdebug-compilation-dir={}", shown.display()))
            .args(flags.split_whitespace())
            .arg("-c")
            .arg(source.file_name().context("a source has a name")?)
            .arg("-o")
            .arg(&object),
    )?;
    shell::output(Command::new(STRIP).arg("-g").arg(&object))?;
    let bytes = fs::read(&object)?;
    let place = root.to_string_lossy();
    ensure!(
        !bytes
            .windows(place.len())
            .any(|window| window == place.as_bytes()),
        "the object names a directory of this machine"
    );
    Ok(bytes)
}
