//! The page of all instructions, written from the table.

use std::fmt::Write as _;

use bpfld_insn::{Op, Slot, op::Field, print};
use bpfld_tests::expect_file;

/// An example of the operation: r1, r2, offset 8 and number 100 where they are free.
fn example(op: Op) -> Vec<Slot> {
    let row = op.pattern();
    let pick = |field, value| match field {
        Field::Exactly(only) => only,
        Field::Register | Field::Any => value,
    };
    let first = Slot::new(
        row.opcode,
        pick(row.dst, 1) as u8,
        pick(row.src, 2) as u8,
        pick(row.offset, 8) as i16,
        pick(row.imm, if op == Op::CallHelper { 1 } else { 100 }),
    );
    let second = row.high.map(|field| Slot::new(0, 0, 0, 0, pick(field, 0)));
    [first].into_iter().chain(second).collect()
}

#[test]
fn the_page_is_what_the_table_says() {
    let mut page = String::from(
        "# Instructions\n\n\
         Every instruction of eBPF that bpfld knows, written from the table in `crates/bpfld-insn/src/op.rs`; `BPFLD_BLESS=1 cargo \
         test -p bpfld-tests --test corpus instructions` writes this page.\n\n\
         The columns of the fields tell what they hold: the number of a register (`reg`), anything (`any`), or only this value. \
         *Kernel* is the first release that takes the instruction; *internal* ones occur in dumps of programs that the kernel \
         rewrote. *cpu* is the lowest `-mcpu` at which compilers emit it.\n\n\
         | instruction | opcode | dst | src | offset | immediate | second immediate | kernel | cpu | meaning |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let field = |field| match field {
        Field::Exactly(value) => value.to_string(),
        Field::Register => "reg".to_owned(),
        Field::Any => "any".to_owned(),
    };
    for op in Op::ALL {
        let row = op.pattern();
        let text = print(&example(*op)).labels(false).dump().to_string();
        writeln!(
            page,
            "| `{}` | {:#04x} | {} | {} | {} | {} | {} | {} | {} | {} |",
            text.trim().replace('|', "\\|"),
            row.opcode,
            field(row.dst),
            field(row.src),
            field(row.offset),
            field(row.imm),
            row.high.map_or_else(String::new, field),
            row.support,
            row.cpu,
            row.doc,
        )
        .unwrap();
    }
    expect_file("../../../docs/instructions.md", &page);
}
