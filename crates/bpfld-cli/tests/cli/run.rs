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
    let run = bpfld(["run", &fixture("empty"), "nothing"]);
    assert_eq!((run.status, &*run.stdout), (2, ""));
    assert!(run.stderr.contains("it has none"), "{}", run.stderr);
}

#[test]
fn short_packets_are_refused_with_the_reason() {
    // Older ones may take them: 5.10.262 has the first of two changes to this.
    require!(Need::Root, Need::Linux(6, 1));
    let empty = tempfile::NamedTempFile::new().unwrap();
    for data in ["00", empty.path().to_str().unwrap()] {
        let run = bpfld([
            "run",
            "--on",
            "kernel",
            &fixture("network"),
            "xdp_drop",
            "--data",
            data,
        ]);
        assert_eq!((run.status, &*run.stdout), (5, ""));
        assert!(run.stderr.contains("packets of 14 bytes"), "{}", run.stderr);
    }
}

#[test]
fn what_the_kernel_does_not_run_is_said_with_the_reason() {
    require!(Need::Root, Need::Linux(6, 1));
    for (object, program, reason) in [
        (
            "tracing",
            "on_tracepoint",
            "does not run programs of type tracepoint",
        ),
        ("tracing", "on_tp_btf", "those that attach to functions"),
        ("programs", "on_device", "elements of a devmap or cpumap"),
    ] {
        let run = bpfld(["run", &fixture(object), program]);
        assert_eq!((run.status, &*run.stdout), (5, ""));
        assert!(run.stderr.contains(reason), "{}", run.stderr);
        assert!(run.stderr.contains("`--on vm`"), "{}", run.stderr);
    }
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
    // a line is printed when it begins, not for each of its instructions
    let lines: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("; ")).collect();
    assert!(
        !lines.is_empty() && lines.windows(2).all(|pair| pair[0] != pair[1]),
        "{lines:#?}"
    );
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

#[test]
fn coverage_tells_of_lines_that_ran_and_of_those_that_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("lcov.info");
    let run = bpfld([
        "run".as_ref(),
        "--coverage".as_ref(),
        out.as_os_str(),
        "--data".as_ref(),
        // one byte: too short to be rewritten
        "00".as_ref(),
        fixture("network").as_ref(),
        "rewrite".as_ref(),
    ]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let lcov = std::fs::read_to_string(out).unwrap();
    let counts: Vec<&str> = lcov.lines().filter(|line| line.starts_with("DA:")).collect();
    assert!(lcov.starts_with("TN:\nSF:"), "{lcov}");
    assert!(counts.iter().any(|line| line.ends_with(",1")), "{lcov}");
    assert!(counts.iter().any(|line| line.ends_with(",0")), "{lcov}");
    let run = bpfld([
        "run",
        "--coverage",
        "x",
        "--on",
        "kernel",
        &fixture("network"),
        "rewrite",
    ]);
    assert_eq!(run.status, 2);
}

