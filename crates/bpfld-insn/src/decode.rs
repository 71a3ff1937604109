//! From slots to typed instructions.

use core::fmt;

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
}

const ROWS: usize = Op::ALL.len();

/// The rows, ordered by opcode, and where those of each opcode begin.
struct Table {
    rows: [Row; ROWS],
    first: [u8; 257],
}

static TABLE: Table = table();

const fn mask(field: Field, mask: u64, shift: u32) -> (u64, u64) {
    match field {
        Field::Exactly(value) => (mask << shift, (value as i64 as u64 & mask) << shift),
        Field::Register | Field::Any => (0, 0),
    }
}

const fn compile(op: Op) -> Row {
    let Pattern {
        opcode,
        dst,
        src,
        offset,
        imm,
        ..
    } = op.pattern();
    let (dst, src) = (mask(dst, 0xf, 8), mask(src, 0xf, 12));
    let (offset, imm) = (mask(offset, 0xffff, 16), mask(imm, 0xffff_ffff, 32));
    Row {
        mask: 0xff | dst.0 | src.0 | offset.0 | imm.0,
        value: opcode as u64 | dst.1 | src.1 | offset.1 | imm.1,
        op,
    }
}

const fn table() -> Table {
    let mut unsorted = [Row {
        mask: 0,
        value: 0,
        op: Op::Exit,
    }; ROWS];
    let mut row = 0;
    while row < ROWS {
        unsorted[row] = compile(Op::ALL[row]);
        row += 1;
    }
    let mut table = Table {
        rows: unsorted,
        first: [0; 257],
    };
    let (mut opcode, mut count) = (0, 0);
    while opcode < 256 {
        table.first[opcode] = count as u8;
        let mut row = 0;
        while row < ROWS {
            if unsorted[row].value & 0xff == opcode as u64 {
                table.rows[count] = unsorted[row];
                count += 1;
            }
            row += 1;
        }
        opcode += 1;
    }
    table.first[256] = count as u8;
    assert!(count == ROWS);
    table
}

impl Table {
    fn rows(&self, opcode: u8) -> &[Row] {
        let (first, end) = (self.first[opcode as usize], self.first[opcode as usize + 1]);
        self.rows.get(first as usize..end as usize).unwrap_or(&[])
    }
}

/// A slot that is no instruction, and why.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    /// The slot, unchanged.
    pub slot: Slot,
    /// Why it does not decode.
    pub reason: Reason,
}

/// Why a slot is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There was no slot at all.
    Empty,
    /// No instruction has this opcode.
    Opcode,
    /// No instruction of this opcode has this value in the field.
    Value(Part),
    /// The field is not used by this instruction and must be zero.
    Reserved(Part),
    /// There is no register of this number.
    Register(Part),
    /// The second slot of a 64-bit load is missing.
    Truncated,
    /// The second slot of a 64-bit load has more than the upper half of the number.
    SecondSlot,
    /// No program may contain it; it occurs in dumps of programs that the kernel rewrote.
    Internal,
}

/// A field of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The destination register.
    Dst,
    /// The source register.
    Src,
    /// The offset.
    Offset,
    /// The immediate.
    Imm,
}

impl Part {
    fn of(self, slot: Slot) -> i32 {
        match self {
            Self::Dst => slot.dst().into(),
            Self::Src => slot.src().into(),
            Self::Offset => slot.offset.into(),
            Self::Imm => slot.imm,
        }
    }

