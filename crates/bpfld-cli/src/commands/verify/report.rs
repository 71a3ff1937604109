//! What `verify` reports, as data: rows, which are also the lines of its JSON form.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use bpfld::{Alone, AttachType, Failure, ProgramType, VerifierLog};
use bpfld_object::{Object, Program};
use comfy_table::{Cell, Color};
use serde::Serialize;

use crate::exit::is_not_permitted;
use crate::output::Output;

/// How many lines of a verifier log are reported.
const TAIL: usize = 12;

/// What became of a program or an object.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// The kernel took it.
    Ok,
    /// The verifier looked at it and said no.
    Rejected,
    /// The kernel lacks something that it needs.
    Unsupported,
    /// Anything else.
    #[default]
    Error,
}

/// A line of the report.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Row {
    Program(ProgramRow),
    Object(ObjectRow),
}

/// What became of a program, loaded by itself.
#[derive(Default, Serialize)]
pub(super) struct ProgramRow {
    object: String,
    program: String,
    /// The kernel's name of the program type; nothing if the section name says none.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The kernel's name of the attach type; nothing if there is none.
    attach_type: Option<String>,
    verdict: Verdict,
    /// Instruction slots, subprograms included; nothing if it could not be linked.
    insns: Option<usize>,
    /// Instructions that the verifier went through.
    processed_insns: Option<u64>,
    /// States that the verifier kept.
    total_states: Option<u64>,
    error: Option<String>,
    /// The last lines of the verifier's log, if it rejected the program.
    log_tail: Option<String>,
    /// What the log says, taken apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<Why>,
    /// Whether rights were missing.
    #[serde(skip)]
    not_permitted: bool,
}

/// Why the verifier said no.
#[derive(Serialize)]
struct Why {
    /// The kind of mistake: a word that stays the same.
    class: &'static str,
    /// The instruction that it stopped at.
    insn: Option<u32>,
    file: Option<String>,
    line: Option<u32>,
    /// The excerpt for people.
    #[serde(skip)]
    text: String,
}

impl Why {
    fn of(error: &bpfld::Error) -> Option<Why> {
        let rejection = error.verifier_log()?.rejection()?;
        let place = rejection.source().and_then(|line| line.place.clone());
        let (file, line) = place.unzip();
        Some(Why {
            class: rejection.class().name(),
            insn: rejection.insn().map(|insn| insn.index),
            file,
            line,
            text: rejection.to_string(),
        })
    }
}

/// What became of an object, loaded as a whole.
#[derive(Default, Serialize)]
pub(super) struct ObjectRow {
    /// Always `object`: what tells such lines from those of programs.
    kind: &'static str,
    object: String,
    verdict: Verdict,
    error: Option<String>,
    log_tail: Option<String>,
    #[serde(skip)]
    not_permitted: bool,
    /// Whether the file cannot be read or is no object.
    #[serde(skip)]
    no_object: bool,
}

impl Row {
    pub(super) fn is_ok(&self) -> bool {
        self.verdict() == Verdict::Ok
    }

    /// Whether it failed for lack of rights.
    pub(super) fn is_not_permitted(&self) -> bool {
        match self {
            Row::Program(row) => row.not_permitted,
            Row::Object(row) => row.not_permitted,
        }
    }

    /// Whether it is about a file that is no object.
    pub(super) fn is_no_object(&self) -> bool {
        matches!(self, Row::Object(row) if row.no_object)
    }

    fn verdict(&self) -> Verdict {
        match self {
            Row::Program(row) => row.verdict,
            Row::Object(row) => row.verdict,
        }
    }
}

impl From<ProgramRow> for Row {
    fn from(row: ProgramRow) -> Row {
        Row::Program(row)
    }
}

impl From<ObjectRow> for Row {
    fn from(row: ObjectRow) -> Row {
        Row::Object(row)
    }
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Verdict {
        match failure {
            Failure::Rejected => Verdict::Rejected,
            Failure::Unsupported => Verdict::Unsupported,
            _ => Verdict::Error,
        }
    }
}

impl ProgramRow {
    /// What is known before it is loaded.
    pub(super) fn new(file: &str, object: &Object, program: &Program) -> ProgramRow {
        let spec = program.spec.as_ref();
        let kind = spec.map(|spec| spec.program_type);
        ProgramRow {
            object: file.to_owned(),
            program: program.name.to_string(),
            kind: kind.map(|kind| kind.to_string()),
            attach_type: attach_name(kind, spec.and_then(|spec| spec.attach_type)),
            insns: object.link(program).ok().map(|linked| linked.insns.len()),
            ..ProgramRow::default()
        }
    }

