//! Section names of programs: one table says program type, attach type, flags and how the program attaches itself.

use alloc::string::{String, ToString};
use bpfld_sys::{AttachType, ProgramType};

/// A row of the table of section names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionRow {
    /// The name; with a trailing `+`, `name` and `name/anything` both match.
    pub pattern: &'static str,
    /// The program type.
    pub program_type: ProgramType,
    /// The expected attach type, where the section says one.
    pub attach_type: Option<AttachType>,
    /// What else the section says.
    pub flags: SectionFlags,
    /// The way in which such a program attaches itself, if it does.
    pub auto_attach: Option<AutoAttach>,
}

/// What a section name says besides the types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionFlags {
    /// The program may sleep: `BPF_F_SLEEPABLE`, kernel 5.10.
    pub sleepable: bool,
    /// An XDP program that takes packets in several buffers: `BPF_F_XDP_HAS_FRAGS`, kernel 5.18.
    pub xdp_frags: bool,
    /// Kernels older than the expected attach type (4.17) load the program without it.
    pub attach_type_optional: bool,
    /// The attach target is a BTF id: a kernel function, tracepoint, LSM hook, iterator, or a function of another program.
    pub btf_target: bool,
    /// A USDT probe, which attaches as multi-uprobe where the kernel has that.
    pub usdt: bool,
    /// One of the older kinds, whose name alone stands for its attach type.
    pub attach_type_by_name: bool,
}

/// The ways in which a program attaches itself to what its section names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AutoAttach {
    /// `kprobe/function[+offset]`, `kretprobe/function`
    Kprobe,
    /// `uprobe/binary:function[+offset]`, `uretprobe/…`
    Uprobe,
    /// `ksyscall/name`, `kretsyscall/name`
    Ksyscall,
    /// `usdt/binary:provider:name`
    Usdt,
    /// `tracepoint/category/name`, `tp/…`
    Tracepoint,
    /// `raw_tracepoint/name`, `raw_tp/name`
    RawTracepoint,
    /// `fentry/function`, `fexit/…`, `fmod_ret/…`, `fsession/…`, `tp_btf/name`, `freplace/function`
    Trace,
    /// `kprobe.multi/glob`, `kretprobe.multi/glob`
    KprobeMulti,
    /// `kprobe.session/glob`
    KprobeSession,
    /// `uprobe.multi/binary:glob` and its like
    UprobeMulti,
    /// `fentry.multi/glob` and its like
    TracingMulti,
    /// `lsm/hook`
    Lsm,
    /// `iter/kind`
    Iter,
}

/// What a program's section name says about it.
///
/// ```
/// use bpfld_object::{AutoAttach, ProgramSpec};
///
/// let spec = ProgramSpec::from_section("kretprobe/do_unlinkat").unwrap();
/// assert_eq!(spec.program_type, bpfld_sys::ProgramType::KPROBE);
/// assert_eq!(spec.target.as_deref(), Some("do_unlinkat"));
/// assert_eq!(spec.auto_attach, Some(AutoAttach::Kprobe));
/// assert!(spec.is_return_probe());
/// assert!(ProgramSpec::from_section("my_section").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramSpec {
    /// The name that matched, without what follows it: `kprobe` of `kprobe/do_unlinkat`.
    pub name: &'static str,
    /// The program type.
    pub program_type: ProgramType,
    /// The expected attach type, where the section says one.
    pub attach_type: Option<AttachType>,
    /// What else the section says.
    pub flags: SectionFlags,
    /// The text behind the name's slash, if there is one.
    pub target: Option<String>,
    /// The way in which such a program attaches itself, if it does.
    pub auto_attach: Option<AutoAttach>,
}

impl ProgramSpec {
    /// Looks a section name up in [`SECTIONS`]. A leading `?` (do not load by default) is no part of the name, and skipped.
    ///
    /// Other names are legal too; such a program has no type until the user gives it one.
    #[must_use]
    pub fn from_section(section: &str) -> Option<Self> {
        let section = section.strip_prefix('?').unwrap_or(section);
        SECTIONS.iter().find_map(|row| {
            let (name, target) = row.split(section)?;
            let SectionRow {
                pattern: _,
                program_type,
                attach_type,
                flags,
                auto_attach,
            } = *row;
            let target = target.map(ToString::to_string);
            Some(Self {
                name,
                program_type,
                attach_type,
                flags,
                target,
                auto_attach,
            })
        })
    }

