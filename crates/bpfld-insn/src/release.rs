//! When something came: the kernel release, and the compiler's `-mcpu` level.

use core::fmt;

/// A kernel release: `Release::new(5, 12)` is Linux 5.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Release {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
}

impl Release {
    /// The release where eBPF programs first loaded, with all of the original instructions.
    pub const FIRST: Self = Self::new(3, 18);

    /// A release from its two numbers.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// The later of two releases.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.major > other.major || (self.major == other.major && self.minor >= other.minor) {
            self
        } else {
            other
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The instruction set level that makes a compiler emit an instruction: clang's `-mcpu=v1` to `-mcpu=v4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cpu {
    /// The original set.
    V1,
    /// Adds the "less than" jumps.
    V2,
    /// Adds 32-bit jumps; compilers use 32-bit arithmetic and the full set of atomics.
    V3,
    /// Adds sign extension, unconditional byte swaps, signed division, long jumps and more.
    V4,
}

impl Cpu {
    /// The name the compiler knows it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
            Self::V4 => "v4",
        }
    }

    /// The higher of two levels.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self as u8 >= other as u8 { self } else { other }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
