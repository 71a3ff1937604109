//! What would help, for people: the reason behind a refusal, in a sentence.

use bpfld_sys::ProgramType;

use crate::{
    Capabilities, Capability, FsType, Lockdown, Mounts, Release, Settings, in_initial_user_namespace,
};

/// The capabilities that a program of a type needs to be loaded (Linux 5.8; before that it was `CAP_SYS_ADMIN` alone).
///
/// ```
/// use bpfld_features::{Capability, capabilities_for};
/// use bpfld_sys::ProgramType;
///
/// assert_eq!(capabilities_for(ProgramType::XDP), [Capability::BPF, Capability::NET_ADMIN]);
/// ```
pub fn capabilities_for(kind: ProgramType) -> Vec<Capability> {
    let network = matches!(
        kind,
        ProgramType::SCHED_CLS
            | ProgramType::SCHED_ACT
            | ProgramType::XDP
            | ProgramType::LWT_IN
            | ProgramType::LWT_OUT
            | ProgramType::LWT_XMIT
            | ProgramType::LWT_SEG6LOCAL
            | ProgramType::SK_SKB
            | ProgramType::SK_MSG
            | ProgramType::FLOW_DISSECTOR
            | ProgramType::CGROUP_DEVICE
            | ProgramType::CGROUP_SOCK
            | ProgramType::CGROUP_SOCK_ADDR
            | ProgramType::CGROUP_SOCKOPT
            | ProgramType::CGROUP_SYSCTL
            | ProgramType::SOCK_OPS
            | ProgramType::NETFILTER
            | ProgramType::EXT
    );
    let tracing = matches!(
        kind,
        ProgramType::KPROBE
            | ProgramType::TRACEPOINT
            | ProgramType::PERF_EVENT
            | ProgramType::RAW_TRACEPOINT
            | ProgramType::RAW_TRACEPOINT_WRITABLE
            | ProgramType::TRACING
            | ProgramType::LSM
            | ProgramType::STRUCT_OPS
            | ProgramType::EXT
    );
    let mut needed = vec![Capability::BPF];
    needed.extend(network.then_some(Capability::NET_ADMIN));
    needed.extend(tracing.then_some(Capability::PERFMON));
    needed
}

/// Why the kernel says `EPERM` to this process when it loads a program of a type, or (with `None`) creates a map or loads
/// BTF. `None` if no reason can be seen.
pub fn why_not_permitted(kind: Option<ProgramType>) -> Option<String> {
    let needed = kind.map_or_else(|| vec![Capability::BPF], capabilities_for);
    let situation = Situation {
        release: Release::current(),
        capabilities: Capabilities::effective(),
        initial_namespace: in_initial_user_namespace(),
        lockdown: Settings::current().lockdown.map(|(level, _)| level),
    };
    situation.explain(&needed)
}

/// What to do if a file system that is needed is not mounted; `None` if it is.
pub fn why_not_mounted(kind: FsType) -> Option<String> {
    let mounts = Mounts::current().ok()?;
    mounts.find(kind).is_none().then(|| {
        let (name, path) = (kind.name(), kind.usual_path());
        format!("no {name} is mounted: mount -t {name} {name} {path}")
    })
}

/// What decides about rights.
struct Situation {
    release: Option<Release>,
    capabilities: Option<Capabilities>,
    initial_namespace: Option<bool>,
    lockdown: Option<Lockdown>,
}

impl Situation {
    fn explain(&self, needed: &[Capability]) -> Option<String> {
        let Situation {
            release,
            capabilities,
            initial_namespace,
            lockdown,
        } = self;
        let capabilities = (*capabilities)?;
        let old = release.is_some_and(|release| release < Release::new(5, 8));
        let missing: Vec<String> = match old {
            true if capabilities.has(Capability::SYS_ADMIN) => Vec::new(),
            true => vec![Capability::SYS_ADMIN.to_string()],
            false => needed
                .iter()
                .filter(|c| !capabilities.can(**c))
                .map(|c| c.to_string())
                .collect(),
        };
        if !missing.is_empty() {
            return Some(format!(
                "this process lacks {}; run it as root",
                missing.join(" and ")
            ));
        }
        if *initial_namespace == Some(false) {
            return Some(
                "this process is in a user namespace of its own, where capabilities do not count for BPF; run it outside".into(),
            );
        }
        if *lockdown == Some(Lockdown::Confidentiality) && needed.contains(&Capability::PERFMON) {
            return Some(
                "the kernel is locked down (confidentiality): programs must not read its memory".into(),
            );
        }
        if release.is_some_and(|release| release < Release::new(5, 11))
            && !capabilities.has(Capability::SYS_RESOURCE)
        {
            return Some(
                "kernels before 5.11 count BPF memory against the limit of locked memory; raise it with ulimit -l".into(),
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        release: (u16, u16),
        capabilities: &[Capability],
        namespace: bool,
        needed: &[Capability],
        expected: &str,
    ) {
        let situation = Situation {
            release: Some(Release::new(release.0, release.1)),
            capabilities: Some(Capabilities::from_bits(
                capabilities.iter().map(|c| 1 << c.0).sum(),
            )),
            initial_namespace: Some(namespace),
            lockdown: Some(Lockdown::Integrity),
        };
        assert_eq!(situation.explain(needed).unwrap_or_default(), expected);
    }

    #[test]
    fn the_first_thing_missing_is_named() {
        let all = [Capability::BPF, Capability::NET_ADMIN];
        check(
            (6, 1),
            &[],
            true,
            &all,
            "this process lacks CAP_BPF and CAP_NET_ADMIN; run it as root",
        );
        check(
            (6, 1),
            &[Capability::BPF],
            true,
            &all,
            "this process lacks CAP_NET_ADMIN; run it as root",
        );
        check((6, 1), &[Capability::SYS_ADMIN], true, &all, "");
        check(
            (5, 4),
            &[Capability::BPF],
            true,
            &all,
            "this process lacks CAP_SYS_ADMIN; run it as root",
        );
        check(
            (5, 10),
            &[Capability::SYS_ADMIN],
            true,
            &all,
            "kernels before 5.11 count BPF memory against the limit of locked memory; raise it with ulimit -l",
        );
        check(
            (6, 1),
            &all,
            false,
            &all,
            "this process is in a user namespace of its own, where capabilities do not count for BPF; run it outside",
        );
    }

    #[test]
    fn programs_name_their_capabilities() {
        assert_eq!(capabilities_for(ProgramType::SOCKET_FILTER), [Capability::BPF]);
        assert_eq!(
            capabilities_for(ProgramType::KPROBE),
            [Capability::BPF, Capability::PERFMON]
        );
        assert_eq!(capabilities_for(ProgramType::EXT).len(), 3);
    }
}
