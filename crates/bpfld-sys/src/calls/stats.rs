//! Statistics of programs.

use std::os::fd::OwnedFd;

use crate::syscall::bpf_fd;
use crate::{Command, Error, StatsType, attr};

/// Turns statistics on for as long as the descriptor is open. Since Linux 5.8; before, by the sysctl `kernel.bpf_stats_enabled`.
///
/// # Errors
///
/// `EPERM` without `CAP_SYS_ADMIN`.
#[doc(alias = "BPF_ENABLE_STATS")]
pub fn enable_stats(kind: StatsType) -> Result<OwnedFd, Error> {
    let mut attr = attr::EnableStats { kind };
    // SAFETY: there are no addresses.
    unsafe { bpf_fd(Command::ENABLE_STATS, &mut attr, 0, None) }
}
