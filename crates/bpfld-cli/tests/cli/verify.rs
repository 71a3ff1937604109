//! `bpfld verify`: needs the kernel for verdicts, but not for its form.

use bpfld_tests::{Need, require};

use crate::{bpfld, fixture, json_lines};

#[test]
fn every_program_gets_a_line_and_then_the_object() {
    let run = bpfld(["verify", "--output", "json", &fixture("network")]);
    let lines = json_lines(&run.stdout);
    let (object, programs) = lines.split_last().unwrap();
    assert_eq!(object["kind"], "object");
    assert!(programs.len() > 5);
    for program in programs {
        assert_eq!(program["object"], *fixture("network"));
        for field in ["program", "type", "verdict"] {
            assert!(program[field].is_string(), "{field} in {program}");
        }
        for field in ["insns", "processed_insns", "total_states", "error", "log_tail"] {
            assert!(program.get(field).is_some(), "{field} in {program}");
        }
        assert!(program.get("kind").is_none(), "{program}");
    }
}

#[test]
fn what_has_no_attach_type_has_none_in_both_forms() {
    let inspect = bpfld(["inspect", "--output", "json", &fixture("network")]);
    let report: serde_json::Value = serde_json::from_str(&inspect.stdout).unwrap();
    let inspected = report["programs"].as_array().unwrap();
    let run = bpfld(["verify", "--output", "json", &fixture("network")]);
    let lines = json_lines(&run.stdout);
    let without: Vec<_> = lines
        .iter()
        .zip(inspected)
        .filter(|(_, inspected)| inspected["attach_type"].is_null())
        .collect();
    assert!(!without.is_empty(), "{report}");
    for (verified, inspected) in without {
        assert_eq!(verified["program"], inspected["name"]);
        assert_eq!(
            verified.get("attach_type"),
            Some(&serde_json::Value::Null),
            "{verified}"
        );
    }
    assert!(
        lines.iter().all(|line| line["attach_type"] != ""),
        "{}",
        run.stdout
    );
}

#[test]
fn what_the_kernel_takes_is_ok() {
    require!(Need::Root);
    let run = bpfld([
        "verify",
        "--output",
        "json",
        &fixture("network"),
        &fixture("globals"),
    ]);
    assert_eq!((run.status, &*run.stderr), (0, ""), "{}", run.stdout);
    for line in json_lines(&run.stdout) {
        assert_eq!(line["verdict"], "ok", "{line}");
        if line.get("kind").is_none() {
            assert!(line["processed_insns"].as_u64().is_some_and(|n| n > 0), "{line}");
            assert!(line["total_states"].is_u64(), "{line}");
        }
    }
}

#[test]
fn what_the_verifier_rejects_comes_with_its_reason() {
    require!(Need::Root);
    let run = bpfld(["verify", "--output", "json", &fixture("rejected")]);
    assert_eq!((run.status, &*run.stderr), (1, ""));
    let lines = json_lines(&run.stdout);
    assert!(
        lines.iter().all(|line| line["verdict"] == "rejected"),
        "{}",
        run.stdout
    );
    let line = lines
        .iter()
        .find(|line| line["program"] == "unchecked_pointer")
        .unwrap();
    let tail = line["log_tail"].as_str().unwrap();
    let explained = line["error"].as_str().unwrap().contains("may be NULL");
    assert!(tail.contains("invalid mem access") || explained, "{line}");
}

#[test]
fn a_bad_file_does_not_end_the_run() {
    let files = [
        "no-such-file.o",
        "maps.bpf.c",
        "broken_undefined.el.o",
        &fixture("plain"),
    ];
    let run = bpfld(["verify", "--output", "json"].into_iter().chain(files));
    assert!([3, 4].contains(&run.status), "{}", run.status);
    let lines = json_lines(&run.stdout);
    let objects: Vec<_> = lines.iter().filter(|line| line["kind"] == "object").collect();
    assert_eq!(
        objects
            .iter()
            .map(|line| line["object"].as_str().unwrap())
            .collect::<Vec<_>>(),
        files
    );
    for object in &objects[..3] {
        assert_eq!(object["verdict"], "error");
        assert!(object["error"].is_string());
    }
}

#[test]
fn the_table_has_a_line_for_each_program_and_a_sum() {
    let run = bpfld(["verify", &fixture("globals")]);
    for text in [
        "program",
        "verdict",
        "numbers",
        "strings",
        "(whole object)",
        " of 2 programs load, ",
    ] {
        assert!(run.stdout.contains(text), "{text} in\n{}", run.stdout);
    }
}

#[test]
fn nothing_is_pinned_or_left_behind() {
    require!(Need::Root);
    let before = programs_in_kernel();
    let run = bpfld(["verify", "--output", "json", &fixture("pinned")]);
    assert_eq!(run.status, 0, "{}", run.stdout);
    assert!(!std::path::Path::new("/sys/fs/bpf/kept").exists());
    // others may load programs at the same time, but not those of this fixture
    let after = programs_in_kernel();
    assert!(
        after.iter().all(|id| before.contains(id) || !is_ours(*id)),
        "{before:?} {after:?}"
    );
}

fn programs_in_kernel() -> Vec<u32> {
    std::iter::successors(bpfld_sys::prog_get_next_id(0).unwrap(), |id| {
        bpfld_sys::prog_get_next_id(*id).unwrap()
    })
    .collect()
}

/// Whether a program is one of the fixture's.
fn is_ours(id: u32) -> bool {
    let Ok(program) = bpfld::Program::from_id(id) else {
        return false;
    };
    bpfld_object::Object::open(bpfld_tests::fixture("pinned")).is_ok_and(|object| {
        object
            .programs()
            .iter()
            .any(|known| known.name.starts_with(program.name()))
    })
}
