//! Questions about machines: the userspace machine, those of others, and the kernel.

use super::{Case, Measure};

/// Ours, the interpreters and compilers of the peers, and the kernel's test run.
const ALL: &[&str] = &["bpfld", "rbpf", "rbpf-jit", "sbpf", "sbpf-jit", "kernel"];

pub(super) const CASES: [Case; 4] = [
    Case {
        name: "run-alu",
        question: "run 60,002 instructions of arithmetic",
        implementations: ALL,
        measure: Measure::Fastest,
    },
    Case {
        name: "run-sum",
        question: "run the sum of 1500 bytes, 7502 instructions",
        implementations: ALL,
        measure: Measure::Fastest,
    },
    Case {
        name: "run-parse",
        question: "run a parser of headers, 36 instructions",
        implementations: ALL,
        measure: Measure::Fastest,
    },
    Case {
        name: "run-empty",
        question: "run nothing: two instructions",
        implementations: ALL,
        measure: Measure::Fastest,
    },
];
