//! Questions about BTF alone.

use super::{Case, Measure};

pub(super) const CASES: [Case; 5] = [
    Case {
        name: "names",
        question: "kernel BTF until a thousand structs are found",
        implementations: &["bpfld", "libbpf", "aya", "btf"],
        measure: Measure::Fastest,
    },
    Case {
        name: "core",
        question: "all CO-RE relocations of the object, from its bytes and the kernel's",
        implementations: &["bpfld", "aya"],
        measure: Measure::Fastest,
    },
    Case {
        name: "iterate",
        question: "all types of the kernel, with names, members and parameters",
        implementations: &["bpfld", "libbpf"],
        measure: Measure::Fastest,
    },
    Case {
        name: "dedup",
        question: "merge the kernel's types with themselves",
        implementations: &["bpfld", "libbpf"],
        measure: Measure::Fastest,
    },
    Case {
        name: "c",
        question: "all types of the kernel as C",
        implementations: &["bpfld", "libbpf"],
        measure: Measure::Fastest,
    },
];
