//! `bpfld inspect`: what an object file says, without asking any kernel.

mod code;
mod names;
mod report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use bpfld_object::Object;
use comfy_table::Cell;

pub(super) use self::code::notes;
use self::report::Report;
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// Show programs, maps, globals, externs, relocations and sections of a BPF object
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A compiled BPF object, of either byte order
    file: PathBuf,
    /// Also print the instructions of each program, with source lines
    #[arg(long)]
    insns: bool,
    /// Text for people, or one JSON object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Read the file and print what is in it.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let object = open(&args.file)?;
    let report = Report::new(&object, &args.file, args.insns);
    match args.output {
        Format::Json => output.json(&report)?,
        Format::Text => print(&report, output)?,
    }
    Ok(ExitStatus::Ok)
}

/// Open an object; errors name the file.
pub(crate) fn open(path: &Path) -> Result<Object> {
    Ok(Object::open(path)?)
}

fn print(report: &Report, output: &mut Output) -> io::Result<()> {
    let Report {
        version: _,
        file,
        name,
        endian,
        license,
        kernel_version,
        programs,
        maps,
        globals,
        externs,
        relocations,
        sections,
    } = report;
    write!(
        output,
        "{file}: {name}, {endian}-endian, licence {}",
        license.as_deref().unwrap_or("none")
    )?;
    match kernel_version {
        Some(version) => writeln!(output, ", for kernel {version:#x}")?,
        None => writeln!(output)?,
    }
    let text = |s: &Option<String>| Cell::new(s.as_deref().unwrap_or(""));
    let rows = programs.iter().map(|p| {
        vec![
            Cell::new(&p.name),
            Cell::new(&p.section),
            text(&p.kind),
            text(&p.attach_type),
            Cell::new(p.insns),
            Cell::new(p.linked_insns.map(|n| n.to_string()).unwrap_or_default()),
            Cell::new(p.notes()),
        ]
    });
    section(
        output,
        &["program", "section", "type", "attach type", "insns", "linked", ""],
        &[4, 5],
        rows.collect(),
    )?;
    let rows = maps.iter().map(|m| {
        vec![
            Cell::new(&m.name),
            Cell::new(&m.kind),
            Cell::new(&m.map_type),
            Cell::new(format!("{} {}", m.key_size, m.key_type.as_deref().unwrap_or("")).trim_end()),
            Cell::new(format!("{} {}", m.value_size, m.value_type.as_deref().unwrap_or("")).trim_end()),
            Cell::new(m.max_entries),
            Cell::new(m.notes()),
        ]
    });
    section(
        output,
        &["map", "defined by", "type", "key", "value", "entries", ""],
        &[5],
        rows.collect(),
    )?;
    let rows = globals.iter().map(|g| {
        vec![
            Cell::new(&g.name),
            Cell::new(&g.map),
            Cell::new(g.offset),
            Cell::new(g.size),
            text(&g.ty),
            Cell::new(g.linkage),
        ]
    });
    section(
        output,
        &["global", "map", "offset", "size", "type", "linkage"],
        &[2, 3],
        rows.collect(),
    )?;
    let rows = externs.iter().map(|e| {
        let weak = if e.weak { "weak" } else { "" };
        vec![
            Cell::new(&e.name),
            Cell::new(e.kind),
            text(&e.ty),
            Cell::new(weak),
        ]
    });
    section(output, &["extern", "kind", "type", ""], &[], rows.collect())?;
    let rows = relocations.iter().map(|r| {
        vec![
            Cell::new(&r.program),
            Cell::new(r.at),
            Cell::new(r.kind),
            Cell::new(&r.target),
        ]
    });
    section(
        output,
        &["relocation in", "insn", "kind", "target"],
        &[1],
        rows.collect(),
    )?;
    let rows = sections.iter().map(|s| {
        vec![
            Cell::new(s.index),
            Cell::new(&s.name),
            Cell::new(&s.kind),
            Cell::new(&s.flags),
            Cell::new(s.size),
        ]
    });
    section(
        output,
        &["", "section", "kind", "flags", "size"],
        &[0, 4],
        rows.collect(),
    )?;
    for program in programs.iter() {
        let Some(code) = &program.code else { continue };
        writeln!(output)?;
        for line in code {
            writeln!(output, "{line}")?;
        }
    }
    Ok(())
}

/// A table with an empty line before it, if it has rows.
fn section(output: &mut Output, heading: &[&str], right: &[usize], rows: Vec<Vec<Cell>>) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(output)?;
    output.table(heading, right, rows)
}
