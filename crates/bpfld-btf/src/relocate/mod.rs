//! CO-RE: what a relocation of an object's BTF comes to on a given kernel's BTF.
//!
//! The rules are libbpf's, so that the same object gives the same instructions.

mod error;
mod fields;
mod resolver;
mod shapes;
mod spec;
mod targets;
mod value;

pub use self::{
    error::CoreError,
    resolver::{Outcome, Poison, Resolution, Resolver, Width},
    shapes::types_are_compatible,
    spec::{Accessor, Spec},
    targets::{Candidate, Module, Targets},
};

/// How deep an access may go, and how deeply compared types may nest.
const MAX_PATH: usize = 64;
const MAX_DEPTH: usize = 32;

/// What is left of the work one relocation may cause. Real ones need a few thousand steps; types that contain each
/// other many times over could ask for more than a lifetime's.
#[derive(Debug)]
struct Steps(u32);

impl Steps {
    fn new() -> Self {
        Self(1 << 20)
    }

    fn take(&mut self) -> Result<(), CoreError> {
        self.0 = self.0.checked_sub(1).ok_or(CoreError::TooComplex)?;
        Ok(())
    }
}
