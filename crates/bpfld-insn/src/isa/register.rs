//! Registers.

use core::fmt;

/// A register. r0 holds results, r1 to r5 arguments, r6 to r9 survive calls, r10 is the frame pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reg {
    /// Result of a call, and of the program.
    R0,
    /// First argument; the context at the start of a program.
    R1,
    /// Second argument.
    R2,
    /// Third argument.
    R3,
    /// Fourth argument.
    R4,
    /// Fifth argument.
    R5,
    /// Survives calls.
    R6,
    /// Survives calls.
    R7,
    /// Survives calls.
    R8,
    /// Survives calls.
    R9,
    /// The frame pointer, read-only.
    R10,
    /// The kernel's scratch register. No program may name it; dumps of rewritten programs do.
    R11,
}

impl Reg {
    /// Every register, in the order of the numbers.
    pub const ALL: [Self; 12] = {
        use Reg::*;
        [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11]
    };
    /// The frame pointer.
    pub const FP: Self = Self::R10;

    /// The register of this number.
    #[must_use]
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::R0,
            1 => Self::R1,
            2 => Self::R2,
            3 => Self::R3,
            4 => Self::R4,
            5 => Self::R5,
            6 => Self::R6,
            7 => Self::R7,
            8 => Self::R8,
            9 => Self::R9,
            10 => Self::R10,
            11 => Self::R11,
            _ => return None,
        })
    }

    /// Its number, 0 to 11.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.number())
    }
}
