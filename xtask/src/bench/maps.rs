//! Questions about maps and the channels from programs.

use super::{Case, Measure};

const PEERS: &[&str] = &["bpfld", "libbpf", "aya"];
const CALLS: &[&str] = &["bpfld", "raw", "libbpf", "aya"];

pub(super) const CASES: [Case; 8] = [
    case("lookup", "look a key up in a hash map", CALLS),
    case("update", "set a key of a hash map", CALLS),
    case("dump", "all of 100,000 elements of a hash map", PEERS),
    case(
        "mapped",
        "all of 100,000 elements of a mapped array",
        &["bpfld", "memory"],
    ),
    case("ring-8", "half a ring buffer of 1 MiB, records of 8 bytes", PEERS),
    case(
        "ring-64",
        "half a ring buffer of 1 MiB, records of 64 bytes",
        PEERS,
    ),
    case(
        "ring-2048",
        "half a ring buffer of 1 MiB, records of 2,048 bytes",
        PEERS,
    ),
    case("perf", "half a perf buffer of 1 MiB, samples of 64 bytes", PEERS),
];

const fn case(name: &'static str, question: &'static str, implementations: &'static [&'static str]) -> Case {
    Case {
        name,
        question,
        implementations,
        measure: Measure::Fastest,
    }
}
