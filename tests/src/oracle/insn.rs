//! Instructions: decoder, encoder, printer and assembler agree; no text troubles the assembler.

use std::fmt::{self, Write as _};

use bpfld_insn::{Assembler, Dialect, Endian, Insn, Slot, decode, flow::Flow, print, slots_from_bytes, tag};

/// Takes text and forgets it.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

fn forget(thing: impl fmt::Display) {
    let _ = write!(Nowhere, "{thing}");
}

/// Bytes as a program: what decodes encodes to the same, and what is printed assembles to the same. Which byte order,
/// dialect and options are tried depends on the bytes: a fuzzer gets further with many small questions.
///
/// # Panics
///
/// If not.
pub fn instructions(bytes: &[u8]) {
    let choice = choice(bytes);
    let endian = if choice.is_multiple_of(2) {
        Endian::Little
    } else {
        Endian::Big
    };
    let slots: Vec<Slot> = slots_from_bytes(bytes, endian).0.collect();
    encodes_back(&slots);
    assembles_back(&slots, choice / 2);
    if choice.is_multiple_of(8) {
        let flow = Flow::new(&slots);
        assert_eq!(flow.has_loops(), !flow.loops().is_empty());
        forget(format_args!(
            "{:?} {:?} {:?}",
            flow.loops(),
            flow.calls(),
            flow.reachable()
        ));
        forget(format_args!("{:?} {:?}", tag::sha1(&slots), tag::sha256(&slots)));
    }
}

/// A number that every byte has a say in.
fn choice(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum: usize, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    })
}

fn encodes_back(slots: &[Slot]) {
    for (at, insn) in decode(slots) {
        match insn {
            Ok(insn) => {
                assert_eq!(*insn.encode(), slots[at..at + insn.width()], "{insn:?}");
                assert_eq!(Insn::decode_dump(&slots[at..]), Ok(insn));
                forget(format_args!("{insn:?}"));
            }
            Err(error) => {
                assert_eq!(error.slot, slots[at]);
                forget(error);
                if let Ok(insn) = Insn::decode_dump(&slots[at..]) {
                    assert_eq!(*insn.encode(), slots[at..at + insn.width()], "{insn:?}");
                }
            }
        }
    }
}

#[track_caller]
fn assembles_back(slots: &[Slot], choice: usize) {
    let dialect = Dialect::ALL[choice % Dialect::ALL.len()];
    let printer = print(slots).dialect(dialect);
    let mut assembler = Assembler::new();
    let text = match choice / 3 % 3 {
        0 => printer.to_string(),
        1 => printer.labels(false).hex(true).helper_names(false).to_string(),
        _ => {
            assembler.internal();
            printer.dump().indices(true).raw(Endian::Big).to_string()
        }
    };
    match assembler.assemble(&text) {
        Ok(assembly) => assert_eq!(assembly.slots(), slots, "{dialect:?}\n{text}"),
        Err(errors) => panic!("{dialect:?}\n{}", errors.render(&text, "printed")),
    }
}

/// Text for the assembler: it makes something, and then what is printed of that assembles to the same; or it says what is
/// wrong, at places within the text.
///
/// # Panics
///
/// If neither.
pub fn assembly(text: &str) {
    let choice = choice(text.as_bytes());
    let mut assembler = Assembler::new();
    assembler.define("SOME", -7);
    if choice % 2 == 1 {
        assembler.internal().relocatable().endian(Endian::Big);
    }
    let assembly = match assembler.assemble(text) {
        Ok(assembly) => assembly,
        Err(errors) => {
            assert!(!errors.diagnostics().is_empty());
            for diagnostic in errors.diagnostics() {
                assert!(text.get(diagnostic.span.range()).is_some(), "{diagnostic:?}");
            }
            // each takes a look at the whole text
            for diagnostic in errors.diagnostics().iter().take(10) {
                forget(diagnostic.render(text, "text"));
            }
            return forget(&errors);
        }
    };
    forget(format_args!("{:?}", assembly.functions()));
    for section in &assembly.sections {
        assert_eq!(section.slots.len(), section.spans.len());
        for relocation in &section.relocations {
            assert!(relocation.symbol < assembly.symbols.len());
        }
        encodes_back(&section.slots);
        assembles_back(&section.slots, choice / 2);
    }
}
