//! Developers' tasks: `cargo xtask --help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod codegen;
mod features;
mod fixtures;
mod llvm;
mod oracle;
mod page;
mod shell;
mod soak;
mod vm_test;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Developers' tasks of the bpfld workspace",
    bin_name = "cargo xtask"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compare with libbpf, aya and bare system calls
    Bench(bench::Args),
    /// Check everything that must hold before a change lands
    Ci(ci::Args),
    /// Write the generated source of bpfld-sys from the kernel's BTF
    Codegen(codegen::Args),
    /// Compare `bpfld features` with `bpftool feature probe`: answers and time
    Features(features::Args),
    /// Rebuild the compiled BPF objects from their C sources, in both byte orders
    Fixtures(fixtures::Args),
    /// Hold the table of instructions against LLVM's assembler and disassembler
    Llvm(llvm::Args),
    /// Hold what we make of BPF objects against libbpf, bpftool, clang and rustc
    Oracle(oracle::Args),
    /// Read a ring buffer at its full rate for a long time, with random stalls
    Soak(soak::Args),
    /// Run the kernel tests on a row of kernels, in virtual machines
    VmTest(vm_test::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Bench(args) => bench::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Codegen(args) => codegen::run(&args),
        Task::Features(args) => features::run(&args),
        Task::Fixtures(args) => fixtures::run(&args),
        Task::Llvm(args) => llvm::run(&args),
        Task::Oracle(args) => oracle::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::VmTest(args) => vm_test::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            match error.is::<shell::Unavailable>() {
                true => ExitCode::from(shell::UNAVAILABLE),
                false => ExitCode::FAILURE,
            }
        }
    }
}
