//! What the verifier tells, and how.

use bpfld_sys::{Log, ProgramType};

use super::code::RETURN_0;
use super::kernel::Load;
use super::verdict::{judge, refused};
use crate::Answer;

const BASIC: u32 = 1;
const STATS: u32 = 4;
const FIXED: u32 = 8;

/// Load the smallest program with a log of this level, which fits.
fn load(level: u32) -> (Result<std::os::fd::OwnedFd, bpfld_sys::Errno>, u32) {
    let mut buffer = [0; 4096];
    let mut log = Log::new(level, &mut buffer);
    let result = Load::new(ProgramType::SOCKET_FILTER, &RETURN_0).run_with(&mut log);
    (result, log.true_size())
}

pub(crate) fn stats() -> Answer {
    judge(load(STATS).0, "loading a program with a log of statistics")
}

pub(crate) fn fixed() -> Answer {
    judge(
        load(BASIC | FIXED).0,
        "loading a program with a log that keeps its beginning",
    )
}

pub(crate) fn true_size() -> Answer {
    match load(BASIC) {
        (Err(errno), _) => refused(errno, "loading a program with a log"),
        (Ok(_), 0) => Answer::no("the kernel does not write the size of a log"),
        (Ok(_), _) => Answer::Yes,
    }
}
