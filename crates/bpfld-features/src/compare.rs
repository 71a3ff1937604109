//! Probes held against the table: where a kernel differs from what its release promises, and why.

use std::fmt;

use bpfld_insn::Op;
use bpfld_sys::{AttachType, Errno, LinkType, MapFlags, MapType, ProgramType};

use crate::{Answer, Config, Feature, Group, Lockdown, Probes, Release};

/// A feature that a kernel has though its release is too old, or lacks though it is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Which.
    pub feature: Feature,
    /// What the probe said.
    pub answer: Answer,
    /// Why, as far as can be seen.
    pub reason: Reason,
}

/// Why a kernel is not what its release promises.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is there though the release is older: its stable releases are known to have taken it over from a later one. Says what was
    /// found.
    CarriedBack(&'static str),
    /// It is there though the release is older: carried back by the distribution, or the number in the table is wrong.
    Earlier,
    /// The kernel is built without this option.
    Configuration(&'static str),
    /// The kernel refuses it to everybody, this much locked down or by a rule of its own.
    Refused(Option<Lockdown>),
    /// None that can be seen: the probe or the number in the table is wrong.
    Unexplained,
}

/// What stable releases of older lines are known to have: found by probes, and tried.
const CARRIED_BACK: [(Feature, Release, &str); 1] = [(
    Feature::Instruction(Op::JumpLong),
    Release::new(6, 1),
    "6.1.192 jumps long, and has none of what else came with it in 6.6",
)];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::CarriedBack(what) => write!(f, "carried back to this release: {what}"),
            Reason::Earlier => f.write_str("carried back to this release, or the table is wrong"),
            Reason::Configuration(option) => write!(f, "built without {option}"),
            Reason::Refused(Some(lockdown)) => {
                write!(f, "refused to everybody, lockdown {}", lockdown.name())
            }
            Reason::Refused(None) => f.write_str("refused to everybody"),
            Reason::Unexplained => f.write_str("no reason seen"),
        }
    }
}

/// Hold all answers about a kernel against the table. Unknown answers are no differences. For helpers only those are, that are there
/// too early: no table says when a helper came to each program type.
pub fn compare(
    probes: &Probes,
    release: Release,
    config: Option<&Config>,
    lockdown: Option<Lockdown>,
) -> Vec<Difference> {
    let features: Vec<Feature> = Group::ALL.iter().flat_map(|group| group.features()).collect();
    let answers = probes.probe_all(&features);
    let pairs = features.into_iter().zip(answers);
    let differs = pairs.filter_map(|(feature, answer)| {
        let due = feature.since().is_some_and(|since| since <= line(release));
        let reason = match &answer {
            Answer::Yes if !due => feature
                .carried_back(release)
                .map_or(Reason::Earlier, Reason::CarriedBack),
            Answer::No(_) if due && feature.group() == Group::Helpers => return None,
            Answer::No(evidence) if due => missing(feature, evidence.errno, config, lockdown),
            _ => return None,
        };
        Some(Difference {
            feature,
            answer,
            reason,
        })
    });
    differs.collect()
}

/// Patches do not bring features.
fn line(release: Release) -> Release {
    Release::new(release.major, release.minor)
}

fn missing(
    feature: Feature,
    errno: Option<Errno>,
    config: Option<&Config>,
    lockdown: Option<Lockdown>,
) -> Reason {
    let is_off = |option: &&&str| config.is_some_and(|config| !config.is_on(option));
    match feature.options().iter().find(is_off) {
        Some(option) => Reason::Configuration(option),
        None if errno == Some(Errno::EPERM) => Reason::Refused(lockdown),
        None => Reason::Unexplained,
    }
}

