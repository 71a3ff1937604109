//! From slots to typed instructions.

mod error;

pub use error::{DecodeError, Part, Reason};

use crate::insn::Insn;
use crate::isa::Reg;
use crate::op::{Field, Op, Pattern, Support};
use crate::slot::Slot;

/// A row of the table, ready for comparison with [`Slot::word`].
#[derive(Clone, Copy)]
struct Row {
    mask: u64,
    value: u64,
    op: Op,
    /// What the second immediate may hold.
    high: Option<Field>,
}

/// What the two register fields name. Where a field is none, the number is among those of registers all the same.
#[derive(Clone, Copy)]
struct Registers {
    dst: Reg,
    src: Reg,
}

impl Registers {
    const fn table(limit: u8) -> [Option<Self>; 256] {
        let mut table = [None; 256];
        let mut byte = 0;
        while byte < 256 {
            let (dst, src) = (byte as u8 & 0xf, byte as u8 >> 4);
            if let (Some(dst), Some(src), true) = (Reg::new(dst), Reg::new(src), dst <= limit && src <= limit)
            {
                table[byte] = Some(Self { dst, src });
            }
            byte += 1;
        }
        table
    }
}

/// The immediate of the second slot of a 64-bit load.
#[inline(always)]
fn second(field: Option<Field>, rest: &[Slot]) -> Result<i32, Reason> {
    match (field, rest.first()) {
        (_, None) => Err(Reason::Truncated),
        (Some(field), Some(next)) if next.word() as u32 == 0 && field.admits(next.imm) => Ok(next.imm),
        _ => Err(Reason::SecondSlot),
    }
}

const ROWS: usize = Op::ALL.len();

impl Row {
    /// No slot is like this.
    const NONE: Self = Self {
        mask: 0,
        value: 1,
        op: Op::Exit,
        high: None,
    };

    const fn of(op: Op) -> Self {
        const fn mask(field: Field, mask: u64, shift: u32) -> u64 {
            match field {
                Field::Exactly(_) => mask << shift,
                Field::Register | Field::Any => 0,
            }
        }
        let Pattern {
            dst,
            src,
            offset,
            imm,
            high,
            ..
        } = op.pattern();
        Self {
            mask: 0xff
                | mask(dst, 0xf, 8)
                | mask(src, 0xf, 12)
                | mask(offset, 0xffff, 16)
                | mask(imm, 0xffff_ffff, 32),
            value: op.fixed(),
            op,
            high,
        }
    }

    const fn fits(&self, word: u64) -> bool {
        word & self.mask == self.value
    }
}

/// The rows by opcode: the first one of each, which most slots fit, then all.
struct Table {
    first: [Row; 256],
    rows: [Row; ROWS],
    start: [u8; 257],
    registers: [Option<Registers>; 256],
}

/// For programs: without what only kernels put into them.
static PROGRAM: Table = table(false);
/// For dumps: with all.
static DUMP: Table = table(true);

const fn table(internal: bool) -> Table {
    let mut table = Table {
        first: [Row::NONE; 256],
        rows: [Row::NONE; ROWS],
        start: [0; 257],
        registers: Registers::table(if internal { 11 } else { 10 }),
    };
    let mut op = 0;
    while op < ROWS {
        let row = Row::of(Op::ALL[op]);
        if internal || !matches!(row.op.pattern().support, Support::Internal) {
            // moves those of higher opcodes up by one
            let opcode = (row.value & 0xff) as usize;
            let mut at = table.start[256] as usize;
            while at > table.start[opcode + 1] as usize {
                table.rows[at] = table.rows[at - 1];
                at -= 1;
            }
            if at == table.start[opcode] as usize {
                table.first[opcode] = row;
            }
            table.rows[at] = row;
            let mut later = opcode + 1;
            while later <= 256 {
                table.start[later] += 1;
                later += 1;
            }
        }
        op += 1;
    }
    table
}

impl Table {
    fn rows(&self, opcode: u8) -> &[Row] {
        let (start, end) = (self.start[opcode as usize], self.start[opcode as usize + 1]);
        self.rows.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// The row that a slot fits, if it is not the first of its opcode. No two rows admit the same slot, so the order does not matter.
    #[inline(never)]
    fn find_other(&self, word: u64) -> Option<&Row> {
        self.rows(word as u8).iter().find(|row| row.fits(word))
    }
}

impl Insn {
    /// The instruction at the start of these slots; [`Insn::width`] tells how many it takes.
    ///
    /// # Errors
    ///
    /// If it is none that a program may contain: the error has the slot and the reason.
    ///
    /// ```
    /// use bpfld_insn::{Insn, Reg, Size, Slot};
    ///
    /// let insn = Insn::decode(&[Slot::new(0x61, 0, 1, 4, 0)]);
    /// assert_eq!(insn, Ok(Insn::Load { size: Size::W, dst: Reg::R0, base: Reg::R1, offset: 4 }));
    /// ```
    #[inline]
    pub fn decode(slots: &[Slot]) -> Result<Self, DecodeError> {
        decode_one::<false, _>(slots, |insn| insn)
    }

