//! `bpfld features`: what it says depends on the kernel, its form does not.

use bpfld_features::Record;

use crate::{bpfld, json_lines};

#[test]
fn json_has_every_feature_and_can_be_loaded_again() {
    let run = bpfld(["features", "--output", "json"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let [report] = &json_lines(&run.stdout)[..] else {
        panic!("one line: {}", run.stdout)
    };
    assert_eq!(report["version"], 1);
    assert!(
        report["kernel"]["version_code"]
            .as_u64()
            .is_some_and(|code| code > 0x04_00_00)
    );
    let features = report["features"].as_array().unwrap();
    for name in [
        "btf",
        "perf_link",
        "map_type:ringbuf",
        "program_type:xdp",
        "insn:jlt:imm",
        "command:link_create",
    ] {
        assert!(features.iter().any(|feature| feature["name"] == name), "{name}");
    }
    for feature in features {
        let answer = feature["answer"].as_str().unwrap();
        assert!(["yes", "no", "unknown"].contains(&answer), "{feature}");
        assert_eq!(feature["how"].is_null(), answer == "yes", "{feature}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernel.json");
    std::fs::write(&path, &run.stdout).unwrap();
    let path = path.to_str().unwrap();
    let again = bpfld(["features", "--from", path, "--output", "json"]);
    assert_eq!((again.status, again.stdout), (0, run.stdout));
    let text = bpfld(["features", "--from", path, "--helpers"]);
    assert_eq!((text.status, &*text.stderr), (0, ""));
}

#[test]
fn text_has_a_table_for_each_group() {
    let run = bpfld(["features"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    for heading in [
        "system",
        "BTF",
        "map type",
        "program type",
        "attach type",
        "instruction",
        "helpers of",
    ] {
        assert!(
            run.stdout.lines().any(|line| line.starts_with(heading)),
            "{heading} in\n{}",
            run.stdout
        );
    }
}

#[test]
fn records_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, json: &str| {
        Record::from_json(json).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, json).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let old = write(
        "old",
        r#"{"version":1,"kernel":{"release":"5.10.1"},"features":[{"name":"btf","answer":"yes"},{"name":"perf_link","answer":"no","how":"tried"}],
           "helpers":{"every":["map_lookup_elem"],"xdp":[]}}"#,
    );
    let new = write(
        "new",
        r#"{"version":1,"kernel":{"release":"6.1"},"features":[{"name":"btf","answer":"yes"},{"name":"perf_link","answer":"yes"}],
           "helpers":{"every":["map_lookup_elem"],"xdp":["loop"]}}"#,
    );
    let run = bpfld(["features", "--diff", &old, &new]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let words: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words,
        [
            vec!["feature", "5.10.1", "6.1", "since"],
            vec!["perf_link", "no", "yes", "5.15"],
            vec!["helper:xdp:loop", "no", "yes", "5.17"],
        ]
    );
    let run = bpfld(["features", "--diff", &old, &new, "--output", "json"]);
    assert_eq!(
        json_lines(&run.stdout)[0]["features"].as_array().unwrap().len(),
        2
    );

    std::fs::write(folder.path().join("bad"), "{}").unwrap();
    let bad = folder.path().join("bad");
    let run = bpfld(["features", "--from", bad.to_str().unwrap()]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("bad: not a record of features"),
        "{}",
        run.stderr
    );
}

/// Without rights nothing is claimed that is not known, and each gap names the capability that would close it.
#[test]
fn without_rights_it_says_what_would_be_needed() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    bpfld_tests::require!(bpfld_tests::Need::Root);
    // Somewhere that everybody can reach.
    let folder = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = folder.path().join("bpfld");
    std::fs::copy(env!("CARGO_BIN_EXE_bpfld"), &program).unwrap();
    let run = std::process::Command::new(&program)
        .args(["features", "--output", "json"])
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let record = Record::from_json(&String::from_utf8(run.stdout).unwrap()).unwrap();
    assert_eq!(record.process.capabilities.as_deref(), Some(&[][..]));
    let row = |name: &str| record.features.iter().find(|row| row.name == name).unwrap();
    for row in &record.features {
        // Nothing is denied for lack of rights.
        assert_ne!(row.answer, "no", "{row:?}");
    }
    let why = |name: &str| row(name).how.clone().unwrap();
    let admin = |text: &str| text.contains("CAP_SYS_ADMIN");
    let needs = |text: &str, wanted: &str| text.contains(wanted) || admin(text);
    assert!(
        needs(&why("map_type:hash"), "CAP_BPF"),
        "{}",
        why("map_type:hash")
    );
    let xdp = why("program_type:xdp");
    assert!(needs(&xdp, "CAP_BPF and CAP_NET_ADMIN"), "{xdp}");
    let tracing = why("program_type:tracing");
    assert!(needs(&tracing, "CAP_BPF and CAP_PERFMON"), "{tracing}");
    assert!(
        record.helpers_unknown["xdp"].contains("CAP_"),
        "{:?}",
        record.helpers_unknown
    );
}
