//! What is wrong with the flow of control.

use core::fmt;

/// Something that no kernel accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The slot.
    pub at: usize,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with the flow of control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It is no instruction.
    Undecodable,
    /// The jump or call leads out of the program.
    OutOfRange,
    /// The jump or call leads into the middle of a 64-bit load.
    IntoWideLoad,
    /// The jump leads into another function.
    IntoOtherFunction,
    /// The function does not end with `exit` or a jump.
    FallsOff,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProblemKind::Undecodable => "is no instruction",
            ProblemKind::OutOfRange => "leads out of the program",
            ProblemKind::IntoWideLoad => "leads into the middle of a 64-bit load",
            ProblemKind::IntoOtherFunction => "jumps into another function",
            ProblemKind::FallsOff => "is the last of a function, and control goes on behind it",
        };
        write!(f, "instruction {} {what}", self.at)
    }
}
