//! Load compiled BPF objects into a Linux kernel, attach them, talk to their maps.
//!
//! ```no_run
//! use bpfld::{Loader, Object, PerCpuHash, Xdp, XdpMode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let object = Object::open("count.bpf.o")?; // what the file says; no kernel is asked
//! let mut loader = Loader::new();
//! loader.map("ports").max_entries(4096);
//! loader.global("limit", &100u32);
//! let loaded = loader.load(&object)?; // maps created, code relocated, programs verified
//!
//! let count = Xdp::try_from(loaded.program("count")?)?; // a type for each kind of program
//! let _link = count.attach("eth0", XdpMode::Auto)?; // attached until dropped
//!
//! let ports: PerCpuHash<u32, u64> = loaded.map("ports")?.try_into()?; // a type for each kind of map
//! for entry in ports.iter() {
//!     let (port, packets) = entry?;
//!     println!("{port}: {}", packets.iter().sum::<u64>());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where to begin
//!
//! - [`Object`] is what is in a file, [`Loader`] what to change about it, [`Loaded`] what is in the kernel afterwards. [`Prepared`]
//!   stands between: everything found, nothing made yet. [`Loader::check`] asks a record of another kernel instead.
//! - A [`Program`] becomes [`Xdp`], [`SchedCls`], [`Kprobe`], [`CgroupSkb`] and so on by `try_from`: each has the ways to attach that
//!   make sense for it. [`Program::attach`] and [`Loaded::attach_all`] do what section names say. [`Program::test_run`] runs one
//!   without attaching it.
//! - A [`Link`] keeps a program attached until it is dropped; it can be pinned, updated, detached.
//! - A [`Map`] becomes [`Hash`](struct@Hash), [`Array`], [`PerCpuArray`], [`LpmTrie`], [`RingBuf`], [`PerfBuf`] and so on by `try_from`, which
//!   compares sizes once. Keys and values are types that derive the traits of [`zerocopy`]. [`Global`] is a variable of the object.
//! - [`Map`], [`Program`] and [`Link`] are also found by id ([`Map::from_id`]), by pin ([`Map::open_pinned`]), and made without any
//!   object ([`Map::builder`], [`Program::builder`]).
//! - An [`Error`] names what was being done, and to what; [`Error::verifier_log`] and [`Rejection`] are what the verifier said.
//!
//! The guide, `docs/guide.md` of the repository, goes from a C source to numbers on a screen. The crates below are here as
//! [`btf`], [`features`], [`insn`] and [`object`].
//!
//! # Features
//!
//! - `tokio`: readers of ring buffers and their like are awaited (`AsyncRingBuf` and others).
//! - `asm`: the macro `bpf_asm!`, and [`Object::open`] takes assembly, too.
//!
//! # What is not here
//!
//! - A compiler: objects come from clang or gcc.
//! - A way to run programs without a kernel: that is the crate `bpfld-vm`. AF_XDP sockets: `bpfld-xsk`.
//! - A static linker, and skeletons made at build time.
//!
//! # Kernels and rights
//!
//! Made for Linux 5.4 and later. What a kernel lacks is probed for and done otherwise where that is possible;
//! [`Loaded::adaptations`] tells. Loading takes CAP_BPF, and CAP_PERFMON or CAP_NET_ADMIN depending on the kind of program; before
//! Linux 5.8, CAP_SYS_ADMIN.

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
