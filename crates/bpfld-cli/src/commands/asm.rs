//! `bpfld asm`: assembly in, an object file out.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bpfld_insn::Endian;
use bpfld_object::ObjectAssembler;
use clap::ValueEnum;

use crate::exit::{ExitStatus, Usage};
use crate::output::{Output, is_standard};

/// Assemble a text into an object file that any loader takes
///
/// All dialects are understood. Sections, maps, data and what the kernel has are declared by directives; see the guide.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The text; `-` is standard input
    file: PathBuf,
    /// Where to write; `-` is standard output. Unless given, beside the text with the ending `.o`, or `.bin` for raw ones
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the instructions alone, without an object around them
    #[arg(long)]
    raw: bool,
    /// Define a constant
    #[arg(short = 'D', long, value_name = "NAME=NUMBER", value_parser = definition)]
    define: Vec<(String, i64)>,
    /// The byte order of the machines it is for; this one's unless given
    #[arg(long, value_enum)]
    endian: Option<Order>,
}

/// A byte order.
#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum Order {
    /// Least significant byte first
    Little,
    /// Most significant byte first
    Big,
}

impl Order {
    pub(super) fn endian(order: Option<Order>) -> Endian {
        match order {
            None => Endian::NATIVE,
            Some(Order::Little) => Endian::Little,
            Some(Order::Big) => Endian::Big,
        }
    }
}

/// Assemble and write.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let name = args.file.display().to_string();
    let text = read(&args.file).with_context(|| name.clone())?;
    let mut assembler = ObjectAssembler::new()
        .name(&name)
        .endian(Order::endian(args.endian));
    for (constant, value) in &args.define {
        assembler = assembler.define(constant, *value);
    }
    let made = match args.raw {
        true => assembler.assemble_flat(&text)?,
        false => assembler.assemble(&text)?,
    };
    for warning in &made.warnings {
        write!(io::stderr(), "{}", warning.render_warning(&text, &name))?;
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None if is_standard(&args.file) => {
            return Err(Usage("where to? `-o FILE`, or `-o -` for standard output".to_owned()).into());
        }
        None => args.file.with_extension(if args.raw { "bin" } else { "o" }),
    };
    if !is_standard(&out) && is_same(&out, &args.file) {
        return Err(Usage(format!("{name} would be overwritten")).into());
    }
    output.save(&out, &made.bytes)?;
    Ok(ExitStatus::Ok)
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn read(path: &Path) -> io::Result<String> {
    if is_standard(path) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    String::from_utf8(fs::read(path)?).map_err(|_| {
        let problem = "not a text; of the instructions in an object, `bpfld disasm` makes one";
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

/// `NAME=NUMBER`, in base 10 or with `0x` in base 16.
fn definition(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').ok_or("no `=` in it")?;
    let number = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|value| value as i64),
        None => value.parse().ok(),
    };
    let number = number.ok_or_else(|| format!("`{value}` is no number of 64 bits"))?;
    Ok((name.to_owned(), number))
}
