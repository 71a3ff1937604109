//! Minimal BTF: objects must relocate against it as against all of a kernel's types.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bpfld_btf::{Btf, CoreKind, MinimalBtf, Resolver, Targets};
use bpfld_object::{Object, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// BTF of a kernel; several for several kernels
    #[arg(long = "btf", value_name = "FILE", required = true)]
    btfs: Vec<PathBuf>,
    /// BPF objects
    #[arg(value_name = "OBJECT", required = true)]
    objects: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut differences = Vec::new();
    println!(
        "| kernel | objects with CO-RE | programs | same instructions | bytes of all types | bytes of minimal types, median and largest |"
    );
    println!("|---|---|---|---|---|---|");
    for path in &args.btfs {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let full_size = bytes.len();
        let targets = Targets::new(Arc::new(Btf::parse(bytes)?));
        let (mut objects, mut programs, mut same) = (0, 0, 0);
        let mut sizes = Vec::new();
        for object_path in &args.objects {
            let Ok(object) = Object::open(object_path) else {
                continue;
            };
            let Some(minimal) = minimal(&object, &targets)? else {
                continue;
            };
            objects += 1;
            sizes.push(minimal.len());
            let minimal = Targets::new(Arc::new(Btf::parse(minimal)?));
            for program in object.programs() {
                programs += 1;
                if relocated(&object, program, &targets) == relocated(&object, program, &minimal) {
                    same += 1;
                } else {
                    differences.push(format!("{} {}", object_path.display(), program.name));
                }
            }
        }
        sizes.sort();
        println!(
            "| {} | {objects} | {programs} | {same} | {full_size} | {}, {} |",
            path.file_stem().unwrap_or_default().to_string_lossy(),
            sizes.get(sizes.len() / 2).unwrap_or(&0),
            sizes.last().unwrap_or(&0),
        );
    }
    for difference in &differences {
        println!("differs: {difference}");
    }
    Ok(differences.is_empty())
}

/// What the object needs of a kernel's types; nothing if it has no relocations.
fn minimal(object: &Object, targets: &Targets) -> Result<Option<Vec<u8>>> {
    let (Some(btf), Some(ext)) = (object.btf(), object.btf_ext()) else {
        return Ok(None);
    };
    let mut resolver = Resolver::new(btf, targets);
    let mut minimal = MinimalBtf::new(targets.vmlinux());
    let mut count = 0;
    for relocation in ext.core_relos().sections().flat_map(|section| section.records()) {
        count += 1;
        if let Ok(resolution) = resolver.resolve(&relocation) {
            minimal.add(&resolution)?;
        }
    }
    Ok(if count == 0 {
        None
    } else {
        Some(minimal.build()?.to_bytes())
    })
}

/// The instructions after relocation, but for ids of the kernel's types, which differ; or why there are none.
fn relocated(
    object: &Object,
    program: &bpfld_object::Program,
    targets: &Targets,
) -> Result<Vec<[u8; 8]>, String> {
    let mut linked = object.link(program).map_err(|error| error.to_string())?;
    let reports = linked.apply_core(object, targets);
    if let Some(at) = reports
        .iter()
        .find(|report| report.outcome.is_failure())
        .map(|report| report.at)
    {
        return Err(format!("instruction {at}"));
    }
    let mut insns: Vec<[u8; 8]> = linked
        .insns
        .iter()
        .map(|insn| insn.to_bytes(bpfld_insn::Endian::NATIVE))
        .collect();
    for relocation in &linked.relocations {
        if let Target::Core(record) = relocation.target
            && record.kind == CoreKind::TYPE_ID_TARGET
            && let Some([_, _, _, _, imm @ ..]) = insns.get_mut(relocation.at as usize)
        {
            // Present or not must agree all the same.
            *imm = [u8::from(*imm != [0; 4]), 0, 0, 0];
        }
    }
    Ok(insns)
}
