//! `bpfld check`: needs records of kernels, but no kernel.

use std::fs;
use std::sync::Arc;

use bpfld_btf::{Builder, Linkage, TypeId};
use bpfld_tests::expect_file;

use crate::{bpfld, fixture, json_lines};

const OLD: &str = "kernels/5.10-x86_64.json";
const NEW: &str = "kernels/7.3-x86_64.json";

#[test]
fn a_table_for_each_kernel() {
    let objects = ["old_kernels", "maps", "network", "guarded"].map(fixture);
    let args = objects.iter().map(String::as_str);
    let run = bpfld(["check"].into_iter().chain(args).chain(["--kernel", OLD, NEW]));
    assert_eq!((run.status, &*run.stderr), (1, ""));
    expect_file("check/tables.txt", &run.stdout.replace(".eb.o", ".el.o"));
}

/// With types CO-RE relocations are resolved, and functions and targets looked up.
#[test]
fn types_tell_more() {
    let check = |more: &[&str]| {
        let object = fixture("core_impossible");
        let args = ["check", &object, "--kernel", NEW, "--output", "json"];
        bpfld(args.iter().chain(more))
    };
    let run = check(&[]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    assert!(run.stdout.contains("CO-RE relocations come to"), "{}", run.stdout);
    let run = check(&["--btf", &fixture("made_up_kernel")]);
    assert_eq!((run.status, &*run.stderr), (1, ""));
    assert!(run.stdout.contains("surely_no_such_field"), "{}", run.stdout);
}

/// What vmlinux lacks is looked for in the modules that are named, and in no others.
#[test]
fn types_of_modules_count_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut vmlinux = Builder::new();
    let nothing = vmlinux.prototype(TypeId::VOID, &[]).unwrap();
    let kernel = Arc::new(vmlinux.finish().unwrap());
    let mut module = Builder::split(kernel);
    module.function("of_a_driver", Linkage::GLOBAL, nothing).unwrap();
    fs::write(path("vmlinux"), vmlinux.to_bytes()).unwrap();
    fs::write(path("some-driver.btf"), module.to_bytes()).unwrap();
    fs::write(
        path("program.s"),
        ".section fentry/of_a_driver\nany:\n r0 = 0\n exit\n\
        .section fentry/some_driver:of_a_driver\nits:\n r0 = 0\n exit\n\
        .section fentry/other:of_a_driver\nothers:\n r0 = 0\n exit\n",
    )
    .unwrap();
    let fits = |types: &[&str]| {
        let types = types.iter().map(|name| path(name));
        let args = [
            "check",
            &path("program.s"),
            "--kernel",
            NEW,
            "--output",
            "json",
            "--btf",
        ];
        let run = bpfld(args.into_iter().map(str::to_owned).chain(types));
        assert_eq!((run.status, &*run.stderr), (1, ""));
        let lines = json_lines(&run.stdout);
        lines[..3]
            .iter()
            .map(|line| line["fit"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(fits(&["vmlinux"]), ["refused"; 3]);
    assert_eq!(fits(&["vmlinux", "some-driver.btf"]), ["fits", "fits", "refused"]);
}

#[test]
fn one_line_of_json_for_each_program_and_map_and_one_for_the_object() {
    let run = bpfld(["check", &fixture("network"), "--kernel", OLD, "--output", "json"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let lines = json_lines(&run.stdout);
    let (object, rest) = lines.split_last().unwrap();
    assert_eq!(
        (&object["kind"], &object["fit"]),
        (&"object".into(), &"fits".into())
    );
    assert_eq!(object["kernel"], "5.10.262");
    assert!(rest.iter().any(|line| line["kind"] == "map"));
    let tcx = rest.iter().find(|line| line["name"] == "tcx_ingress").unwrap();
    assert_eq!(tcx["fit"], "fits");
    let finding = &tcx["findings"][0];
    assert_eq!(finding["stage"], "attach");
    assert_eq!(finding["feature"], "attach_type:tcx_ingress");
    assert!(finding["reason"].as_str().unwrap().contains("since Linux 6.6"));
}

#[test]
fn types_are_those_of_one_kernel() {
    let btf = fixture("made_up_kernel");
    let run = bpfld(["check", &fixture("plain"), "--kernel", OLD, NEW, "--btf", &btf]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    let run = bpfld(["check", &fixture("plain"), "--kernel", "bpf.h"]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    let run = bpfld(["check", &fixture("plain")]);
    assert_eq!(run.status, 2, "{}", run.stderr);
}
