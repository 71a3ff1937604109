//! Exit statuses, and what goes to standard error.

use std::process::Stdio;

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
