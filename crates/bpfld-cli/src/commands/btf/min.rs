//! `bpfld btf min`: the part of a kernel's types that objects need.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use bpfld_btf::{MinimalBtf, Resolver, Targets};

use super::source::Source;
use crate::commands::inspect::open;
use crate::exit::ExitStatus;
use crate::output::Output;

/// Write the part of a kernel's types that the CO-RE relocations of objects need
///
/// Objects relocate against the result as against all of the kernel's types, but for the numbers of types; the byte order is the
/// same, too. Exit status 1 if a relocation has no answer on this kernel; the result is written all the same.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compiled BPF objects
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The kernel's types
    #[arg(long, value_name = "SOURCE")]
    btf: Source,
    /// The file to write; `-` is standard output
    #[arg(long, short, value_name = "OUT")]
    out: PathBuf,
}

/// Collect, write, and tell how much it is.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let kernel = args.btf.read(None)?;
    let targets = Targets::new(kernel);
    let mut minimal = MinimalBtf::new(targets.vmlinux());
    let (mut count, mut status) = (0usize, ExitStatus::Ok);
    for path in &args.files {
        let object = open(path)?;
        let (Some(btf), Some(ext)) = (object.btf(), object.btf_ext()) else {
            continue;
        };
        let mut resolver = Resolver::new(btf, &targets);
        for relocation in ext.core_relos().sections().flat_map(|section| section.records()) {
            count += 1;
            match resolver.resolve(&relocation) {
                Ok(resolution) => minimal.add(&resolution)?,
                Err(error) => {
                    status = ExitStatus::Negative;
                    writeln!(io::stderr(), "bpfld: {}: {error}", path.display())?;
                }
            }
        }
    }
    let bytes = minimal.build()?.to_bytes_in(targets.vmlinux().endian());
    let types = bpfld_btf::Btf::parse(bytes.clone())?.len() - 1;
    if output.save(&args.out, &bytes)? {
        writeln!(
            output,
            "{}: {types} types of {} in {} bytes, for {count} relocations",
            args.out.display(),
            targets.vmlinux().len() - 1,
            bytes.len()
        )?;
    }
    Ok(status)
}
