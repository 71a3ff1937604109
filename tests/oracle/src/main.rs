//! What libbpf makes of BPF objects, and whether bpfld makes the same of them.

mod core;
mod libbpf;
mod minimal;
mod raw;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bpfld-oracle", about = "Hold bpfld against libbpf")]
struct Cli {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    /// Are the instructions the same after CO-RE relocation, for every program and every kernel?
    Core(core::Args),
    /// Are the instructions the same after relocation against minimal types?
    Min(minimal::Args),
    /// Are the records of types the same as text?
    Raw(raw::Args),
}

fn main() -> ExitCode {
    let answer: Result<bool> = match Cli::parse().question {
        Question::Core(args) => core::run(&args),
        Question::Min(args) => minimal::run(&args),
        Question::Raw(args) => raw::run(&args),
    };
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("oracle: {error:#}");
            ExitCode::FAILURE
        }
    }
}
