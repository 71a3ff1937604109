//! What the running kernel can do with BPF, and what this process may.
//!
//! ```
//! use bpfld_features::{Answer, Feature, Probes};
//! use bpfld_sys::MapType;
//!
//! let ring_buffers = Feature::MapType(MapType::RINGBUF);
//! match (Probes::live().probe(ring_buffers), ring_buffers.since()) {
//!     (Answer::Yes, _) => println!("the kernel has ring buffers"),
//!     (Answer::No(_), Some(since)) => println!("it has none; they came with Linux {since}"),
//!     (unsure, _) => println!("{unsure}"), // with the reason: mostly a capability that is missing
//! }
//! ```
//!
//! - [`Feature`] is the table: what there is to ask for, and since which release kernels have it.
//! - [`Probes`] answers: from the running kernel, or in the place of another one. Each question is put by trying it, and nothing is
//!   left behind.
//! - [`Release`], [`Config`], [`Settings`], [`Capabilities`], [`Mounts`] and [`Kfuncs`] are what else there is to know of a kernel
//!   and a process.
//!
//! Decisions rest on probes, not on release numbers: distribution kernels carry features of later releases. The
//! releases in the table are for explaining.
//!
//! With the feature `json` all answers of a kernel can be kept as a `Record` and loaded again elsewhere.
//!
//! What this crate does not do: load programs of users, or change settings.

mod answer;
mod capability;
mod compare;
mod config;
mod feature;
mod group;
mod hint;
mod kfunc;
mod mounts;
mod probe;
mod probes;
#[cfg(feature = "json")]
pub mod record;
mod release;
mod settings;

pub use answer::{Answer, Evidence};
pub use capability::{Capabilities, Capability, in_initial_user_namespace};
pub use compare::{Difference, Reason, compare};
pub use config::{Config, ConfigValue};
pub use feature::Feature;
pub use group::{Group, UnknownFeature};
pub use hint::{capabilities_for, why_not_mounted, why_not_permitted};
pub use kfunc::{KfuncError, Kfuncs};
pub use mounts::{FsType, Mounts};
pub use probes::Probes;
#[cfg(feature = "json")]
pub use record::{Record, RecordError};
pub use release::{ParseReleaseError, Release};
pub use settings::{Jit, Lockdown, Settings, Unprivileged};

/// Kernels before 5.11 count maps and programs against the limit of locked memory: what one test made keeps another from answers.
/// Without the right to raise it, there are no answers in any case.
#[cfg(test)]
fn raise_memlock_for_tests() {
    let _ = bpfld_sys::rlimit::raise_memlock();
}
