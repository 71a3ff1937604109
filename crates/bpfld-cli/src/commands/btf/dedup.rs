//! `bpfld btf dedup`: many types into one file, each once.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use bpfld_btf::{Builder, Endian};

use super::source::Source;
use crate::exit::{ExitStatus, Usage};
use crate::output::Output;

/// Put the types of several files together and leave each only once
///
/// The result has the byte order of the base or of the first file; it must be that of all of them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with types
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Source>,
    /// What all of them continue
    #[arg(long, value_name = "SOURCE")]
    base: Option<Source>,
    /// The file to write; `-` is standard output
    #[arg(long, short, value_name = "OUT")]
    out: PathBuf,
}

/// Merge, deduplicate, write, and tell how much it is.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let base = args.base.as_ref().map(|base| base.read(None)).transpose()?;
    let mut builder = match &base {
        Some(base) => Builder::split(Arc::clone(base)),
        None => Builder::new(),
    };
    let mut endian = base.as_ref().map(|base| base.endian());
    for source in &args.sources {
        let btf = source.read(base.clone())?;
        if *endian.get_or_insert(btf.endian()) != btf.endian() {
            let message = format!("{source} has another byte order than the types before it");
            return Err(Usage(message).into());
        }
        builder.append(&btf).with_context(|| source.to_string())?;
    }
    let merged = builder.dedup()?.builder;
    let count = |builder: &Builder| builder.len() - builder.first_id().0;
    let bytes = merged.to_bytes_in(endian.unwrap_or(Endian::NATIVE));
    if output.save(&args.out, &bytes)? {
        writeln!(
            output,
            "{}: {} types of {}, {} bytes",
            args.out.display(),
            count(&merged),
            count(&builder),
            bytes.len()
        )?;
    }
    Ok(ExitStatus::Ok)
}
