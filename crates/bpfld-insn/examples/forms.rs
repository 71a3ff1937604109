//! Lists every instruction form with three sets of operands, as little-endian bytes, one a line: the input of
//! `tests/data/update.sh`, which asks other disassemblers about them.

use std::io::Write;

use bpfld_insn::op::Field;
use bpfld_insn::{Endian, Op, Slot};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for op in Op::ALL {
        let pattern = op.pattern();
        let mut seen = Vec::new();
        for [dst, src, offset, imm, high] in [
            [3, 4, 5, 7, 0],
            [1, 10, -8, -2, -1],
            [0, 9, 0, 0x1234_5678, 0x7fff_ffff],
        ] {
            let pick = |field, value| match field {
                Field::Exactly(only) => only,
                Field::Register | Field::Any => value,
            };
            let mut bytes = Slot::new(
                pattern.opcode,
                pick(pattern.dst, dst) as u8,
                pick(pattern.src, src) as u8,
                pick(pattern.offset, offset) as i16,
                pick(pattern.imm, imm),
            )
            .to_bytes(Endian::Little)
            .to_vec();
            if let Some(field) = pattern.high {
                bytes.extend(Slot::new(0, 0, 0, 0, pick(field, high)).to_bytes(Endian::Little));
            }
            if seen.contains(&bytes) {
                continue;
            }
            for byte in &bytes {
                write!(out, "{byte:02x}")?;
            }
            writeln!(out)?;
            seen.push(bytes);
        }
    }
    Ok(())
}
