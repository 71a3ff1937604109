//! Names of kernels: which line, which flavour.

use std::{fmt, str::FromStr};

use crate::{Arch, Error};

/// Which kernel is asked for: `newest`, `6.12`, `debian:6.1-cloud`, `debian:6.1-generic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelName {
    /// Release line; none for the newest there is.
    pub(crate) line: Option<(u32, u32)>,
    /// Whether the flavour with all drivers is wanted, where there is one without.
    pub(crate) generic: bool,
}

impl KernelName {
    /// The newest kernel of the distribution.
    pub const NEWEST: KernelName = KernelName {
        line: None,
        generic: false,
    };

    /// The end of the packages' names.
    pub(crate) fn flavour(self, arch: Arch) -> String {
        let machine = arch.machine();
        if machine.has_cloud && !self.generic {
            format!("-cloud-{}", machine.debian)
        } else {
            format!("-{}", machine.debian)
        }
    }
}

impl FromStr for KernelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<KernelName, Error> {
        let bad = || Error::Name(text.to_owned());
        let name = text.strip_prefix("debian:").unwrap_or(text);
        let (line, generic) = match name.split_once('-') {
            None | Some((_, "cloud")) => (name.trim_end_matches("-cloud"), false),
            Some((line, "generic")) => (line, true),
            Some(_) => return Err(bad()),
        };
        if line == "newest" {
            return Ok(KernelName { line: None, generic });
        }
        let (major, minor) = line.split_once('.').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
        Ok(KernelName {
            line: Some((number(major)?, number(minor)?)),
            generic,
        })
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some((major, minor)) => write!(f, "{major}.{minor}")?,
            None => f.write_str("newest")?,
        }
        f.write_str(if self.generic { "-generic" } else { "" })
    }
}

/// The numbers in a name, which order packages by release.
pub(crate) fn numbers(name: &str) -> Vec<u64> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str, flavour: &str) {
        let name: KernelName = text.parse().unwrap();
        assert_eq!(name.to_string(), shown);
        assert_eq!(name.flavour(Arch::X86_64), flavour);
    }

    #[test]
    fn names() {
        check("newest", "newest", "-cloud-amd64");
        check("6.12", "6.12", "-cloud-amd64");
        check("debian:6.1-cloud", "6.1", "-cloud-amd64");
        check("debian:6.1-generic", "6.1-generic", "-amd64");
        let name: KernelName = "6.12".parse().unwrap();
        assert_eq!(name.flavour(Arch::S390x), "-s390x");
        for bad in ["", "6", "6.x", "6.1-rt", "fedora:6.1", "6.1.2"] {
            assert!(bad.parse::<KernelName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn order() {
        assert!(numbers("5.10.0-46-cloud-amd64") > numbers("5.10.0-9-cloud-amd64"));
        assert!(numbers("6.12.117+deb13-amd64") > numbers("6.12.99+deb13-amd64"));
    }
}
