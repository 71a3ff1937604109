//! `bpfld disasm`: instructions as text: of an object, of bytes, or of a program in the kernel.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use bpfld::Translated;
use bpfld_insn::flow::Flow;
use bpfld_insn::{Annotate, Dialect, Endian, Printer, Slot, print, slots_from_bytes};
use bpfld_object::Object;
use clap::ValueEnum;
use serde::Serialize;

use super::asm::Order;
use super::inspect;
use super::run::missing;
use crate::bytes::unhex;
use crate::exit::{ExitStatus, Usage};
use crate::highlight::{Color, highlight};
use crate::output::Output;
use crate::select::Selector;

/// Print the instructions of an object file, of bytes, or of a program in the kernel
///
/// The text of an object or of bytes is what `bpfld asm` takes back. Programs in the kernel are shown as they are run,
/// with the names and source lines that the kernel knows.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// An object file, a file of bare instructions, instructions in hexadecimal, or the id of a program in the kernel
    #[arg(value_name = "FILE|HEX|ID")]
    what: String,
    /// Only this program of the object, with the subprograms it reaches
    #[arg(long, value_name = "NAME")]
    program: Option<String>,
    /// The way to write instructions
    #[arg(long, value_enum, default_value_t)]
    dialect: Style,
    #[command(flatten)]
    form: Form,
    /// Draw the control flow instead, for Graphviz
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["raw", "lines", "color"])]
    cfg: Option<Drawing>,
    /// The byte order of bare instructions; this machine's unless given
    #[arg(long, value_enum)]
    endian: Option<Order>,
}

/// What to print beside the instructions.
#[derive(Copy, Clone, Debug, clap::Args)]
pub(super) struct Form {
    /// Also print the bytes of each instruction
    #[arg(long)]
    raw: bool,
    /// Also print source lines, where known
    #[arg(long)]
    lines: bool,
    /// When to use colours; `auto` is on a terminal unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t)]
    color: Color,
}

/// A dialect.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Style {
    /// `r0 = *(u32 *)(r1 + 4)`
    #[default]
    Llvm,
    /// As in the verifier's log: `(61) r0 = *(u32 *)(r1 +4)`
    Kernel,
    /// `ldxw %r0,[%r1+4]`
    Gnu,
}

/// A language for drawings.
#[derive(Copy, Clone, Debug, ValueEnum)]
enum Drawing {
    /// That of Graphviz
    Dot,
}

impl From<Style> for Dialect {
    fn from(style: Style) -> Dialect {
        match style {
            Style::Llvm => Dialect::Llvm,
            Style::Kernel => Dialect::Kernel,
            Style::Gnu => Dialect::Gnu,
        }
    }
}

/// What there is to print.
enum Source {
    Object(Box<Object>),
    Bare(Vec<Slot>),
    Kernel(Translated),
}

/// Find out what is meant, and print it.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let source = source(args)?;
    if args.endian.is_some() && !matches!(source, Source::Bare(_)) {
        return Err(Usage("`--endian` is for bare instructions; the others have an order".to_owned()).into());
    }
    let text = match (&source, args.cfg) {
        (Source::Object(object), None) if args.program.is_none() => whole(args, object),
        (Source::Object(object), _) => programs(args, object)?,
        (_, _) if args.program.is_some() => {
            return Err(Usage("`--program` is for object files".to_owned()).into());
        }
        (Source::Bare(slots), None) => listing(args, print(slots), Order::endian(args.endian)),
        (Source::Bare(slots), Some(Drawing::Dot)) => dot(args, slots, &[]),
        (Source::Kernel(translated), None) => return kernel(translated, args.dialect, args.form, output),
        (Source::Kernel(translated), Some(Drawing::Dot)) => {
            let functions: Vec<(usize, &str)> = translated.functions().collect();
            dot(args, translated.insns(), &functions)
        }
    };
    if args.cfg.is_some() {
        write!(output, "{text}")?;
        return Ok(ExitStatus::Ok);
    }
    write(&text, args.form, output)
}

fn write(text: &str, form: Form, output: &mut Output) -> Result<ExitStatus> {
    if form.color.is_wanted(output.is_terminal()) {
        write!(output, "{}", highlight(text))?;
    } else {
        write!(output, "{text}")?;
    }
    Ok(ExitStatus::Ok)
}

fn source(args: &Args) -> Result<Source> {
    let what = &*args.what;
    let path = Path::new(what);
    if path.exists() {
        let bytes = fs::read(path).with_context(|| what.to_owned())?;
        if is_bare(&bytes) {
            let (slots, _) = slots_from_bytes(&bytes, Order::endian(args.endian));
            return Ok(Source::Bare(slots.collect()));
        }
        let object = Object::options().allow_undefined().open(path);
        return Ok(Source::Object(Box::new(object?)));
    }
    if let Ok(id) = what.parse() {
        return Ok(Source::Kernel(Selector::Id(id).program()?.translated()?));
    }
    let bytes = hexadecimal(what).with_context(|| format!("{what} is no file, no id and no instructions"))?;
    let (slots, _) = slots_from_bytes(&bytes, Order::endian(args.endian));
    Ok(Source::Bare(slots.collect()))
}

/// Whether a file holds instructions alone: whole ones, and neither ELF nor text.
fn is_bare(bytes: &[u8]) -> bool {
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    bytes.len().is_multiple_of(8) && !bytes.starts_with(b"\x7fELF") && !is_text
}