impl Feature {
    /// What was found in a release that is too old for it and whose stable line is known to have taken it over.
    pub fn carried_back(self, release: Release) -> Option<&'static str> {
        let is_known = |(feature, to, _): &&(Feature, Release, _)| *feature == self && *to == line(release);
        CARRIED_BACK.iter().find(is_known).map(|(.., what)| *what)
    }

    /// The options that a kernel must be built with to have it, beyond those that BPF needs in any case (`CONFIG_BPF_SYSCALL`).
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Feature::ModuleBtf => &["CONFIG_DEBUG_INFO_BTF_MODULES"],
            Feature::Fentry => &["CONFIG_BPF_JIT", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"],
            Feature::UprobeMulti => &["CONFIG_UPROBES"],
            Feature::TcxLink => &["CONFIG_NET_XGRESS"],
            Feature::SyscallWrapper => &["CONFIG_ARCH_HAS_SYSCALL_WRAPPER"],
            Feature::MemcgAccounting => &["CONFIG_MEMCG"],
            Feature::MapType(map) => match map {
                MapType::XSKMAP => &["CONFIG_XDP_SOCKETS"],
                MapType::SOCKMAP | MapType::SOCKHASH => &["CONFIG_BPF_STREAM_PARSER"],
                MapType::INODE_STORAGE => &["CONFIG_BPF_LSM"],
                MapType::STRUCT_OPS => &["CONFIG_BPF_JIT"],
                _ => &[],
            },
            Feature::MapFlag(MapFlags::LINK | MapFlags::VTYPE_BTF_OBJ_FD)
            | Feature::Instruction(Op::CallKfunc) => &["CONFIG_BPF_JIT"],
            Feature::ProgramType(program) => match program {
                ProgramType::LSM => &["CONFIG_BPF_LSM"],
                ProgramType::LIRC_MODE2 => &["CONFIG_BPF_LIRC_MODE2"],
                ProgramType::NETFILTER => &["CONFIG_NETFILTER_BPF_LINK"],
                ProgramType::SK_MSG | ProgramType::SK_SKB => &["CONFIG_BPF_STREAM_PARSER"],
                ProgramType::LWT_SEG6LOCAL => &["CONFIG_IPV6_SEG6_BPF"],
                ProgramType::EXT | ProgramType::STRUCT_OPS => &["CONFIG_BPF_JIT"],
                _ => &[],
            },
            Feature::AttachType(attach) => match attach {
                AttachType::TRACE_FENTRY
                | AttachType::TRACE_FEXIT
                | AttachType::MODIFY_RETURN
                | AttachType::TRACE_FSESSION
                | AttachType::TRACE_FENTRY_MULTI
                | AttachType::TRACE_FEXIT_MULTI
                | AttachType::TRACE_FSESSION_MULTI => Feature::Fentry.options(),
                AttachType::LSM_MAC | AttachType::LSM_CGROUP => &["CONFIG_BPF_LSM"],
                AttachType::STRUCT_OPS => &["CONFIG_BPF_JIT"],
                AttachType::NETFILTER => &["CONFIG_NETFILTER_BPF_LINK"],
                AttachType::TRACE_KPROBE_MULTI | AttachType::TRACE_KPROBE_SESSION => &["CONFIG_FPROBE"],
                AttachType::TRACE_UPROBE_MULTI | AttachType::TRACE_UPROBE_SESSION => &["CONFIG_UPROBES"],
                _ if attach.name().is_some_and(|name| name.starts_with("cgroup_")) => &["CONFIG_CGROUP_BPF"],
                _ => &[],
            },
            Feature::LinkType(link) => match link {
                LinkType::KPROBE_MULTI => &["CONFIG_FPROBE"],
                LinkType::UPROBE_MULTI => &["CONFIG_UPROBES"],
                LinkType::NETFILTER => &["CONFIG_NETFILTER_BPF_LINK"],
                LinkType::TCX => &["CONFIG_NET_XGRESS"],
                LinkType::NETKIT => &["CONFIG_NETKIT"],
                LinkType::TRACING_MULTI => Feature::Fentry.options(),
                LinkType::STRUCT_OPS => &["CONFIG_BPF_JIT"],
                LinkType::SOCKMAP => &["CONFIG_BPF_STREAM_PARSER"],
                LinkType::CGROUP => &["CONFIG_CGROUP_BPF"],
                _ => &[],
            },
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Evidence;

    #[test]
    fn what_is_known_to_be_carried_back() {
        let jump = Feature::Instruction(Op::JumpLong);
        let probes = Probes::recorded([(jump, Answer::Yes)]);
        let reason = |release: &str| {
            let found = compare(&probes, release.parse().unwrap(), None, None);
            found.into_iter().map(|difference| difference.reason).next()
        };
        assert!(matches!(reason("6.1.192"), Some(Reason::CarriedBack(_))));
        assert_eq!(reason("6.2.1"), Some(Reason::Earlier));
        assert_eq!(reason("6.6.1"), None);
    }

    #[test]
    fn each_reason() {
        let no = |errno| {
            Answer::No(Evidence {
                errno: Some(errno),
                how: "asked".into(),
            })
        };
        let probes = Probes::recorded([
            (Feature::Btf, Answer::Yes),
            (Feature::Names, no(Errno::EINVAL)),
            (Feature::Fentry, no(Errno::EPERM)),
            (Feature::BtfLayout, Answer::Yes),
            (Feature::ModuleBtf, no(Errno::EINVAL)),
            (Feature::PerfLink, no(Errno::EINVAL)),
        ]);
        let config = Config::parse("CONFIG_BPF_JIT=y\nCONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y\n");
        let release: Release = "5.11.22".parse().unwrap();
        let found = compare(&probes, release, Some(&config), Some(Lockdown::Integrity));
        let reasons: Vec<_> = found.iter().map(|d| (d.feature, d.reason.clone())).collect();
        assert_eq!(
            reasons,
            [
                (Feature::BtfLayout, Reason::Earlier),
                (
                    Feature::ModuleBtf,
                    Reason::Configuration("CONFIG_DEBUG_INFO_BTF_MODULES")
                ),
                (Feature::Names, Reason::Unexplained),
                (Feature::Fentry, Reason::Refused(Some(Lockdown::Integrity))),
            ]
        );
    }
}
