//! `bpfld core`: needs types, but no kernel.

use bpfld_tests::expect_file;

use crate::{bpfld, json_lines};

#[test]
fn a_matrix_of_programs_and_kernels() {
    let run = bpfld([
        "core",
        "core_types.el.o",
        "core_fields.el.o",
        "plain.el.o",
        "--btf",
        "made_up_kernel.el.o",
        "maps.el.o",
    ]);
    assert_eq!((run.status, &*run.stderr), (1, ""));
    expect_file("core/matrix.txt", &run.stdout);
}

#[test]
fn a_block_for_each_relocation() {
    let run = bpfld([
        "core",
        "--report",
        "core_types.el.o",
        "--btf",
        "made_up_kernel.el.o",
    ]);
    assert_eq!(&*run.stderr, "");
    expect_file("core/report.txt", &run.stdout);
}

#[test]
fn what_is_missing_may_be_guarded() {
    let run = |guarded: &[&str]| {
        let args = ["core", "core_impossible.el.o", "--btf", "made_up_kernel.el.o"];
        bpfld(args.iter().chain(guarded))
    };
    assert_eq!(run(&[]).status, 1);
    assert_eq!(run(&["--guarded"]).status, 0);
    assert!(run(&[]).stdout.contains("surely_no_such_field"));
}

#[test]
fn one_line_of_json_for_each_program_and_kernel() {
    let run = bpfld([
        "core",
        "--output",
        "json",
        "core_types.el.o",
        "--btf",
        "made_up_kernel.el.o",
        "core_types.el.o",
    ]);
    let lines = json_lines(&run.stdout);
    assert!(
        lines.len().is_multiple_of(2) && !lines.is_empty(),
        "{}",
        run.stdout
    );
    for line in &lines {
        assert_eq!(line["object"], "core_types.el.o");
        assert!(line["relocations"].is_u64() && line["missing"].is_u64() && line["failed"].is_u64());
    }
    assert!(
        lines.iter().any(|line| line["kernel"] == "made_up_kernel.el"),
        "{}",
        run.stdout
    );
}
