//! How the flag sets of the kernel are made from their tables.

/// A bit field of one bit, by its place in a word of a little-endian machine. Compilers for big-endian machines begin at the other
/// end.
pub(crate) const fn bit_field(little_endian: u64) -> u64 {
    if cfg!(target_endian = "big") {
        little_endian.reverse_bits()
    } else {
        little_endian
    }
}

/// Makes a set of flags that keeps bits it has no name for.
macro_rules! flags {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $int:ident = $prefix:literal {
            $($(#[$doc:ident $($text:tt)*])* $member:ident = $value:tt since ($major:literal, $minor:literal),)*
        }
    ) => {
        $(#[$meta])*
        ///
        /// Bits without a name here are kept.
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable,
        )]
        #[repr(transparent)]
        pub struct $name($int);

        bitflags::bitflags! {
            impl $name: $int {
                $(
                    $(#[$doc $($text)*])*
                    const $member = $value;
                )*
                const _ = !0;
            }
        }

        impl $name {
            /// The first kernel release that has every flag of this set; nothing where a bit has no name here.
            pub fn since(self) -> Option<$crate::Since> {
                let (mut newest, mut rest) = ($crate::Since { major: 0, minor: 0 }, self);
                $(
                    if rest.contains(Self::$member) {
                        newest = newest.max($crate::Since { major: $major, minor: $minor });
                        rest.remove(Self::$member);
                    }
                )*
                rest.is_empty().then_some(newest)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                if self.is_empty() {
                    return f.write_str("0");
                }
                bitflags::parser::to_writer(self, f)
            }
        }
    };
}
pub(crate) use flags;

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use crate::{
        AttachFlags, ElemFlags, MapFlags, NetfilterFlags, PerfAttrFlags, PerfOpenFlags, ProgFlags,
        QueryFlags, Since, TestRunFlags, XdpFlags,
    };

    #[test]
    fn counts() {
        assert_eq!(MapFlags::all().bits(), !0);
        assert_eq!(MapFlags::all().iter_names().count(), 20);
        assert_eq!(ProgFlags::all().iter_names().count(), 9);
    }

    /// The values that the kernel has as macros only, each as its header defines it.
    #[test]
    fn macros() {
        assert_eq!(ProgFlags::STRICT_ALIGNMENT.bits(), 1 << 0);
        assert_eq!(ProgFlags::ANY_ALIGNMENT.bits(), 1 << 1);
        assert_eq!(ProgFlags::TEST_RND_HI32.bits(), 1 << 2);
        assert_eq!(ProgFlags::TEST_STATE_FREQ.bits(), 1 << 3);
        assert_eq!(ProgFlags::SLEEPABLE.bits(), 1 << 4);
        assert_eq!(ProgFlags::XDP_HAS_FRAGS.bits(), 1 << 5);
        assert_eq!(ProgFlags::XDP_DEV_BOUND_ONLY.bits(), 1 << 6);
        assert_eq!(ProgFlags::TEST_REG_INVARIANTS.bits(), 1 << 7);
        assert_eq!(ProgFlags::TOKEN_FD.bits(), MapFlags::TOKEN_FD.bits());
        assert_eq!(AttachFlags::ALLOW_OVERRIDE.bits(), 1);
        assert_eq!(AttachFlags::ALLOW_MULTI.bits(), 2);
        assert_eq!(AttachFlags::REPLACE.bits(), 4);
        assert_eq!(AttachFlags::BEFORE.bits(), 8);
        assert_eq!(AttachFlags::AFTER.bits(), 16);
        assert_eq!(AttachFlags::ID.bits(), 32);
        assert_eq!(AttachFlags::PREORDER.bits(), 64);
        assert_eq!(AttachFlags::LINK.bits(), MapFlags::LINK.bits());
        assert_eq!(QueryFlags::EFFECTIVE.bits(), 1);
        assert_eq!(TestRunFlags::RUN_ON_CPU.bits(), 1);
        assert_eq!(TestRunFlags::XDP_LIVE_FRAMES.bits(), 2);
        assert_eq!(TestRunFlags::SKB_CHECKSUM_COMPLETE.bits(), 4);
        assert_eq!(NetfilterFlags::IP_DEFRAG.bits(), 1);
    }

    #[test]
    fn text() {
        assert_eq!(
            format!("{}", MapFlags::MMAPABLE | MapFlags::RDONLY_PROG),
            "RDONLY_PROG | MMAPABLE"
        );
        assert_eq!(format!("{:?}", MapFlags::empty()), "MapFlags(0)");
        assert_eq!(format!("{}", MapFlags::from_bits_retain(1 << 31)), "0x80000000");
    }

    #[test]
    fn releases() {
        assert_eq!(
            (MapFlags::MMAPABLE | MapFlags::RDONLY).since(),
            Some(Since { major: 5, minor: 5 })
        );
        assert_eq!(ElemFlags::from_bits_retain(1 << 40).since(), None);
    }

    /// The value of a macro such as `#define NAME (1U << 3)` in a C header.
    fn defined(header: &str, name: &str) -> Option<u64> {
        let line = header.lines().find_map(|line| {
            let (found, value) = line
                .strip_prefix("#define")?
                .trim()
                .split_once(char::is_whitespace)?;
            (found == name).then_some(value)
        })?;
        let (one, bit) = line
            .trim()
            .strip_prefix('(')?
            .split_once(')')?
            .0
            .split_once("<<")?;
        assert_eq!(one.trim_end_matches(['U', 'L', ' ']), "1");
        Some(1 << bit.trim().parse::<u32>().ok()?)
    }

    /// Holds the macros against the C headers, where these are installed.
    #[test]
    fn headers() {
        let read = |name| std::fs::read_to_string(std::path::Path::new("/usr/include/linux").join(name));
        let mut found = 0;
        let mut check =
            |header: &std::io::Result<std::string::String>, prefix: &str, name: &str, value: u64| {
                let Ok(header) = header else { return };
                if let Some(expected) = defined(header, &format!("{prefix}{name}")) {
                    assert_eq!(value, expected, "{prefix}{name}");
                    found += 1;
                }
            };
        let (bpf, link, perf) = (read("bpf.h"), read("if_link.h"), read("perf_event.h"));
        for (name, flag) in ProgFlags::all().iter_names() {
            check(&bpf, "BPF_F_", name, flag.bits().into());
        }
        for (name, flag) in AttachFlags::all().iter_names() {
            check(&bpf, "BPF_F_", name, flag.bits().into());
        }
        for (name, flag) in QueryFlags::all().iter_names() {
            check(&bpf, "BPF_F_QUERY_", name, flag.bits().into());
        }
        for (name, flag) in TestRunFlags::all().iter_names() {
            check(&bpf, "BPF_F_TEST_", name, flag.bits().into());
        }
        for (name, flag) in XdpFlags::all().iter_names() {
            check(&link, "XDP_FLAGS_", name, flag.bits().into());
        }
        for (name, flag) in PerfOpenFlags::all().iter_names() {
            check(&perf, "PERF_FLAG_", name, flag.bits());
        }
        assert!(bpf.is_err() || found > 10, "{found}");
    }

    #[test]
    fn bit_fields() {
        let first = if cfg!(target_endian = "big") { 1 << 63 } else { 1 };
        assert_eq!(PerfAttrFlags::DISABLED.bits(), first);
    }
}
