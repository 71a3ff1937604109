//! Decode against encode over the whole opcode space: every opcode byte, source register, and discriminating value.

use bpfld_insn::op::{Field, Pattern};
use bpfld_insn::{Insn, Op, Reason, Slot, Support, decode};

/// Offsets that tell operations apart, and some that do not.
fn offsets() -> Vec<i16> {
    values(|pattern| pattern.offset)
        .iter()
        .map(|value| *value as i16)
        .chain([2, 7, i16::MIN])
        .collect()
}

/// Immediates that tell operations apart, and some that do not.
fn imms() -> Vec<i32> {
    let mut imms = values(|pattern| pattern.imm);
    imms.extend([i32::MIN, -1, 2, 8]);
    imms
}

fn values(field: impl Fn(&Pattern) -> Field) -> Vec<i32> {
    let mut values: Vec<i32> = Op::ALL
        .iter()
        .filter_map(|op| match field(&op.pattern()) {
            Field::Exactly(value) => Some(value),
            Field::Register | Field::Any => None,
        })
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// The rows of an opcode.
fn rows(opcode: u8) -> Vec<(Op, Pattern)> {
    Op::ALL
        .iter()
        .map(|op| (*op, op.pattern()))
        .filter(|(_, pattern)| pattern.opcode == opcode)
        .collect()
}

/// The operations that a slot is, found by comparing field by field: another way than the decoder's.
fn ops_of(slot: Slot, rows: &[(Op, Pattern)]) -> Vec<Op> {
    rows.iter()
        .filter(
            |(
                _,
                Pattern {
                    dst,
                    src,
                    offset,
                    imm,
                    ..
                },
            )| {
                dst.admits(slot.dst().into())
                    && src.admits(slot.src().into())
                    && offset.admits(slot.offset.into())
                    && imm.admits(slot.imm)
            },
        )
        .map(|(op, _)| *op)
        .collect()
}

fn uses_scratch(slot: Slot, op: Op) -> bool {
    let Pattern { dst, src, .. } = op.pattern();
    (dst == Field::Register && slot.dst() == 11) || (src == Field::Register && slot.src() == 11)
}

#[test]
fn every_slot_decodes_as_the_table_says_and_encodes_back() {
    let (offsets, imms) = (offsets(), imms());
    let mut decoded = 0_u32;
    for opcode in 0..=255 {
        // skip the product where no row has the opcode: only the reason matters there
        let rows = rows(opcode);
        if rows.is_empty() {
            let error = Insn::decode_dump(&[Slot::new(opcode, 0, 0, 0, 0)]).expect_err("no such opcode");
            assert_eq!(error.reason, Reason::Opcode);
            continue;
        }
        for src in 0..16 {
            for dst in [0, 10, 11, 12] {
                for &offset in &offsets {
                    for &imm in &imms {
                        decoded += u32::from(check(Slot::new(opcode, dst, src, offset, imm), &rows));
                    }
                }
            }
        }
    }
    assert!(decoded > 30_000, "{decoded}");
}

/// Checks one slot, with several second ones; tells whether it decoded.
#[track_caller]
fn check(slot: Slot, rows: &[(Op, Pattern)]) -> bool {
    let ops = ops_of(slot, rows);
    assert!(ops.len() <= 1, "{slot:?} is ambiguous: {ops:?}");
    let next = [
        Slot::default(),
        Slot::new(0, 0, 0, 0, -7),
        Slot::new(0, 1, 0, 0, 0),
        Slot::new(0x95, 0, 0, 0, 0),
    ];
    let variants = if slot.is_ldimm64() { next.len() } else { 1 };
    for next in next.into_iter().take(variants) {
        let slots = [slot, next];
        let dump = Insn::decode_dump(&slots);
        let strict = Insn::decode(&slots);
        let Some(&op) = ops.first() else {
            let error = dump.expect_err("not in the table");
            assert_eq!(error.slot, slot);
            assert_ne!(error.reason, Reason::Internal, "{slot:?}");
            assert!(strict.is_err());
            continue;
        };
        if let Some(high) = op.pattern().high
            && !(next.with_imm(0) == Slot::default() && high.admits(next.imm))
        {
            assert_eq!(dump.expect_err("bad second slot").reason, Reason::SecondSlot);
            continue;
        }
        let insn = dump.unwrap_or_else(|error| panic!("{op:?}: {error}"));
        assert_eq!(insn.op(), op);
        assert_eq!(*insn.encode(), slots[..insn.width()]);
        if op.pattern().support == Support::Internal || uses_scratch(slot, op) {
            let error = strict.expect_err("only in dumps");
            assert!(
                matches!(error.reason, Reason::Internal | Reason::Register(_)),
                "{error}"
            );
        } else {
            assert_eq!(strict, Ok(insn));
        }
    }
    ops.len() == 1
}

#[test]
fn every_operation_is_reached() {
    for op in Op::ALL {
        let Pattern {
            opcode,
            dst,
            src,
            offset,
            imm,
            ..
        } = op.pattern();
        let value = |field| match field {
            Field::Exactly(value) => value,
            Field::Register => 3,
            Field::Any => 0,
        };
        let slot = Slot::new(
            opcode,
            value(dst) as u8,
            value(src) as u8,
            value(offset) as i16,
            value(imm),
        );
        assert_eq!(ops_of(slot, &rows(opcode)), [*op]);
    }
}

#[test]
fn truncated_loads_are_reported_and_skipped() {
    let slots = [Slot::new(0x18, 1, 0, 0, 5), Slot::new(0x95, 0, 0, 0, 0)];
    let items: Vec<_> = decode(&slots).collect();
    assert_eq!(
        items[0].1.expect_err("the second slot is an exit").reason,
        Reason::SecondSlot
    );
    assert_eq!(items[1], (1, Ok(Insn::Exit)));
    let truncated = Insn::decode(&slots[..1]).expect_err("only one slot");
    assert_eq!(truncated.reason, Reason::Truncated);
    assert_eq!(Insn::decode(&[]).expect_err("nothing").reason, Reason::Empty);
}

#[test]
fn reasons_tell_what_is_wrong() {
    #[track_caller]
    fn check(slot: Slot, expected: &str) {
        let error = Insn::decode(&[slot, Slot::default()]).expect_err("not an instruction");
        assert_eq!(error.to_string(), expected);
    }
    check(Slot::new(0xff, 0, 0, 0, 0), "no instruction has opcode 0xff");
    check(
        Slot::new(0xb7, 12, 0, 0, 0),
        "destination register r12 does not exist",
    );
    check(
        Slot::new(0xb7, 11, 0, 0, 0),
        "destination register r11 does not exist",
    );
    check(Slot::new(0x7b, 1, 11, 0, 0), "source register r11 does not exist");
    check(
        Slot::new(0xb7, 1, 2, 0, 0),
        "source register of opcode 0xb7 is reserved, but holds 0x2",
    );
    check(
        Slot::new(0xbf, 1, 2, 5, 0),
        "no instruction of opcode 0xbf has offset 0x5",
    );
    check(
        Slot::new(0xbf, 1, 2, 8, 1),
        "immediate of opcode 0xbf is reserved, but holds 0x1",
    );
    check(
        Slot::new(0xbf, 1, 2, -1, 0),
        "opcode 0xbf is internal to the kernel in this form",
    );
    check(
        Slot::new(0xc2, 0, 0, 0, 0),
        "opcode 0xc2 is internal to the kernel in this form",
    );
    check(
        Slot::new(0xdb, 1, 2, 0, 0x10),
        "no instruction of opcode 0xdb has immediate 0x10",
    );
    check(
        Slot::new(0x85, 0, 3, 0, 1),
        "no instruction of opcode 0x85 has source register 0x3",
    );
    check(
        Slot::new(0x95, 0, 0, 0, 1),
        "immediate of opcode 0x95 is reserved, but holds 0x1",
    );
}
