//! What the running kernel can do with BPF, and what this process may.
//!
//! ```
//! use bpfld_features::{Config, Release};
//!
//! if let Some(release) = Release::current() {
//!     println!("kernel {release}, version code {:#x}", release.version_code());
//! }
//! if let Some(config) = Config::current() {
//!     println!("BPF LSM built in: {}", config.is_on("CONFIG_BPF_LSM"));
//! }
//! ```
//!
//! Decisions rest on probes, not on release numbers: distribution kernels carry features of later releases. The
//! releases in the table are for explaining.

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
mod record;
mod release;
mod settings;

pub use answer::{Answer, Evidence};
pub use capability::{Capabilities, Capability, in_initial_user_namespace};
pub use compare::{Difference, Reason, compare};
pub use config::{Config, ConfigValue};
pub use feature::Feature;
pub use group::{Group, UnknownFeature};
pub use hint::{capabilities_for, why_not_mounted, why_not_permitted};
pub use kfunc::Kfuncs;
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
