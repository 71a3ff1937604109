//! How the flag sets of the kernel are made from their tables.

/// Makes a set of flags that keeps bits it has no name for.
macro_rules! flags {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $int:ident = $prefix:literal {
            $($(#[$doc:ident $($text:tt)*])* $member:ident = $value:literal since ($major:literal, $minor:literal),)*
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
        AttachFlags, ElemFlags, MapFlags, NetfilterFlags, ProgFlags, QueryFlags, Since, TestRunFlags,
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
}
