//! What the kernel as a whole does.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::Answer;

/// The kernel's own list of symbols tells.
pub(crate) fn syscall_wrapper() -> Answer {
    let prefix = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "x86" => "ia32",
        "aarch64" => "arm64",
        "riscv64" | "riscv32" => "riscv",
        other => other,
    };
    let name = format!("__{prefix}_sys_bpf");
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
