//! `bpfld features`: what it says depends on the kernel, its form does not.

use crate::{bpfld, json_lines};

#[test]
fn json_has_every_feature() {
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
    for name in ["btf", "perf_link", "map_type:ringbuf", "program_type:xdp"] {
        assert!(features.iter().any(|feature| feature["name"] == name), "{name}");
    }
    for feature in features {
        let answer = feature["answer"].as_str().unwrap();
        assert!(["yes", "no", "unknown"].contains(&answer), "{feature}");
        assert_eq!(feature["how"].is_null(), answer == "yes", "{feature}");
    }
}

#[test]
fn text_has_a_table_for_each_group() {
    let run = bpfld(["features"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    for heading in ["system", "feature", "map type", "program type"] {
        assert!(
            run.stdout.lines().any(|line| line.starts_with(heading)),
            "{heading} in\n{}",
            run.stdout
        );
    }
}
