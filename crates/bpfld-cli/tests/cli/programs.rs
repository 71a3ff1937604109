//! `bpfld prog dump`: programs of the running kernel.

use bpfld::{Program, ProgramType};
use bpfld_insn::Slot;
use bpfld_tests::{Need, require};

use crate::{fails, json_lines, ok};

/// A program that lets every packet pass.
pub(crate) fn pass(name: &str) -> Program {
    let code = [Slot::new(0xb7, 0, 0, 0, 2), Slot::new(0x95, 0, 0, 0, 0)];
    Program::builder(ProgramType::XDP, name, &code).load().unwrap()
}

#[test]
fn programs_are_shown_as_they_run() {
    require!(Need::Root);
    let program = pass("cli_dumped");
    let id = program.info().unwrap().id().to_string();
    // The kernel's own notation, unless told otherwise.
    let text = ok(&["prog", "dump", &id]);
    assert!(
        text.contains("(b7) r0 = 2") && text.contains("(95) exit"),
        "{text}"
    );
    let text = ok(&["prog", "dump", "cli_dumped", "--dialect", "llvm", "--raw"]);
    let [a, b, c, d] = 2i32.to_ne_bytes();
    let bytes = format!("b7 00 00 00 {a:02x} {b:02x} {c:02x} {d:02x}");
    assert!(text.contains(&bytes) && text.contains("r0 = 2"), "{text}");
    assert_eq!(
        ok(&["prog", "dump", &id, "--dialect", "llvm"]),
        ok(&["disasm", &id])
    );
    let lines = json_lines(&ok(&["prog", "dump", &id, "--output", "json"]));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["text"], "(b7) r0 = 2");
    assert_eq!(lines[0]["bytes"], bytes.replace(' ', ""));
    assert_eq!(
        (&lines[1]["slot"], &lines[1]["text"]),
        (&1.into(), &"(95) exit".into())
    );
    for form in ["--raw", "--lines"] {
        fails(
            &["prog", "dump", &id, "--output", "json", form],
            2,
            "are for listings",
        );
    }
}

#[test]
fn machine_code_is_shown() {
    require!(Need::Root, Need::Config("CONFIG_BPF_JIT"));
    let program = pass("cli_jited");
    let id = program.info().unwrap().id().to_string();
    let code = program.machine_code().unwrap();
    let text = ok(&["prog", "dump", &id, "--jited"]);
    assert!(text.starts_with("cli_jited at 0x"), "{text}");
    let bytes = text.lines().skip(1).map(|line| line.split_once(": ").unwrap().1);
    let bytes: Vec<u8> = bytes
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(bytes, code[0].code());
    let lines = json_lines(&ok(&["prog", "dump", &id, "--jited", "--output", "json"]));
    assert_eq!(lines[0]["name"], "cli_jited");
    assert_eq!(lines[0]["address"], code[0].address());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(lines[0]["bytes"], hex);
    fails(
        &["prog", "dump", &id, "--jited", "--lines"],
        2,
        "cannot be used with",
    );
}
