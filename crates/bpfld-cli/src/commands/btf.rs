//! `bpfld btf`: types, of files and of the running kernel.

mod dedup;
mod diff;
mod dump;
mod find;
mod json;
mod min;
mod source;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use self::source::Source;
use crate::exit::ExitStatus;
use crate::output::Output;

/// Print, search, compare, merge and cut down type information (BTF)
#[derive(clap::Args)]
#[command(after_help = source::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dump(dump::Args),
    Find(find::Args),
    Min(min::Args),
    Dedup(dedup::Args),
    Diff(diff::Args),
}

/// Do what is asked.
pub(crate) fn run(args: &Args, output: &mut Output) -> Result<ExitStatus> {
    match &args.command {
        Command::Dump(args) => dump::run(args, output),
        Command::Find(args) => find::run(args, output),
        Command::Min(args) => min::run(args, output),
        Command::Dedup(args) => dedup::run(args, output),
        Command::Diff(args) => diff::run(args, output),
    }
}
