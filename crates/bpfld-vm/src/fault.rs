//! Faults: what stopped a program, as values.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bpfld_insn::{Helper, Insn};
use bpfld_object::poison::Missing;

use crate::address::GuestAddr;
use crate::memory::RegionInfo;

/// What was tried with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// To read it.
    Read,
    /// To write it.
    Write,
    /// To change it in one step.
    Atomic,
}

/// Why memory cannot be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// The address is zero, or near.
    Null,
    /// The address is in no region.
    NoRegion,
    /// It begins or ends outside of what the region holds.
    Bounds,
    /// The region is not for that.
    Rights,
    /// The address is no multiple of the size.
    Misaligned,
    /// Stack is read that was not written.
    Uninitialised {
        /// The first byte that was not, from the address on.
        first: u64,
    },
    /// The context has no such field, or this kind of program must not access it so.
    Field,
}

/// An access to memory that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessFault {
    /// Where.
    pub address: GuestAddr,
    /// How many bytes.
    pub size: usize,
    /// What was tried.
    pub access: Access,
    /// Why it cannot be.
    pub problem: Problem,
    /// The region that was meant, if there is one at the address.
    pub region: Option<RegionInfo>,
}

/// What stopped a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access to memory that cannot be made.
    Access(AccessFault),
    /// It ran for as many instructions as it may.
    Budget {
        /// The limit, in instruction slots.
        limit: u64,
    },
    /// It called too deep.
    CallDepth {
        /// How many functions may be running at once.
        limit: usize,
    },
    /// It called a helper that is not there.
    UnknownHelper(Helper),
    /// It called a kernel function that is not there.
    UnknownKfunc(Arc<str>),
    /// It reached an instruction that stands for something that could not be had.
    Missing(Missing),
    /// An argument of a helper makes no sense.
    Argument {
        /// The helper or kernel function.
        function: Cow<'static, str>,
        /// Which argument, from 1.
        number: u8,
        /// What is wrong.
        problem: Cow<'static, str>,
    },
    /// Control left the program, or went where no instruction begins.
    Jump {
        /// Where to, in slots.
        target: i64,
    },
    /// It reads a register that it has not written, or that a call has left without a meaning.
    Register {
        /// Its number.
        number: u8,
    },
    /// An indirect jump, a call or a callback to an address that is no code.
    CodeAddress {
        /// The address.
        address: u64,
    },
    /// It writes the frame pointer.
    FramePointer,
    /// An instruction that no machine runs.
    Instruction,
    /// An observer asked for the end.
    Stopped,
    /// What a helper of the host's says.
    Helper(String),
    /// `bpf_throw`, which no function caught.
    Thrown {
        /// The number that was thrown.
        cookie: u64,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(fault) => fault.fmt(f),
            Self::Budget { limit } => write!(f, "the budget of {limit} instructions is used up"),
            Self::CallDepth { limit } => write!(f, "more than {limit} functions are running at once"),
            Self::UnknownHelper(helper) => match helper.name() {
                Some(name) => write!(f, "helper bpf_{name} is not there; it can be registered"),
                None => write!(f, "helper {} does not exist", helper.0),
            },
            Self::UnknownKfunc(name) => {
                write!(f, "kernel function {name} is not there; it can be registered")
            }
            Self::Missing(Missing::Core) => f.write_str("a CO-RE relocation has no answer here"),
            Self::Missing(Missing::Map(map)) => write!(f, "map number {} was not made", map.0),
            Self::Missing(_) => f.write_str("a kernel function was not found"),
            Self::Argument {
                function,
                number,
                problem,
            } => write!(f, "argument {number} of {function}: {problem}"),
            Self::Jump { target } => write!(f, "control went to slot {target}, where no instruction begins"),
            Self::Register { number } => write!(f, "r{number} is read, but holds nothing"),
            Self::CodeAddress { address } => write!(f, "{address:#x} is the address of no function"),
            Self::FramePointer => f.write_str("the frame pointer cannot be written"),
            Self::Instruction => f.write_str("no machine runs this instruction"),
            Self::Stopped => f.write_str("stopped by its observer"),
            Self::Helper(text) => f.write_str(text),
            Self::Thrown { cookie } => write!(f, "it threw {cookie:#x}"),
        }
    }
}

impl fmt::Display for AccessFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            size,
            access,
            problem,
            region,
        } = self;
        let verb = match access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Atomic => "atomic change",
        };
        write!(f, "{verb} of {size} bytes at {address}")?;
        if let Some(region) = region {
            write!(f, " ({region})")?;
        }
        match problem {
            Problem::Null => f.write_str(": null pointer"),
            Problem::NoRegion => f.write_str(": no memory there"),
            Problem::Bounds => f.write_str(": out of bounds"),
            Problem::Rights => write!(f, ": not for that kind of access"),
            Problem::Misaligned => f.write_str(": not aligned"),
            Problem::Uninitialised { first } => write!(f, ": byte {first} of it was never written"),
            Problem::Field => f.write_str(": no field that may be accessed so"),
        }
    }
}

/// What stops a program, before it is known where that is. Helpers of the host's return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap(Box<FaultKind>);

impl Trap {
    /// Stops the program, for a reason in words.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        FaultKind::Helper(reason.into()).into()
    }

    /// The reason.
    #[must_use]
    pub fn kind(&self) -> &FaultKind {
        &self.0
    }

    pub(crate) fn into_kind(self) -> FaultKind {
        *self.0
    }
}

impl From<FaultKind> for Trap {
    #[cold]
    fn from(kind: FaultKind) -> Self {
        Self(Box::new(kind))
    }
}

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceRef {
    /// The file.
    pub file: String,
    /// The line number, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// The text of the line.
    pub text: String,
}

/// A place in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The program.
    pub program: Arc<str>,
    /// The function of the program.
    pub function: Arc<str>,
    /// The slot of the instruction.
    pub slot: u32,
    /// The line of the source, if the object tells.
    pub source: Option<SourceRef>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        if self.function != self.program {
            write!(f, " of {}", self.program)?;
        }
        write!(f, ", slot {}", self.slot)?;
        match &self.source {
            Some(source) => write!(f, " ({}:{}:{})", source.file, source.line, source.column),
            None => Ok(()),
        }
    }
}

/// Why a run ended before the program did. What there is to know is in its [`Report`].
///
/// Prints what happened and where; in the alternate form (`{:#}`) also the line of the source, the instruction, the registers
/// and the callers. So it is printed, too, where it leaves `main` or is unwrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault(Box<Report>);

/// What happened, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What happened.
    pub kind: FaultKind,
    /// Where.
    pub place: Place,
    /// The instruction there.
    pub insn: Option<Insn>,
    /// The registers r0 to r10 before it.
    pub registers: [u64; 11],
    /// The places of the calls that led there, the innermost first.
    pub callers: Vec<Place>,
}

impl core::ops::Deref for Fault {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.0
    }
}

impl From<Report> for Fault {
    fn from(report: Report) -> Self {
        Self(Box::new(report))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)?;
        if !f.alternate() {
            return Ok(());
        }
        if let Some(source) = &self.place.source {
            write!(f, "\n  {}", source.text.trim())?;
        }
        if let Some(insn) = self.insn {
            write!(f, "\n  {insn}")?;
        }
        for (number, value) in self.registers.iter().enumerate() {
            let separator = if number % 4 == 0 { "\n " } else { "" };
            write!(f, "{separator} r{number}={value:#x}")?;
        }
        for caller in &self.callers {
            write!(f, "\n  called from {caller}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl core::error::Error for Fault {}
