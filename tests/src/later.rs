//! What of the fixtures only later kernels take.

use bpfld::Loader;

use crate::Need;

/// Programs of a fixture, and what they need.
const PROGRAMS: &[(&str, &[&str], &[Need])] = &[
    (
        "cgroup",
        &[
            "connect_unix",
            "sendmsg_unix",
            "recvmsg_unix",
            "getpeername_unix",
            "getsockname_unix",
        ],
        &[Need::Linux(6, 7)],
    ),
    ("instructions", &["arithmetic", "atomics"], &[Need::Linux(6, 6)]),
    (
        "kfuncs",
        &["call"],
        &[Need::Linux(6, 2), Need::Config("CONFIG_BPF_JIT")],
    ),
    (
        "map_values",
        &["start_timer"],
        &[Need::Linux(5, 15), Need::Config("CONFIG_BPF_JIT")],
    ),
    ("map_values", &["storage"], &[Need::Linux(5, 19)]),
    ("maps", &["touches"], &[Need::Linux(5, 16)]),
    // All ask for the cookie of their link.
    (
        "probes",
        &[
            "kernel_entry",
            "kernel_return",
            "kernel_anywhere",
            "kernel_many",
            "kernel_many_return",
            "kernel_session",
            "system_call",
            "system_call_return",
            "user_anywhere",
            "user_return_anywhere",
            "user_entry",
            "user_return",
            "user_offset",
            "library",
            "user_many",
            "user_many_return",
            "user_static",
        ],
        &[Need::Linux(5, 15)],
    ),
    ("probes", &["user_sleepable"], &[Need::Linux(6, 0)]),
    ("programs", &["call"], &[Need::Linux(5, 14)]),
    ("programs", &["fragments"], &[Need::Linux(5, 18)]),
    (
        "programs",
        &["hook"],
        &[Need::Linux(6, 4), Need::Config("CONFIG_NETFILTER_BPF_LINK")],
    ),
    // The kernel calls back only what is compiled.
    (
        "ringbuf",
        &["drain"],
        &[Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT")],
    ),
    // It takes the old value of a counter.
    ("ringbuf", &["emit"], &[Need::Linux(5, 12)]),
    (
        "subprograms",
        &["callbacks"],
        &[Need::Linux(5, 17), Need::Config("CONFIG_BPF_JIT")],
    ),
    (
        "trampolines",
        &["bind"],
        &[Need::Linux(6, 0), Need::Config("CONFIG_BPF_LSM")],
    ),
    // Before, the kernel's own examples could be changed and slept in only if it was built with error injection.
    (
        "trampolines",
        &["change", "entry_sleepable"],
        &[Need::Linux(6, 3)],
    ),
    ("usdt", &["sleepable"], &[Need::Linux(6, 0)]),
    ("usdt_narrow", &["sleepable"], &[Need::Linux(6, 0)]),
];

/// Maps of a fixture, and what they need.
const MAPS: &[(&str, &[&str], &[Need])] = &[
    ("map_values", &["timers"], &[Need::Linux(5, 15)]),
    ("map_values", &["holders"], &[Need::Linux(5, 19)]),
    ("map_values", &["per_task"], &[Need::Linux(5, 11)]),
    ("maps", &["bloom_filter"], &[Need::Linux(5, 16)]),
    ("maps", &["cgrp_storage"], &[Need::Linux(6, 2)]),
    (
        "maps",
        &["inode_storage"],
        &[Need::Linux(5, 10), Need::Config("CONFIG_BPF_LSM")],
    ),
    ("maps", &["task_storage"], &[Need::Linux(5, 11)]),
    ("maps", &["user_ringbuf"], &[Need::Linux(6, 1)]),
    ("ringbuf", &["commands"], &[Need::Linux(6, 1)]),
    ("struct_ops", &["linked", "extra"], &[Need::Linux(6, 4)]),
];

/// Tells a loader to leave out what this kernel is too old for, or built without, so that the rest of a fixture can be loaded.
///
/// # Panics
///
/// If the kernel should have it.
pub fn fit(loader: &mut Loader, fixture: &str) {
    for program in missing(PROGRAMS, fixture) {
        loader.autoload(program, false);
    }
    for map in missing(MAPS, fixture) {
        loader.map(map).create(false);
    }
}

/// Whether this kernel takes a program of a fixture.
///
/// # Panics
///
/// If the kernel should have it.
pub fn fits(fixture: &str, program: &str) -> bool {
    !missing(PROGRAMS, fixture).any(|missing| missing == program)
}

fn missing<'a>(
    table: &'a [(&str, &[&str], &[Need])],
    fixture: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    table
        .iter()
        .filter(move |(of, _, needs)| *of == fixture && crate::check_needs(needs).is_err())
        .flat_map(|(_, names, _)| names.iter().copied())
}
