//! Where results go: text for people, or JSON.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::highlight::is_allowed;

/// The form of a result.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences
    #[default]
    Text,
    /// JSON, one object a line
    Json,
}

/// The one way out for results.
pub(crate) struct Output {
    writer: Box<dyn Write>,
    is_terminal: bool,
}

impl Output {
    /// Results go to standard output, with colour if that is a terminal.
    pub(crate) fn stdout() -> Output {
        Output {
            writer: Box::new(BufWriter::new(io::stdout())),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Whether a person reads along.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Write one value as a line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self, value)?;
        self.write_all(b"\n")
    }

    /// Write rows below a heading, columns lined up; `right` tells which columns hold numbers.
    pub(crate) fn table(
        &mut self,
        heading: &[&str],
        right: &[usize],
        rows: Vec<Vec<Cell>>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_preset(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        if !self.is_terminal || !is_allowed() {
            table.force_no_tty();
        }
        table.set_header(
            heading
                .iter()
                .map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
        );
        table.add_rows(rows);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(self, "{}", table.trim_fmt())
    }

    /// Write bytes to a file, or among the results if it is called `-`. Tells whether there is a file now.
    pub(crate) fn save(&mut self, path: &Path, bytes: &[u8]) -> Result<bool> {
        if is_standard(path) {
            self.write_all(bytes)?;
            return Ok(false);
        }
        fs::write(path, bytes).with_context(|| path.display().to_string())?;
        Ok(true)
    }

    /// Write out what is still held back.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Whether it is standard input or output that is meant.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(Unwritten::of)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(Unwritten::of)
    }
}

/// Standard output cannot be written, which is no fault of a file that was named.
#[derive(Debug)]
pub(crate) struct Unwritten(io::Error);

impl Unwritten {
    fn of(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Unwritten(error))
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unwritten(error) = self;
        write!(f, "cannot write to standard output: {error}")
    }
}

impl std::error::Error for Unwritten {}

/// A process that holds something; its JSON form.
#[derive(Serialize)]
pub(crate) struct Holder {
    pid: u32,
    name: String,
}

/// The processes in the form for output.
pub(crate) fn holders(processes: &[bpfld::Process]) -> Vec<Holder> {
    let holder = |process: &bpfld::Process| Holder {
        pid: process.pid,
        name: process.name.clone(),
    };
    processes.iter().map(holder).collect()
}

/// The processes in a cell of a table.
pub(crate) fn owners_cell(holders: &[Holder]) -> Cell {
    let owners = holders
        .iter()
        .map(|Holder { pid, name }| format!("{name}({pid})"));
    Cell::new(owners.collect::<Vec<_>>().join(", "))
}
