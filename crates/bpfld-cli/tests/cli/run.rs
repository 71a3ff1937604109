//! `bpfld run`: programs run in the kernel, and what they leave is shown.

use bpfld_tests::{Need, require};

use crate::{bpfld, fixture, json_lines};

#[test]
fn a_program_runs_on_a_packet() {
    require!(Need::Root);
    let run = bpfld(["run", "--output", "json", &fixture("network"), "xdp_drop"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let [report] = &json_lines(&run.stdout)[..] else {
        panic!("one line: {}", run.stdout)
    };
    assert_eq!(report["return_value"], 1);
    assert_eq!(report["data_out"], "00".repeat(64));
    assert!(
        report["maps"].as_array().is_some_and(|maps| !maps.is_empty()),
        "{report}"
    );
}

#[test]
fn globals_are_shown_by_name_and_type() {
    require!(Need::Root);
    let run = bpfld([
        "run",
        &fixture("globals"),
        "numbers",
        "--repeat",
        "3",
        "--data",
        &"ab".repeat(60),
    ]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let lines: Vec<&str> = run.stdout.lines().map(str::trim).collect();
    for line in [
        "return value  10",
        "runs: 3",
        "limit: 10",
        "greeting: \"good morning\"",
        "small: -2",
    ] {
        assert!(lines.contains(&line), "{line} in\n{}", run.stdout);
    }
}

#[test]
fn a_program_that_is_not_there_is_named_with_those_that_are() {
    let run = bpfld(["run", &fixture("globals"), "nothing"]);
    assert_eq!((run.status, &*run.stdout), (2, ""));
    assert!(
        run.stderr.contains("'nothing'") && run.stderr.contains("numbers, strings"),
        "{}",
        run.stderr
    );
}

#[test]
fn data_must_be_a_file_or_digits() {
    let run = bpfld(["run", &fixture("globals"), "numbers", "--data", "neither"]);
    assert_eq!((run.status, &*run.stdout), (2, ""));
    assert!(run.stderr.contains("neither"), "{}", run.stderr);
}

#[test]
fn a_rejected_program_is_1() {
    require!(Need::Root);
    let run = bpfld(["run", &fixture("rejected"), "unchecked_pointer"]);
    assert_eq!((run.status, &*run.stdout), (1, ""));
    assert!(run.stderr.contains("rejected by the verifier"), "{}", run.stderr);
}

#[test]
fn the_userspace_machine_needs_no_rights() {
    let run = bpfld([
        "run",
        "--on",
        "vm",
        "--output",
        "json",
        &fixture("network"),
        "xdp_drop",
    ]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let [report] = &json_lines(&run.stdout)[..] else {
        panic!("one line: {}", run.stdout)
    };
    assert_eq!(
        (&report["return_value"], &report["on"]),
        (&1.into(), &"vm".into())
    );
    assert_eq!(report["data_out"], "00".repeat(64));
    let run = bpfld(["run", "--on", "vm", &fixture("globals"), "numbers"]);
    assert!(
        run.stdout.contains("greeting: \"good morning\""),
        "{}",
        run.stdout
    );
}

#[test]
fn a_trace_shows_instructions_and_registers() {
    let run = bpfld(["run", "--trace", &fixture("network"), "xdp_drop"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    for part in ["call bpf_map_lookup_elem", "r0 = 0x", "exit", "return value  1"] {
        assert!(run.stdout.contains(part), "{part} in\n{}", run.stdout);
    }
    let run = bpfld([
        "run",
        "--trace",
        "--on",
        "kernel",
        &fixture("network"),
        "xdp_drop",
    ]);
    assert_eq!(run.status, 2);
}
