//! `bpfld debug`: run one program step by step in the userspace machine.

mod command;
mod show;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use bpfld_object::Object;
use bpfld_vm::{Debugger, Observed, Points, Reason, Resume};

use self::command::{Command, Parsed};
use super::inspect;
use super::run::check_name;
use crate::exit::ExitStatus;
use crate::input;
use crate::machine::{self, Input};
use crate::output::Output;

/// Run a program step by step in the userspace machine: source, registers, stack, maps, breakpoints, watchpoints
///
/// Commands are read from standard input, one a line; `help` lists them. At the end of the input the program goes on to its
/// end.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A compiled BPF object
    file: PathBuf,
    /// The name of the program's function
    program: String,
    /// What the program gets: a file, or bytes in hexadecimal; as for `bpfld run`
    #[arg(long, value_name = "FILE|HEX")]
    data: Option<String>,
}

/// Load, and ask at each stop how to go on.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    let object = inspect::open(&args.file)?;
    let data = args.data.as_deref().map(input::read).transpose()?;
    check_name(&object, &args.program)?;
    let mut vm = machine::load(&object)?;
    let mut input = Input::new(vm.program(&args.program)?.program_type(), data.as_deref());
    let mut session = Session {
        object: &object,
        output,
        lines: io::stdin().lock(),
        prompts: io::stdin().is_terminal(),
        last: None,
        ended: false,
        failed: None,
    };
    let mut debugger = Debugger::new(|points: &mut Points, observed: &Observed<'_>, reason: Reason| {
        session.stopped(points, observed, &reason)
    });
    let result = input.run(&mut vm, &args.program, Some(&mut debugger));
    let Session {
        ended,
        failed,
        output,
        ..
    } = session;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if ended {
        return Ok(ExitStatus::Ok);
    }
    match result {
        Ok(value) => writeln!(output, "return value  {value}")?,
        Err(fault) => bail!(fault),
    }
    Ok(ExitStatus::Ok)
}

/// The person, or the file, at the other end.
struct Session<'s, R> {
    object: &'s Object,
    output: &'s mut Output,
    lines: R,
    /// Whether to ask.
    prompts: bool,
    /// What an empty line repeats.
    last: Option<Command>,
    /// Whether the run was given up.
    ended: bool,
    failed: Option<io::Error>,
}

impl<R: BufRead> Session<'_, R> {
    /// Shows where the program is, and carries out commands until one of them lets it go on.
    fn stopped(&mut self, points: &mut Points, observed: &Observed<'_>, reason: &Reason) -> Resume {
        match self.dialogue(points, observed, reason) {
            Ok(resume) => resume,
            Err(error) => {
                self.failed = Some(error);
                Resume::End
            }
        }
    }

    fn dialogue(
        &mut self,
        points: &mut Points,
        observed: &Observed<'_>,
        reason: &Reason,
    ) -> io::Result<Resume> {
        show::reason(self.output, points, reason)?;
        show::place(self.output, observed)?;
        loop {
            let Some(command) = self.next()? else {
                points.breakpoints.clear();
                points.watchpoints.clear();
                return Ok(Resume::Continue);
            };
            let resume = match command {
                Command::Step => Resume::Step,
                Command::Line => Resume::Line,
                Command::Next => Resume::Over,
                Command::Out => Resume::Out,
                Command::Continue => Resume::Continue,
                Command::Quit => {
                    self.ended = true;
                    Resume::End
                }
                command => {
                    self.carry_out(command, points, observed)?;
                    continue;
                }
            };
            return Ok(resume);
        }
    }

    fn carry_out(
        &mut self,
        command: Command,
        points: &mut Points,
        observed: &Observed<'_>,
    ) -> io::Result<()> {
        let output = &mut *self.output;
        match command {
            Command::Break(point) => {
                points.breakpoints.push(Some(point));
                writeln!(output, "breakpoint {}", points.breakpoints.len())
            }
            Command::Watch(point) => {
                points.watchpoints.push(Some(point));
                writeln!(output, "watchpoint {}", points.watchpoints.len())
            }
            Command::DeleteBreak(number) => show::deleted(output, &mut points.breakpoints, number),
            Command::DeleteWatch(number) => show::deleted(output, &mut points.watchpoints, number),
            Command::Points => show::points(output, points),
            Command::Registers => show::registers(output, observed),
            Command::Stack => show::stack(output, observed),
            Command::Callers => show::callers(output, observed),
            Command::List => show::listing(output, observed),
            Command::Memory { address, len } => show::memory(output, observed, address, len),
            Command::Maps => show::maps(output, observed),
            Command::Map(name) => show::map(output, self.object, observed, &name),
            Command::Help => output.write_all(command::HELP.as_bytes()),
            Command::Step
            | Command::Line
            | Command::Next
            | Command::Out
            | Command::Continue
            | Command::Quit => Ok(()),
        }
    }

    /// The next command that makes sense; `None` at the end of the input.
    fn next(&mut self) -> io::Result<Option<Command>> {
        loop {
            if self.prompts {
                write!(self.output, "(bpfld) ")?;
            }
            self.output.flush()?;
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let command = match command::parse(&line) {
                Parsed::Command(command) => command,
                Parsed::Empty => match &self.last {
                    Some(last) => last.clone(),
                    None => continue,
                },
                Parsed::Comment => continue,
                Parsed::Wrong(problem) => {
                    writeln!(self.output, "{problem}")?;
                    continue;
                }
            };
            self.last = Some(command.clone());
            return Ok(Some(command));
        }
    }
}
