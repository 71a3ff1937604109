//! `bpfld completions`: what a shell completes the command's words with.

use std::io::Write;

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::exit::ExitStatus;
use crate::output::Output;

/// Print the script with which a shell completes subcommands, options and their values
///
/// For one session: `source <(bpfld completions bash)`. For all of them: `bpfld completions bash >
/// ~/.local/share/bash-completion/completions/bpfld`, or where else the shell looks for such scripts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print it, for the command as it is.
pub(crate) fn run(args: &Args, mut command: clap::Command, output: &mut Output) -> Result<ExitStatus> {
    // collected first: what makes it does not tell of outputs that fail
    let mut script = Vec::new();
    generate(args.shell, &mut command, "bpfld", &mut script);
    output.write_all(&script)?;
    Ok(ExitStatus::Ok)
}
