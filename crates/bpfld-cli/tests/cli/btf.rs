//! `bpfld btf`: types of files need no kernel, so that all output can be held against a text.

use std::fs;

use bpfld_btf::{Btf, Endian};
use bpfld_tests::{Need, expect_file, require};

use crate::{bpfld, json_lines};

/// The output of a command for which all is well.
#[track_caller]
fn output(args: &[&str]) -> String {
    let run = bpfld(["btf"].iter().chain(args));
    assert_eq!((run.status, &*run.stderr), (0, ""), "{args:?}");
    run.stdout
}

#[test]
fn records() {
    expect_file("btf/map_values.raw.txt", &output(&["dump", "map_values.el.o"]));
}

#[test]
fn both_byte_orders_read_the_same() {
    let format = ["--format", "json", "--type", "locked"];
    let dump = |file| output(&[&["dump", file], &format[..]].concat());
    let (little, big) = (dump("map_values.el.o"), dump("map_values.eb.o"));
    assert!(little.contains("locked"), "{little}");
    assert_eq!(little, big);
}

#[test]
fn declarations_of_c() {
    expect_file(
        "btf/map_values.c.txt",
        &output(&["dump", "map_values.el.o", "--format", "c"]),
    );
}

#[test]
fn json_has_what_the_records_have() {
    let dump = output(&["dump", "map_values.el.o", "--format", "json"]);
    let [types] = &json_lines(&dump)[..] else {
        panic!("one line: {dump}")
    };
    let types = types["types"].as_array().unwrap();
    let raw = output(&["dump", "map_values.el.o"]);
    let heads: Vec<_> = raw.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(heads.len(), types.len());
    for (head, ty) in heads.iter().zip(types) {
        let (id, kind, name) = (
            &ty["id"],
            ty["kind"].as_str().unwrap(),
            ty["name"].as_str().unwrap(),
        );
        assert!(
            head.starts_with(&format!("[{id}] {kind} '{name}'")),
            "{head}: {ty}"
        );
    }
}

#[test]
fn a_type_that_is_not_there_is_a_wrong_command_line() {
    let run = bpfld(["btf", "dump", "maps.el.o", "--type", "no_such_type"]);
    assert_eq!((run.status, &*run.stdout), (2, ""));
    assert!(run.stderr.contains("no_such_type"), "{}", run.stderr);
}

#[test]
fn what_has_no_types_is_3() {
    for file in ["maps.bpf.c", "no-such-file.btf", "broken_undefined.bpf.c"] {
        let run = bpfld(["btf", "dump", file]);
        assert_eq!((run.status, &*run.stdout), (3, ""), "{file}");
        assert!(run.stderr.contains(file), "{}", run.stderr);
    }
}

#[test]
fn types_of_assembly_are_those_of_its_object() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("counts.s");
    std::fs::write(
        &text,
        ".map counts array key=u32 value=u64 max_entries=1\n.section xdp\npass: r0 = XDP_PASS\nexit\n",
    )
    .unwrap();
    let text = text.to_str().unwrap();
    let object = text.replace(".s", ".o");
    assert_eq!(bpfld(["asm", text]).status, 0);
    let types = output(&["dump", text]);
    assert!(types.contains("VAR 'counts'"), "{types}");
    assert_eq!(types, output(&["dump", &object]));
}

#[test]
fn names_are_found() {
    let text = output(&["find", "key", "--in", "maps.el.o"]);
    assert!(
        text.contains("STRUCT key, 8 bytes\nstruct key {\n\tu32 address;"),
        "{text}"
    );
    let json = output(&["find", "key", "--in", "maps.el.o", "--output", "json"]);
    let lines = json_lines(&json);
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["source"]),
        (&"STRUCT".into(), &"maps.el.o".into())
    );
    assert_eq!(
        bpfld(["btf", "find", "no_such_type", "--in", "maps.el.o"]).status,
        1
    );
}

#[test]
fn the_running_kernel_is_the_default() {
    require!(Need::Root);
    let text = output(&["find", "list_head"]);
    assert!(
        text.contains("vmlinux [") && text.contains("struct list_head *prev;"),
        "{text}"
    );
    let text = output(&["dump", "--format", "c", "--type", "list_head"]);
    assert!(text.starts_with("struct list_head {"), "{text}");
    // Since 5.11 the kernel's own types have an id.
    if bpfld_features::Release::current()
        .is_some_and(|release| release >= bpfld_features::Release::new(5, 11))
    {
        assert_eq!(
            output(&["dump", "1", "--type", "list_head"]),
            output(&["dump", "--type", "list_head"])
        );
    }
    let run = bpfld(["btf", "dump", "no_such_module"]);
    assert_eq!(run.status, 2, "{run:?}");
}

