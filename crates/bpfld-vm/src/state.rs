//! All that changes while a machine runs.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{GuestAddr, RegionId};
use crate::code::Set;
use crate::context::Fields;
use crate::helper::{Bits, Heap, Tunnel};
use crate::map::Map;
use crate::memory::{MAX_FRAMES, Memory, Region, RegionKind, Rights, Shape};
use crate::redirect::Redirect;
use crate::scenario::Scenario;
use crate::timer::Timers;

/// What to go back to when a function ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) program: usize,
    pub(crate) pc: usize,
    /// r6 to r9.
    pub(crate) saved: [u64; 4],
    /// How many functions of its program are running, the frame's own among them.
    pub(crate) level: u32,
    /// The registers of the caller that hold something; kept only where it is looked at.
    pub(crate) known: Set,
}

/// Where a run stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) program: usize,
    pub(crate) slot: u32,
    pub(crate) registers: [u64; 11],
    pub(crate) callers: Vec<(usize, u32)>,
}

/// Memory, maps, the world around, and the account of the current run. A copy of it is a snapshot.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) memory: Memory,
    pub(crate) maps: Vec<Map>,
    pub(crate) scenario: Scenario,
    pub(crate) context: Fields,
    pub(crate) frames: [Frame; MAX_FRAMES],
    pub(crate) may_goto: [u32; MAX_FRAMES],
    /// How many frames are open.
    pub(crate) depth: usize,
    /// Where the last call of a helper is.
    pub(crate) call_site: (usize, usize),
    /// How many slots a run may take.
    pub(crate) budget: u64,
    /// How many of them are left.
    pub(crate) left: i64,
    pub(crate) tail_calls: u32,
    pub(crate) stop: Option<Stop>,
    pub(crate) redirect: Option<Redirect>,
    /// What `bpf_set_retval` set.
    pub(crate) retval: i32,
    pub(crate) printed: Vec<String>,
    pub(crate) timers: Timers,
    /// Iterators over bits, by their address.
    pub(crate) bits: BTreeMap<u64, Bits>,
    /// Objects of the programs' own.
    pub(crate) heap: Heap,
    /// The addresses of sockets of the scenario that were looked up, by number.
    pub(crate) sockets: BTreeMap<usize, u64>,
    /// The addresses of what is known of their connections.
    pub(crate) connections: BTreeMap<usize, u64>,
    /// The tunnel that the packet is to take.
    pub(crate) tunnel: Option<Tunnel>,
    /// What keys and values are copied to on their way.
    pub(crate) scratch: Scratch,
}

/// Buffers that keep their room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl State {
    pub(crate) fn new(budget: u64) -> Self {
        Self {
            memory: Memory::new(),
            maps: Vec::new(),
            scenario: Scenario::default(),
            context: Fields::None,
            frames: [Frame::default(); MAX_FRAMES],
            may_goto: [0; MAX_FRAMES],
            depth: 0,
            call_site: (0, 0),
            budget,
            left: 0,
            tail_calls: 0,
            stop: None,
            redirect: None,
            retval: 0,
            printed: Vec::new(),
            timers: Timers::default(),
            bits: BTreeMap::new(),
            heap: Heap::default(),
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            tunnel: None,
            scratch: Scratch::default(),
        }
    }

    /// Makes ready for another run.
    pub(crate) fn begin(&mut self) {
        self.left = i64::try_from(self.budget).unwrap_or(i64::MAX);
        self.tail_calls = 0;
        self.stop = None;
        self.redirect = None;
        self.tunnel = None;
        self.retval = 0;
        self.depth = 0;
    }

    /// How many slots the run took.
    pub(crate) fn taken(&self) -> u64 {
        i64::try_from(self.budget)
            .unwrap_or(i64::MAX)
            .saturating_sub(self.left)
            .max(0) as u64
    }
}

/// Memory of the host's for programs, at an address that it returns.
pub(crate) fn add_memory(state: &mut State, name: &str, bytes: Vec<u8>, rights: Rights) -> u64 {
    let region = Region::new(RegionKind::Host, name.into(), rights, Shape::Plain, bytes);
    let id: RegionId = state.memory.add(region);
    GuestAddr::new(id, 0).0
}
