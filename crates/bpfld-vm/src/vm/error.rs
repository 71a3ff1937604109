//! What can go wrong before anything runs, and with maps.

use alloc::string::String;
use core::fmt;

use bpfld_sys::Errno;

/// Why something cannot be loaded or found: what, which, and why.
#[derive(Clone, PartialEq, Eq)]
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

/// What leaves `main` is printed so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

/// Why an operation on a map failed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The kernel's answer would be the same.
    Errno(Errno),
    /// A key or value of another size than the map's.
    Size {
        /// `"key"` or `"value"`
        part: &'static str,
        /// Bytes in the map.
        expected: usize,
        /// Bytes given.
        given: usize,
    },
    /// There is no program or map of this name.
    NotFound(String),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => errno.fmt(f),
            Self::Size {
                part,
                expected,
                given,
            } => write!(f, "the {part} has {expected} bytes in the map, not {given}"),
            Self::NotFound(name) => write!(f, "'{name}' is not there"),
        }
    }
}

/// What leaves `main` is printed so.
impl fmt::Debug for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for MapError {}

impl From<Errno> for MapError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}
