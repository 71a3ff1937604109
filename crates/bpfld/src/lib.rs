//! Load compiled BPF objects into a Linux kernel, attach them, talk to their maps.

mod error;
mod info;
mod link;
mod log;
mod map;
mod pin;
mod program;
mod test_run;

pub use bpfld_btf as btf;
pub use bpfld_sys::{
    AttachType, CgroupIterOrder, ElemFlags, Errno, LinkDetails, LinkType, MapFlags, MapType, NetfilterFlags,
    NetfilterHook, ProgFlags, ProgramType, TestRunFlags, perf,
};
pub use error::{Difference, Error, ErrorKind, Failure, Result, Subject};
pub use link::*;
pub use log::{VerifierLog, VerifierStats};
pub use map::*;
pub use program::*;
pub use test_run::{TestRun, TestRunResult};
pub use zerocopy;
