//! Kernel BTF and nothing else: names, iteration, relocation, merging, C.

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_btf::{Btf, Kind};

use crate::{ours, report, theirs_aya, theirs_btf, theirs_libbpf, used_up};

/// The kernel's types.
pub(crate) const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// How many names are looked up.
const NAMES: usize = 1000;

/// Runs the benchmark of this name; `false` if there is none.
pub(crate) fn run(case: &str, implementation: &str, rest: &[&str]) -> Result<bool> {
    match case {
        "names" => names(implementation)?,
        "core" => core(implementation)?,
        "iterate" => iterate(implementation)?,
        "dedup" => dedup(implementation, rest.first().copied())?,
        "c" => c(implementation)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// A thousand structs, evenly from all that the kernel has.
fn wanted() -> Result<Vec<String>> {
    let btf = Btf::parse(std::fs::read(KERNEL)?)?;
    let structs = btf
        .types()
        .filter(|ty| ty.kind() == Kind::STRUCT && !ty.is_anonymous());
    let mut names = structs
        .map(|ty| Ok(ty.name()?.to_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.dedup();
    let step = (names.len() / NAMES).max(1);
    Ok(names.into_iter().step_by(step).take(NAMES).collect())
}

/// Kernel BTF until a thousand structs are found, from nothing and back to nothing.
fn names(implementation: &str) -> Result<()> {
    let names = wanted()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match implementation {
        "bpfld" => report(|| ours::find(&names)),
        "libbpf" => report(|| theirs_libbpf::find(&names)),
        "aya" => report(|| theirs_aya::find(&names)),
        "btf" => report(|| theirs_btf::find(&names)),
        other => bail!("{other} reads no BTF"),
    }
}

/// All relocations of the object, from its bytes and those of the kernel's BTF.
fn core(implementation: &str) -> Result<()> {
    let bytes: &'static [u8] = std::fs::read(crate::OBJECT)?.leak();
    match implementation {
        "bpfld" => report(|| ours::relocate(bytes)),
        "aya" => report(|| theirs_aya::relocate(bytes)),
        other => bail!("{other} does not relocate without loading"),
    }
}

/// Every type with its name and all that is in it.
fn iterate(implementation: &str) -> Result<()> {
    match implementation {
        "bpfld" => {
            let btf = ours::kernel()?;
            report(|| Ok(ours::iterate(&btf)))
        }
        "libbpf" => {
            let btf = theirs_libbpf::Types::kernel()?;
            report(|| Ok(btf.iterate()))
        }
        other => bail!("{other} gives no access to all types"),
    }
}

/// The kernel's BTF twice, or the BTF of all objects below a directory, merged; prints the number of types too.
fn dedup(implementation: &str, directory: Option<&str>) -> Result<()> {
    let parts = match directory.filter(|directory| directory.contains('/')) {
        Some(directory) => sections(std::path::Path::new(directory))?,
        None => {
            let kernel = std::fs::read(KERNEL)?;
            vec![kernel.clone(), kernel]
        }
    };
    match implementation {
        "bpfld" => {
            let builder = ours::concatenate(&parts)?;
            let merge = || Ok(builder.dedup()?.builder);
            eprintln!("{} types become {}", builder.len(), merge()?.len());
            report(merge)
        }
        "libbpf" => {
            let types = theirs_libbpf::Types::concatenate(&parts)?;
            let before = types.len();
            types.dedup()?;
            eprintln!("{before} types become {}", types.len());
            used_up(
                || theirs_libbpf::Types::concatenate(&parts),
                theirs_libbpf::Types::dedup,
            )
        }
        other => bail!("{other} does not merge types"),
    }
}

/// The `.BTF` sections of all objects below a directory, in the order of their paths.
fn sections(directory: &std::path::Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "o") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut parts = Vec::new();
    for path in paths {
        let Ok(object) = bpfld::Object::open(&path) else {
            continue;
        };
        if let Some(btf) = object.btf() {
            parts.push(btf.bytes().as_slice().to_vec());
        }
    }
    ensure!(!parts.is_empty(), "no object with BTF");
    Ok(parts)
}

/// All types as C.
fn c(implementation: &str) -> Result<()> {
    match implementation {
        "bpfld" => {
            let btf = ours::kernel()?;
            report(|| ours::write_c(&btf).context("no C"))
        }
        "libbpf" => {
            let btf = theirs_libbpf::Types::kernel()?;
            report(|| btf.write_c())
        }
        other => bail!("{other} prints no C"),
    }
}
