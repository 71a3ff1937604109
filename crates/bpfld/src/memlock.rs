//! Kernels before 5.11 count maps and programs as locked memory, of which processes may have little.

use std::sync::OnceLock;

use bpfld_features::{Answer, Feature, Probes};
use bpfld_sys::{self as sys, Errno};

/// What to do about the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Memlock {
    /// Raise it where it is too low.
    #[default]
    Raise,
    /// Leave it.
    Keep,
}

/// Makes a map or loads a program; where the kernel counts that as locked memory and there is too much of it already, raises the limit of
/// this process and tries once more.
///
/// Nothing is asked or changed unless the call fails with EPERM, and then at most once in a process. Where the limit cannot be raised, the
/// first answer stands.
pub(crate) fn within<T>(
    policy: Memlock,
    mut call: impl FnMut() -> Result<T, sys::Error>,
) -> Result<T, sys::Error> {
    match call() {
        Err(error) if error.errno() == Errno::EPERM && policy == Memlock::Raise && raised() => call(),
        result => result,
    }
}

static RAISED: OnceLock<bool> = OnceLock::new();

fn raised() -> bool {
    *RAISED.get_or_init(|| {
        // Where too much is locked already, the probe itself may get no answer.
        let counts = !matches!(Probes::live().probe(Feature::MemcgAccounting), Answer::Yes);
        counts && sys::rlimit::raise_memlock().is_ok()
    })
}

/// Whether the limit was raised because the kernel needed it.
pub(crate) fn was_raised() -> bool {
    RAISED.get().copied().unwrap_or(false)
}

/// Raises the limit without asking. Returns whether that worked.
pub(crate) fn raise() -> bool {
    sys::rlimit::raise_memlock().is_ok()
}
