//! Stopping a run where somebody wants to look: breakpoints, watchpoints, steps.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::address::GuestAddr;
use crate::observe::{Control, Observed, Observer};

/// A place in the code where to stop, before the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breakpoint {
    /// The instruction at a slot.
    Slot(u32),
    /// The first instruction of a line of the source.
    Line {
        /// The end of the file's name; empty: any file.
        file: String,
        /// The line's number.
        line: u32,
    },
    /// The first instruction of a function.
    Function(String),
}

/// What to look at after each instruction: a change stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watchpoint {
    /// A register, from 0 to 10.
    Register(u8),
    /// Bytes of memory.
    Memory {
        /// Where they begin.
        address: GuestAddr,
        /// How many.
        len: usize,
    },
}

/// Where and for what to stop. What is taken out leaves an empty place, so that numbers stay what they are.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// Breakpoints.
    pub breakpoints: Vec<Option<Breakpoint>>,
    /// Watchpoints.
    pub watchpoints: Vec<Option<Watchpoint>>,
}

/// Why it stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the first instruction.
    Start,
    /// It is where the last step was to lead.
    Step,
    /// A breakpoint, by number.
    Breakpoint(usize),
    /// Something changed, by number of the watchpoint.
    Watchpoint {
        /// The number.
        number: usize,
        /// What it was before, in the order of memory; registers as 8 bytes with the lowest first. `None`: it could not be read.
        before: Option<Vec<u8>>,
        /// What it is now.
        now: Option<Vec<u8>>,
    },
}

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// To the next instruction.
    Step,
    /// To the next line, also in functions that are called.
    Line,
    /// To the next line of this function, or of its caller.
    Over,
    /// Until this function has returned.
    Out,
    /// Until something stops it.
    Continue,
    /// Not at all: the run ends with [`FaultKind::Stopped`](crate::FaultKind::Stopped).
    End,
}

/// An observer that stops at [`Points`] and after steps, and asks a function how to go on.
///
/// ```
/// use bpfld_insn::{Endian, assemble};
/// use bpfld_vm::{Breakpoint, Debugger, ProgramType, Resume, Vm};
///
/// let code = assemble("r0 = 1\n r0 += 2\n exit").unwrap();
/// let mut vm = Vm::builder().empty(Endian::Little);
/// let mut program = vm.add_program("three", ProgramType::XDP, code.slots()).unwrap();
/// let mut seen = Vec::new();
/// let mut debugger = Debugger::new(|_points, observed, _reason| {
///     seen.push((observed.slot(), observed.registers()[0]));
///     Resume::Continue
/// });
/// debugger.points_mut().breakpoints.push(Some(Breakpoint::Slot(2)));
/// program.observe(&mut (), &mut debugger).unwrap();
/// assert_eq!(seen, [(0, 0), (2, 3)]);
/// ```
pub struct Debugger<F> {
    points: Points,
    mode: Mode,
    /// What watchpoints saw before.
    seen: Vec<Option<Vec<u8>>>,
    ask: F,
}

#[derive(Clone, Debug)]
enum Mode {
    Start,
    Step,
    /// To another line than this, no deeper than that.
    Line {
        from: Option<(String, u32)>,
        depth: usize,
        most: usize,
    },
    Out {
        depth: usize,
    },
    Continue,
}

impl<F> fmt::Debug for Debugger<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debugger")
            .field("points", &self.points)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl<F: FnMut(&mut Points, &Observed<'_>, Reason) -> Resume> Debugger<F> {
    /// Stops at the first instruction, where the function can set points.
    pub fn new(ask: F) -> Self {
        Self {
            points: Points::default(),
            mode: Mode::Start,
            seen: Vec::new(),
            ask,
        }
    }

    /// The points, to be changed.
    pub fn points_mut(&mut self) -> &mut Points {
        &mut self.points
    }

    fn reason(&mut self, observed: &Observed<'_>) -> Option<Reason> {
        // what was watched is looked at whether it stops for that or not
        let changed = self.changed(observed);
        let depth = observed.depth();
        let stops = match &self.mode {
            Mode::Start => return Some(Reason::Start),
            Mode::Step => true,
            Mode::Line {
                from,
                depth: start,
                most,
            } => {
                let line = line_begun(observed);
                depth <= *most
                    && (depth < *start || !observed.has_lines() || (line.is_some() && line != *from))
            }
            Mode::Out { depth: start } => depth < *start,
            Mode::Continue => false,
        };
        if changed.is_some() {
            return changed;
        }
        let hit = self
            .points
            .breakpoints
            .iter()
            .position(|point| point.as_ref().is_some_and(|point| is_at(point, observed)));
        hit.map(Reason::Breakpoint).or(stops.then_some(Reason::Step))
    }

    fn changed(&mut self, observed: &Observed<'_>) -> Option<Reason> {
        let mut changed = None;
        let (points, seen) = (&self.points.watchpoints, &mut self.seen);
        for (number, point) in points.iter().enumerate() {
            let now = point.as_ref().and_then(|point| value(point, observed));
            match seen.get_mut(number) {
                Some(before) if *before != now && point.is_some() => {
                    let before = core::mem::replace(before, now.clone());
                    changed = changed.or(Some(Reason::Watchpoint { number, before, now }));
                }
                Some(_) => {}
                None => seen.push(now),
            }
        }
        changed
    }
}

/// The value that a watchpoint looks at.
fn value(point: &Watchpoint, observed: &Observed<'_>) -> Option<Vec<u8>> {
    match point {
        Watchpoint::Register(number) => {
            let register = observed.registers().get(usize::from(*number))?;
            Some(register.to_le_bytes().to_vec())
        }
        Watchpoint::Memory { address, len } => Some(observed.read_memory(*address, *len).ok()?.to_vec()),
    }
}

fn is_at(point: &Breakpoint, observed: &Observed<'_>) -> bool {
    match point {
        Breakpoint::Slot(slot) => observed.slot() == *slot,
        Breakpoint::Line { file, line } => line_begun(observed)
            .is_some_and(|(name, number)| number == *line && name.ends_with(file.as_str())),
        Breakpoint::Function(name) => observed.function_begun() == Some(name.as_str()),
    }
}

/// The line that begins with this instruction.
fn line_begun(observed: &Observed<'_>) -> Option<(String, u32)> {
    let slot = observed.slot();
    let line = observed.code.line(slot).filter(|line| line.slot == slot)?;
    let source = observed.code.source(line);
    Some((source.file, source.line))
}

impl<F: FnMut(&mut Points, &Observed<'_>, Reason) -> Resume> Observer for Debugger<F> {
    fn step(&mut self, observed: &Observed<'_>) -> Control {
        let Some(reason) = self.reason(observed) else {
            return Control::Continue;
        };
        let resume = (self.ask)(&mut self.points, observed, reason);
        let source = observed.place().source;
        let (from, depth) = (source.map(|source| (source.file, source.line)), observed.depth());
        // new points begin with what is there now
        self.changed(observed);
        self.mode = match resume {
            Resume::Step => Mode::Step,
            Resume::Line => Mode::Line {
                from,
                depth,
                most: usize::MAX,
            },
            Resume::Over => Mode::Line {
                from,
                depth,
                most: depth,
            },
            Resume::Out => Mode::Out { depth },
            Resume::Continue => Mode::Continue,
            Resume::End => return Control::Stop,
        };
        Control::Continue
    }
}
