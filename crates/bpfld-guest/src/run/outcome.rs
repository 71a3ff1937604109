//! What came of a guest.

use std::{fmt, path::PathBuf, time::Duration};

/// What came of a guest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How the guest ended.
    pub ending: Ending,
    /// From the start of qemu to the first sign of life of the first process; none if there was none.
    pub boot: Option<Duration>,
    /// From the start of qemu to its end.
    pub wall: Duration,
    /// What the kernel said on its console.
    pub console: String,
    /// What the first process found remarkable, such as modules that do not go in.
    pub notes: Vec<String>,
    /// The programs, in the order of the plan.
    pub programs: Vec<ProgramRun>,
}

impl Outcome {
    /// Whether the guest did all it should and every program ended with status 0.
    pub fn is_success(&self) -> bool {
        let ok = |program: &ProgramRun| program.status == Status::Exited(0);
        self.ending == Ending::PoweredOff && self.programs.iter().all(ok)
    }

    /// The last lines of the console.
    pub fn console_tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self
            .console
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// What the kernel complained about itself: warnings with a trace, lock problems and the like.
    pub fn kernel_warnings(&self) -> Vec<&str> {
        let marks = ["WARNING: ", "BUG: ", "Oops", "UBSAN: ", "KASAN: ", "Kernel panic"];
        let found = |line: &&str| marks.iter().any(|mark| line.contains(mark));
        self.console.lines().filter(found).collect()
    }
}

/// How a guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All was done, and it powered off.
    PoweredOff,
    /// It ended early: a panic, or the first process could not go on. See the console.
    Died,
    /// It took too long and was killed.
    TimedOut,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ending::PoweredOff => "powered off",
            Ending::Died => "died",
            Ending::TimedOut => "took too long and was killed",
        })
    }
}

/// What came of one program.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProgramRun {
    /// How it ended.
    pub status: Status,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
    /// The files that it left, of those that were to be brought back.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// With this status.
    Exited(i32),
    /// Killed by this signal.
    Signaled(i32),
    /// Killed because it took too long.
    TimedOut,
    /// Not at all, as far as is known: it could not be started, or the guest ended before it did.
    #[default]
    Unfinished,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(status) => write!(f, "ended with status {status}"),
            Status::Signaled(signal) => write!(f, "was killed by signal {signal}"),
            Status::TimedOut => f.write_str("took too long and was killed"),
            Status::Unfinished => f.write_str("did not end"),
        }
    }
}

/// What happens in a guest, as it happens.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The first process runs, so long after the start of qemu.
    Booted(Duration),
    /// A program begins: its number in the plan.
    Started(usize),
    /// A program printed something.
    Output(usize, &'a [u8]),
    /// A program ended.
    Ended(usize, &'a Status),
}