    /// Like [`Insn::decode`], but also takes what only the kernel puts into programs: r11, barriers, per-CPU addresses.
    ///
    /// # Errors
    ///
    /// If there is no such instruction.
    #[inline]
    pub fn decode_dump(slots: &[Slot]) -> Result<Self, DecodeError> {
        decode_one::<true, _>(slots, |insn| insn)
    }
}

#[inline(always)]
fn decode_one<const INTERNAL: bool, R>(
    slots: &[Slot],
    then: impl FnOnce(Result<Insn, DecodeError>) -> R,
) -> R {
    let Some((slot, rest)) = slots.split_first() else {
        return then(Err(DecodeError {
            slot: Slot::default(),
            reason: Reason::Empty,
        }));
    };
    let table = if INTERNAL { &DUMP } else { &PROGRAM };
    let word = slot.word();
    let first = &table.first[(word & 0xff) as usize];
    let row = if first.fits(word) {
        first
    } else if let Some(other) = table.find_other(word) {
        other
    } else {
        return then(Err(why::<INTERNAL>(slots)));
    };
    let Some(Registers { dst, src }) = table.registers[(word >> 8 & 0xff) as usize] else {
        return then(Err(why::<INTERNAL>(slots)));
    };
    Insn::from_parts(
        row.op,
        dst,
        src,
        (word >> 16) as i16,
        (word >> 32) as i32,
        #[inline(always)]
        || match second(row.high, rest) {
            Ok(high) => Ok(high),
            Err(reason) => Err(DecodeError { slot: *slot, reason }),
        },
        then,
    )
}

/// Why the first of these slots does not decode. Narrows the rows of the opcode field by field; not on the fast path.
#[cold]
fn why<const INTERNAL: bool>(slots: &[Slot]) -> DecodeError {
    let slot = slots.first().copied().unwrap_or_default();
    let error = |reason| DecodeError { slot, reason };
    let rows = || DUMP.rows(slot.opcode).iter().map(|row| row.op.pattern());
    if rows().next().is_none() {
        return error(Reason::Opcode);
    }
    let parts = [Part::Src, Part::Offset, Part::Imm, Part::Dst];
    for (done, part) in parts.iter().enumerate() {
        let fits = |pattern: &Pattern, part: &Part| part.field(pattern).admits(part.of(slot));
        let left = || rows().filter(|pattern| parts.iter().take(done).all(|part| fits(pattern, part)));
        if !left().any(|pattern| fits(&pattern, part)) {
            return error(if left().any(|pattern| part.field(&pattern) == Field::Register) {
                Reason::Register(*part)
            } else if left().all(|pattern| part.field(&pattern) == Field::Exactly(0)) {
                Reason::Reserved(*part)
            } else {
                Reason::Value(*part)
            });
        }
        if left().all(|pattern| fits(&pattern, part) && pattern.support == Support::Internal) && !INTERNAL {
            return error(Reason::Internal);
        }
        let scratch = !INTERNAL && part.of(slot) == 11;
        if scratch && left().any(|pattern| part.field(&pattern) == Field::Register) {
            return error(Reason::Register(*part));
        }
    }
    error(Reason::Internal)
}

/// Decodes a program: each item has the index of the first slot, and the instruction or why there is none (then the
/// next item begins one slot later).
///
/// ```
/// use bpfld_insn::{Insn, Slot, decode};
///
/// let slots = [Slot::new(0x18, 1, 0, 0, 5), Slot::default(), Slot::new(0x95, 0, 0, 0, 0)];
/// let mut insns = decode(&slots);
/// assert!(matches!(insns.next(), Some((0, Ok(Insn::LoadImm64 { value: 5, .. })))));
/// assert_eq!(insns.next(), Some((2, Ok(Insn::Exit))));
/// assert_eq!(insns.next(), None);
/// ```
#[inline]
#[must_use]
pub fn decode(slots: &[Slot]) -> Decode<'_> {
    Decode { slots, at: 0 }
}

/// See [`decode`].
#[derive(Clone, Debug)]
pub struct Decode<'a> {
    slots: &'a [Slot],
    at: usize,
}

impl Iterator for Decode<'_> {
    type Item = (usize, Result<Insn, DecodeError>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let slots = self.slots.get(at..).filter(|slots| !slots.is_empty())?;
        decode_one::<false, _>(
            slots,
            #[inline(always)]
            |insn| {
                self.at = at + insn.map_or(1, Insn::width);
                Some((at, insn))
            },
        )
    }
}
