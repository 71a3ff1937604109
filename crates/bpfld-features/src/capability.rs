//! The capabilities of this process.

use std::fmt;
use std::fs;

/// A capability of capabilities(7), by its number; names those that BPF asks for.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(pub u8);

impl Capability {
    /// `CAP_NET_ADMIN`: networking programs, and attaching them.
    pub const NET_ADMIN: Capability = Capability(12);
    /// `CAP_IPC_LOCK`: lock memory beyond the limit.
    pub const IPC_LOCK: Capability = Capability(14);
    /// `CAP_SYS_ADMIN`: all of BPF before 5.8, and what has no capability of its own since.
    pub const SYS_ADMIN: Capability = Capability(21);
    /// `CAP_SYS_RESOURCE`: raise the limit of locked memory (needed before 5.11).
    pub const SYS_RESOURCE: Capability = Capability(24);
    /// `CAP_PERFMON` (5.8): tracing programs, and programs that read kernel memory.
    pub const PERFMON: Capability = Capability(38);
    /// `CAP_BPF` (5.8): create maps, load BTF and programs.
    pub const BPF: Capability = Capability(39);

    /// `CAP_BPF` and so on, if this build knows the number.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0)).copied()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "capability {}", self.0),
        }
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capability({self})")
    }
}

/// A set of capabilities.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The set with these bits, as in the `Cap…` lines of `/proc/self/status`.
    pub const fn from_bits(bits: u64) -> Capabilities {
        Capabilities(bits)
    }

    /// The bits, capability 0 the lowest.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The effective set in the text of a `/proc/PID/status`.
    pub fn parse_status(status: &str) -> Option<Capabilities> {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Capabilities)
    }

    /// The effective set of the calling thread, asked anew each time; `None` if `/proc` does not tell.
    pub fn effective() -> Option<Capabilities> {
        let status = fs::read_to_string("/proc/thread-self/status");
        let status = status.or_else(|_| fs::read_to_string("/proc/self/status")).ok()?;
        Capabilities::parse_status(&status)
    }

    /// Whether a capability is in the set itself.
    pub const fn has(self, capability: Capability) -> bool {
        capability.0 < 64 && self.0 & (1 << capability.0) != 0
    }

    /// Whether the set does what a capability does: the kernel takes `CAP_SYS_ADMIN` for `CAP_BPF`, `CAP_PERFMON` and
    /// (in BPF) `CAP_NET_ADMIN`.
    pub const fn can(self, capability: Capability) -> bool {
        let stands_in = matches!(
            capability,
            Capability::BPF | Capability::PERFMON | Capability::NET_ADMIN
        );
        self.has(capability) || (stands_in && self.has(Capability::SYS_ADMIN))
    }

    /// The members, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..64).map(Capability).filter(move |c| self.has(*c))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|c| c.to_string())).finish()
    }
}

/// Whether this process lives in the user namespace that the machine was started with, or in one that looks like it; the
/// capabilities of other namespaces do not count for BPF (but for what a token grants). `None` if `/proc` does not tell.
pub fn in_initial_user_namespace() -> Option<bool> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    Some(map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Names by number, as of Linux 5.9.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        assert_eq!(Capability::BPF.to_string(), "CAP_BPF");
        assert_eq!(Capability::PERFMON.to_string(), "CAP_PERFMON");
        assert_eq!(Capability::NET_ADMIN.to_string(), "CAP_NET_ADMIN");
        assert_eq!(Capability::SYS_ADMIN.to_string(), "CAP_SYS_ADMIN");
        assert_eq!(Capability::SYS_RESOURCE.to_string(), "CAP_SYS_RESOURCE");
        assert_eq!(Capability::IPC_LOCK.to_string(), "CAP_IPC_LOCK");
        assert_eq!(Capability(60).to_string(), "capability 60");
    }

    #[test]
    fn the_effective_set_is_read_from_status() {
        let status =
            "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000200000\nCapBnd:\t000001ffffffffff\n";
        let set = Capabilities::parse_status(status).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::SYS_ADMIN]);
        assert!(set.can(Capability::BPF) && !set.has(Capability::BPF));
        assert!(!set.can(Capability::SYS_RESOURCE));
        assert_eq!(Capabilities::parse_status("CapEff:\tmany\n"), None);
        assert_eq!(Capabilities::parse_status(""), None);
        assert!(!Capabilities::from_bits(u64::MAX).has(Capability(200)));
    }

    #[test]
    fn this_process_has_a_set() {
        assert!(Capabilities::effective().is_some());
    }
}
