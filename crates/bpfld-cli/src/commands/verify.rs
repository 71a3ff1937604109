//! `bpfld verify`: does the kernel take these objects? Nothing is attached, nothing stays.

mod report;

use std::any::Any;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use bpfld::features::why_not_permitted;
use bpfld::{Failure, Loader, LogLevel, ProgramType};
use bpfld_object::{Object, Pinning};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::report::{ObjectRow, ProgramRow, Row};
use crate::exit::ExitStatus;
use crate::output::{Format, Output};

/// With fewer files a progress bar is not worth its line.
const MANY: usize = 4;

/// Load every program of every object by itself, then each object as a whole; attach nothing
///
/// Exit status 0 if the kernel takes all of it, 1 if not, 3 if a file cannot be read or is no object, 4 if this process may
/// not ask.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compiled BPF objects
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A table for people; or one JSON object for each program, then one for each file
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Load everything and tell how that went.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let progress = progress(args.files.len());
    let (mut all_ok, mut no_object, mut not_permitted) = (true, false, false);
    let mut summary = report::Summary::default();
    for path in &args.files {
        progress.set_message(path.display().to_string());
        let rows = verify(path);
        all_ok &= rows.iter().all(Row::is_ok);
        no_object |= rows.iter().any(Row::is_no_object);
        not_permitted |= rows.iter().any(Row::is_not_permitted);
        summary.count(&rows);
        progress.suspend(|| match args.output {
            Format::Json => rows.iter().try_for_each(|row| output.json(row)),
            Format::Text => report::print(path, &rows, output),
        })?;
        output.flush()?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    if args.output == Format::Text {
        summary.print(output)?;
    }
    if not_permitted {
        output.flush()?;
        let why = why_not_permitted(None).or_else(|| why_not_permitted(Some(ProgramType::EXT)));
        let why = why
            .as_deref()
            .unwrap_or("the kernel refuses this process what its capabilities should allow");
        writeln!(io::stderr(), "bpfld: {why}")?;
        return Ok(ExitStatus::NotPermitted);
    }
    Ok(match (no_object, all_ok) {
        (true, _) => ExitStatus::File,
        (false, true) => ExitStatus::Ok,
        (false, false) => ExitStatus::Negative,
    })
}

/// A bar on a terminal, if there are many files; results that go to the same terminal stay above it.
fn progress(files: usize) -> ProgressBar {
    if files < MANY || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta}\n{wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The rows of one file: its programs, then the object. Whatever goes wrong becomes a row.
fn verify(path: &Path) -> Vec<Row> {
    let name = path.display().to_string();
    let mut rows = Vec::new();
    let object = match caught(|| Object::open(path)) {
        Ok(Ok(object)) => object,
        Ok(Err(error)) => return vec![ObjectRow::not_opened(&name, &chain(&error)).into()],
        Err(crash) => return vec![ObjectRow::not_opened(&name, &crash).into()],
    };
    for program in object.programs() {
        let row = ProgramRow::new(&name, &object, program);
        let outcome = caught(|| alone(&object, &program.name));
        rows.push(row.with(outcome).into());
    }
    rows.push(ObjectRow::new(&name, caught(|| whole(&object))).into());
    rows
}

/// Load one program by itself, with statistics: they do not change what the verifier decides. Kernels before 5.2 do not
/// have them, so that anything but a rejection is tried again without.
fn alone(object: &Object, program: &str) -> Result<bpfld::Alone, bpfld::Error> {
    let load = |level| {
        Loader::new()
            .log_level(level)
            .prepare(object)?
            .load_alone(program)
    };
    match load(LogLevel::STATS) {
        Err(error) if error.failure() != Failure::Rejected => load(LogLevel::empty()),
        outcome => outcome,
    }
}

/// Load an object as a whole, with nothing pinned.
fn whole(object: &Object) -> Result<(), bpfld::Error> {
    let mut loader = Loader::new();
    for map in object.maps().iter().filter(|map| map.pinning != Pinning::None) {
        loader.map(&*map.name).no_pin();
    }
    loader.load(object).map(|_| ())
}

/// Run something; a panic in it becomes a text.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = |payload: &(dyn Any + Send)| {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or_else(|| payload.downcast_ref::<String>().cloned())
        };
        format!(
            "internal error: {}",
            text(&*payload).as_deref().unwrap_or("panic")
        )
    })
}

/// An error with all its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
