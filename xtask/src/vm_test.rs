//! Runs the kernel tests on a row of kernels, each in a virtual machine, and says what passed where.

mod build;
mod guest;
mod libtest;
mod matrix;
mod page;
mod pure;
mod toolchain;

use std::{collections::VecDeque, fs, path::PathBuf, sync::Mutex, thread, time::Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_guest::{Accel, Arch, Cache, Kernel, KernelName, MODULES};

use crate::shell::{self, Unavailable};
use build::Suites;
use matrix::{Column, Matrix};
use toolchain::Toolchain;

/// The kernels that are tried unless others are named: each long-term line that can be had, and the newest.
const ROW: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "newest"];

/// Only these for the architectures that are emulated at greater cost.
const SHORT_ROW: [&str; 1] = ["6.12"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kernels: newest, 6.12, debian:6.1-cloud, debian:6.1-generic; a row of them if none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Run only tests whose name contains this
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Guests at a time; as many as there are processors unless given
    #[arg(long)]
    jobs: Option<usize>,
    /// After the tests, a shell in the guest (one kernel only; needs a static busybox)
    #[arg(long)]
    keep: bool,
    /// Save what each kernel can do, as `bpfld features` sees it, in tests/fixtures/kernels
    #[arg(long)]
    record_features: bool,
    /// Write the matrix into docs/
    #[arg(long, conflicts_with = "filter")]
    publish: bool,
    /// A kernel image of your own, besides those named
    #[arg(long, value_name = "FILE")]
    kernel_image: Option<PathBuf>,
    /// Modules to insert with it
    #[arg(long, value_name = "DIRECTORY", requires = "kernel_image")]
    modules: Option<PathBuf>,
    /// Architecture: x86_64, aarch64 or s390x
    #[arg(long, default_value = std::env::consts::ARCH)]
    arch: String,
    /// Run the tests that need no kernel, in an emulator for single programs (another architecture only)
    #[arg(long)]
    pure: bool,
    /// Run the tests of bpfld-guest, which boot guests themselves
    #[arg(long, conflicts_with_all = ["kernels", "pure"])]
    guests: bool,
    /// Install what is missing
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let arch = Arch::named(&args.arch).with_context(|| format!("guests cannot be {}", args.arch))?;
    if args.pure {
        return pure::run(arch, args.install, args.filter.as_deref());
    }
    if !shell::exists(arch.qemu()) {
        ensure!(
            args.install,
            "there is no {}: apt-get install {}, or --install",
            arch.qemu(),
            arch.qemu_package()
        );
        shell::install(&[arch.qemu_package()])?;
    }
    let start = Instant::now();
    let toolchain = Toolchain::of(arch, args.install)?;
    if args.guests {
        // The kernel that they boot must be there, so that what cannot be had is told from what does not work.
        let name = "6.12";
        let fetched = Cache::of_user()?.fetch(name.parse()?, arch, MODULES);
        fetched.map_err(|error| Unavailable(format!("kernel {name}: {error}")))?;
        let tests = || toolchain.cargo(&["test", "--package", "bpfld-guest", "--test", "guest"]);
        libtest::expect_any(&mut [tests()], args.filter.as_deref())?;
        return shell::run(tests().arg("--").args(args.filter.as_deref()));
    }
    let suites = Suites::build(&toolchain)?;
    println!("built in {:.0} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let cache = Cache::of_user()?;
    let (kernels, missing) = kernels(args, arch, &cache)?;
    let (_, first) = kernels
        .first()
        .ok_or_else(|| Unavailable("any of these kernels".to_owned()))?;
    let accel = Accel::best(&cache, first, &suites.init)?;
    if args.keep {
        ensure!(kernels.len() == 1, "--keep is for one kernel");
    }
    let jobs = match args.jobs {
        Some(jobs) => jobs.max(1),
        None => thread::available_parallelism()?.get(),
    };
    let queue = Mutex::new(kernels.iter().enumerate().collect::<VecDeque<_>>());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.min(kernels.len()) {
            scope.spawn(|| {
                while let Some((place, (name, kernel))) =
                    queue.lock().ok().and_then(|mut queue| queue.pop_front())
                {
                    let column = guest::run(args, &suites, name, kernel, accel);
                    if let Ok(mut results) = results.lock() {
                        results.push((place, column));
                    }
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(place, _)| *place);
    let columns: Vec<Column> = results
        .into_iter()
        .map(|(_, column)| column)
        .collect::<Result<_>>()?;
    let matrix = Matrix::new(arch, columns, missing);
    finish(args, &matrix, start)
}

/// Prints the matrix, writes it in all its forms, and fails if anything in it did.
fn finish(args: &Args, matrix: &Matrix, start: Instant) -> Result<()> {
    let text = matrix.text();
    print!("{text}");
    let directory = shell::root().join("target/vm-test");
    write(&directory, "matrix.txt", &text)?;
    write(
        &directory,
        "matrix.json",
        &format!("{}\n", serde_json::to_string_pretty(matrix)?),
    )?;
    write(&directory, "matrix.html", &page::html(matrix))?;
    println!(
        "{:.0} s; the matrix is in {}",
        start.elapsed().as_secs_f64(),
        directory.display()
    );
    if args.publish {
        let docs = shell::root().join("docs");
        let name = page::name(matrix.arch);
        write(&docs, &format!("{name}.html"), &page::html(matrix))?;
        write(&docs, &format!("{name}.md"), &page::markdown(matrix))?;
        println!("published in {}", docs.display());
    }
    let failed = matrix.failures();
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}

fn write(directory: &std::path::Path, name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(directory)?;
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The kernels to try, and those of the row that cannot be had any more, with the reason.
type Row = (Vec<(String, Kernel)>, Vec<(String, String)>);

fn kernels(args: &Args, arch: Arch, cache: &Cache) -> Result<Row> {
    let mut kernels = Vec::new();
    let mut missing = Vec::new();
    if let Some(image) = &args.kernel_image {
        let kernel = Kernel::from_files(arch, image, args.modules.as_deref())?;
        kernels.push((kernel.release.clone(), kernel));
    }
    let asked = !args.kernels.is_empty() || args.kernel_image.is_some();
    let row = if Arch::host() == Some(arch) {
        &ROW[..]
    } else {
        &SHORT_ROW
    };
    let names: Vec<&str> = if asked {
        args.kernels.iter().map(String::as_str).collect()
    } else {
        row.to_vec()
    };
    for name in names {
        let parsed: KernelName = name.parse()?;
        match cache.fetch(parsed, arch, MODULES) {
            Ok(kernel) => {
                println!("{name} is {}", kernel.release);
                let name = if name == "newest" {
                    kernel.line()
                } else {
                    parsed.to_string()
                };
                kernels.push((name, kernel));
            }
            // One that is gone is no fault of ours; none at all is.
            Err(error) => {
                println!("SKIPPED: {error}");
                missing.push((name.to_owned(), error.to_string()));
            }
        }
    }
    Ok((kernels, missing))
}