/// Whole instructions, in hexadecimal digits.
fn hexadecimal(text: &str) -> Result<Vec<u8>, Usage> {
    let bytes = unhex(text).ok_or_else(|| Usage("not bytes in hexadecimal".to_owned()))?;
    if !bytes.len().is_multiple_of(8) {
        return Err(Usage(format!("{} bytes; an instruction has 8", bytes.len())));
    }
    Ok(bytes)
}

/// All of an object.
fn whole(args: &Args, object: &Object) -> String {
    let mut text = object.to_assembly().dialect(args.dialect.into());
    if args.form.raw {
        text = text.raw();
    }
    if args.form.lines {
        text = text.lines();
    }
    text.to_string()
}

/// One program of an object, or all of them one by one.
fn programs(args: &Args, object: &Object) -> Result<String> {
    let wanted = |name: &str| args.program.as_deref().is_none_or(|wanted| wanted == name);
    let mut text = String::new();
    for program in object.programs().iter().filter(|program| wanted(&program.name)) {
        let linked = object.link(program)?;
        let notes = inspect::notes(object, &linked);
        text += &match args.cfg {
            Some(Drawing::Dot) => dot(args, &linked.insns, &notes.functions().collect::<Vec<_>>()),
            None if args.form.lines => listing(args, print(&linked.insns).annotate(&notes), object.endian()),
            None => {
                let names = Names(&notes);
                listing(args, print(&linked.insns).annotate(&names), object.endian())
            }
        };
    }
    if text.is_empty()
        && let Some(wanted) = &args.program
    {
        return Err(missing(&args.what, wanted, object).into());
    }
    Ok(text)
}

/// Print a program of the kernel as it is run.
pub(super) fn kernel(
    translated: &Translated,
    dialect: Style,
    form: Form,
    output: &mut Output,
) -> Result<ExitStatus> {
    let printer = print(translated.insns()).dump();
    let names = Names(translated);
    let printer = match form.lines {
        true => printer.annotate(translated),
        false => printer.annotate(&names),
    };
    write(&formed(printer, dialect, form, Endian::NATIVE), form, output)
}

/// An instruction; its JSON form.
#[derive(Serialize)]
struct Instruction<'a> {
    slot: usize,
    /// In hexadecimal.
    bytes: String,
    text: String,
    /// The function that begins here.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    /// The source line that begins here.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceText<'a>>,
}

/// A source line; its JSON form.
#[derive(Serialize)]
struct SourceText<'a> {
    file: &'a str,
    line: u32,
    text: &'a str,
}

/// Print a program of the kernel as it is run, one JSON object an instruction, always with bytes and source lines.
pub(super) fn kernel_json(
    translated: &Translated,
    dialect: Style,
    form: Form,
    output: &mut Output,
) -> Result<ExitStatus> {
    if form.raw || form.lines {
        let message =
            "`--raw` and `--lines` are for listings: JSON has the bytes and the source lines always";
        return Err(Usage(message.to_owned()).into());
    }
    let mut slots = translated.insns();
    let mut at = 0;
    while let Some(first) = slots.first() {
        let (insn, rest) = slots.split_at(first.width().min(slots.len()));
        let notes = Single {
            notes: translated,
            at,
        };
        let text = print(insn)
            .dump()
            .labels(false)
            .annotate(&notes)
            .dialect(dialect.into());
        let bytes = insn.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE));
        output.json(&Instruction {
            slot: at,
            bytes: bytes.map(|byte| format!("{byte:02x}")).collect(),
            text: text.to_string().trim().to_owned(),
            function: translated.function(at),
            source: translated.line(at).map(|line| SourceText {
                file: line.file,
                line: line.line,
                text: line.text,
            }),
        })?;
        at += insn.len();
        slots = rest;
    }
    Ok(ExitStatus::Ok)
}

/// Notes on an instruction alone, which stands at `at` in its program.
struct Single<'a> {
    notes: &'a dyn Annotate,
    at: usize,
}

impl Annotate for Single<'_> {
    fn symbol(&self, _: usize) -> Option<bpfld_insn::Symbol<'_>> {
        self.notes.symbol(self.at)
    }

    fn kernel_function(&self, btf_id: u32, module: i16) -> Option<&str> {
        self.notes.kernel_function(btf_id, module)
    }

    fn comment(&self, _: usize) -> Option<&str> {
        self.notes.comment(self.at)
    }
}

fn listing(args: &Args, printer: Printer<'_>, endian: Endian) -> String {
    formed(printer, args.dialect, args.form, endian)
}

fn formed(printer: Printer<'_>, dialect: Style, form: Form, endian: Endian) -> String {
    let printer = printer.dialect(dialect.into());
    match form.raw {
        true => printer.indices(true).raw(endian).to_string(),
        false => printer.to_string(),
    }
}

fn dot(args: &Args, slots: &[Slot], functions: &[(usize, &str)]) -> String {
    let starts: Vec<usize> = functions.iter().map(|(start, _)| *start).collect();
    let name = |at| {
        functions
            .iter()
            .find(|(start, _)| *start == at)
            .map(|(_, name)| *name)
    };
    Flow::with_functions(slots, &starts)
        .dot(slots, args.dialect.into(), name)
        .to_string()
}

/// Notes without source lines.
struct Names<'a>(&'a dyn Annotate);

impl Annotate for Names<'_> {
    fn function(&self, at: usize) -> Option<&str> {
        self.0.function(at)
    }

    fn symbol(&self, at: usize) -> Option<bpfld_insn::Symbol<'_>> {
        self.0.symbol(at)
    }

    fn kernel_function(&self, btf_id: u32, module: i16) -> Option<&str> {
        self.0.kernel_function(btf_id, module)
    }

    fn comment(&self, at: usize) -> Option<&str> {
        self.0.comment(at)
    }
}
