//! Watching a program run, instruction by instruction.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_insn::Insn;

use crate::address::{GuestAddr, RegionId};
use crate::fault::{Place, Trap};
use crate::image::Image;
use crate::map::{Contents, MapSpec};
use crate::memory::STACK_BYTES;
use crate::program::Code;
use crate::state::{Frame, State};

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop before this instruction: the run ends with [`FaultKind::Stopped`](crate::FaultKind::Stopped).
    Stop,
}

/// Somebody who is told of each instruction before it is run.
///
/// Closures will do: anything that takes an [`Observed`] and returns a [`Control`].
pub trait Observer {
    /// An instruction is about to be run.
    fn step(&mut self, observed: &Observed<'_>) -> Control;
}

impl<F: FnMut(&Observed<'_>) -> Control> Observer for F {
    fn step(&mut self, observed: &Observed<'_>) -> Control {
        self(observed)
    }
}

/// What an observer sees.
#[derive(Debug)]
pub struct Observed<'a> {
    pub(crate) code: &'a Arc<Code>,
    pub(crate) slot: u32,
    pub(crate) registers: &'a [u64; 11],
    pub(crate) depth: usize,
    pub(crate) state: &'a State,
    pub(crate) image: &'a Image,
}

impl Observed<'_> {
    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.code.name
    }

    /// The slot of the instruction.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The instruction.
    #[must_use]
    pub fn insn(&self) -> Option<Insn> {
        self.code.insn(self.slot)
    }

    /// The instruction at another slot of the program, if one begins there.
    #[must_use]
    pub fn insn_at(&self, slot: u32) -> Option<Insn> {
        self.code.begins(slot).then(|| self.code.insn(slot)).flatten()
    }

    /// The registers r0 to r10 before it.
    #[must_use]
    pub fn registers(&self) -> &[u64; 11] {
        self.registers
    }

    /// How many functions are running: 1 in the program itself.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Function and line of the source.
    #[must_use]
    pub fn place(&self) -> Place {
        self.code.place(self.slot)
    }

    /// How many slots the run may still take, as of the last call.
    #[must_use]
    pub fn budget_left(&self) -> u64 {
        self.state.left.max(0) as u64
    }

    /// Whether the object tells the lines of this program.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        !self.code.lines.is_empty()
    }

    /// The function that begins with this instruction.
    #[must_use]
    pub fn function_begun(&self) -> Option<&str> {
        let mut functions = self.code.functions.iter();
        match functions.find(|(start, _)| *start == self.slot) {
            Some((_, name)) => Some(name),
            None if self.slot == 0 => Some(&self.code.name),
            None => None,
        }
    }

    /// The calls that led here, the innermost first.
    #[must_use]
    pub fn callers(&self) -> Vec<Place> {
        let frames = self.state.frames.get(1..self.state.depth).unwrap_or_default();
        let place = |frame: &Frame| {
            let code = self.image.programs.get(frame.program)?;
            Some(code.place(frame.pc.saturating_sub(1) as u32))
        };
        frames.iter().rev().filter_map(place).collect()
    }

    /// Bytes of guest memory.
    ///
    /// # Errors
    ///
    /// The program could not read them either.
    pub fn read_memory(&self, address: GuestAddr, len: usize) -> Result<&[u8], Trap> {
        self.state.memory.slice(address.0, len)
    }

    /// What the program has written to the stack of the current function: how far below the frame pointer, and the bytes, in
    /// pieces of up to 8.
    #[must_use]
    pub fn stack(&self) -> Vec<(usize, &[u8])> {
        let depth = self.depth.saturating_sub(1);
        let id = RegionId(RegionId::STACK.0 + depth as u32);
        let Some(region) = self.state.memory.region(id) else {
            return Vec::new();
        };
        let is_written = |at: usize| region.first_unwritten(at..at + 8).is_none();
        let places = (0..STACK_BYTES).step_by(8).filter(|at| is_written(*at));
        places
            .filter_map(|at| Some((STACK_BYTES - at, region.bytes.get(at..at + 8)?)))
            .collect()
    }

    /// What all maps are made as, by number.
    pub fn maps(&self) -> impl Iterator<Item = &MapSpec> {
        self.state.maps.iter().map(|map| &map.spec)
    }

    /// The records of a ring buffer that are finished, or what was given to `bpf_perf_event_output`, in order; none of other maps.
    #[must_use]
    pub fn map_records(&self, name: &str) -> Vec<Vec<u8>> {
        let Some(map) = self.state.maps.iter().find(|map| map.spec.name == name) else {
            return Vec::new();
        };
        match &map.contents {
            Contents::Events(events) => events.iter().map(|event| event.data.clone()).collect(),
            _ => map.records(&self.state.memory),
        }
    }

    /// The keys of a map with their values, one for each CPU that has its own; as bytes.
    #[must_use]
    pub fn map_entries(&self, name: &str) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        let Some(map) = self.state.maps.iter().find(|map| map.spec.name == name) else {
            return Vec::new();
        };
        let values = |key: &[u8]| {
            let place = map.peek(key, self.image.endian)?;
            let copies = (0..map.copies).filter_map(|cpu| map.value(&self.state.memory, place, cpu));
            Some(copies.map(<[u8]>::to_vec).collect())
        };
        let keys = map.keys(self.image.endian).into_iter();
        keys.filter_map(|key| Some((key.to_vec(), values(&key)?)))
            .collect()
    }
}
