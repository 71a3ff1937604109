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
mod config;
mod feature;
mod hint;
mod mounts;
mod probe;
mod probes;
mod release;
mod settings;

pub use answer::{Answer, Evidence};
pub use capability::{Capabilities, Capability, in_initial_user_namespace};
pub use config::{Config, ConfigValue};
pub use feature::Feature;
pub use hint::{capabilities_for, why_not_mounted, why_not_permitted};
pub use mounts::{FsType, Mounts};
pub use probes::Probes;
pub use release::{ParseReleaseError, Release};
pub use settings::{Jit, Lockdown, Settings, Unprivileged};
