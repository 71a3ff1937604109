//! The machine as its user sees it.

mod bind;
mod builder;
mod error;
mod kconfig;
mod load;
mod machine;
mod map;
mod program;

pub use builder::{Builder, Uninitialised};
pub use error::Error;
pub use kconfig::Setting;
pub use machine::Vm;
pub use map::{Map, MapError};
pub use program::{Outcome, Program};
