//! The public conformance cases of the instruction set, which are not part of this repository.
//!
//! `BPFLD_CONFORMANCE` names the folder of the `.data` files, such as `tests` of the repository `Alan-Jowett/bpf_conformance`. Without
//! it there is nothing to be done.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::{Path, PathBuf};

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Bytes, ProgramType, Vm};

/// The parts of a case that count.
#[derive(Default)]
struct Case {
    asm: String,
    memory: Vec<u8>,
    result: String,
}

impl Case {
    fn read(text: &str) -> Case {
        let mut case = Case::default();
        let mut part = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("-- ") {
                part = name.trim();
                continue;
            }
            let line = line.split('#').next().unwrap_or_default().trim();
            match part {
                "asm" => case.asm += &format!("{line}\n"),
                "mem" => {
                    let bytes = line.split_whitespace();
                    case.memory
                        .extend(bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
                }
                "result" => case.result += line,
                _ => {}
            }
        }
        case.asm = ours(&case.asm);
        case
    }

    /// Memory is at r1, and its length in r2.
    fn run(&self) -> Result<u64, String> {
        let text = format!("lddw %r2, {}\n{}", self.memory.len(), self.asm);
        let assembly = assemble(&text).map_err(|errors| errors.to_string())?;
        let mut vm = Vm::builder().empty(Endian::Little);
        let mut program = vm
            .add_program("case", ProgramType::UNSPEC, assembly.slots())
            .map_err(|error| error.to_string())?;
        let outcome = program.run(Bytes::new(self.memory.clone()));
        outcome
            .map(|outcome| outcome.r0)
            .map_err(|fault| fault.to_string())
    }

    fn expected(&self) -> u64 {
        match self.result.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
            None => self.result.parse().unwrap(),
        }
    }
}

/// Calls of a function by its number in a register, which Linux does not have.
const NOT_OF_LINUX: &[&str] = &["callx.data"];

/// What our assembler writes otherwise than that of the cases.
fn ours(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(line).collect();
    // the last exit is a label, too
    if let Some(last) = lines.iter().rposition(|line| line == "exit") {
        lines.insert(last, "the_end:".to_owned());
    }
    lines.join("\n")
}

fn line(line: &str) -> String {
    let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let register = |name: &str| name.trim_start_matches('%').to_owned();
    match *words.as_slice() {
        ["call", "local", function] => format!("call {function}"),
        ["ja32", to] => format!("gotol {to}"),
        [jump, .., "exit"] if jump.starts_with('j') => line.replace(" exit", " the_end"),
        ["swap16" | "swap32" | "swap64", dst] => {
            let (width, dst) = (words[0].trim_start_matches("swap"), register(dst));
            format!("{dst} = bswap{width} {dst}")
        }
        ["lock", "fetch", op, ref rest @ ..] => self::line(&format!("lock fetch_{op} {}", rest.join(" "))),
        ["lock", op, ref at @ .., value] => {
            let (op, width) = match op.strip_suffix("32") {
                Some(op) => (op, "32"),
                None => (op, "64"),
            };
            let at = at.concat();
            let at = at.trim_matches(['[', ']', '%']);
            let (value, result) = (register(value), register(value));
            let (reg, ty) = match width {
                "32" => ("w", "u32"),
                _ => ("r", "u64"),
            };
            let value = value.replace('r', reg);
            let result = result.replace('r', reg);
            let place = at.replacen(['+', '-'], if at.contains('-') { " - " } else { " + " }, 1);
            let place = if place.contains(' ') {
                place
            } else {
                format!("{place} + 0")
            };
            match op {
                "add" => format!("lock *({ty} *)({place}) += {value}"),
                "and" => format!("lock *({ty} *)({place}) &= {value}"),
                "or" => format!("lock *({ty} *)({place}) |= {value}"),
                "xor" => format!("lock *({ty} *)({place}) ^= {value}"),
                "xchg" if width == "32" => format!("{result} = xchg32_32({place}, {value})"),
                "xchg" => format!("{result} = xchg_64({place}, {value})"),
                "cmpxchg" if width == "32" => format!("w0 = cmpxchg32_32({place}, w0, {value})"),
                "cmpxchg" => format!("r0 = cmpxchg_64({place}, r0, {value})"),
                _ => {
                    let op = op.trim_start_matches("fetch_");
                    format!("{result} = atomic_fetch_{op}(({ty} *)({place}), {value})")
                }
            }
        }
        [mov, dst, src] if mov.starts_with("movsx") => {
            let (dst, src) = (register(dst), register(src));
            let widths = mov.trim_start_matches("movsx");
            match widths.strip_suffix("64") {
                Some(from) => format!("{dst} = (s{from}){src}"),
                None => {
                    let from = widths.trim_end_matches("32");
                    let half = |name: &str| name.replace('r', "w");
                    format!("{} = (s{from}){}", half(&dst), half(&src))
                }
            }
        }
        _ => line.to_owned(),
    }
}

#[test]
fn the_public_cases_hold() {
    let Ok(folder) = std::env::var("BPFLD_CONFORMANCE") else {
        return;
    };
    let entries = std::fs::read_dir(Path::new(&folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "data"));
    paths.retain(|path| !NOT_OF_LINUX.iter().any(|name| path.ends_with(name)));
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {folder}");
    let mut wrong = Vec::new();
    for path in &paths {
        let case = Case::read(&std::fs::read_to_string(path).unwrap());
        let expected = case.expected();
        match case.run() {
            Ok(result) if result == expected => {}
            other => wrong.push(format!("{}: {other:?}, not {expected:#x}", path.display())),
        }
    }
    println!("{} of {} cases hold", paths.len() - wrong.len(), paths.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
