//! Loading: from what an object says to maps and programs in the kernel.

mod arena;
mod bind;
mod check;
mod create;
mod form;
mod globals;
mod jump_table;
mod load;
mod loaded;
mod log_level;
mod made;
mod map_options;
mod maps;
mod object_btf;
mod options;
mod prepare;
mod program;
mod program_options;
mod ready;
mod resize;
mod reuse;
mod selection;
mod struct_ops;
mod target;
mod verifier;

pub use check::{Check, Checked, Finding, Fit, OtherKernel, Stage};
pub use load::Alone;
pub use loaded::{Loaded, PartiallyLoaded};
pub use log_level::LogLevel;
pub use map_options::MapOptions;
pub use options::Loader;
pub use prepare::Prepared;
pub use program_options::ProgramOptions;
pub(crate) use verifier::load_program;