#[test]
fn a_profile_tells_what_was_run_most() {
    let run = bpfld(["run", "--profile", &fixture("network"), "xdp_drop"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let (total, rest) = run.stdout.split_once(" instructions\n").unwrap();
    let [functions, lines, instructions] = ["function\n", "line\n", "instruction\n"].map(|title| {
        let (_, table) = rest.split_once(title).unwrap();
        let first = table.lines().next().unwrap();
        first.split_whitespace().collect::<Vec<&str>>()
    });
    // all of it is one function, which was called once
    assert_eq!(functions, [total, "1", "100.0%", "xdp_drop"]);
    assert!(lines[3].contains("network.bpf.c:"), "{lines:?}");
    assert_eq!(instructions[0], "1");
    let run = bpfld([
        "run",
        "--profile",
        "--output",
        "json",
        &fixture("network"),
        "xdp_drop",
    ]);
    assert_eq!(run.status, 2);
}

/// A capture in the old form, in either order of bytes.
fn capture(packets: &[&[u8]], word: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let half = |low: u32, high: u32| match word(1)[0] {
        1 => word(low | high << 16),
        _ => word(low << 16 | high),
    };
    let mut out = [
        word(0xa1b2_c3d4),
        half(2, 4),
        word(0),
        word(0),
        word(65535),
        word(1),
    ]
    .concat();
    for packet in packets {
        let len = packet.len() as u32;
        out.extend([word(7), word(8), word(len), word(len)].concat());
        out.extend_from_slice(packet);
    }
    out
}

#[test]
fn a_program_runs_on_each_packet_of_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
    for word in [u32::to_le_bytes, u32::to_be_bytes] {
        std::fs::write(&path, capture(&[&[1; 60], &[2; 70_000], &[3; 64]], word)).unwrap();
        let run = bpfld([
            "run".as_ref(),
            "--pcap".as_ref(),
            path.as_os_str(),
            "--pcap-out".as_ref(),
            out.as_os_str(),
            "--output".as_ref(),
            "json".as_ref(),
            fixture("network").as_ref(),
            "rewrite".as_ref(),
        ]);
        assert_eq!((run.status, &*run.stderr), (0, ""));
        let [report] = &json_lines(&run.stdout)[..] else {
            panic!("one line: {}", run.stdout)
        };
        assert_eq!(report["packets"], serde_json::json!([5, 5, 5]));
        let written = std::fs::read(&out).unwrap();
        let rewritten = |byte: u8, len: usize| {
            let mut packet = vec![byte; len];
            (packet[0], packet[1]) = (byte ^ 0xff, 0);
            packet
        };
        let packets = [rewritten(1, 60), rewritten(2, 70_000), rewritten(3, 64)];
        let mut at = 24;
        for packet in packets {
            at += 16;
            assert_eq!(written[at..at + packet.len()], packet);
            at += packet.len();
        }
        assert_eq!(at, written.len());
    }
    let text = bpfld([
        "run".as_ref(),
        "--pcap".as_ref(),
        path.as_os_str(),
        fixture("network").as_ref(),
        "xdp_drop".as_ref(),
    ]);
    assert!(text.stdout.contains("packets       3"), "{}", text.stdout);
    assert!(
        text.stdout.contains("returned      1: 3 times"),
        "{}",
        text.stdout
    );
    // what is no capture, and what ends in the middle of a packet
    for bytes in [b"no capture at all, but long enough for a head".to_vec(), {
        let mut cut = capture(&[&[1; 60]], u32::to_le_bytes);
        cut.truncate(60);
        cut
    }] {
        std::fs::write(&path, bytes).unwrap();
        let run = bpfld([
            "run".as_ref(),
            "--pcap".as_ref(),
            path.as_os_str(),
            fixture("network").as_ref(),
            "xdp_drop".as_ref(),
        ]);
        assert_eq!(run.status, 3, "{}", run.stderr);
    }
    let run = bpfld(["run", "--pcap", ".", &fixture("network"), "xdp_drop"]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(run.stderr.contains("it is a directory"), "{}", run.stderr);
}

/// What the README says to those without root.
#[test]
fn the_quickstart_runs_in_the_userspace_machine() {
    let object = "../../crates/bpfld/examples/quickstart.el.o";
    let packet = "000000000000000000000000080045000020000100004011000000000000000000000000003500000000";
    let run = bpfld(["run", object, "count", "--on", "vm", "--data", packet]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    assert!(run.stdout.contains("return value  2"), "{}", run.stdout);
    assert!(
        run.stdout.contains("53: [{packets: 1, bytes: 42}"),
        "{}",
        run.stdout
    );
}

#[test]
fn records_of_ring_buffers_are_shown() {
    let run = bpfld(["run", "--on", "vm", &fixture("ringbuf"), "emit"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    for part in ["events: ringbuf, 65536 bytes", "    record of 32 bytes: "] {
        assert!(run.stdout.contains(part), "{part} in\n{}", run.stdout);
    }
    let run = bpfld([
        "run",
        "--on",
        "vm",
        "--output",
        "json",
        &fixture("ringbuf"),
        "emit",
    ]);
    let report = &json_lines(&run.stdout)[0];
    let maps = report["maps"].as_array().unwrap();
    let records: Vec<_> = maps.iter().filter(|map| !map["records"].is_null()).collect();
    assert_eq!(records.len(), 1, "{maps:?}");
    assert_eq!(records[0]["records"][0].as_str().unwrap().len(), 64);
}
