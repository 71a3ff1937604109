//! The tests that need no kernel, for another architecture, in an emulator for single programs: the other byte order.

use anyhow::{Result, ensure};
use bpfld_guest::Arch;

use super::{
    libtest,
    toolchain::{Toolchain, runner},
};
use crate::shell;

/// Everything that reads, writes, computes or runs programs by itself.
const CRATES: [&str; 6] = [
    "--package=bpfld-insn",
    "--package=bpfld-btf",
    "--package=bpfld-object",
    "--package=bpfld-vm",
    "--lib",
    "--tests",
];

/// What crosses these layers.
const CORPUS: [&str; 3] = ["--package=bpfld-tests", "--lib", "--test=corpus"];

pub(super) fn run(arch: Arch, install: bool, filter: Option<&str>) -> Result<()> {
    let runner = runner(arch);
    if !shell::exists(&runner) {
        ensure!(
            install,
            "there is no {runner}: apt-get install qemu-user-static, or --install"
        );
        shell::install(&["qemu-user-static"])?;
    }
    let toolchain = Toolchain::of(arch, install)?;
    let cargo = |what: &[&str]| toolchain.cargo(&[&["test", "--quiet", "--no-fail-fast"], what].concat());
    libtest::expect_any(&mut [cargo(&CRATES), cargo(&CORPUS)], filter)?;
    let test = |what: &[&str]| shell::run(cargo(what).arg("--").args(filter));
    // The second also if the first fails, so that all failures are seen.
    let (crates, corpus) = (test(&CRATES), test(&CORPUS));
    crates.and(corpus)
}
