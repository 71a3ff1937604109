//! Assembly as an object: a text with sections, maps, data and externs becomes what a compiler would have written.
//!
//! There is one way only: the text becomes the bytes of an object file, and those are read like any other's. So the
//! object that is opened from a text and the one that is opened from the file made of it are the same. `print` is the way back.

mod c_type;
mod data;
mod declaration;
mod lines;
mod map;
mod names;
mod notes;
mod print;
mod source;
mod types;
mod write;

pub use print::AssemblyText;
pub use source::{Assembled, ObjectAssembler, TextError};

pub(crate) use source::is_assembly;
