//! What the kernel as a whole does.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use crate::Answer;

/// The kernel's own type information tells, or else its list of symbols, which takes long to read.
pub(crate) fn syscall_wrapper() -> Answer {
    let prefix = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "x86" => "ia32",
        "aarch64" => "arm64",
        "riscv64" | "riscv32" => "riscv",
        other => other,
    };
    let name = format!("__{prefix}_sys_bpf");
    if let Ok(btf) = fs::read("/sys/kernel/btf/vmlinux") {
        let mut strings = btf.split(|byte| *byte == 0);
        return match strings.any(|string| string == name.as_bytes()) {
            true => Answer::Yes,
            false => Answer::no(format!("no function {name}")),
        };
    }
    let Ok(file) = File::open("/proc/kallsyms") else {
        return Answer::unknown("/proc/kallsyms cannot be read");
    };
    let mut seen = false;
    for line in BufReader::with_capacity(1 << 16, file).split(b'\n') {
        let Ok(line) = line else {
            return Answer::unknown("/proc/kallsyms cannot be read to its end");
        };
        seen = true;
        if line.split(|b| *b == b' ').nth(2) == Some(name.as_bytes()) {
            return Answer::Yes;
        }
    }
    if seen {
        Answer::no(format!("no symbol {name}"))
    } else {
        Answer::unknown("/proc/kallsyms is empty")
    }
}
