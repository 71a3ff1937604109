//! What can go wrong before anything runs.

use alloc::string::String;
use core::fmt;

/// Why something cannot be loaded or found: what, which, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: &'static str,
    name: String,
    problem: String,
}

impl Error {
    pub(crate) fn new(what: &'static str, name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            what,
            name: name.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn not_found(what: &'static str, name: &str) -> Self {
        Self::new(what, name, "there is none of this name")
    }

    /// What it is about: a program, a map, a variable, a setting.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, problem } = self;
        write!(f, "{what} '{name}': {problem}")
    }
}

impl core::error::Error for Error {}
