//! `bpfld asm` and `bpfld disasm`: text to objects and back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bpfld_tests::{Need, expect_file, require};
use tempfile::TempDir;

use crate::{bpfld, command, json_lines};

/// Counts what it sees by the first byte of the packet, and lets it pass.
const COUNT: &str = r#"
        .license "GPL"
        .map counts array key=u32 value=u64 max_entries=256
        .section xdp
count:
        r2 = *(u32 *)(r1 + 4)
        r1 = *(u32 *)(r1 + 0)
        r3 = r1
        r3 += 1
        if r3 > r2 goto out
        w3 = *(u8 *)(r1 + 0)
        *(u32 *)(r10 - 4) = w3
        r2 = r10
        r2 += -4
        r1 = counts ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = 1
        lock *(u64 *)(r0 + 0) += r1
out:
        r0 = VERDICT
        exit
"#;

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn beside(path: &str, ending: &str) -> PathBuf {
    Path::new(path).with_extension(ending)
}

#[test]
fn a_text_is_an_object_to_every_command() {
    require!(Need::Root);
    let folder = tempfile::tempdir().unwrap();
    let text = write(&folder, "count.s", &COUNT.replace("VERDICT", "XDP_PASS"));
    let run = bpfld(["asm", "-D", "VERDICT=2", &write(&folder, "other.s", COUNT)]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let object = beside(&text, "o");
    let run = bpfld(["asm", &text]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let mut outcomes = Vec::new();
    for path in [
        &*text,
        object.to_str().unwrap(),
        folder.path().join("other.o").to_str().unwrap(),
    ] {
        let run = bpfld(["verify", path]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{}", run.stdout);
        let run = bpfld([
            "run",
            "--output",
            "json",
            "--data",
            &"11".repeat(20),
            path,
            "count",
        ]);
        assert_eq!((run.status, &*run.stderr), (0, ""));
        let [report] = &json_lines(&run.stdout)[..] else {
            panic!("one line: {}", run.stdout)
        };
        assert_eq!(report["return_value"], 2);
        outcomes.push(report["maps"].clone());
    }
    assert!(outcomes[0].to_string().contains("17"), "{}", outcomes[0]);
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = ".map m hahs key=4\n.section xdp\nmain:\n    r0 = r11\n    eixt\n";
    let path = write(&folder, "bad.s", text);
    for subcommand in ["asm", "inspect"] {
        let run = bpfld([subcommand, &path]);
        assert_eq!((run.status, &*run.stdout), (3, ""));
        expect_file("asm/mistakes.txt", &run.stderr.replace(&path, "bad.s"));
    }
    let run = bpfld(["verify", &path]);
    assert_eq!(run.status, 3);
    assert!(run.stdout.contains("line 1, column 8"), "{}", run.stdout);
    assert!(!beside(&path, "o").exists());
}

#[test]
fn raw_instructions_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "pass.s", "    r0 = 2\n    exit\n");
    let run = bpfld(["asm", "--raw", "--endian", "big", &path]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    let bytes = fs::read(beside(&path, "bin")).unwrap();
    assert_eq!(bytes, [0xb7, 0, 0, 0, 0, 0, 0, 2, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    let bin = beside(&path, "bin").display().to_string();
    let run = bpfld(["disasm", "--endian", "big", &bin]);
    assert_eq!(
        (run.status, &*run.stdout, &*run.stderr),
        (0, "    r0 = 2\n    exit\n", "")
    );
    let run = bpfld([
        "disasm",
        "--endian",
        "big",
        "--dialect",
        "gnu",
        "b700000000000002 9500000000000000",
    ]);
    assert_eq!(&*run.stdout, "    mov %r0,2\n    exit\n");

    let path = write(
        &folder,
        "map.s",
        ".map m array key=4 value=4 max_entries=1\nr1 = m ll\nexit",
    );
    let run = bpfld(["asm", "--raw", &path]);
    assert_eq!(run.status, 3);
    assert!(
        run.stderr.contains("a flat file cannot refer to `m`"),
        "{}",
        run.stderr
    );
}

#[test]
fn text_comes_from_standard_input() {
    let mut child = command()
        .args(["asm", "--raw", "--endian", "little", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"exit").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, [0x95, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bpfld(["asm", "-"]).status, 2);
}

#[test]
fn a_text_does_not_overwrite_itself() {
    let folder = tempfile::tempdir().unwrap();
    let text = write(&folder, "x.s", "exit");
    let detour = folder
        .path()
        .join("..")
        .join(folder.path().file_name().unwrap())
        .join("x.s");
    let run = bpfld(["asm", "--raw", &text, "-o", detour.to_str().unwrap()]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("would be overwritten"), "{run:?}");
    assert_eq!(fs::read_to_string(&text).unwrap(), "exit");
}

#[test]
fn a_listing_in_each_dialect() {
    for dialect in ["llvm", "kernel", "gnu"] {
        let run = bpfld([
            "disasm",
            "--dialect",
            dialect,
            "--raw",
            "--lines",
            "subprograms.el.o",
        ]);
        assert_eq!((run.status, &*run.stderr), (0, ""));
        expect_file(&format!("disasm/subprograms.{dialect}.txt"), &run.stdout);
    }
}

#[test]
fn every_fixture_becomes_text_and_an_object_again() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in bpfld_tests::all_fixtures() {
        // refused as they are, or of types that no text can give
        if fixture.name.starts_with("broken_static") || fixture.big_endian {
            continue;
        }
        let object = fixture.path.display().to_string();
        let run = bpfld(["disasm", &object]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{object}");
        let path = write(&folder, "again.s", &run.stdout);
        let run = bpfld(["asm", "--endian", "little", &path]);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{object}");
    }
}

#[test]
fn the_control_flow_of_a_program() {
    let run = bpfld(["disasm", "--cfg", "dot", "--program", "xdp_drop", "network.el.o"]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    expect_file("disasm/xdp_drop.dot", &run.stdout);
    let run = bpfld(["disasm", "--program", "nope", "network.el.o"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("has no program 'nope'; it has"),
        "{}",
        run.stderr
    );
}

#[test]
fn colours_are_for_terminals() {
    let plain = bpfld(["disasm", "9500000000000000"]);
    assert_eq!(&*plain.stdout, "    exit\n");
    let colored = bpfld(["disasm", "--color", "always", "9500000000000000"]);
    assert_eq!(&*colored.stdout, "    \x1b[35mexit\x1b[0m\n");
}

#[test]
fn what_is_nothing_is_said_to_be_nothing() {
    assert_eq!(bpfld(["disasm", "0x95000000_00000000"]).stdout, "    exit\n");
    for what in ["no-such-file.o", "95ff", "95000000000000zz", ""] {
        let run = bpfld(["disasm", what]);
        assert_eq!((run.status, &*run.stdout), (2, ""), "{what}");
        assert!(
            run.stderr.contains("is no file, no id and no instructions"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn what_would_change_nothing_is_refused() {
    for (args, what) in [
        (&["--cfg", "dot", "--raw"][..], "cannot be used with"),
        (&["--cfg", "dot", "--lines"], "cannot be used with"),
        (&["--endian", "big"], "is for bare instructions"),
    ] {
        let run = bpfld(["disasm", "maps.el.o"].iter().chain(args));
        assert_eq!((run.status, &*run.stdout), (2, ""), "{args:?}");
        assert!(run.stderr.contains(what), "{run:?}");
    }
}

#[test]
fn a_program_in_the_kernel() {
    require!(Need::Root);
    let object = bpfld::Object::open(bpfld_tests::fixture("subprograms")).unwrap();
    let loader = bpfld::Loader::new();
    let loaded = loader.load_partial(&object).unwrap().loaded;
    let program = loaded.programs().next().unwrap();
    let id = program.info().unwrap().id().to_string();
    let run = bpfld(["disasm", &id]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    assert!(
        run.stdout.contains(&format!("{}:\n", program.name())),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains(" @ "), "{}", run.stdout);
    let run = bpfld(["disasm", "--lines", "--raw", "--dialect", "kernel", &id]);
    assert_eq!((run.status, &*run.stderr), (0, ""));
    assert!(run.stdout.contains("subprograms.bpf.c:"), "{}", run.stdout);
    assert!(run.stdout.contains("(95) exit"), "{}", run.stdout);
    let run = bpfld(["disasm", "4294967295"]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("there is no program with id 4294967295"),
        "{}",
        run.stderr
    );
}
