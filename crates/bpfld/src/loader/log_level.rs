//! How much the verifier prints.

use bitflags::bitflags;

bitflags! {
    /// How much the verifier prints. Without any it prints only when it says no.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LogLevel: u32 {
        /// What happens, instruction by instruction, on the way to the verdict.
        const BASIC = 1;
        /// The same with the state of all registers at every instruction, on every path.
        const FULL = 2;
        /// Numbers at the end: time, stack depth, instructions and states (Linux 5.2).
        const STATS = 4;
        /// Keep the start of a log that does not fit instead of its end (Linux 6.4).
        const FIXED = 8;
    }
}