    /// Add how the load went.
    pub(super) fn with(self, outcome: Result<Result<Alone, bpfld::Error>, String>) -> ProgramRow {
        match outcome {
            Ok(Ok(loaded)) => {
                let program = &loaded.program;
                let stats = loaded.log.as_ref().and_then(VerifierLog::stats);
                ProgramRow {
                    kind: Some(program.program_type().to_string()),
                    attach_type: attach_name(Some(program.program_type()), program.attach_type()),
                    verdict: Verdict::Ok,
                    processed_insns: stats.map(|stats| stats.processed_insns),
                    total_states: stats.map(|stats| stats.total_states),
                    ..self
                }
            }
            Ok(Err(error)) => ProgramRow {
                verdict: error.failure().into(),
                log_tail: tail(&error),
                rejection: Why::of(&error),
                error: Some(text(&error)),
                not_permitted: is_not_permitted(&error),
                ..self
            },
            Err(crash) => ProgramRow {
                error: Some(crash),
                ..self
            },
        }
    }
}

impl ObjectRow {
    /// An object that could not even be opened.
    pub(super) fn not_opened(file: &str, error: &str) -> ObjectRow {
        ObjectRow {
            kind: "object",
            object: file.to_owned(),
            error: Some(error.to_owned()),
            no_object: true,
            ..ObjectRow::default()
        }
    }

    pub(super) fn new(file: &str, outcome: Result<Result<(), bpfld::Error>, String>) -> ObjectRow {
        let row = ObjectRow {
            kind: "object",
            object: file.to_owned(),
            ..ObjectRow::default()
        };
        match outcome {
            Ok(Ok(())) => ObjectRow {
                verdict: Verdict::Ok,
                ..row
            },
            Ok(Err(error)) => ObjectRow {
                verdict: error.failure().into(),
                log_tail: tail(&error),
                error: Some(text(&error)),
                not_permitted: is_not_permitted(&error),
                ..row
            },
            Err(crash) => ObjectRow {
                error: Some(crash),
                ..row
            },
        }
    }
}

/// The attach type as the kernel calls it. Number 0 stands for none, but with the one type that it belongs to.
fn attach_name(kind: Option<ProgramType>, attach: Option<AttachType>) -> Option<String> {
    let is_none = |attach: &AttachType| attach.0 == 0 && kind != Some(ProgramType::CGROUP_SKB);
    attach
        .filter(|attach| !is_none(attach))
        .map(|attach| attach.to_string())
}

/// An error in one line.
fn text(error: &bpfld::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tail(error: &bpfld::Error) -> Option<String> {
    error.verifier_log().map(|log| log.tail(TAIL).join("\n"))
}

/// A table of one file's rows.
pub(super) fn print(path: &Path, rows: &[Row], output: &mut Output) -> io::Result<()> {
    let number = |n: Option<u64>| Cell::new(n.map(|n| n.to_string()).unwrap_or_default());
    let cells = rows.iter().map(|row| match row {
        Row::Program(row) => vec![
            Cell::new(&row.program),
            Cell::new(
                [&row.kind, &row.attach_type]
                    .map(|word| word.as_deref().unwrap_or(""))
                    .join(" ")
                    .trim(),
            ),
            verdict(row.verdict),
            Cell::new(row.insns.map(|n| n.to_string()).unwrap_or_default()),
            number(row.processed_insns),
            number(row.total_states),
            Cell::new(row.error.as_deref().unwrap_or("")),
        ],
        Row::Object(row) => {
            let empty = || Cell::new("");
            let error = Cell::new(row.error.as_deref().unwrap_or(""));
            vec![
                Cell::new("(whole object)"),
                empty(),
                verdict(row.verdict),
                empty(),
                empty(),
                empty(),
                error,
            ]
        }
    });
    writeln!(output, "{}", path.display())?;
    output.table(
        &["program", "type", "verdict", "insns", "processed", "states", ""],
        &[3, 4, 5],
        cells.collect(),
    )?;
    for row in rows {
        if let Row::Program(ProgramRow {
            program,
            rejection: Some(why),
            ..
        }) = row
        {
            writeln!(output, "\n{program}: {}", why.text)?;
        }
    }
    writeln!(output)
}

fn verdict(verdict: Verdict) -> Cell {
    let cell = Cell::new(verdict);
    match verdict {
        Verdict::Ok => cell.fg(Color::Green),
        Verdict::Unsupported => cell.fg(Color::Yellow),
        Verdict::Rejected | Verdict::Error => cell.fg(Color::Red),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Ok => "ok",
            Verdict::Rejected => "rejected",
            Verdict::Unsupported => "unsupported",
            Verdict::Error => "error",
        })
    }
}

/// How many of what, over all files.
#[derive(Default)]
pub(super) struct Summary {
    programs: usize,
    programs_ok: usize,
    objects: usize,
    objects_ok: usize,
}

impl Summary {
    pub(super) fn count(&mut self, rows: &[Row]) {
        for row in rows {
            let (all, ok) = match row {
                Row::Program(_) => (&mut self.programs, &mut self.programs_ok),
                Row::Object(_) => (&mut self.objects, &mut self.objects_ok),
            };
            *all += 1;
            *ok += usize::from(row.is_ok());
        }
    }

    pub(super) fn print(&self, output: &mut Output) -> io::Result<()> {
        let Summary {
            programs,
            programs_ok,
            objects,
            objects_ok,
        } = self;
        writeln!(
            output,
            "{programs_ok} of {programs} programs load, {objects_ok} of {objects} objects load whole"
        )
    }
}
