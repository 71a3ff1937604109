//! Why a slot is no instruction.

use core::fmt;

use crate::op::{Field, Pattern};
use crate::slot::Slot;

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
    pub(super) fn of(self, slot: Slot) -> i32 {
        match self {
            Self::Dst => slot.dst().into(),
            Self::Src => slot.src().into(),
            Self::Offset => slot.offset.into(),
            Self::Imm => slot.imm,
        }
    }

    pub(super) fn field(self, pattern: &Pattern) -> Field {
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
