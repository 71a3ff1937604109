//! What listings can say on request, in every dialect: labels, indices, raw bytes, names, source lines, comments. All of it
//! is text that the assembler takes back.

use bpfld_insn::asm::RelocationKind;
use bpfld_insn::{Annotate, Assembler, Dialect, Endian, Slot, SourceLine, Symbol, print};

struct Notes;

impl Annotate for Notes {
    fn function(&self, at: usize) -> Option<&str> {
        match at {
            0 => Some("main"),
            7 => Some("other.function"),
            _ => None,
        }
    }

    fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
        match at {
            0 => Some(Symbol {
                name: "counts",
                offset: 0,
            }),
            3 => Some(Symbol {
                name: "a kfunc",
                offset: 0,
            }),
            7 => Some(Symbol {
                name: ".rodata",
                offset: 8,
            }),
            _ => None,
        }
    }

    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        (at == 2).then_some(SourceLine {
            file: "count.c",
            line: 12,
            text: "if (!x) goto out; // 1: really",
        })
    }

    fn comment(&self, at: usize) -> Option<&str> {
        (at == 5).then_some("in all")
    }
}

fn program() -> Vec<Slot> {
    let load = |reg| [Slot::new(0x18, reg, 0, 0, 0), Slot::default()];
    let mut slots = load(1).to_vec();
    slots.extend([
        Slot::new(0x15, 1, 0, 2, 0),      // if r1 == 0 goto 5
        Slot::new(0x85, 0, 1, 0, -1),     // call of something elsewhere
        Slot::new(0x85, 0, 1, 0, 2),      // call other.function
        Slot::new(0xb7, 0, 0, 0, 0x1234), // r0 = 4660
        Slot::new(0x95, 0, 0, 0, 0),
    ]);
    slots.extend(load(0));
    slots[7].imm = 8; // what is added to the symbol
    slots.push(Slot::new(0x95, 0, 0, 0, 0));
    slots
}

/// A listing in this dialect with everything in it.
#[track_caller]
fn check(dialect: Dialect, expected: &str) {
    let slots = program();
    let text = print(&slots).dialect(dialect).annotate(&Notes);
    assert_eq!(text.indices(true).raw(Endian::Little).to_string(), expected);
}

#[test]
fn everything_at_once() {
    check(
        Dialect::Llvm,
        "\
main:
   0: 18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00   r1 = counts ll
; if (!x) goto out; // 1: really @ count.c:12
   2: 15 01 02 00 00 00 00 00   if r1 == 0 goto L1
   3: 85 10 00 00 ff ff ff ff   call \"a kfunc\"
   4: 85 10 00 00 02 00 00 00   call other.function
L1:
   5: b7 00 00 00 34 12 00 00   r0 = 4660  # in all
   6: 95 00 00 00 00 00 00 00   exit
other.function:
   7: 18 00 00 00 08 00 00 00 00 00 00 00 00 00 00 00   r0 = .rodata+8 ll
   9: 95 00 00 00 00 00 00 00   exit
",
    );
    check(
        Dialect::Kernel,
        "\
main:
   0: 18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00   (18) r1 = counts
; if (!x) goto out; // 1: really @ count.c:12
   2: 15 01 02 00 00 00 00 00   (15) if r1 == 0x0 goto L1
   3: 85 10 00 00 ff ff ff ff   (85) call \"a kfunc\"
   4: 85 10 00 00 02 00 00 00   (85) call other.function
L1:
   5: b7 00 00 00 34 12 00 00   (b7) r0 = 4660  # in all
   6: 95 00 00 00 00 00 00 00   (95) exit
other.function:
   7: 18 00 00 00 08 00 00 00 00 00 00 00 00 00 00 00   (18) r0 = .rodata+8
   9: 95 00 00 00 00 00 00 00   (95) exit
",
    );
    check(
        Dialect::Gnu,
        "\
main:
   0: 18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00   lddw %r1,counts
; if (!x) goto out; // 1: really @ count.c:12
   2: 15 01 02 00 00 00 00 00   jeq %r1,0,L1
   3: 85 10 00 00 ff ff ff ff   call \"a kfunc\"
   4: 85 10 00 00 02 00 00 00   call other.function
L1:
   5: b7 00 00 00 34 12 00 00   mov %r0,4660  # in all
   6: 95 00 00 00 00 00 00 00   exit
other.function:
   7: 18 00 00 00 08 00 00 00 00 00 00 00 00 00 00 00   lddw %r0,.rodata+8
   9: 95 00 00 00 00 00 00 00   exit
",
    );
}

#[test]
fn every_choice_assembles_back_in_every_dialect() {
    let slots = program();
    for dialect in Dialect::ALL {
        for choice in 0..16 {
            let has = |bit: u32| choice >> bit & 1 == 1;
            let mut printer = print(&slots).dialect(dialect).labels(has(0)).annotate(&Notes);
            if has(1) {
                printer = printer.indices(true);
            }
            if has(2) {
                printer = printer.raw(Endian::Big);
            }
            if has(3) {
                printer = printer.labels_after(40).helper_names(false);
            }
            let text = printer.to_string();
            let assembly = Assembler::new()
                .assemble(&format!(".extern \"a kfunc\", counts, .rodata\n{text}"))
                .unwrap_or_else(|errors| panic!("{dialect:?} {choice}: {}", errors.render(&text, "text")));
            assert_eq!(assembly.slots(), slots, "{dialect:?} {choice}\n{text}");
            let relocations: Vec<_> = assembly.sections[0]
                .relocations
                .iter()
                .map(|found| {
                    (
                        found.at,
                        &*assembly.symbols[found.symbol].name,
                        found.addend,
                        found.kind,
                    )
                })
                .collect();
            let expected = [
                (0, "counts", 0, RelocationKind::Load),
                (3, "a kfunc", 0, RelocationKind::Call),
                (7, ".rodata", 8, RelocationKind::Load),
            ];
            assert_eq!(relocations, expected, "{dialect:?} {choice}\n{text}");
        }
    }
}
