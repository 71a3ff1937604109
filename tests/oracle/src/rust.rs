//! Rust declarations: rustc takes them, and with them the sizes and offsets that they assert.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use bpfld_btf::{Btf, Kind, TypeId};
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
    let scratch = std::env::temp_dir().join(format!("bpfld-oracle-{}", std::process::id()));
    fs::create_dir_all(scratch.join("src"))?;
    let result = compile(&args.files, &scratch);
    fs::remove_dir_all(&scratch)?;
    result
}

/// Files that are compiled together; rustc takes some ten megabytes for each.
const TOGETHER: usize = 32;

fn compile(files: &[PathBuf], scratch: &Path) -> Result<bool> {
    let mut all_agree = true;
    for files in files.chunks(TOGETHER) {
        all_agree &= compile_together(files, scratch)?;
    }
    Ok(all_agree)
}

fn compile_together(files: &[PathBuf], scratch: &Path) -> Result<bool> {
    let mut modules = String::new();
    let mut refused = Vec::new();
    for (number, path) in files.iter().enumerate() {
        let Ok(btf) = BtfFile::open(path).and_then(|file| file.parse(None)) else {
            continue;
        };
        match declarations(&btf) {
            Ok(text) => {
                fs::write(scratch.join(format!("src/types_{number}.rs")), text)?;
                modules += &format!("/// {}\npub mod types_{number};\n", path.display());
            }
            Err(error) => refused.push(format!("{}: {error}", path.display())),
        }
    }
    fs::write(scratch.join("src/lib.rs"), &modules)?;
    fs::write(scratch.join("Cargo.toml"), MANIFEST)?;
    let status = Command::new("cargo")
        .args(["check", "--quiet"])
        .current_dir(scratch)
        .status()
        .context("cannot start cargo")?;
    println!(
        "{} files declared, {} refused, {}",
        modules.lines().count() / 2,
        refused.len(),
        if status.success() {
            "rustc takes them"
        } else {
            "rustc refuses"
        }
    );
    for refused in &refused {
        println!("{refused}");
    }
    Ok(status.success() && refused.is_empty())
}

fn declarations(btf: &Btf) -> Result<String, bpfld_btf::DeclareError> {
    let mut text = String::new();
    if btf.len() < KERNEL {
        btf.write_rust_all(&mut text)?;
        return Ok(text);
    }
    let find = |name: &&str| {
        btf.find(name, Kind::STRUCT)
            .or_else(|| btf.find(name, Kind::UNION))
    };
    let roots: Vec<TypeId> = KERNEL_TYPES.iter().filter_map(find).collect();
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
