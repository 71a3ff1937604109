//! Rust declarations: rustc takes them, and with them the sizes and offsets that they assert.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bpfld_btf::{Btf, Builder, Endian, Kind, TypeId};
use bpfld_object::BtfFile;

/// Types of a kernel that contain a good part of all others.
const KERNEL_TYPES: [&str; 12] = [
    "task_struct",
    "sk_buff",
    "tcp_sock",
    "net_device",
    "inode",
    "bpf_attr",
    "perf_event",
    "perf_event_attr",
    "bpf_prog_aux",
    "request",
    "cgroup",
    "pt_regs",
];
/// A file with more types than this is a kernel's.
const KERNEL: u32 = 20_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with types: all types of objects, a choice of kernels'
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut texts = Vec::new();
    let mut objects = Vec::new();
    for path in &args.files {
        let Ok(btf) = BtfFile::open(path).and_then(|file| file.parse(None)) else {
            continue;
        };
        if btf.len() >= KERNEL {
            texts.push((path.display().to_string(), declared_choice(&btf)?));
        } else {
            objects.push(btf);
        }
    }
    // Objects share most of their types, and rustc would need hours for all.
    for endian in [Endian::Little, Endian::Big] {
        let objects = || objects.iter().filter(|btf| btf.endian() == endian);
        let mut builder = Builder::new();
        objects().try_for_each(|btf| builder.append(btf).map(drop))?;
        let merged = Btf::parse(builder.dedup()?.builder.to_bytes_in(endian))?;
        let mut text = String::new();
        merged.write_rust_all(&mut text)?;
        texts.push((format!("{} objects of {endian:?} order", objects().count()), text));
    }
    let scratch = std::env::temp_dir().join(format!("bpfld-oracle-{}", std::process::id()));
    fs::create_dir_all(scratch.join("src"))?;
    let result = compile(&texts, &scratch);
    fs::remove_dir_all(&scratch)?;
    result
}

fn compile(texts: &[(String, String)], scratch: &Path) -> Result<bool> {
    fs::write(scratch.join("Cargo.toml"), MANIFEST)?;
    let mut all_agree = true;
    for (what, text) in texts {
        fs::write(scratch.join("src/lib.rs"), text)?;
        let status = Command::new("cargo")
            .args(["check", "--quiet"])
            .current_dir(scratch)
            .status()
            .context("cannot start cargo")?;
        let answer = if status.success() { "takes" } else { "refuses" };
        let structs = text.matches("\npub struct ").count() + text.matches("\npub union ").count();
        println!("{what}: rustc {answer} {structs} structs, unions and enumerations");
        text.lines()
            .filter(|line| line.contains(" is left out: "))
            .for_each(|line| println!("  {line}"));
        all_agree &= status.success();
    }
    Ok(all_agree)
}

/// Some types of a kernel and all that they need.
fn declared_choice(btf: &Btf) -> Result<String, bpfld_btf::DeclareError> {
    let find = |name: &&str| {
        btf.find(name, Kind::STRUCT)
            .or_else(|| btf.find(name, Kind::UNION))
    };
    let roots: Vec<TypeId> = KERNEL_TYPES.iter().filter_map(find).collect();
    let mut text = String::new();
    btf.write_rust(&roots, &mut text)?;
    Ok(text)
}

const MANIFEST: &str = r#"[workspace]
[package]
name = "declarations"
version = "0.0.0"
edition = "2024"
[dependencies]
zerocopy = { version = "0.8", features = ["derive"] }
[profile.dev]
debug = false
"#;
