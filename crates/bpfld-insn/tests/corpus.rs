//! Real programs: printed, assembled and compared, in every dialect; and held against LLVM's disassembler.
//!
//! The objects are the fixtures of the repository; with `BPFLD_CORPUS=DIR` all `.o` files below that folder, too. What LLVM
//! prints for the fixtures is in `data/objdump.tsv`, as a digest; with `LLVM_OBJDUMP=PROGRAM` LLVM is asked again, about every
//! object, differences are shown line by line, and with `BLESS=1` the file is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bpfld_insn::{Assembler, Dialect, Endian, Insn, Slot, decode, print, slots_from_bytes};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn objects(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "o") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn fixtures() -> Vec<PathBuf> {
    let mut found = objects(&folder().join("../../tests/fixtures"));
    found.extend(objects(&folder().join("../../tests/bench")));
    assert!(found.len() > 20, "the fixtures are missing");
    found
}

fn corpus() -> Vec<PathBuf> {
    let mut found = fixtures();
    if let Some(folder) = std::env::var_os("BPFLD_CORPUS") {
        found.extend(objects(Path::new(&folder)));
    }
    found
}

/// The sections of an ELF file that hold code: just enough of ELF for a test.
fn code_sections(path: &Path) -> Vec<(String, Endian, Vec<Slot>)> {
    let bytes = std::fs::read(path).expect("readable");
    if bytes.get(..5) != Some(b"\x7fELF\x02") {
        return Vec::new();
    }
    let endian = if bytes[5] == 1 {
        Endian::Little
    } else {
        Endian::Big
    };
    let number = |at: usize, size: usize| -> u64 {
        let mut raw: Vec<u8> = bytes.get(at..at + size).unwrap_or(&[]).to_vec();
        if endian == Endian::Big {
            raw.reverse();
        }
        raw.iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    let at = |value: u64| usize::try_from(value).expect("fits");
    let (headers, size, count) = (at(number(0x28, 8)), at(number(0x3a, 2)), at(number(0x3c, 2)));
    let header = |index: usize| headers + index * size;
    let names = at(number(header(at(number(0x3e, 2))) + 0x18, 8));
    let mut sections = Vec::new();
    for index in 0..count {
        let header = header(index);
        const EXECUTABLE: u64 = 4;
        if number(header + 4, 4) != 1 || number(header + 8, 8) & EXECUTABLE == 0 {
            continue;
        }
        let start = at(number(header + 0x18, 8));
        let content = bytes
            .get(start..start + at(number(header + 0x20, 8)))
            .unwrap_or(&[]);
        let name = names + at(number(header, 4));
        let name = bytes[name..].split(|byte| *byte == 0).next().unwrap_or(&[]);
        let slots: Vec<Slot> = slots_from_bytes(content, endian).0.collect();
        if !slots.is_empty() {
            sections.push((String::from_utf8_lossy(name).into_owned(), endian, slots));
        }
    }
    sections
}

#[test]
fn printing_and_assembling_gives_the_same_program() {
    let mut count = 0;
    for path in corpus() {
        for (section, _, slots) in code_sections(&path) {
            for dialect in Dialect::ALL {
                for printer in [
                    print(&slots),
                    print(&slots).labels(false).indices(true).raw(Endian::Little),
                    print(&slots).hex(true),
                ] {
                    let text = printer.dialect(dialect).to_string();
                    let place = || format!("{} {section} {dialect:?}", path.display());
                    let assembly = Assembler::new().assemble(&text);
                    let assembly = assembly
                        .unwrap_or_else(|errors| panic!("{}: {}", place(), errors.render(&text, &section)));
                    assert!(assembly.slots() == slots, "{}", place());
                }
            }
            count += slots.len();
        }
    }
    eprintln!("{count} slots");
}

#[test]
fn every_instruction_of_the_corpus_decodes() {
    for path in corpus() {
        for (section, _, slots) in code_sections(&path) {
            for (at, insn) in decode(&slots) {
                let insn = match insn {
                    Ok(insn) => insn,
                    // a negative test of the kernel's, which names r15 on purpose
                    Err(_) if path.ends_with("verifier_uninit.bpf.o") => continue,
                    Err(error) => panic!("{} {section} {at}: {error}", path.display()),
                };
                assert_eq!(*insn.encode(), slots[at..at + insn.width()]);
            }
        }
    }
}

/// Lines of `index: text` as `llvm-objdump` prints them, without what it says behind the instructions.
fn ours(path: &Path) -> String {
    let mut text = String::new();
    for (section, _, slots) in code_sections(path) {
        writeln!(text, "{section}").expect("string");
        for (at, insn) in decode(&slots) {
            let Ok(insn) = insn else {
                writeln!(text, "{at}: <unknown>").expect("string");
                continue;
            };
            let slot = &slots[at..at + insn.width()];
            let printed = print(slot).labels(false).helper_names(false).to_string();
            writeln!(text, "{at}: {}", like_llvm(insn, slot[0], printed.trim_end())).expect("string");
        }
    }
    text
}

/// What LLVM prints instead, where we print something else on purpose: it does not tell kinds of calls and addresses
/// apart, and loses an offset.
fn like_llvm(insn: Insn, slot: Slot, printed: &str) -> String {
    match insn {
        Insn::CallSubprog { .. } | Insn::CallKfunc { .. } | Insn::CallHelper { .. } => {
            format!("call {}", slot.imm)
        }
        Insn::LoadAddr { dst, .. } => format!("ld_pseudo {dst}, {}, {}", slot.src(), slot.imm as u32),
        Insn::LoadInd { size, index, .. } => format!("r0 = *({} *)skb[{index}]", size.symbol()),
        _ => printed.to_owned(),
    }
}

/// The same lines out of LLVM's output.
fn theirs(tool: &str, path: &Path) -> String {
    let run = Command::new(tool)
        .args(["-d", "--mcpu=v4", "--no-show-raw-insn", "--no-print-imm-hex"])
        .arg(path)
        .output();
    let output = String::from_utf8(run.expect("llvm-objdump runs").stdout).expect("text");
    let mut text = String::new();
    for line in output.lines() {
        if let Some(section) = line.strip_prefix("Disassembly of section ") {
            writeln!(text, "{}", section.trim_end_matches(':')).expect("string");
        } else if let Some((index, insn)) = line.split_once(":\t")
            && let Ok(index) = index.trim().parse::<usize>()
        {
            let annotation = insn.rfind(" <").filter(|_| insn.ends_with('>'));
            let insn = insn[..annotation.unwrap_or(insn.len())].replace('\t', " ");
            writeln!(text, "{index}: {insn}").expect("string");
        }
    }
    text
}

fn digest(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    let slots: Vec<Slot> = slots_from_bytes(&bytes, Endian::NATIVE).0.collect();
    bpfld_insn::tag::sha256(&slots)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn llvm_prints_the_same() {
    let file = folder().join("tests/data/objdump.tsv");
    let known: BTreeMap<String, String> = std::fs::read_to_string(&file)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let Ok(tool) = std::env::var("LLVM_OBJDUMP") else {
        for path in fixtures() {
            let Some(expected) = known.get(&name(&path)) else {
                continue;
            };
            let text = ours(&path);
            assert_eq!(
                &digest(&text),
                expected,
                "{}: set LLVM_OBJDUMP to see the difference",
                path.display()
            );
        }
        return;
    };
    let mut differences = 0;
    for path in corpus() {
        let (ours, theirs) = (ours(&path), theirs(&tool, &path));
        for (our, their) in ours
            .lines()
            .zip(theirs.lines())
            .filter(|(our, their)| our != their)
        {
            eprintln!("{}\n  ours   {our}\n  theirs {their}", path.display());
            differences += 1;
        }
        differences += usize::from(ours.lines().count() != theirs.lines().count());
    }
    assert_eq!(differences, 0);
    if std::env::var_os("BLESS").is_some() {
        let lines = fixtures()
            .into_iter()
            .map(|path| format!("{}\t{}\n", name(&path), digest(&theirs(&tool, &path))));
        std::fs::write(&file, lines.collect::<String>()).expect("writable");
    }
}
