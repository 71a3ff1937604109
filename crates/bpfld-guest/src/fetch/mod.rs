//! Kernels of the distribution.

mod apt;
mod kernel;
mod name;
mod package;

pub use kernel::{Cache, Kernel, MODULES};
pub use name::KernelName;