    /// Whether it is a probe at the return of a function: `kretprobe`, `uretprobe`, `kretsyscall` and their variants.
    #[must_use]
    pub fn is_return_probe(&self) -> bool {
        ["kret", "uret"]
            .iter()
            .any(|prefix| self.name.starts_with(prefix))
    }
}

impl SectionRow {
    /// The name of this row and the rest of a section name that it matches.
    fn split<'a>(&self, section: &'a str) -> Option<(&'static str, Option<&'a str>)> {
        let Some(name) = self.pattern.strip_suffix('+') else {
            return (self.pattern == section).then_some((self.pattern, None));
        };
        let rest = section.strip_prefix(name)?;
        if rest.is_empty() {
            Some((name, None))
        } else {
            rest.strip_prefix('/').map(|target| (name, Some(target)))
        }
    }
}

macro_rules! section_table {
    (@attach -) => { None };
    (@attach $attach:ident) => { Some(AttachType::$attach) };
    (@auto -) => { None };
    (@auto $auto:ident) => { Some(AutoAttach::$auto) };
    (@flag $flags:ident OPT) => { $flags.attach_type_optional = true; };
    (@flag $flags:ident ABLE) => { $flags.attach_type_by_name = true; };
    (@flag $flags:ident BTF) => { $flags.btf_target = true; };
    (@flag $flags:ident SLEEP) => { $flags.sleepable = true; };
    (@flag $flags:ident FRAGS) => { $flags.xdp_frags = true; };
    (@flag $flags:ident USDT) => { $flags.usdt = true; };
    ($($pattern:literal: $program:ident, $attach:tt, [$($flag:ident)*], $auto:tt;)*) => {
        /// Every section name that stands for a program type, in the order in which they are tried; no name matches two rows.
        pub static SECTIONS: &[SectionRow] = &[$(SectionRow {
            pattern: $pattern,
            program_type: ProgramType::$program,
            attach_type: section_table!(@attach $attach),
            flags: {
                #[allow(unused_mut, reason = "rows without flags")]
                let mut flags = NO_FLAGS;
                $(section_table!(@flag flags $flag);)*
                flags
            },
            auto_attach: section_table!(@auto $auto),
        }),*];
    };
}

const NO_FLAGS: SectionFlags = SectionFlags {
    sleepable: false,
    xdp_frags: false,
    attach_type_optional: false,
    btf_target: false,
    usdt: false,
    attach_type_by_name: false,
};

