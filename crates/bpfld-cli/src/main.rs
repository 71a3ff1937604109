//! The `bpfld` command: look at BPF objects, hold them against the running kernel, and ask what that kernel can do.

mod bytes;
mod commands;
mod contents;
mod exit;
mod highlight;
mod input;
mod machine;
mod output;
mod select;
mod values;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::ExitStatus;
use crate::output::Output;

/// Look at BPF objects, load them into the kernel, run their programs, and ask what the kernel can do. Wherever an object
/// is taken, so is assembly.
#[derive(Parser)]
#[command(name = "bpfld", version, arg_required_else_help = true, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(commands::inspect::Args),
    Verify(commands::verify::Args),
    Check(commands::check::Args),
    Run(commands::run::Args),
    Debug(commands::debug::Args),
    Features(commands::features::Args),
    Asm(commands::asm::Args),
    Disasm(commands::disasm::Args),
    Btf(commands::btf::Args),
    Core(commands::core::Args),
    Map(commands::map::Args),
    Prog(commands::prog::Args),
    Link(commands::link::Args),
    Completions(commands::completions::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::stdout();
    let result = match cli.command {
        Command::Inspect(args) => commands::inspect::run(&args, &mut output),
        Command::Verify(args) => commands::verify::run(&args, &mut output),
        Command::Check(args) => commands::check::run(&args, &mut output),
        Command::Run(args) => commands::run::run(&args, &mut output),
        Command::Debug(args) => commands::debug::run(&args, &mut output),
        Command::Features(args) => commands::features::run(&args, &mut output),
        Command::Asm(args) => commands::asm::run(&args, &mut output),
        Command::Disasm(args) => commands::disasm::run(&args, &mut output),
        Command::Btf(args) => commands::btf::run(&args, &mut output),
        Command::Core(args) => commands::core::run(&args, &mut output),
        Command::Map(args) => commands::map::run(&args, &mut output),
        Command::Prog(args) => commands::prog::run(&args, &mut output),
        Command::Link(args) => commands::link::run(&args, &mut output),
        Command::Completions(args) => commands::completions::run(&args, Cli::command(), &mut output),
    };
    let result = result.and_then(|status| output.finish().map(|()| status).map_err(Into::into));
    let status = match result {
        Ok(status) => status,
        Err(error) if exit::is_broken_pipe(&error) => ExitStatus::Ok,
        Err(error) => {
            // nowhere is left to say that standard error cannot be written
            let _ = match exit::text_error(&error) {
                Some(mistakes) => write!(io::stderr(), "{mistakes:#}"),
                None => writeln!(io::stderr(), "bpfld: {error:#}"),
            };
            ExitStatus::of(&error)
        }
    };
    status.into()
}
