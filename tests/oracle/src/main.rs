//! What libbpf makes of BPF objects, and whether bpfld makes the same of them.

mod c;
mod core;
mod dedup;
mod libbpf;
mod minimal;
mod raw;
mod rust;

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
    /// Does clang read from our C declarations what they were made of?
    C(c::Args),
    /// Do as many types stay when those of all files are merged?
    Dedup(dedup::Args),
    /// Does rustc take our Rust declarations?
    Rust(rust::Args),
}

fn main() -> ExitCode {
    let answer: Result<bool> = match Cli::parse().question {
        Question::Core(args) => core::run(&args),
        Question::Min(args) => minimal::run(&args),
        Question::Raw(args) => raw::run(&args),
        Question::C(args) => c::run(&args),
        Question::Dedup(args) => dedup::run(&args),
        Question::Rust(args) => rust::run(&args),
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
