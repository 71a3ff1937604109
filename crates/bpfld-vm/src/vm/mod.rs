//! The machine as its user sees it.

mod bind;
mod builder;
mod error;
mod kconfig;
mod load;
mod machine;
mod map;
mod program;
mod values;

pub use builder::{Builder, Uninitialised};
pub use error::{Error, MapError};
pub use kconfig::Setting;
pub use machine::Vm;
pub use map::Map;
pub use program::{Outcome, Program};
