//! `bpfld link`: what programs of the running kernel are attached to.

use std::path::PathBuf;

use anyhow::Result;
use bpfld::{Link, Owners};
use clap::Subcommand;
use comfy_table::Cell;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::{Format, Holder, Output, holders, owners_cell};
use crate::select::Selector;

/// List, show, pin and detach links of the running kernel
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// All links of the system, with the processes that hold them
    List {
        /// A table, or one JSON object a link
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// One link
    Show {
        /// An id, or the path of a pin
        link: Selector,
        /// A table, or a JSON object
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Pin a link
    Pin {
        /// An id, or the path of a pin
        link: Selector,
        /// Where, in a BPF file system
        path: PathBuf,
    },
    /// Detach a link, whoever holds it
    Detach {
        /// An id, or the path of a pin
        link: Selector,
    },
}

/// A link; its JSON form.
#[derive(Serialize)]
struct Row {
    id: u32,
    #[serde(rename = "type")]
    link_type: String,
    program_id: u32,
    /// In words.
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<u64>,
    /// Processes that hold it.
    owners: Vec<Holder>,
}

impl Row {
    fn of(link: &Link, owners: &Owners) -> Result<Row> {
        let info = link.info()?;
        Ok(Row {
            id: info.id(),
            link_type: info.link_type().to_string(),
            program_id: info.program_id(),
            target: info.to_string(),
            cookie: info.cookie(),
            owners: holders(owners.of_link(info.id())),
        })
    }
}

/// Do what was asked for.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    match &args.action {
        Action::List { output: format } => {
            let owners = Owners::read()?;
            let mut rows = Vec::new();
            for link in Link::all() {
                let link = link?;
                rows.push(Row::of(&link, &owners)?);
            }
            print(&rows, *format, output)?;
        }
        Action::Show { link, output: format } => {
            print(&[Row::of(&link.link()?, &Owners::read()?)?], *format, output)?;
        }
        Action::Pin { link, path } => link.link()?.pin(path)?,
        Action::Detach { link } => link.link()?.detach()?,
    }
    Ok(ExitStatus::Ok)
}

fn print(rows: &[Row], format: Format, output: &mut Output) -> Result<()> {
    if format == Format::Json {
        return Ok(rows.iter().try_for_each(|row| output.json(row))?);
    }
    let cells = rows.iter().map(|row| {
        vec![
            Cell::new(row.id),
            Cell::new(&row.link_type),
            Cell::new(row.program_id),
            Cell::new(&row.target),
            owners_cell(&row.owners),
        ]
    });
    output.table(
        &["id", "type", "program", "attached to", "held by"],
        &[0, 2],
        cells.collect(),
    )?;
    Ok(())
}
