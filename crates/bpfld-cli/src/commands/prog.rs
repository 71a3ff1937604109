//! `bpfld prog`: the programs of the running kernel.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use bpfld::{Owners, Program};
use clap::Subcommand;
use comfy_table::Cell;
use serde::Serialize;

use super::disasm::{self, Form, Style};
use crate::exit::ExitStatus;
use crate::output::{Format, Holder, Output, holders, owners_cell};
use crate::select::{HELP, Selector};

/// List, show, disassemble and pin programs of the running kernel
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// All programs of the system, with the processes that hold them
    List {
        /// A table, or one JSON object a program
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// One program
    Show {
        #[arg(help = HELP)]
        program: Selector,
        /// A table, or a JSON object
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// The instructions of a program as the kernel runs them, or its machine code
    Dump {
        #[arg(help = HELP)]
        program: Selector,
        /// The way to write instructions
        #[arg(long, value_enum, default_value_t = Style::Kernel)]
        dialect: Style,
        #[command(flatten)]
        form: Form,
        /// The bytes of the machine code instead, function by function
        #[arg(long, conflicts_with_all = ["dialect", "raw", "lines"])]
        jited: bool,
        /// A listing; or one JSON object an instruction, with its bytes and source line (or a function of machine code)
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Pin a program
    Pin {
        #[arg(help = HELP)]
        program: Selector,
        /// Where, in a BPF file system
        path: PathBuf,
    },
}

/// A program; its JSON form.
#[derive(Serialize)]
struct Row {
    id: u32,
    name: String,
    #[serde(rename = "type")]
    program_type: String,
    tag: String,
    uid: u32,
    /// Since the machine started.
    loaded_at_ns: u128,
    /// Bytes of instructions after the verifier's changes.
    translated_bytes: u32,
    /// Bytes of machine code; 0 if it is interpreted.
    jited_bytes: u32,
    verified_insns: u32,
    map_ids: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    btf_id: Option<u32>,
    /// While statistics were on.
    run_count: u64,
    run_time_ns: u128,
    recursion_misses: u64,
    /// Processes that hold it.
    owners: Vec<Holder>,
}

impl Row {
    fn of(program: &Program, owners: &Owners) -> Result<Row> {
        let info = program.info()?;
        Ok(Row {
            id: info.id(),
            name: info.name(),
            program_type: info.program_type().to_string(),
            tag: info.tag().to_string(),
            uid: info.uid(),
            loaded_at_ns: info.loaded_at().as_nanos(),
            translated_bytes: info.translated_len(),
            jited_bytes: info.jited_len(),
            verified_insns: info.verified_insns(),
            map_ids: info.map_ids().to_vec(),
            btf_id: info.btf_id(),
            run_count: info.run_count(),
            run_time_ns: info.run_time().as_nanos(),
            recursion_misses: info.recursion_misses(),
            owners: holders(owners.of_program(info.id())),
        })
    }
}

/// Do what was asked for.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    match &args.action {
        Action::List { output: format } => {
            let owners = Owners::read()?;
            let mut rows = Vec::new();
            for program in Program::all() {
                rows.push(Row::of(&program?, &owners)?);
            }
            print(&rows, *format, output)?;
        }
        Action::Show {
            program,
            output: format,
        } => print(
            &[Row::of(&program.program()?, &Owners::read()?)?],
            *format,
            output,
        )?,
        Action::Dump {
            program,
            dialect: _,
            form: _,
            jited: true,
            output: format,
        } => return machine_code(&program.program()?, *format, output),
        Action::Dump {
            program,
            dialect,
            form,
            jited: false,
            output: Format::Text,
        } => return disasm::kernel(&program.program()?.translated()?, *dialect, *form, output),
        Action::Dump {
            program,
            dialect,
            form,
            jited: false,
            output: Format::Json,
        } => return disasm::kernel_json(&program.program()?.translated()?, *dialect, *form, output),
        Action::Pin { program, path } => program.program()?.pin(path)?,
    }
    Ok(ExitStatus::Ok)
}

/// A function of machine code; its JSON form.
#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    address: u64,
    /// In hexadecimal.
    bytes: String,
}

fn machine_code(program: &Program, format: Format, output: &mut Output) -> Result<ExitStatus> {
    for function in program.machine_code()? {
        if format == Format::Json {
            output.json(&Function {
                name: function.name(),
                address: function.address(),
                bytes: function.code().iter().map(|byte| format!("{byte:02x}")).collect(),
            })?;
            continue;
        }
        writeln!(output, "{} at {:#x}:", function.name(), function.address())?;
        for (line, bytes) in function.code().chunks(16).enumerate() {
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(output, "{:6x}: {}", line * 16, bytes.join(" "))?;
        }
    }
    Ok(ExitStatus::Ok)
}

fn print(rows: &[Row], format: Format, output: &mut Output) -> Result<()> {
    if format == Format::Json {
        return Ok(rows.iter().try_for_each(|row| output.json(row))?);
    }
    let cells = rows.iter().map(|row| {
        let maps: Vec<String> = row.map_ids.iter().map(ToString::to_string).collect();
        vec![
            Cell::new(row.id),
            Cell::new(&row.name),
            Cell::new(&row.program_type),
            Cell::new(&row.tag),
            Cell::new(row.uid),
            Cell::new(row.translated_bytes),
            Cell::new(row.jited_bytes),
            Cell::new(maps.join(",")),
            Cell::new(row.run_count),
            owners_cell(&row.owners),
        ]
    });
    let heading = [
        "id",
        "name",
        "type",
        "tag",
        "uid",
        "translated",
        "jited",
        "maps",
        "runs",
        "held by",
    ];
    output.table(&heading, &[0, 4, 5, 6, 8], cells.collect())?;
    Ok(())
}
