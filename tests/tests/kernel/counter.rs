//! The smallest program that can be seen at work: it counts its runs and returns a number.

use std::{
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use bpfld::{Array, AttachType, Link, Map, MapFlags, MapType, MappedArray, Program, ProgramType};
use bpfld_features::Release;
use bpfld_insn::Slot;

/// A program that counts its runs.
pub(crate) struct Counter {
    pub(crate) program: Program,
    runs: MappedArray<u64>,
}

impl Counter {
    /// Loads one that returns `verdict`.
    #[track_caller]
    pub(crate) fn new(program_type: ProgramType, attach_type: Option<AttachType>, verdict: i32) -> Counter {
        Counter::with(program_type, attach_type, verdict, &[])
    }

    /// Loads one that runs `more` (which may use r6, its context) before it returns.
    #[track_caller]
    pub(crate) fn with(
        program_type: ProgramType,
        attach_type: Option<AttachType>,
        verdict: i32,
        more: &[Slot],
    ) -> Counter {
        let map = Map::builder(MapType::ARRAY, "runs")
            .key_size(4)
            .value_size(8)
            .max_entries(1);
        let map = map.flags(MapFlags::MMAPABLE).create().unwrap();
        let mut code = vec![mov_reg(6, 1)];
        code.extend(map_value(1, &map));
        code.extend([mov(2, 1), Slot::new(0xdb, 1, 2, 0, 0)]);
        code.extend_from_slice(more);
        code.extend([mov(0, verdict), exit()]);
        let mut builder = Program::builder(program_type, "counter", &code);
        if let Some(attach_type) = attach_type {
            builder = builder.attach_type(attach_type);
        }
        let program = builder.load().unwrap_or_else(|error| panic!("{error:#}"));
        let runs: Array<u64> = map.try_into().unwrap();
        Counter {
            program,
            runs: runs.mapped().unwrap(),
        }
    }

    /// How often it ran.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.get(0).unwrap()
    }

    /// How often it ran meanwhile.
    pub(crate) fn runs_in(&self, work: impl FnOnce()) -> u64 {
        let before = self.runs();
        work();
        self.runs() - before
    }

    /// Sees that it runs when something is done. A kprobe or tracepoint is passed by while another task of the same processor is in the middle of
    /// changing a map (`bpf_disable_instrumentation` in the kernel's include/linux/bpf.h): then it is done again.
    #[track_caller]
    pub(crate) fn sees(&self, mut work: impl FnMut()) {
        eventually(|| self.runs_in(&mut work) > 0);
    }
}

/// Whether this kernel is at least of a release: for parts of a test, where its whole would `require!`.
pub(crate) fn since(major: u16, minor: u16) -> bool {
    Release::current().is_none_or(|release| release >= Release::new(major, minor))
}

/// Holds the cookie of a link against what it should be, on kernels that tell it.
#[track_caller]
pub(crate) fn check_cookie(link: &Link, expected: u64, told_since: (u16, u16)) {
    if since(told_since.0, told_since.1) {
        assert_eq!(link.info().unwrap().cookie(), Some(expected));
    }
}

/// Waits for what the kernel does a little later, such as letting go of what a pin held.
#[track_caller]
pub(crate) fn eventually(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never happened");
        std::thread::yield_now();
    }
}

/// `dst = imm`
pub(crate) fn mov(dst: u8, imm: i32) -> Slot {
    Slot::new(0xb7, dst, 0, 0, imm)
}

/// `dst = src`
pub(crate) fn mov_reg(dst: u8, src: u8) -> Slot {
    Slot::new(0xbf, dst, src, 0, 0)
}

/// `call helper`
pub(crate) fn call(helper: i32) -> Slot {
    Slot::new(0x85, 0, 0, 0, helper)
}

pub(crate) fn exit() -> Slot {
    Slot::new(0x95, 0, 0, 0, 0)
}

/// `dst = map`
pub(crate) fn map_fd(dst: u8, map: &Map) -> [Slot; 2] {
    [
        Slot::new(0x18, dst, 1, 0, map.as_fd().as_raw_fd()),
        Slot::new(0, 0, 0, 0, 0),
    ]
}

/// `dst =` the address of the value of an array's first element
pub(crate) fn map_value(dst: u8, map: &Map) -> [Slot; 2] {
    [
        Slot::new(0x18, dst, 2, 0, map.as_fd().as_raw_fd()),
        Slot::new(0, 0, 0, 0, 0),
    ]
}
