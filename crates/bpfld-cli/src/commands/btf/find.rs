//! `bpfld btf find`: what a name stands for.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use bpfld::KernelBtf;
use bpfld_btf::{Btf, Kind, Type};
use serde::Serialize;

use super::{json::TypeRow, source::Source};
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Show every type, function and variable of a name
///
/// Exit status 1 if there is none.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name, without `struct` and the like
    name: String,
    /// Where to look; the running kernel and its modules if not given
    #[arg(long = "in", value_name = "SOURCE")]
    sources: Vec<Source>,
    /// What the types of a file continue: the kernel's types for a module's
    #[arg(long, value_name = "SOURCE")]
    base: Option<Source>,
    /// Declarations for people; or one JSON object for each
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Found<'a> {
    source: &'a str,
    #[serde(flatten)]
    ty: TypeRow<'a>,
}

/// Look, and print what is found.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let mut status = ExitStatus::Negative;
    for (source, btf) in places(args)? {
        // The types of a module's base were shown with the kernel's.
        for ty in btf.find_all(&args.name).filter(|ty| ty.id() >= btf.first_id()) {
            status = ExitStatus::Ok;
            match args.output {
                Format::Json => output.json(&Found {
                    source: &source,
                    ty: TypeRow::new(&ty),
                })?,
                Format::Text => print(&source, &btf, &ty, output)?,
            }
        }
    }
    Ok(status)
}

/// The BTFs to look in, with their names.
fn places(args: &Args) -> Result<Vec<(String, Arc<Btf>)>> {
    if !args.sources.is_empty() {
        let read = |source: &Source| Ok((source.to_string(), source.read_on(args.base.as_ref())?));
        return args.sources.iter().map(read).collect();
    }
    let kernel = KernelBtf::shared()?;
    let vmlinux = ("vmlinux".to_owned(), Arc::clone(kernel.vmlinux()));
    let modules = kernel.modules()?.into_iter();
    let modules = modules.map(|module| (module.name().to_owned(), Arc::clone(module.btf())));
    Ok(std::iter::once(vmlinux).chain(modules).collect())
}

fn print(source: &str, btf: &Btf, ty: &Type<'_>, output: &mut Output) -> Result<()> {
    write!(
        output,
        "{source} [{}] {} {}",
        ty.id(),
        ty.kind(),
        ty.name().unwrap_or("?")
    )?;
    if let Ok(size) = btf.resolve_size(ty.id()) {
        write!(output, ", {size} bytes")?;
    }
    writeln!(output)?;
    match ty.kind() {
        Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 | Kind::TYPEDEF => {
            let mut text = String::new();
            btf.write_c_definition(ty.id(), &mut text)?;
            writeln!(output, "{text}")?;
        }
        Kind::FUNC | Kind::VAR => {
            let mut text = String::new();
            btf.write_c_declaration(ty.target().unwrap_or_default(), ty.name()?, &mut text)?;
            writeln!(output, "{text};\n")?;
        }
        _ => writeln!(output, "{}\n", ty.raw())?,
    }
    Ok(())
}
