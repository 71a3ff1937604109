//! The kernel's side of eBPF: what bpf(2) takes and returns, one typed function for each of its commands, and the few
//! other calls that a loader needs.
//!
//! ```no_run
//! use bpfld_sys::{ElemFlags, MapCreate, MapType, map_create, map_lookup_elem, map_update_elem};
//!
//! # fn main() -> Result<(), bpfld_sys::Error> {
//! let mut wanted = MapCreate::new(MapType::HASH, 4, 8, 1024);
//! wanted.name = "hits";
//! let map = map_create(&wanted)?;
//! map_update_elem(&map, &1u32.to_ne_bytes(), &42u64.to_ne_bytes(), ElemFlags::NOEXIST)?;
//! let mut value = [0; 8];
//! map_lookup_elem(&map, &1u32.to_ne_bytes(), &mut value, ElemFlags::empty())?;
//! assert_eq!(u64::from_ne_bytes(value), 42);
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! - Vocabularies of the kernel as open newtypes: [`Command`], [`MapType`], [`ProgramType`], [`AttachType`], [`LinkType`] and
//!   others. Each knows its names and the first release that has it; a number without a name is kept.
//! - Flag sets: [`MapFlags`], [`ProgFlags`], [`AttachFlags`] and others; bits without a name are kept.
//! - The structures themselves: [`attr`] (arguments of each command), [`info`] and [`link`] (what the kernel tells of its
//!   objects), [`plain`] (contexts and records). They are made from the kernel's own BTF, and their sizes and offsets are
//!   checked when the crate is compiled.
//! - On Linux, with the feature `std` (on by default): one function for each command, [`perf`] for perf_event_open(2),
//!   [`mmap`] for memory shared with the kernel, [`socket`], [`net`], [`mount`], [`poll`],
//!   [`rlimit`] and [`cpus`]; [`xdp`] for AF_XDP sockets.
//!
//! Without `std`, or elsewhere, the vocabularies and structures are still there.
//!
//! # What is not here
//!
//! Policy: nothing is retried, probed, raised or guessed. `EINTR` and `EAGAIN` are returned. The arguments are sent with
//! the smallest size that holds them, so that old kernels accept what they know. Whoever wants programs loaded from
//! object files wants the crate `bpfld`.
//!
//! # Safety
//!
//! All functions are safe to call: lengths are checked against what the kernel will read or write. What a *program* does
//! once it runs is another matter: with the right privileges it may write to the memory of any process. The
//! kernel, not Rust, decides about that; so also for instructions that name descriptors by number.
#![cfg_attr(not(feature = "std"), no_std)]

mod described;
mod errno;
mod error;
mod flags;
mod generated;
mod layout;
mod vocabulary;

pub use errno::Errno;
pub use error::Error;
pub use generated::flags::*;
pub use generated::vocabularies::*;
pub use generated::{attr, info, link, plain};
pub use vocabulary::{Since, UnknownName};

#[cfg(all(target_os = "linux", feature = "std"))]
mod calls;
#[cfg(all(target_os = "linux", feature = "std"))]
pub use calls::*;
pub mod cpus;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "epoll(7)")]
pub mod epoll;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "mmap(2)")]
pub mod mmap;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "fsopen(2) and fsmount(2)")]
pub mod mount;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "if_nametoindex(3)")]
pub mod net;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "perf_event_open(2) and ioctl(2)")]
pub mod perf;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "poll(2)")]
pub mod poll;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "setrlimit(2)")]
pub mod rlimit;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "setsockopt(2)")]
pub mod socket;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "the system call itself")]
mod syscall;
#[cfg(all(target_os = "linux", feature = "std"))]
#[expect(unsafe_code, reason = "sockets and their options")]
pub mod xdp;

#[cfg(all(target_os = "linux", feature = "std"))]
pub use cpus::{online_cpus, possible_cpus};
