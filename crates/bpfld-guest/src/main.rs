//! The command `bpfld-guest`: runs a program on another kernel. In a guest, the first process.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use bpfld_guest::{
    Accel, Arch, Cache, Ending, Error, Event, Guest, Kernel, KernelName, MODULES, Program, Result, Status,
};
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "bpfld-guest",
    version,
    about = "Run programs as root on other kernels, in qemu"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a static program in a guest, and end with its status (125 if there is none)
    Run(Run),
    /// Get kernels into the cache
    Fetch {
        /// Kernels: newest, 6.12, debian:6.1-generic
        #[arg(required = true)]
        kernels: Vec<KernelName>,
        /// Architecture of the guest
        #[arg(long, default_value = std::env::consts::ARCH, value_parser = arch)]
        arch: Arch,
    },
}

#[derive(Args)]
struct Run {
    /// Kernel: newest, 6.12, debian:6.1-generic
    #[arg(long, default_value = "newest")]
    kernel: KernelName,
    /// A kernel image of your own instead
    #[arg(long, value_name = "FILE")]
    kernel_image: Option<PathBuf>,
    /// Modules to insert, with your own kernel
    #[arg(long, value_name = "DIRECTORY", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Architecture of the guest
    #[arg(long, default_value = std::env::consts::ARCH, value_parser = arch)]
    arch: Arch,
    /// This command, built statically for the guest, where that has another architecture than this machine
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// File or directory to have in the guest at the same path
    #[arg(long, value_name = "PATH")]
    with: Vec<PathBuf>,
    /// Variable to pass on into the guest
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Seconds the program may take
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Memory of the guest in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<String>,
}

fn arch(name: &str) -> std::result::Result<Arch, String> {
    Arch::named(name).ok_or_else(|| format!("there are {}", Arch::ALL.map(Arch::name).join(", ")))
}

fn main() -> ExitCode {
    bpfld_guest::init();
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Fetch { kernels, arch } => fetch(&kernels, arch),
    };
    result.unwrap_or_else(|error| {
        eprintln!("bpfld-guest: {}", chain(&error));
        ExitCode::from(125)
    })
}

fn fetch(kernels: &[KernelName], arch: Arch) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    for name in kernels {
        let kernel = cache.fetch(*name, arch, MODULES)?;
        println!("{name} {} {}", kernel.release, kernel.image.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn run(args: &Run) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    let kernel = match &args.kernel_image {
        Some(image) => Kernel::from_files(args.arch, image, args.modules.as_deref())?,
        None => cache.fetch(args.kernel, args.arch, MODULES)?,
    };
    let init = match &args.init {
        Some(init) => init.as_path(),
        None if Arch::host() == Some(args.arch) => Path::new("/proc/self/exe"),
        None => {
            let why = format!("a guest of {} needs --init", args.arch.name());
            return Err(Error::BadPlan(why));
        }
    };
    let accel = Accel::best(&cache, &kernel, init)?;
    let mut guest = Guest::new(&kernel, init)?;
    guest.accel(accel).memory(args.memory);
    for path in &args.with {
        let path = absolute(path)?;
        if path.is_dir() {
            guest.files().tree(&path, &path)?;
        } else {
            guest.files().copy(&path, &path)?;
        }
    }
    let Some((path, arguments)) = args.program.split_first() else {
        return Ok(ExitCode::from(125));
    };
    let path = absolute(Path::new(path))?;
    guest.files().copy(&path, &path)?;
    let mut program = Program::new(path)
        .args(arguments)
        .limit(Duration::from_secs(args.limit));
    for name in &args.env {
        if let Ok(value) = std::env::var(name) {
            program = program.env(name, value);
        }
    }
    let outcome = guest.run_programs(&[program], |event| {
        if let Event::Output(_, bytes) = event {
            // Nobody is left to tell.
            let _ = std::io::stdout().write_all(bytes);
        }
    })?;
    let program = outcome.programs.first();
    let status = program.map(|program| &program.status);
    if let (Ending::PoweredOff, Some(Status::Exited(status))) = (outcome.ending, status) {
        return Ok(ExitCode::from(u8::try_from(*status).unwrap_or(125)));
    }
    if let Some(program) = program {
        eprintln!("bpfld-guest: the program {}", program.status);
    }
    eprintln!(
        "bpfld-guest: the guest {}\n{}",
        outcome.ending,
        outcome.console_tail(20)
    );
    Ok(ExitCode::from(125))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|source| Error::Io {
        doing: format!("find {}", path.display()),
        source,
    })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
