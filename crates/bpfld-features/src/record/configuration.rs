//! What of the kernel's configuration is recorded.

use std::collections::BTreeMap;

use crate::{Config, ConfigValue};

/// The options that matter, as configuration files have them.
pub(super) fn recorded(config: &Config) -> BTreeMap<String, String> {
    let matter = config.iter().filter(|(name, _)| OPTIONS.contains(name));
    matter
        .map(|(name, value)| (name.to_owned(), text(value)))
        .collect()
}

/// A value as configuration files have it.
fn text(value: ConfigValue<'_>) -> String {
    match value {
        ConfigValue::Yes => "y".to_owned(),
        ConfigValue::Module => "m".to_owned(),
        ConfigValue::No => "n".to_owned(),
        ConfigValue::Number(number) => number.to_string(),
        ConfigValue::Text(text) => format!("\"{text}\""),
        ConfigValue::Other(text) => text.to_owned(),
    }
}

/// The options of the kernel's configuration that matter for BPF.
pub(super) const OPTIONS: &[&str] = &[
    "CONFIG_ARCH_HAS_SYSCALL_WRAPPER",
    "CONFIG_BPF",
    "CONFIG_BPF_EVENTS",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_JIT_ALWAYS_ON",
    "CONFIG_BPF_JIT_DEFAULT_ON",
    "CONFIG_BPF_KPROBE_OVERRIDE",
    "CONFIG_BPF_LIRC_MODE2",
    "CONFIG_BPF_LSM",
    "CONFIG_BPF_PRELOAD",
    "CONFIG_BPF_STREAM_PARSER",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_BPF_UNPRIV_DEFAULT_OFF",
    "CONFIG_CGROUPS",
    "CONFIG_CGROUP_BPF",
    "CONFIG_CGROUP_NET_CLASSID",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_DEBUG_INFO_BTF_MODULES",
    "CONFIG_DYNAMIC_FTRACE_WITH_ARGS",
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "CONFIG_FPROBE",
    "CONFIG_FTRACE_SYSCALLS",
    "CONFIG_FUNCTION_ERROR_INJECTION",
    "CONFIG_FUNCTION_TRACER",
    "CONFIG_HAVE_EBPF_JIT",
    "CONFIG_HID_BPF",
    "CONFIG_HZ",
    "CONFIG_IPV6_SEG6_BPF",
    "CONFIG_IP_ROUTE_CLASSID",
    "CONFIG_KPROBES",
    "CONFIG_KPROBE_EVENTS",
    "CONFIG_LSM",
    "CONFIG_LWTUNNEL_BPF",
    "CONFIG_MEMCG",
    "CONFIG_MODULES",
    "CONFIG_NET",
    "CONFIG_NETFILTER_BPF_LINK",
    "CONFIG_NETFILTER_XT_MATCH_BPF",
    "CONFIG_NETKIT",
    "CONFIG_NET_ACT_BPF",
    "CONFIG_NET_CLS_ACT",
    "CONFIG_NET_CLS_BPF",
    "CONFIG_NET_SCH_INGRESS",
    "CONFIG_NET_XGRESS",
    "CONFIG_NF_FLOW_TABLE",
    "CONFIG_PERF_EVENTS",
    "CONFIG_SCHED_CLASS_EXT",
    "CONFIG_SECURITY_LOCKDOWN_LSM",
    "CONFIG_SOCK_CGROUP_DATA",
    "CONFIG_TRACING",
    "CONFIG_UPROBES",
    "CONFIG_UPROBE_EVENTS",
    "CONFIG_USER_NS",
    "CONFIG_XDP_SOCKETS",
    "CONFIG_XFRM",
];
