//! Every instruction form against what LLVM, the kernel and GNU binutils print: `data/forms.tsv`, written by
//! `data/update.py`.

use bpfld_insn::{Assembler, Dialect, Endian, Insn, Op, Slot, print, slots_from_bytes};

const FORMS: &str = include_str!("data/forms.tsv");

/// Where we print something else on purpose, and why.
fn differs(dialect: Dialect, op: Op, slot: Slot) -> Option<&'static str> {
    match (dialect, op) {
        (Dialect::Llvm, Op::LoadAddr(_)) => {
            Some("LLVM's ld_pseudo loses the second slot, and does not say what the number is")
        }
        (Dialect::Llvm, Op::LoadInd(_)) if slot.imm != 0 => Some("LLVM loses the constant"),
        (Dialect::Llvm | Dialect::Gnu, Op::CallKfunc) => Some("the three kinds of calls look alike"),
        (Dialect::Llvm | Dialect::Gnu, Op::CallSubprog) if slot.imm >= 0 => {
            Some("the three kinds of calls look alike")
        }
        (Dialect::Llvm | Dialect::Gnu, Op::CallHelper) if slot.imm < 0 => {
            Some("a helper's id is not negative, a distance is")
        }
        (Dialect::Gnu, Op::LoadAddr(_)) => Some("looks like a 64-bit constant"),
        (Dialect::Gnu, Op::CastAddrSpace | Op::PercpuAddr) => Some("looks like a move"),
        _ => None,
    }
}

fn slots_of(hex: &str) -> Vec<Slot> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits");
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    slots_from_bytes(&bytes, Endian::Little).0.collect()
}

fn text_of(slots: &[Slot], dialect: Dialect) -> String {
    let printer = print(slots)
        .dialect(dialect)
        .labels(false)
        .helper_names(false)
        .dump();
    printer.to_string().trim_end().to_owned()
}

#[test]
fn each_form_prints_as_the_tools_print_it() {
    let mut compared = [0; 3];
    for line in FORMS.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let hex = columns.next().expect("bytes");
        let slots = slots_of(hex);
        let op = Insn::decode_dump(&slots)
            .unwrap_or_else(|error| panic!("{hex}: {error}"))
            .op();
        for (index, (dialect, expected)) in [Dialect::Llvm, Dialect::Kernel, Dialect::Gnu]
            .into_iter()
            .zip(columns)
            .enumerate()
        {
            if expected == "-" {
                continue;
            }
            let text = text_of(&slots, dialect);
            match differs(dialect, op, slots[0]) {
                Some(reason) => assert_ne!(text, expected, "{hex}: no longer differs ({reason})"),
                None => assert_eq!(text, expected, "{hex} {dialect:?}"),
            }
            compared[index] += 1;
        }
    }
    assert!(compared.iter().all(|count| *count > 500), "{compared:?}");
}

#[test]
fn every_operation_has_a_form() {
    let forms: Vec<Op> = FORMS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            Insn::decode_dump(&slots_of(line.split('\t').next().expect("bytes")))
                .expect("decodes")
                .op()
        })
        .collect();
    for op in Op::ALL {
        assert!(forms.contains(op), "{op:?}: run data/update.py");
    }
}

#[track_caller]
fn assembles_to(text: &str, slots: &[Slot]) {
    let assembled = Assembler::new()
        .internal()
        .assemble(text)
        .unwrap_or_else(|errors| panic!("{}", errors.render(text, "text")));
    assert_eq!(assembled.slots(), slots, "{text}");
}

#[test]
fn each_form_round_trips_in_each_dialect() {
    for line in FORMS.lines().filter(|line| !line.starts_with('#')) {
        let slots = slots_of(line.split('\t').next().expect("bytes"));
        for dialect in Dialect::ALL {
            for printer in [
                print(&slots).dump(),
                print(&slots).dump().hex(true).helper_names(false),
                print(&slots).dump().labels(false).indices(true),
                print(&slots).dump().labels(false).indices(true).raw(Endian::Big),
            ] {
                assembles_to(&printer.dialect(dialect).to_string(), &slots);
            }
        }
    }
}

#[test]
fn what_the_tools_print_assembles_back() {
    for line in FORMS.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let slots = slots_of(columns.next().expect("bytes"));
        let op = Insn::decode_dump(&slots).expect("decodes").op();
        for (dialect, text) in [Dialect::Llvm, Dialect::Kernel, Dialect::Gnu]
            .into_iter()
            .zip(columns)
        {
            if text != "-" && differs(dialect, op, slots[0]).is_none() {
                assembles_to(text, &slots);
            }
        }
    }
}
