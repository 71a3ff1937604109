//! Writing BTF.

mod builder;
mod kinds;
mod parts;

pub use self::{
    builder::Builder,
    parts::{Field, SectionEntry, Sign},
};
