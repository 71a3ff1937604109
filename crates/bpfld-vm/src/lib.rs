//! The userspace machine: BPF objects run in this process, without a kernel and without privileges.
//!
//! For unit tests of BPF programs in plain `cargo test`, for CI without rights, for debugging, and for embedding.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes: &'static [u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/programs.el.o"));
//! use bpfld_vm::{Object, Vm, Xdp};
//!
//! let object = Object::parse(bytes)?;
//! let mut vm = Vm::load(&object)?;
//! let outcome = vm.program("first")?.run(Xdp::new(&[0; 64]))?;
//! assert_eq!(outcome.return_value(), 2); // XDP_PASS
//! # Ok(())
//! # }
//! ```
//!
//! The object, its linked programs, and CO-RE are those of `bpfld-object`, which the loader uses, too. Everything else is made
//! here: memory in regions with bounds and rights, maps, helpers, contexts. Nothing a program does reaches the host: a
//! wrong access is a [`Fault`], which is a value, and a run that does not end is ended by its budget.
//!
//! What this crate does not do: verify. A program that runs here may still be refused by a kernel.
//!
//! # What programs see
//!
//! - Time, chance, processors and the current task are those of the [`Scenario`]; nothing in it changes by itself, so that
//!   each run of a test is the same.
//! - Maps answer as the kernel's do, with the same error numbers.
//! - Helpers that are not there make a fault; [`Vm::register_helper`] and [`Vm::register_kfunc`] add them.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

const _: () = assert!(
    usize::BITS >= 64,
    "offsets in guest memory have 40 bits: the host needs 64"
);

mod address;
mod code;
mod context;
mod counts;
mod coverage;
mod debugger;
mod exec;
mod fault;
mod helper;
mod image;
mod map;
mod memory;
mod network;
mod observe;
mod profile;
mod program;
mod redirect;
mod scenario;
mod state;
mod timer;
mod vm;

pub use bpfld_object::Object;
pub use bpfld_sys::{ElemFlags, Errno, MapType, ProgramType, plain::SkBuff};

pub use crate::{
    address::GuestAddr,
    code::{CodeError, CodeProblem},
    context::{Arguments, Bytes, Context, Flow, Netfilter, NoField, Registers, Skb, Structure, Visit, Xdp},
    coverage::Coverage,
    debugger::{Breakpoint, Debugger, Points, Reason, Resume, Watchpoint},
    fault::{Access, AccessFault, Fault, FaultKind, Place, Problem, Report, SourceRef, Trap},
    helper::Call,
    map::{Event, MapSpec, RingQuery},
    memory::{RegionInfo, RegionKind, Rights},
    network::{Device, Neighbour, Network, Received, Route, RouteKind, Socket, Transport},
    observe::{Control, Observed, Observer},
    profile::{Profile, Share},
    redirect::Redirect,
    scenario::{Scenario, Task},
    vm::{Builder, Error, Map, MapError, Outcome, Program, Setting, Uninitialised, Vm},
};
