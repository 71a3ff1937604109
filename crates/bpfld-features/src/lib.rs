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

mod capability;
mod config;
mod mounts;
mod release;
mod settings;

pub use capability::{Capabilities, Capability, in_initial_user_namespace};
pub use config::{Config, ConfigValue};
pub use mounts::{FsType, Mounts};
pub use release::{ParseReleaseError, Release};
pub use settings::{Jit, Lockdown, Settings, Unprivileged};
