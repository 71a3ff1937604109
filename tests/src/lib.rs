//! What the tests share: fixtures, rooms to try things in, and the account of what could not be tried.
//!
//! - [`fixture`] reads a compiled object.
//! - [`sandbox`] runs a closure on a thread with a network namespace, a mount namespace and a BPF file system of its own.
//! - [`alone`] runs a test in a process of its own.
//! - [`Cgroup`] is a control group that lives as long as the value.
//! - [`record`] is what a real kernel said it can.
//! - [`require!`] decides whether a test may be skipped on this kernel.
//! - [`Leftovers`] fails a test that leaves something behind; `require!` holds it.
//! - [`fit`] leaves out what of a fixture this kernel is too old for.
//! - [`expect_file`] compares text with a committed file.
//! - [`oracle`] says what must hold for any input.
//! - [`mutate`] and [`CountingAllocator`] are the parts of the mutation ring.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test's preparation is a failed test"
)]

mod alloc;
mod alone;
pub mod btf_bytes;
mod btf_records;
mod cgroup;
mod cpu;
mod expect;
mod fixtures;
mod later;
mod leftovers;
pub mod mutate;
mod need;
mod netlink;
pub mod oracle;
mod records;
mod sandbox;

pub use alloc::{CountingAllocator, Usage, measure};
pub use alone::alone;
pub use btf_records::btf_of;
pub use cgroup::Cgroup;
pub use cpu::pin_to_one_cpu;
pub use expect::expect_file;
pub use fixtures::{Fixture, all_fixtures, fixture, fixture_bytes, fixture_of};
pub use later::{fit, fits};
pub use leftovers::{Leftovers, mount_tracefs, own_events};
pub use need::{Need, check_needs, skip};
pub use records::{record, records};
pub use sandbox::{Room, sandbox};

/// The Rust in README and guide compiles.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/guide.md")]
    struct Guide;

    #[doc = include_str!("../../docs/testing.md")]
    struct Testing;
}
