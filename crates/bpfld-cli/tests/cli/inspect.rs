//! `bpfld inspect`: needs no kernel, so all of its output can be held against a text.

use bpfld_tests::expect_file;

use crate::{bpfld, json_lines};

/// The output for a fixture, as text and with instructions.
#[track_caller]
fn check(name: &str) {
    let run = bpfld(["inspect", "--insns", &format!("{name}.o")]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    expect_file(&format!("inspect/{name}.txt"), &run.stdout);
}

#[test]
fn maps() {
    check("maps.el");
}

#[test]
fn globals() {
    check("globals.el");
}

#[test]
fn externs() {
    check("kconfig.el");
    check("kfuncs.el");
    check("ksyms.el");
}

#[test]
fn relocations_of_the_other_byte_order() {
    check("core_fields.eb");
}

#[test]
fn programs_with_subprograms() {
    check("programs.el");
}

#[test]
fn json_has_the_same_things() {
    let run = bpfld(["inspect", "--output", "json", "maps.el.o"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let [report] = &json_lines(&run.stdout)[..] else {
        panic!("one line: {}", run.stdout)
    };
    assert_eq!(report["version"], 1);
    assert_eq!(report["endian"], "little");
    assert_eq!(report["license"], "Dual MIT/GPL");
    assert_eq!(report["programs"][0]["type"], "sched_cls");
    assert_eq!(report["programs"][0].get("code"), None);
    assert_eq!(report["maps"][0]["key_type"], "struct key");
    assert_eq!(report["maps"][0]["max_entries"], 100);
    assert_eq!(report["relocations"][0]["target"], "hash");
}

#[test]
fn every_fixture_is_shown_or_refused_by_name() {
    for fixture in bpfld_tests::all_fixtures() {
        let path = fixture.path.display().to_string();
        let run = bpfld(["inspect", "--insns", "--output", "json", &path]);
        match fixture.name.starts_with("broken_") {
            true => assert!(run.status == 3 && run.stderr.contains(&path), "{path}: {run:?}"),
            false => assert_eq!((run.status, &*run.stderr), (0, ""), "{path}"),
        }
    }
}
