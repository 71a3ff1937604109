//! How the open vocabularies of the kernel are made from their tables.

use core::fmt;

/// The first kernel release that has something, such as 5.8.
///
/// Taken from mainline; distributions carry features back to older releases, so that a probe knows better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Since {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A name that no member of the vocabulary has, and that is not a number either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName {
    /// The vocabulary: the name of the kernel's enumeration without `bpf_`, or of the Rust type.
    pub vocabulary: &'static str,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "neither a number nor a name of {}", self.vocabulary)
    }
}

impl core::error::Error for UnknownName {}

/// Longest name in lower case that is kept; checked when the crate is compiled.
pub(crate) const LONGEST: usize = 40;

/// Lower case of an ASCII name, made when the crate is compiled. Padded with zeros.
pub(crate) const fn lower(name: &str) -> [u8; LONGEST] {
    let name = name.as_bytes();
    let mut out = [0; LONGEST];
    let mut at = 0;
    while at < name.len() {
        out[at] = name[at].to_ascii_lowercase();
        at += 1;
    }
    out
}

/// The text in what [`lower`] made of a name of `len` bytes.
pub(crate) const fn text(lower: &'static [u8; LONGEST], len: usize) -> &'static str {
    match core::str::from_utf8(lower.split_at(len).0) {
        Ok(text) => text,
        Err(_) => panic!("names are ASCII"),
    }
}

/// Takes `prefix` off `text`, in upper or lower case.
pub(crate) fn strip<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

/// A decimal or `0x` number.
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Makes an open newtype over `u32` with a constant for each known value.
macro_rules! vocabulary {
    (
        $(#[$meta:meta])*
        pub struct $name:ident = $prefix:literal {
            $($(#[$doc:meta])* $member:ident = $value:literal $(since ($major:literal, $minor:literal))?,)*
        }
        aliases {
            $($(#[$alias_doc:meta])* $alias:ident = $target:ident,)*
        }
    ) => {
        $(#[$meta])*
        ///
        /// Numbers without a name here are kept and print as numbers.
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable,
        )]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.0 {
                    $($value => f.write_str(concat!(stringify!($name), "::", stringify!($member))),)*
                    other => write!(f, concat!(stringify!($name), "({})"), other),
                }
            }
        }

        impl $name {
            $(
                $(#[$doc])*
                pub const $member: Self = Self($value);
            )*
            $(
                $(#[$alias_doc])*
                pub const $alias: Self = Self::$target;
            )*

            /// Every usable value that this build knows, in the kernel's order.
            pub const ALL: &'static [Self] = {
                const TABLE: &[($name, bool)] = &[$(($name($value), false $(|| $major > 0)?)),*];
                const COUNT: usize = {
                    let (mut at, mut count) = (0, 0);
                    while at < TABLE.len() {
                        count += TABLE[at].1 as usize;
                        at += 1;
                    }
                    count
                };
                const USABLE: [$name; COUNT] = {
                    let mut out = [$name(0); COUNT];
                    let (mut at, mut count) = (0, 0);
                    while at < TABLE.len() {
                        if TABLE[at].1 {
                            out[count] = TABLE[at].0;
                            count += 1;
                        }
                        at += 1;
                    }
                    out
                };
                &USABLE
            };

            /// The kernel's name without its common prefix, in lower case; nothing for an unknown number.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => {
                        const NAME: &str = stringify!($member);
                        const LOWER: [u8; $crate::vocabulary::LONGEST] = $crate::vocabulary::lower(NAME);
                        Some($crate::vocabulary::text(&LOWER, NAME.len()))
                    })*
                    _ => None,
                }
            }

            /// The kernel's whole name, as in its C header; nothing for an unknown number.
            pub const fn kernel_name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(concat!($prefix, stringify!($member))),)*
                    _ => None,
                }
            }

            /// The first kernel release that has it, where this build knows.
            pub const fn since(self) -> Option<$crate::Since> {
                match self.0 {
                    $($($value => Some($crate::Since { major: $major, minor: $minor }),)?)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => core::fmt::Display::fmt(&self.0, f),
                }
            }
        }

        /// Reads a name with or without prefix, in upper or lower case, or a number.
        impl core::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                const NAMES: &[(&str, $name)] = &[
                    $((stringify!($member), $name::$member),)*
                    $((stringify!($alias), $name::$alias),)*
                ];
                let unknown = $crate::UnknownName { vocabulary: stringify!($name) };
                let short = $crate::vocabulary::strip(text, $prefix);
                match NAMES.iter().find(|(name, _)| short.eq_ignore_ascii_case(name)) {
                    Some((_, value)) => Ok(*value),
                    None => $crate::vocabulary::number(text)
                        .and_then(|number| u32::try_from(number).ok())
                        .map(Self)
                        .ok_or(unknown),
                }
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> u32 {
                value.0
            }
        }
    };
}
pub(crate) use vocabulary;

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::ToString;

    use crate::{AttachType, Command, LinkType, MapType, PerfEventKind, ProgramType, Since};

    #[test]
    fn counts() {
        assert_eq!(Command::ALL.len(), 39);
        assert_eq!(MapType::ALL.len(), 35);
        assert_eq!(ProgramType::ALL.len(), 32);
        assert_eq!(AttachType::ALL.len(), 62);
        assert_eq!(LinkType::ALL.len(), 15);
        assert_eq!(PerfEventKind::ALL.len(), 6);
    }

    #[test]
    fn numbers_are_dense() {
        for (at, command) in Command::ALL.iter().enumerate() {
            assert_eq!(command.0 as usize, at);
        }
        for (at, map_type) in MapType::ALL.iter().enumerate() {
            assert_eq!(map_type.0 as usize, at + 1);
        }
        for (at, attach_type) in AttachType::ALL.iter().enumerate() {
            assert_eq!(attach_type.0 as usize, at);
        }
    }

    #[test]
    fn names() {
        assert_eq!(MapType::PERCPU_HASH.name(), Some("percpu_hash"));
        assert_eq!(MapType::CGROUP_STORAGE.name(), Some("cgroup_storage"));
        assert_eq!(MapType(77).name(), None);
        assert_eq!(MapType::HASH.to_string(), "hash");
        assert_eq!(MapType(77).to_string(), "77");
        assert_eq!(
            format!("{:?} {:?}", MapType::HASH, MapType(77)),
            "MapType::HASH MapType(77)"
        );
        assert_eq!(format!("[{:>6}]", MapType::HASH), "[  hash]");
        assert_eq!(Command::PROG_RUN.name(), Some("prog_test_run"));
        assert_eq!(ProgramType::XDP.kernel_name(), Some("BPF_PROG_TYPE_XDP"));
    }

    #[test]
    fn every_name_reads_back() {
        for value in AttachType::ALL {
            assert_eq!(value.to_string().parse(), Ok(*value));
            assert_eq!(value.kernel_name().unwrap().parse(), Ok(*value));
        }
        for value in MapType::ALL {
            assert_eq!(value.to_string().parse(), Ok(*value));
            assert_eq!(value.kernel_name().unwrap().parse(), Ok(*value));
        }
        assert_eq!("CGROUP_STORAGE_DEPRECATED".parse(), Ok(MapType::CGROUP_STORAGE));
        assert_eq!("0x23".parse(), Ok(MapType::RHASH));
        assert_eq!("4000000000".parse(), Ok(MapType(4_000_000_000)));
        assert!("5000000000".parse::<MapType>().is_err());
        assert!("".parse::<MapType>().is_err());
        assert!("é".parse::<MapType>().is_err());
    }

    #[test]
    fn releases() {
        assert_eq!(MapType::RINGBUF.since(), Some(Since { major: 5, minor: 8 }));
        assert_eq!(MapType::UNSPEC.since(), None);
        assert!(Since { major: 5, minor: 10 } > Since { major: 5, minor: 9 });
    }
}
