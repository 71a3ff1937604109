//! How to build for the guest's architecture: with the standard library that is installed for it, or with one built from its
//! source.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_guest::{Arch, Cache};

use crate::shell::{self, Unavailable};

/// A compiler for a target.
pub(super) struct Toolchain {
    arch: Arch,
    /// A copy of the installed toolchain, with the source of the standard library beside it.
    with_source: Option<PathBuf>,
}

impl Toolchain {
    /// The toolchain for an architecture.
    ///
    /// # Errors
    ///
    /// A linker is missing. [`Unavailable`]: there is no standard library for the target and no source of it that fits the
    /// compiler: distributions do not keep each version.
    pub(super) fn of(arch: Arch, install: bool) -> Result<Toolchain> {
        let installed = Toolchain {
            arch,
            with_source: None,
        };
        if Arch::host() == Some(arch) {
            return Ok(installed);
        }
        let linker = linker(arch);
        if !shell::exists(&linker) {
            let packages = [compiler_package(arch), library_package(arch)];
            ensure!(
                install,
                "there is no {linker}: apt-get install {}, or --install",
                packages.join(" ")
            );
            shell::install(&packages.each_ref().map(String::as_str))?;
        }
        let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let sysroot = Path::new(sysroot.trim());
        let target = arch.rust_target();
        let library = sysroot.join("lib/rustlib").join(target);
        if !library.exists() && install && shell::exists("rustup") {
            let result = shell::output(Command::new("rustup").args(["target", "add", target]));
            if let Err(error) = result {
                println!("rustup has no standard library for {target}: {error:#}");
            }
        }
        if library.exists() {
            return Ok(installed);
        }
        let built = Toolchain {
            arch,
            with_source: Some(with_source(sysroot, target)?),
        };
        // It is built of other crates, too.
        let mut fetch = built.cargo(&["fetch", "--quiet"]);
        fetch.env("CARGO_NET_OFFLINE", "false");
        shell::output(&mut fetch)
            .map_err(|error| Unavailable(format!("what the standard library is built of: {error:#}")))?;
        Ok(built)
    }

    /// `cargo ARGUMENTS` for the target, linked statically.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let target = self.arch.rust_target();
        let variable = |name: &str| {
            let target = target.to_uppercase().replace('-', "_");
            format!("CARGO_TARGET_{target}_{name}")
        };
        let mut command = match &self.with_source {
            None => Command::new("cargo"),
            Some(toolchain) => {
                let mut command = Command::new(toolchain.join("bin/cargo"));
                command
                    .env("RUSTC", toolchain.join("bin/rustc"))
                    // From cargo, and leads to the libraries of the installed toolchain, which then is the one that is used.
                    .env_remove("LD_LIBRARY_PATH")
                    // What is unstable is the flag, not the library.
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        command
            .args(arguments)
            .args(["--target", target])
            .env(variable("RUSTFLAGS"), "-C target-feature=+crt-static")
            // A panic says file and line anyway, and the files of a guest lie in its memory.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "0")
            // Emulation is slow enough; overflow checks and assertions stay.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_TEST_OPT_LEVEL", "1")
            .current_dir(shell::root());
        if Arch::host() != Some(self.arch) {
            command
                .env(variable("LINKER"), linker(self.arch))
                .env(variable("RUNNER"), runner(self.arch))
                // Long builds; everyday ones do not wait for them.
                .env("CARGO_TARGET_DIR", shell::root().join("target/guests"));
        }
        if self.with_source.is_some() {
            command.arg("-Zbuild-std=std,panic_unwind,test");
        }
        command
    }
}

/// The emulator for single programs.
pub(super) fn runner(arch: Arch) -> String {
    format!("qemu-{}-static", arch.name())
}

fn linker(arch: Arch) -> String {
    format!("{}-linux-gnu-gcc", arch.name())
}

fn compiler_package(arch: Arch) -> String {
    format!("gcc-{}-linux-gnu", arch.name())
}

fn library_package(arch: Arch) -> String {
    let name = if arch == Arch::Aarch64 {
        "arm64"
    } else {
        arch.name()
    };
    format!("libc6-dev-{name}-cross")
}

/// A toolchain with the source of the standard library: the installed one, or a copy of it.
fn with_source(sysroot: &Path, target: &str) -> Result<PathBuf> {
    if source(sysroot).exists() {
        return Ok(sysroot.to_owned());
    }
    let version = shell::output(Command::new("rustc").arg("--version"))?;
    let version = version.split(' ').nth(1).context("rustc has no version")?;
    let cache = Cache::of_user()?;
    let toolchain = cache.directory().join(format!("rust-{version}"));
    if !source(&toolchain).exists() {
        let package = cache
            .package(Arch::X86_64, "rust-src", version)
            .map_err(|error| {
                let remedy = format!("rustup target add {target}, or rustup component add rust-src");
                Unavailable(format!("a standard library for {target}: {error} ({remedy})"))
            })?;
        copy_with_source(sysroot, &package, version, &toolchain)?;
    }
    Ok(toolchain)
}

/// Where a toolchain keeps the source of the standard library.
fn source(toolchain: &Path) -> PathBuf {
    toolchain.join("lib/rustlib/src/rust/library")
}

/// Makes a copy of the installed toolchain, with the source that the distribution has of the very same version. It costs no
/// space where files can have two names.
fn copy_with_source(sysroot: &Path, package: &Path, version: &str, toolchain: &Path) -> Result<()> {
    let scratch = toolchain.with_file_name(format!("rust-{version}.part"));
    let clear = || match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let copy = |flags: &str| {
        let mut command = Command::new("cp");
        command.args([flags, "--"]).arg(sysroot).arg(&scratch);
        shell::output(&mut command)
    };
    clear()?;
    if copy("-al").is_err() {
        // Another file system; what was begun goes first.
        clear()?;
        copy("-a")?;
    }
    let unpacked = scratch.join("unpacked");
    shell::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&unpacked))?;
    let library = unpacked.join(format!("usr/src/rustc-{version}/library"));
    if !library.exists() {
        bail!("the package of Rust's source has no {}", library.display());
    }
    let target = source(&scratch);
    fs::create_dir_all(target.parent().context("it has a parent")?)?;
    fs::rename(&library, &target)?;
    fs::remove_dir_all(&unpacked)?;
    fs::rename(&scratch, toolchain).with_context(|| format!("cannot complete {}", toolchain.display()))
}
