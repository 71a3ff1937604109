//! The tests that need no kernel, for another architecture, in an emulator for single programs: the other byte order.

use anyhow::{Result, ensure};
use bpfld_guest::Arch;

use super::toolchain::{Toolchain, runner};
use crate::shell;

/// Everything that reads, writes or computes.
const TESTS: [&str; 10] = [
    "test",
    "--quiet",
    "--no-fail-fast",
    "--package=bpfld-insn",
    "--package=bpfld-btf",
    "--package=bpfld-object",
    "--package=bpfld-tests",
    "--lib",
    "--test=corpus",
    "--test=objects",
];

pub(super) fn run(arch: Arch, install: bool, filter: Option<&str>) -> Result<()> {
    let runner = runner(arch);
    if !shell::exists(&runner) {
        ensure!(
            install,
            "there is no {runner}: apt-get install qemu-user-static, or --install"
        );
        shell::install(&["qemu-user-static"])?;
    }
    let Some(toolchain) = Toolchain::of(arch, install)? else {
        return Ok(());
    };
    let mut command = toolchain.cargo(&TESTS);
    command.arg("--").args(filter);
    shell::run(&mut command)
}
