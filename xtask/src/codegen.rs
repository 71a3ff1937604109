//! Writes the generated source of `bpfld-sys` from the kernel's BTF, or checks that it is what it would write.
//!
//! Three tables beside this file say which enumerations, flags and structures there are, what they are called and since
//! when the kernel has them; numbers, sizes and offsets come from BTF. `--fetch` takes the BTF of the newest kernel
//! package that can be had and cuts it down to what the tables name; that small file is committed, so that all else
//! needs no network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell;

mod abi;
mod emit;
pub(crate) mod fetch;
mod helpers;
mod tables;

use abi::Abi;
use tables::Tables;

/// The committed BTF: `bpf-RELEASE.btf` in here.
const ABI: &str = "crates/bpfld-sys/abi";
const GENERATED: &str = "crates/bpfld-sys/src/generated";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if a generated file differs from what would be written
    #[arg(long)]
    check: bool,
    /// First take the BTF of the newest kernel package of the distribution
    #[arg(long, conflicts_with = "check")]
    fetch: bool,
    /// First take the BTF of this file instead: raw BTF, an ELF file, or a compressed kernel image
    #[arg(long, value_name = "FILE", requires = "release", conflicts_with_all = ["check", "fetch"])]
    from: Option<PathBuf>,
    /// The kernel release of that file, such as 7.3
    #[arg(long, requires = "from")]
    release: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = shell::root();
    let tables = Tables::read()?;
    let directory = root.join(ABI);
    if args.fetch {
        let (release, btf) = fetch::newest()?;
        replace(&directory, &release, &abi::cut(&btf, &tables)?)?;
    }
    if let (Some(file), Some(release)) = (&args.from, &args.release) {
        let btf = fetch::btf(file)?;
        replace(&directory, release, &abi::cut(&btf, &tables)?)?;
    }
    let (release, bytes) = committed(&directory)?;
    let abi = Abi::parse(bytes)?;
    helpers::check(&abi)?;
    let mut stale = Vec::new();
    for (name, text) in emit::all(&abi, &tables, &release)? {
        let path = root.join(GENERATED).join(&name);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if !args.check {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("written {GENERATED}/{name}");
        }
        stale.push(name);
    }
    if args.check && !stale.is_empty() {
        bail!(
            "{GENERATED}: {} differ from what the BTF and tables say: run `cargo xtask codegen`",
            stale.join(", ")
        );
    }
    Ok(())
}

/// The one file of BTF that is committed, and the release in its name.
fn committed(directory: &Path) -> Result<(String, Vec<u8>)> {
    let files = files(directory)?;
    ensure!(
        files.len() == 1,
        "{ABI} must hold one file of BTF, not {}: run `cargo xtask codegen --fetch`",
        files.len()
    );
    let (release, path) = files.into_iter().next().context("no file")?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((release, bytes))
}

fn files(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    if directory.is_dir() {
        for entry in
            fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?
        {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if let Some(release) = name
                .strip_prefix("bpf-")
                .and_then(|rest| rest.strip_suffix(".btf"))
            {
                found.push((release.to_owned(), path));
            }
        }
    }
    Ok(found)
}

fn replace(directory: &Path, release: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (_, old) in files(directory)? {
        fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let path = directory.join(format!("bpf-{release}.btf"));
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{ABI}/bpf-{release}.btf: {} bytes", bytes.len());
    Ok(())
}
