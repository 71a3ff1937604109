//! Load compiled BPF objects into a Linux kernel, attach them, talk to their maps.

mod error;
mod externs;
mod info;
mod kernel_btf;
mod link;
mod loader;
mod log;
mod map;
mod pin;
mod program;
mod test_run;

pub use bpfld_btf as btf;
pub use bpfld_features as features;
pub use bpfld_object::{self as object, Object};
pub use bpfld_sys::{
    AttachType, CgroupIterOrder, ElemFlags, Errno, LinkDetails, LinkType, MapFlags, MapType, NetfilterFlags,
    NetfilterHook, ProgFlags, ProgramType, TestRunFlags, perf,
};
pub use error::{Difference, Error, ErrorKind, Failure, Result, Subject};
pub use kernel_btf::{KernelBtf, ModuleBtf};
pub use link::*;
pub use loader::{Alone, Loaded, Loader, LogLevel, MapOptions, PartiallyLoaded, Prepared, ProgramOptions};
pub use log::{VerifierLog, VerifierStats};
pub use map::*;
pub use program::*;
pub use test_run::{TestRun, TestRunResult};
pub use zerocopy;