#[test]
fn what_changed_is_listed() {
    let run = bpfld(["btf", "diff", "core_types.el.o", "made_up_kernel.el.o"]);
    assert_eq!((run.status, &*run.stderr), (1, ""));
    expect_file("btf/diff.txt", &run.stdout);
    let run = bpfld([
        "btf",
        "diff",
        "core_types.el.o",
        "made_up_kernel.el.o",
        "--output",
        "json",
    ]);
    let lines = json_lines(&run.stdout);
    assert!(
        lines
            .iter()
            .any(|line| line["change"] == "changed" && line["details"][0]["what"].is_string())
    );
}

#[test]
fn nothing_changed_between_byte_orders() {
    let text = output(&["diff", "map_values.el.o", "map_values.eb.o"]);
    assert_eq!(text, "0 added, 0 removed, 0 changed\n");
}

#[test]
fn minimal_types_answer_like_all() {
    let directory = tempfile::tempdir().unwrap();
    let minimal = directory.path().join("minimal.btf");
    let minimal = minimal.to_str().unwrap();
    let objects = [
        "core_types.el.o",
        "core_fields.el.o",
        "core_types.eb.o",
        "core_fields.eb.o",
    ];
    for object in objects {
        let order = &object[object.find('.').unwrap()..];
        let kernel = &format!("made_up_kernel{order}");
        let run = bpfld(["btf", "min", object, "--btf", kernel, "-o", minimal]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{object}");
        let full = fs::metadata(crate::fixtures().join(kernel)).unwrap().len();
        assert!(fs::metadata(minimal).unwrap().len() < full);
        let answers = |btf: &str| {
            let run = bpfld([
                "core",
                object,
                "--guarded",
                "--output",
                "json",
                "--report",
                "--btf",
                btf,
            ]);
            let lines = json_lines(&run.stdout);
            let answer = |line: &serde_json::Value| {
                let is_id = line["kind"] == "target_type_id";
                (
                    line["instruction"].clone(),
                    line["answer"].clone(),
                    line["new"].clone(),
                    is_id,
                )
            };
            lines
                .iter()
                .map(answer)
                .filter(|(.., is_id)| !is_id)
                .collect::<Vec<_>>()
        };
        assert_eq!(answers(minimal), answers(kernel), "{object}");
    }
}

#[test]
fn types_of_several_files_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (once, twice) = (path("once.btf"), path("twice.btf"));
    output(&["dedup", "maps.el.o", "-o", &once]);
    output(&["dedup", "maps.el.o", "maps.el.o", "-o", &twice]);
    let structs = |file| {
        let text = output(&["dump", file]);
        text.lines()
            .filter(|line| line.contains("] STRUCT 'key'"))
            .count()
    };
    assert_eq!((structs(&once), structs(&twice)), (1, 1));
    // Types of another machine stay in its byte order, and do not mix with those of this one.
    output(&["dedup", "maps.eb.o", "-o", &once]);
    let btf = Btf::parse(fs::read(&once).unwrap()).unwrap();
    assert_eq!(btf.endian(), Endian::Big);
    let run = bpfld(["btf", "dedup", "maps.eb.o", "maps.el.o", "-o", &once]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("maps.el.o has another byte order"),
        "{}",
        run.stderr
    );
}

#[test]
fn types_go_to_standard_output_too() {
    for args in [
        &["dedup", "maps.el.o"][..],
        &["min", "core_types.el.o", "--btf", "made_up_kernel.el.o"],
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        output(&[args, &["-o", file.path().to_str().unwrap()]].concat());
        let mut command = crate::command();
        let run = command.arg("btf").args(args).args(["-o", "-"]).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        assert_eq!(run.stdout, fs::read(file.path()).unwrap(), "{args:?}");
    }
}

#[test]
fn declarations_of_rust() {
    expect_file(
        "btf/map_values.rust.txt",
        &output(&["dump", "map_values.el.o", "--format", "rust"]),
    );
}
