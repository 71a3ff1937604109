//! Why the verifier said no: its log taken apart, and shown as compilers show their errors.

mod parse;
mod reason;
mod show;
mod state;
#[cfg(test)]
mod tests;

pub use self::reason::ReasonClass;
use crate::VerifierLog;

/// A rejection by the verifier, as data. Made by [`VerifierLog::rejection`].
///
/// Prints the reason with the lines of source that led there, the registers that matter and what may help; `{:#}` prints all
/// registers.
///
/// ```
/// let log = bpfld::VerifierLog::new(
///     "0: R1=ctx() R10=fp0\n; value = bpf_map_lookup_elem(&counts, &key); @ count.bpf.c:20\n5: (85) call bpf_map_lookup_elem#1 ; \
///      R0_w=map_value_or_null(id=1,map=counts,ks=4,vs=8)\n; *value += 1; @ count.bpf.c:21\n6: (79) r1 = *(u64 *)(r0 +0)\n\
///      R0 invalid mem access 'map_value_or_null'\nprocessed 6 insns (limit 1000000)\n",
/// );
/// let rejection = log.rejection().unwrap();
/// assert_eq!(rejection.insn().unwrap().index, 6);
/// assert_eq!(
///     rejection.to_string(),
///     "R0 invalid mem access 'map_value_or_null'\n  --> count.bpf.c:21\n   |\n20 | value = bpf_map_lookup_elem(&counts, &key);\n21 | \
///      *value += 1;\n   | insn 6: r1 = *(u64 *)(r0 +0)\n   = R0 is map_value_or_null(id=1,map=counts,ks=4,vs=8)\n   = help: compare \
///      the pointer with NULL before it is used",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub(in crate::rejection) reason: String,
    pub(in crate::rejection) class: ReasonClass,
    pub(in crate::rejection) insn: Option<RejectedInsn>,
    /// Source lines on the last path, the failing one last.
    pub(in crate::rejection) lines: Vec<LogSourceLine>,
    pub(in crate::rejection) registers: Vec<RegisterState>,
    pub(in crate::rejection) calls: Vec<u32>,
    pub(in crate::rejection) function: Option<String>,
    pub(in crate::rejection) suggestion: Option<String>,
}

/// The instruction that the verifier stopped at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedInsn {
    /// Its place among the instructions as they were given to the kernel.
    pub index: u32,
    /// As the verifier prints it; empty where it did not come so far.
    pub text: String,
}

/// A line of source, as far as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSourceLine {
    /// Text of the line.
    pub text: String,
    /// File and number (6.9 kernels and later print them).
    pub place: Option<(String, u32)>,
}

/// What the verifier knew of a register or a part of the stack before the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisterState {
    /// `R0` to `R10`, or `fp-8` and the like.
    pub name: String,
    /// The frame: 0 for the main function, and one more for each call.
    pub frame: u32,
    /// As the verifier prints it, such as `scalar(umax=255)`.
    pub state: String,
}

impl VerifierLog {
    /// Takes a log of a rejected program apart; `None` if it does not say why.
    ///
    /// Understands the logs of all kernels since 5.4: with the state of registers in lines of their own (before 5.18) and behind instructions,
    /// with file names (6.9), and in the explained form of 7.3.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        parse::rejection(self)
    }
}

impl Rejection {
    /// The verifier's own words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn class(&self) -> ReasonClass {
        self.class
    }

    /// The instruction that it stopped at, if it is about one.
    #[must_use]
    pub fn insn(&self) -> Option<&RejectedInsn> {
        self.insn.as_ref()
    }

    /// The line of source of that instruction, if the object has line information.
    #[must_use]
    pub fn source(&self) -> Option<&LogSourceLine> {
        self.lines.last()
    }

    /// The lines of source on the path that led there, as far as the log tells, the failing one last.
    #[must_use]
    pub fn path(&self) -> &[LogSourceLine] {
        &self.lines
    }

    /// What was known of registers and stack before the instruction.
    #[must_use]
    pub fn registers(&self) -> &[RegisterState] {
        &self.registers
    }

    /// The instructions that called the function it happened in, the outermost first.
    #[must_use]
    pub fn calls(&self) -> &[u32] {
        &self.calls
    }

    /// The global function that was being checked by itself, if it was one.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// What may help: the kernel's own suggestion (7.3), or ours by the kind of mistake.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref().or(self.class.help())
    }
}