#[rustfmt::skip]
section_table! {
    "socket": SOCKET_FILTER, -, [], -;
    "sk_reuseport/migrate": SK_REUSEPORT, SK_REUSEPORT_SELECT_OR_MIGRATE, [ABLE], -;
    "sk_reuseport": SK_REUSEPORT, SK_REUSEPORT_SELECT, [ABLE], -;
    "kprobe+": KPROBE, -, [], Kprobe;
    "uprobe+": KPROBE, -, [], Uprobe;
    "uprobe.s+": KPROBE, -, [SLEEP], Uprobe;
    "kretprobe+": KPROBE, -, [], Kprobe;
    "uretprobe+": KPROBE, -, [], Uprobe;
    "uretprobe.s+": KPROBE, -, [SLEEP], Uprobe;
    "kprobe.multi+": KPROBE, TRACE_KPROBE_MULTI, [], KprobeMulti;
    "kretprobe.multi+": KPROBE, TRACE_KPROBE_MULTI, [], KprobeMulti;
    "kprobe.session+": KPROBE, TRACE_KPROBE_SESSION, [], KprobeSession;
    "uprobe.multi+": KPROBE, TRACE_UPROBE_MULTI, [], UprobeMulti;
    "uretprobe.multi+": KPROBE, TRACE_UPROBE_MULTI, [], UprobeMulti;
    "uprobe.session+": KPROBE, TRACE_UPROBE_SESSION, [], UprobeMulti;
    "uprobe.multi.s+": KPROBE, TRACE_UPROBE_MULTI, [SLEEP], UprobeMulti;
    "uretprobe.multi.s+": KPROBE, TRACE_UPROBE_MULTI, [SLEEP], UprobeMulti;
    "uprobe.session.s+": KPROBE, TRACE_UPROBE_SESSION, [SLEEP], UprobeMulti;
    "ksyscall+": KPROBE, -, [], Ksyscall;
    "kretsyscall+": KPROBE, -, [], Ksyscall;
    "usdt+": KPROBE, -, [USDT], Usdt;
    "usdt.s+": KPROBE, -, [USDT SLEEP], Usdt;
    "tc/ingress": SCHED_CLS, TCX_INGRESS, [], -;
    "tc/egress": SCHED_CLS, TCX_EGRESS, [], -;
    "tcx/ingress": SCHED_CLS, TCX_INGRESS, [], -;
    "tcx/egress": SCHED_CLS, TCX_EGRESS, [], -;
    "tc": SCHED_CLS, -, [], -;
    "classifier": SCHED_CLS, -, [], -;
    "action": SCHED_ACT, -, [], -;
    "netkit/primary": SCHED_CLS, NETKIT_PRIMARY, [], -;
    "netkit/peer": SCHED_CLS, NETKIT_PEER, [], -;
    "tracepoint+": TRACEPOINT, -, [], Tracepoint;
    "tp+": TRACEPOINT, -, [], Tracepoint;
    "tracepoint.s+": TRACEPOINT, -, [SLEEP], Tracepoint;
    "tp.s+": TRACEPOINT, -, [SLEEP], Tracepoint;
    "raw_tracepoint+": RAW_TRACEPOINT, -, [], RawTracepoint;
    "raw_tp+": RAW_TRACEPOINT, -, [], RawTracepoint;
    "raw_tracepoint.s+": RAW_TRACEPOINT, -, [SLEEP], RawTracepoint;
    "raw_tp.s+": RAW_TRACEPOINT, -, [SLEEP], RawTracepoint;
    "raw_tracepoint.w+": RAW_TRACEPOINT_WRITABLE, -, [], RawTracepoint;
    "raw_tp.w+": RAW_TRACEPOINT_WRITABLE, -, [], RawTracepoint;
    "tp_btf+": TRACING, TRACE_RAW_TP, [BTF], Trace;
    "tp_btf.s+": TRACING, TRACE_RAW_TP, [BTF SLEEP], Trace;
    "fentry+": TRACING, TRACE_FENTRY, [BTF], Trace;
    "fmod_ret+": TRACING, MODIFY_RETURN, [BTF], Trace;
    "fexit+": TRACING, TRACE_FEXIT, [BTF], Trace;
    "fentry.s+": TRACING, TRACE_FENTRY, [BTF SLEEP], Trace;
    "fmod_ret.s+": TRACING, MODIFY_RETURN, [BTF SLEEP], Trace;
    "fexit.s+": TRACING, TRACE_FEXIT, [BTF SLEEP], Trace;
    "fsession+": TRACING, TRACE_FSESSION, [BTF], Trace;
    "fsession.s+": TRACING, TRACE_FSESSION, [BTF SLEEP], Trace;
    "fsession.multi+": TRACING, TRACE_FSESSION_MULTI, [], TracingMulti;
    "fsession.multi.s+": TRACING, TRACE_FSESSION_MULTI, [SLEEP], TracingMulti;
    "fentry.multi+": TRACING, TRACE_FENTRY_MULTI, [], TracingMulti;
    "fexit.multi+": TRACING, TRACE_FEXIT_MULTI, [], TracingMulti;
    "fentry.multi.s+": TRACING, TRACE_FENTRY_MULTI, [SLEEP], TracingMulti;
    "fexit.multi.s+": TRACING, TRACE_FEXIT_MULTI, [SLEEP], TracingMulti;
    "freplace+": EXT, -, [BTF], Trace;
    "lsm+": LSM, LSM_MAC, [BTF], Lsm;
    "lsm.s+": LSM, LSM_MAC, [BTF SLEEP], Lsm;
    "lsm_cgroup+": LSM, LSM_CGROUP, [BTF], -;
    "iter+": TRACING, TRACE_ITER, [BTF], Iter;
    "iter.s+": TRACING, TRACE_ITER, [BTF SLEEP], Iter;
    "syscall": SYSCALL, -, [SLEEP], -;
    "xdp.frags/devmap": XDP, XDP_DEVMAP, [FRAGS], -;
    "xdp/devmap": XDP, XDP_DEVMAP, [ABLE], -;
    "xdp.frags/cpumap": XDP, XDP_CPUMAP, [FRAGS], -;
    "xdp/cpumap": XDP, XDP_CPUMAP, [ABLE], -;
    "xdp.frags": XDP, XDP, [FRAGS], -;
    "xdp": XDP, XDP, [ABLE OPT], -;
    "perf_event": PERF_EVENT, -, [], -;
    "lwt_in": LWT_IN, -, [], -;
    "lwt_out": LWT_OUT, -, [], -;
    "lwt_xmit": LWT_XMIT, -, [], -;
    "lwt_seg6local": LWT_SEG6LOCAL, -, [], -;
    "sockops": SOCK_OPS, CGROUP_SOCK_OPS, [ABLE OPT], -;
    "sk_skb/stream_parser": SK_SKB, SK_SKB_STREAM_PARSER, [ABLE OPT], -;
    "sk_skb/stream_verdict": SK_SKB, SK_SKB_STREAM_VERDICT, [ABLE OPT], -;
    "sk_skb/verdict": SK_SKB, SK_SKB_VERDICT, [ABLE OPT], -;
    "sk_skb": SK_SKB, -, [], -;
    "sk_msg": SK_MSG, SK_MSG_VERDICT, [ABLE OPT], -;
    "lirc_mode2": LIRC_MODE2, LIRC_MODE2, [ABLE OPT], -;
    "flow_dissector": FLOW_DISSECTOR, FLOW_DISSECTOR, [ABLE OPT], -;
    "cgroup_skb/ingress": CGROUP_SKB, CGROUP_INET_INGRESS, [ABLE OPT], -;
    "cgroup_skb/egress": CGROUP_SKB, CGROUP_INET_EGRESS, [ABLE OPT], -;
    "cgroup/skb": CGROUP_SKB, -, [], -;
    "cgroup/sock_create": CGROUP_SOCK, CGROUP_INET_SOCK_CREATE, [ABLE], -;
    "cgroup/sock_release": CGROUP_SOCK, CGROUP_INET_SOCK_RELEASE, [ABLE], -;
    "cgroup/sock": CGROUP_SOCK, CGROUP_INET_SOCK_CREATE, [ABLE OPT], -;
    "cgroup/post_bind4": CGROUP_SOCK, CGROUP_INET4_POST_BIND, [ABLE], -;
    "cgroup/post_bind6": CGROUP_SOCK, CGROUP_INET6_POST_BIND, [ABLE], -;
    "cgroup/bind4": CGROUP_SOCK_ADDR, CGROUP_INET4_BIND, [ABLE], -;
    "cgroup/bind6": CGROUP_SOCK_ADDR, CGROUP_INET6_BIND, [ABLE], -;
    "cgroup/connect4": CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT, [ABLE], -;
    "cgroup/connect6": CGROUP_SOCK_ADDR, CGROUP_INET6_CONNECT, [ABLE], -;
    "cgroup/connect_unix": CGROUP_SOCK_ADDR, CGROUP_UNIX_CONNECT, [ABLE], -;
    "cgroup/sendmsg4": CGROUP_SOCK_ADDR, CGROUP_UDP4_SENDMSG, [ABLE], -;
    "cgroup/sendmsg6": CGROUP_SOCK_ADDR, CGROUP_UDP6_SENDMSG, [ABLE], -;
    "cgroup/sendmsg_unix": CGROUP_SOCK_ADDR, CGROUP_UNIX_SENDMSG, [ABLE], -;
    "cgroup/recvmsg4": CGROUP_SOCK_ADDR, CGROUP_UDP4_RECVMSG, [ABLE], -;
    "cgroup/recvmsg6": CGROUP_SOCK_ADDR, CGROUP_UDP6_RECVMSG, [ABLE], -;
    "cgroup/recvmsg_unix": CGROUP_SOCK_ADDR, CGROUP_UNIX_RECVMSG, [ABLE], -;
    "cgroup/getpeername4": CGROUP_SOCK_ADDR, CGROUP_INET4_GETPEERNAME, [ABLE], -;
    "cgroup/getpeername6": CGROUP_SOCK_ADDR, CGROUP_INET6_GETPEERNAME, [ABLE], -;
    "cgroup/getpeername_unix": CGROUP_SOCK_ADDR, CGROUP_UNIX_GETPEERNAME, [ABLE], -;
    "cgroup/getsockname4": CGROUP_SOCK_ADDR, CGROUP_INET4_GETSOCKNAME, [ABLE], -;
    "cgroup/getsockname6": CGROUP_SOCK_ADDR, CGROUP_INET6_GETSOCKNAME, [ABLE], -;
    "cgroup/getsockname_unix": CGROUP_SOCK_ADDR, CGROUP_UNIX_GETSOCKNAME, [ABLE], -;
    "cgroup/sysctl": CGROUP_SYSCTL, CGROUP_SYSCTL, [ABLE], -;
    "cgroup/getsockopt": CGROUP_SOCKOPT, CGROUP_GETSOCKOPT, [ABLE], -;
    "cgroup/setsockopt": CGROUP_SOCKOPT, CGROUP_SETSOCKOPT, [ABLE], -;
    "cgroup/dev": CGROUP_DEVICE, CGROUP_DEVICE, [ABLE OPT], -;
    "struct_ops+": STRUCT_OPS, -, [], -;
    "struct_ops.s+": STRUCT_OPS, -, [SLEEP], -;
    "sk_lookup": SK_LOOKUP, SK_LOOKUP, [ABLE], -;
    "netfilter": NETFILTER, NETFILTER, [], -;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        section: &str,
        program_type: ProgramType,
        attach_type: Option<AttachType>,
        target: Option<&str>,
    ) {
        let spec = ProgramSpec::from_section(section).unwrap();
        assert_eq!((spec.program_type, spec.attach_type), (program_type, attach_type));
        assert_eq!(spec.target.as_deref(), target);
    }

    #[test]
    fn counts() {
        assert_eq!(SECTIONS.len(), 116);
        assert_eq!(
            SECTIONS.iter().filter(|row| row.auto_attach.is_some()).count(),
            50
        );
        assert_eq!(SECTIONS.iter().filter(|row| row.flags.sleepable).count(), 22);
    }

    #[test]
    fn no_name_matches_two_rows() {
        for row in SECTIONS {
            let name = row.pattern.trim_end_matches('+');
            let matching = |name: &str| SECTIONS.iter().filter(|row| row.split(name).is_some()).count();
            assert_eq!(matching(name), 1, "{name}");
            assert!(matching(&alloc::format!("{name}/x")) <= 1, "{name}/x");
        }
    }

    /// ELF-03: every name that libbpf knows.
    #[test]
    fn matches_as_libbpf() {
        check("xdp", ProgramType::XDP, Some(AttachType::XDP), None);
        check(
            "?tc/ingress",
            ProgramType::SCHED_CLS,
            Some(AttachType::TCX_INGRESS),
            None,
        );
        check(
            "tp/syscalls/sys_enter_open",
            ProgramType::TRACEPOINT,
            None,
            Some("syscalls/sys_enter_open"),
        );
        check(
            "fentry.s/",
            ProgramType::TRACING,
            Some(AttachType::TRACE_FENTRY),
            Some(""),
        );
        check("struct_ops", ProgramType::STRUCT_OPS, None, None);
        for unknown in [
            "",
            "?",
            "xdp/x",
            "kprobex",
            "kprobe.multi.s/x",
            "tc/",
            "classifier/x",
        ] {
            assert_eq!(ProgramSpec::from_section(unknown), None, "{unknown}");
        }
    }
}
