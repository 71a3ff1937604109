//! Exit statuses, and what goes to standard error.

use std::process::Stdio;

use bpfld::{MapType, Queue, RingBuf};
use bpfld_features::Feature;
use bpfld_tests::{Need, require};

use crate::{bpfld, command};

#[test]
fn a_wrong_command_line_is_2() {
    let nothing: [&str; 0] = [];
    assert_eq!(bpfld(nothing).status, 2);
    assert_eq!(bpfld(["frobnicate"]).status, 2);
    assert_eq!(bpfld(["inspect"]).status, 2);
    assert_eq!(bpfld(["inspect", "--output", "yaml", "maps.el.o"]).status, 2);
}

#[test]
fn files_come_before_options_that_take_several() {
    let run = bpfld(["check", "--kernel", "kernels/5.10-x86_64.json", "maps.el.o"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("<FILE>... --kernel <RECORD>..."), "{run:?}");
    let run = bpfld(["core", "--btf", "vmlinux", "maps.el.o"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("<FILE>... [--btf <SOURCE>...]"), "{run:?}");
}

#[test]
fn help_names_the_exit_statuses() {
    let run = bpfld(["--help"]);
    assert_eq!(run.status, 0);
    assert!(run.stdout.contains("Exit status:"), "{}", run.stdout);
}

#[test]
fn a_file_that_is_not_there_is_3() {
    let run = bpfld(["inspect", "no-such-file.o"]);
    assert_eq!((run.status, &*run.stdout), (3, ""));
    assert!(
        run.stderr.starts_with("bpfld: ") && run.stderr.contains("no-such-file.o"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_file_that_is_no_object_is_3() {
    let run = bpfld(["inspect", "maps.bpf.c"]);
    assert_eq!((run.status, &*run.stdout), (3, ""));
    assert!(run.stderr.contains("maps.bpf.c"), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command()
        .args(["inspect", "--insns", "programs.el.o"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn output_that_cannot_be_written_is_said_to_be_so() {
    for format in ["text", "json"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = command();
        command.args(["inspect", "--insns", "programs.el.o", "--output", format]);
        let output = command.stdout(full).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{text}");
        assert!(
            text.starts_with("bpfld: cannot write to standard output: No space left"),
            "{text}"
        );
    }
}

#[test]
fn a_file_that_is_no_text_is_3() {
    for (args, what) in [
        (&["asm", "maps.el.o"][..], "maps.el.o: not a text"),
        (&["features", "--from", "maps.el.o"], "maps.el.o: not a record"),
        (
            &["check", "maps.el.o", "--kernel", "maps.el.o"],
            "maps.el.o: not a record",
        ),
    ] {
        let run = bpfld(args);
        assert_eq!((run.status, &*run.stdout), (3, ""), "{run:?}");
        assert!(run.stderr.contains(what), "{run:?}");
    }
}

#[test]
fn an_id_that_is_not_there_is_2_and_a_pin_is_3() {
    require!(Need::Root);
    for (args, what) in [
        (
            ["map", "show", "4294967295"],
            "there is no map with id 4294967295",
        ),
        (
            ["prog", "show", "4294967295"],
            "there is no program with id 4294967295",
        ),
        (
            ["link", "show", "4294967295"],
            "there is no link with id 4294967295",
        ),
        (
            ["btf", "dump", "4294967295"],
            "there is no BTF with id 4294967295",
        ),
        (["map", "show", "no_such_map"], "there is no map 'no_such_map'"),
    ] {
        let run = bpfld(args);
        assert_eq!((run.status, &*run.stdout), (2, ""), "{run:?}");
        assert!(run.stderr.contains(what), "{run:?}");
    }
    for what in ["map", "prog", "link"] {
        let run = bpfld([what, "show", "/no/such/pin"]);
        assert_eq!((run.status, &*run.stdout), (3, ""), "{run:?}");
        assert!(run.stderr.contains("/no/such/pin"), "{run:?}");
        let run = bpfld([what, "show", "/dev/null"]);
        assert_eq!((run.status, &*run.stdout), (3, ""), "{run:?}");
        assert!(run.stderr.contains("it is no pin"), "{run:?}");
    }
}

#[test]
fn a_wrong_place_for_a_pin_is_no_lack_of_rights() {
    require!(Need::Root);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts");
    let path = path.to_str().unwrap();
    let run = bpfld([
        "map",
        "create",
        path,
        "--type",
        "array",
        "--key",
        "4",
        "--value",
        "8",
        "--entries",
        "1",
    ]);
    assert_eq!(run.status, 5, "{run:?}");
    assert!(run.stderr.contains("must lie in a BPF file system"), "{run:?}");
    let run = bpfld(["map", "create", path, "--type", "arary"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains("--type arary: there is no such type of maps"),
        "{run:?}"
    );
}

#[test]
fn what_has_no_keys_is_not_gone_through() {
    require!(
        Need::Root,
        Feature::MapType(MapType::RINGBUF),
        Feature::MapType(MapType::QUEUE)
    );
    let ring = RingBuf::create("cli_ring", 1 << 16).unwrap();
    let run = bpfld(["map", "dump", &ring.map().info().unwrap().id().to_string()]);
    assert_eq!((run.status, &*run.stdout), (2, ""), "{run:?}");
    assert!(run.stderr.contains("`map watch`"), "{run:?}");
    let queue = Queue::<u32>::create("cli_no_keys", 4).unwrap();
    let id = &*queue.map().info().unwrap().id().to_string();
    for args in [&["map", "watch", id][..], &["map", "delete", id, "-"]] {
        let run = bpfld(args);
        assert_eq!((run.status, &*run.stdout), (2, ""), "{run:?}");
        assert!(run.stderr.contains("have no keys to go by"), "{run:?}");
    }
}
