//! What flags and keys maps take and refuse, in both.

use bpfld_tests::{Need, require};

use super::compare::check;
use super::objects::stay;

/// Adds the result of a call to those before it.
fn each(calls: &[String]) -> String {
    let calls = calls
        .iter()
        .map(|call| format!("{call}\n r7 *= 131\n r7 += r0\n"));
    calls.collect()
}

/// Keys and values are on the stack: a key of 8 bytes at -8, one of 4 at -12, a value at -32.
fn map(name: &str, call: &str, key: i32, flags: u64) -> String {
    format!(
        "r1 = {name} ll
        r2 = r10
        r2 += {key}
        r3 = r10
        r3 += -32
        r4 = {flags}
        call bpf_map_{call}_elem"
    )
}

#[test]
fn flags_are_refused_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    stay();
    for kind in [
        "hash",
        "lru_hash",
        "percpu_hash",
        "lru_percpu_hash",
        "array",
        "percpu_array",
    ] {
        let mut calls = Vec::new();
        for key in [1, 1000] {
            calls.push(format!("*(u32 *)(r10 - 12) = {key}\n r0 = 0"));
            for flags in [2, 1, 0, 1, 2, 3, 4, 5, 6, 8] {
                calls.push(map("values", "update", -12, flags));
            }
            calls.push(map("values", "delete", -12, 0));
            calls.push(map("values", "delete", -12, 0));
            calls.push(map("values", "update", -12, 4));
        }
        println!("{kind}");
        check(&format!(
            "
            .map values {kind} key=u32 value=u64 max_entries=4
            .section tc
            update:
                r7 = 0
                *(u64 *)(r10 - 32) = 7
                {}
                r0 = r7
                exit
            ",
            each(&calls)
        ));
    }
}

/// Prefixes of all lengths, and one too long; the longest that is there is found.
#[test]
fn prefixes_are_found_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    let key = |len: u32, bytes: u32| {
        format!(
            "*(u32 *)(r10 - 8) = {len}\n *(u32 *)(r10 - 4) = {:#x}\n r0 = 0",
            bytes.swap_bytes() as i32
        )
    };
    let found = "r1 = values ll
        r2 = r10
        r2 += -8
        call bpf_map_lookup_elem
        if r0 == 0 goto none{number}
        r0 = *(u64 *)(r0 + 0)
        none{number}:";
    let mut calls = Vec::new();
    for (number, (len, bytes)) in [
        (8, 0x0a00_0000),
        (16, 0x0a01_ffff),
        (0, 0x0102_0304),
        (32, 0x0a01_0203),
        (33, 0x0a01_0203),
        (31, 0x0a01_0202),
    ]
    .into_iter()
    .enumerate()
    {
        calls.push(key(len, bytes));
        calls.push(format!("*(u64 *)(r10 - 32) = {}\n r0 = 0", number + 3));
        for flags in [2, 0, 1, 0, 3, 4] {
            calls.push(map("values", "update", -8, flags));
        }
    }
    let mut number = 0;
    let mut look = |calls: &mut Vec<String>| {
        for (len, bytes) in [
            (32, 0x0a01_0203),
            (32, 0x0a01_0202),
            (31, 0x0a01_0203),
            (32, 0x0a01_ff00),
            (32, 0x0a02_0000),
            (32, 0x0b00_0000),
            (7, 0x0a00_0000),
            (33, 0x0a01_0203),
            (0, 0),
        ] {
            calls.push(key(len, bytes));
            calls.push(found.replace("{number}", &number.to_string()));
            number += 1;
        }
    };
    look(&mut calls);
    for (len, bytes) in [(16, 0x0a01_0000), (16, 0x0a01_0000), (33, 0), (0, 5)] {
        calls.push(key(len, bytes));
        calls.push(map("values", "delete", -8, 0));
    }
    look(&mut calls);
    check(&format!(
        "
        .map values lpm_trie key=u64 value=u64 max_entries=4 map_flags=1
        .section tc
        prefixes:
            r7 = 0
            {}
            r0 = r7
            exit
        ",
        each(&calls)
    ));
}

#[test]
fn maps_without_keys_fill_and_empty_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for kind in ["queue", "stack", "bloom_filter"] {
        let mut calls = Vec::new();
        let call = |name: &str, flags: u64| {
            format!(
                "r1 = values ll
                r2 = r10
                r2 += -32
                r3 = {flags}
                call bpf_map_{name}_elem"
            )
        };
        for (value, flags) in [(1, 0), (2, 2), (3, 1), (3, 3), (3, 4), (4, 0), (5, 2), (6, 0)] {
            calls.push(format!("*(u64 *)(r10 - 32) = {value}\n r0 = 0"));
            calls.push(call("push", flags));
        }
        if kind == "bloom_filter" {
            // 7.3 forgets values on the stack that it thinks this call only writes: it is told at once.
            calls.push(format!("*(u64 *)(r10 - 32) = 6\n{}", call("peek", 0)));
        } else {
            for name in ["peek", "pop", "pop", "peek", "pop", "pop", "peek"] {
                calls.push(call(name, 0));
                calls.push("r0 = *(u64 *)(r10 - 32)".to_owned());
            }
        }
        println!("{kind}");
        check(&format!(
            "
            .map values {kind} value=u64 max_entries=3
            .section tc
            fill:
                r7 = 0
                {}
                r0 = r7
                exit
            ",
            each(&calls)
        ));
    }
}
