//! Tests on other kernels: fetch kernels of a distribution, boot them in qemu, run programs there as root.
//!
//! Three parts, each of use by itself:
//!
//! - [`Cache::fetch`] gets a kernel by a name such as `6.12`, through the machine's own package manager but without touching
//!   its state, and keeps it;
//! - [`Initramfs`] writes the archive with the files of a guest;
//! - [`Guest`] boots a kernel with such files, runs [`Program`]s, and brings back what they printed and how they ended. A
//!   guest that panics, hangs or loses its console is an [`Outcome`] like others, with the last words of its kernel.
//!
//! The first process of a guest is [`init()`]. The command `bpfld-guest` has it inside, so a project can run its tests on
//! another kernel without writing code:
//!
//! ```sh
//! target=x86_64-unknown-linux-gnu
//! export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
//! cargo install --target $target --path crates/bpfld-guest   # in its repository; not published yet
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="bpfld-guest run --kernel 6.12" cargo test --target $target
//! ```
//!
//! Kernels come from Debian. On the host it needs `qemu-system-…`, `apt-get`, `dpkg-deb`, `xz` and `setpriv`; no rights.
//! What it does not do: disks, networks between guests, kernels of other distributions (but [`Kernel::from_files`] takes any).

mod arch;
mod error;
mod fetch;
mod frame;
mod init;
mod initramfs;
mod plan;
mod run;

pub use arch::Arch;
pub use error::{Error, Result};
pub use fetch::{Cache, Kernel, KernelName, MODULES};
pub use init::init;
pub use initramfs::Initramfs;
pub use plan::Program;
pub use run::{Accel, Ending, Event, Guest, Outcome, ProgramRun, Status};

/// The Rust in the page for users compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/other-kernels.md")]
struct Testing;