    fn field(self, pattern: &Pattern) -> Field {
        match self {
            Self::Dst => pattern.dst,
            Self::Src => pattern.src,
            Self::Offset => pattern.offset,
            Self::Imm => pattern.imm,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dst => "destination register",
            Self::Src => "source register",
            Self::Offset => "offset",
            Self::Imm => "immediate",
        })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, reason } = self;
        let opcode = slot.opcode;
        match reason {
            Reason::Empty => f.write_str("no instruction left"),
            Reason::Opcode => write!(f, "no instruction has opcode {opcode:#04x}"),
            Reason::Value(part) => write!(
                f,
                "no instruction of opcode {opcode:#04x} has {part} {:#x}",
                part.of(*slot)
            ),
            Reason::Reserved(part) => {
                write!(
                    f,
                    "{part} of opcode {opcode:#04x} is reserved, but holds {:#x}",
                    part.of(*slot)
                )
            }
            Reason::Register(part) => write!(f, "{part} r{} does not exist", part.of(*slot)),
            Reason::Truncated => f.write_str("second slot of a 64-bit load is missing"),
            Reason::SecondSlot => f.write_str("second slot of a 64-bit load sets reserved fields"),
            Reason::Internal => write!(f, "opcode {opcode:#04x} is internal to the kernel in this form"),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({self}: {:?})", self.slot)
    }
}

impl core::error::Error for DecodeError {}

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
        decode_one::<false>(slots)
    }

    /// Like [`Insn::decode`], but also takes what only the kernel puts into programs: r11, barriers, per-CPU addresses.
    ///
    /// # Errors
    ///
    /// If there is no such instruction.
    #[inline]
    pub fn decode_dump(slots: &[Slot]) -> Result<Self, DecodeError> {
        decode_one::<true>(slots)
    }
}

#[inline(always)]
fn decode_one<const DUMP: bool>(slots: &[Slot]) -> Result<Insn, DecodeError> {
    let Some((&slot, rest)) = slots.split_first() else {
        return Err(DecodeError {
            slot: Slot::default(),
            reason: Reason::Empty,
        });
    };
    let word = slot.word();
    let row = match TABLE.rows(slot.opcode) {
        [row] if word & row.mask == row.value => row,
        rows => match rows.iter().find(|row| word & row.mask == row.value) {
            Some(row) => row,
            None => return Err(why::<DUMP>(slots)),
        },
    };
    let limit = if DUMP { 11 } else { 10 };
    let (dst, src) = (slot.dst(), slot.src());
    let (true, Some(dst), Some(src)) = (dst.max(src) <= limit, Reg::new(dst), Reg::new(src)) else {
        return Err(why::<DUMP>(slots));
    };
    if !DUMP && matches!(row.op, Op::PercpuAddr | Op::SpeculationBarrier) {
        return Err(why::<DUMP>(slots));
    }
    let mut high = 0;
    if slot.is_ldimm64() {
        match second(row.op, rest) {
            Ok(imm) => high = imm,
            Err(reason) => return Err(DecodeError { slot, reason }),
        }
    }
    Ok(Insn::from_parts(row.op, dst, src, slot.offset, slot.imm, high))
}

/// The immediate of the second slot of a 64-bit load.
#[inline]
fn second(op: Op, rest: &[Slot]) -> Result<i32, Reason> {
    let Some(next) = rest.first() else {
        return Err(Reason::Truncated);
    };
    let admitted = op.pattern().high.is_some_and(|field| field.admits(next.imm));
    if next.with_imm(0) != Slot::default() || !admitted {
        return Err(Reason::SecondSlot);
    }
    Ok(next.imm)
}

/// Why the first of these slots does not decode. Narrows the rows of the opcode field by field; not on the fast path.
#[cold]
fn why<const DUMP: bool>(slots: &[Slot]) -> DecodeError {
    let slot = slots.first().copied().unwrap_or_default();
    let error = |reason| DecodeError { slot, reason };
    let rows = || TABLE.rows(slot.opcode).iter().map(|row| row.op.pattern());
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
        if left().all(|pattern| fits(&pattern, part) && pattern.support == Support::Internal) && !DUMP {
            return error(Reason::Internal);
        }
        let scratch = !DUMP && part.of(slot) == 11;
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let slots = self.slots.get(at..).filter(|slots| !slots.is_empty())?;
        let insn = Insn::decode(slots);
        self.at = at + insn.map_or(1, Insn::width);
        Some((at, insn))
    }
}
