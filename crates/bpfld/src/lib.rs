//! Load compiled BPF objects into a Linux kernel, attach them, talk to their maps.

mod adaptation;
mod error;
mod externs;
mod info;
mod kernel_btf;
mod link;
mod loader;
mod log;
mod map;
mod memlock;
mod owners;
mod pin;
mod program;
mod rejection;
mod symbols;
mod system;
mod test_run;
mod token;

pub use adaptation::{Adaptation, Measure};
pub use bpfld_btf as btf;
pub use bpfld_features as features;
pub use bpfld_insn as insn;
pub use bpfld_object::{self as object, Object};
pub use bpfld_sys::{
    AttachFlags, AttachType, CgroupIterOrder, ElemFlags, Errno, LinkDetails, LinkType, MapFlags, MapType,
    NetfilterFlags, NetfilterHook, ProgFlags, ProgramType, TestRunFlags, perf,
};
pub use error::{Difference, Error, ErrorKind, Failure, Result, Subject};
pub use kernel_btf::{KernelBtf, ModuleBtf};
pub use link::*;
pub use loader::{
    Alone, Check, Checked, Finding, Fit, Loaded, Loader, LogLevel, MapOptions, OtherKernel, PartiallyLoaded,
    Prepared, ProgramOptions, Stage,
};
pub use log::{VerifierLog, VerifierStats};
pub use map::*;
pub use owners::{Owners, Process};
pub use pin::remove_pin;
pub use program::*;
pub use rejection::{LogSourceLine, ReasonClass, RegisterState, RejectedInsn, Rejection};
pub use symbols::*;
pub use test_run::{TestRun, TestRunResult};
pub use token::Token;
pub use zerocopy;

#[cfg(feature = "asm")]
#[doc(hidden)]
pub use bpfld_asm_macro::bpf_asm_in as __bpf_asm_in;

/// Assembles BPF at compile time: a constant array of [`insn::Slot`].
///
/// ```
/// let program = bpfld::bpf_asm! {
///     r0 = XDP_PASS
///     exit
/// };
/// assert_eq!(program.len(), 2);
/// ```
///
/// Any dialect that [`insn::asm`] reads; mistakes are compiler errors at the very word. `{…}` stands for a constant
/// expression of Rust.
#[cfg(feature = "asm")]
#[macro_export]
macro_rules! bpf_asm {
    ($($text:tt)*) => { $crate::__bpf_asm_in! { ($crate::insn) $($text)* } };
}
