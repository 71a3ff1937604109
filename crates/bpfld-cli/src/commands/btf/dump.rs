//! `bpfld btf dump`: all types of a source, in one of several notations.

use std::fmt;
use std::io::{self, Write};

use anyhow::{Result, ensure};
use bpfld_btf::{Btf, Kind, TypeId};
use clap::ValueEnum;

use super::{json, source::Source};
use crate::exit::{ExitStatus, Usage};
use crate::output::Output;

/// Print types: as C or Rust declarations, as records, or as JSON
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file, an id, vmlinux, or the name of a module
    #[arg(value_name = "SOURCE", default_value = "vmlinux")]
    source: Source,
    /// The notation
    #[arg(long, value_enum, default_value_t)]
    format: Notation,
    /// Only this type and what it needs; several for several types
    #[arg(long = "type", value_name = "NAME")]
    types: Vec<String>,
    /// What the types of a file continue: the kernel's types for a module's
    #[arg(long, value_name = "SOURCE")]
    base: Option<Source>,
}

/// How types are written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Notation {
    /// One record after the other, as bpftool writes them
    #[default]
    Raw,
    /// Declarations that a C compiler takes: vmlinux.h
    C,
    /// Declarations that a Rust compiler takes, for values in maps and global variables
    Rust,
    /// The records as one JSON object
    Json,
}

/// Print what is asked for.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let btf = args.source.read_on(args.base.as_ref())?;
    let roots = roots(&btf, &args.types)?;
    let mut sink = Sink::new(output);
    let written: Result<()> = match (args.format, &roots) {
        (Notation::C, None) => btf.write_vmlinux_h(&mut sink).map_err(Into::into),
        (Notation::C, Some(roots)) => btf.write_c(roots, &mut sink).map_err(Into::into),
        (Notation::Rust, None) => btf.write_rust_all(&mut sink).map_err(Into::into),
        (Notation::Rust, Some(roots)) => btf.write_rust(roots, &mut sink).map_err(Into::into),
        (Notation::Raw, roots) => return raw(&btf, roots.as_deref(), output),
        (Notation::Json, roots) => return json(&btf, roots.as_deref(), output),
    };
    // That the reader went away counts more than that writing stopped.
    sink.failure.map_or(Ok(()), Err)?;
    written?;
    Ok(ExitStatus::Ok)
}

/// The types to begin with: those that C and Rust declare, of the names that are asked for.
fn roots(btf: &Btf, names: &[String]) -> Result<Option<Vec<TypeId>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut roots = Vec::new();
    for name in names {
        let found: Vec<TypeId> = btf
            .find_all(name)
            .filter(|ty| !matches!(ty.kind(), Kind::FUNC | Kind::VAR | Kind::DATASEC | Kind::DECL_TAG))
            .map(|ty| ty.id())
            .collect();
        ensure!(!found.is_empty(), Usage(format!("there is no type {name}")));
        roots.extend(found);
    }
    Ok(Some(roots))
}

/// The types to list: those asked for, or all that are written here and not in a base.
fn listed<'a>(btf: &'a Btf, roots: Option<&'a [TypeId]>) -> impl Iterator<Item = bpfld_btf::Type<'a>> {
    let own = btf.own_types();
    let own = roots.is_none().then_some(own).into_iter().flatten();
    let chosen = roots.unwrap_or_default();
    own.chain(chosen.iter().filter_map(|id| btf.ty(*id).ok()))
}

fn raw(btf: &Btf, roots: Option<&[TypeId]>, output: &mut Output) -> Result<ExitStatus> {
    for ty in listed(btf, roots) {
        writeln!(output, "{}", ty.raw())?;
    }
    Ok(ExitStatus::Ok)
}

fn json(btf: &Btf, roots: Option<&[TypeId]>, output: &mut Output) -> Result<ExitStatus> {
    output.json(&json::Types(|| listed(btf, roots)))?;
    Ok(ExitStatus::Ok)
}

/// Formatted text on its way to bytes: keeps what went wrong there.
pub(super) struct Sink<'a> {
    output: &'a mut Output,
    failure: Option<io::Error>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            failure: None,
        }
    }
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.output.write_all(text.as_bytes()).map_err(|error| {
            self.failure = Some(error);
            fmt::Error
        })
    }
}
