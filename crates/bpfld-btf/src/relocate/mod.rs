//! CO-RE: what a relocation of an object's BTF comes to on a given kernel's BTF.
//!
//! The rules are libbpf's, so that the same object gives the same instructions.

mod compatible;
mod error;
mod fields;
mod resolver;
mod shapes;
mod spec;
mod targets;
mod value;

pub use self::{
    compatible::types_are_compatible,
    error::CoreError,
    resolver::{Outcome, Poison, Resolution, Resolver, Width},
    spec::{Accessor, Spec},
    targets::{Candidate, Module, Targets},
};

/// How deep an access may go, and how deeply compared types may nest.
const MAX_PATH: usize = 64;
const MAX_DEPTH: usize = 32;

/// What is left of the work that relocations may cause. Real ones need a few thousand steps each; types that contain each
/// other many times over could ask for more than a lifetime's.
#[derive(Debug)]
struct Steps {
    one: u32,
    all: u32,
}

impl Steps {
    /// For the relocations of one object, the first of them to begin with.
    fn new() -> Self {
        Self {
            one: 1 << 20,
            all: 1 << 28,
        }
    }

    /// For the next relocation.
    fn begin(&mut self) {
        self.one = Self::new().one;
    }

    fn take(&mut self) -> Result<(), CoreError> {
        let left = (self.one.checked_sub(1), self.all.checked_sub(1));
        let (Some(one), Some(all)) = left else {
            return Err(CoreError::TooComplex);
        };
        (self.one, self.all) = (one, all);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_and_of_all() {
        let mut steps = Steps { one: 1, all: 3 };
        assert!(steps.take().is_ok() && steps.take().is_err());
        steps.begin();
        assert!(steps.take().is_ok() && steps.take().is_ok() && steps.take().is_err());
        steps.begin();
        assert!(steps.take().is_err());
    }
}
