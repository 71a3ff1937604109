//! The table of helpers by program type, against the running kernel.

use bpfld::features::{Answer, Config, Feature, Probes, Release};
use bpfld_insn::Helper;
use bpfld_sys::ProgramType;
use bpfld_tests::{Need, require};

/// The release that the table is of.
const TABLE: Release = Release::new(6, 18);

/// What helpers depend on that are not there on every kernel.
const OPTIONS: [&str; 7] = [
    "CONFIG_CGROUP_NET_CLASSID",
    "CONFIG_IPV6_SEG6_BPF",
    "CONFIG_IP_ROUTE_CLASSID",
    "CONFIG_LWTUNNEL_BPF",
    "CONFIG_MPTCP",
    "CONFIG_SYN_COOKIES",
    "CONFIG_XFRM",
];

/// Where the table and the answer differ although both are right.
fn is_known(program: ProgramType, helper: Helper) -> bool {
    match helper {
        // known to all that trace, refused to most of them when it is called
        Helper::GET_FUNC_IP => true,
        // not where the kernel is locked down
        Helper::PROBE_WRITE_USER => true,
        // gone by 7.3
        Helper::SKB_PULL_DATA => program == ProgramType::LWT_SEG6LOCAL,
        // CONFIG_BPF_KPROBE_OVERRIDE
        Helper::OVERRIDE_RETURN => program == ProgramType::KPROBE,
        _ => false,
    }
}

#[test]
fn the_table_of_callers_is_the_kernels() {
    require!(Need::Root, Need::Linux(5, 10));
    let release = Release::current().unwrap();
    let is_configured =
        Config::current().is_some_and(|config| OPTIONS.iter().all(|option| config.get(option).is_some()));
    let pairs: Vec<(ProgramType, Helper)> = ProgramType::ALL
        .iter()
        .flat_map(|program| Helper::ALL.iter().map(|helper| (*program, *helper)))
        .filter(|(program, helper)| helper.callable_from(program.0).is_some() && !is_known(*program, *helper))
        .collect();
    let features: Vec<Feature> = pairs
        .iter()
        .map(|(program, helper)| Feature::Helper(*program, *helper))
        .collect();
    let answers = Probes::live().probe_all(&features);
    let (mut yes, mut wrong) = (0, Vec::new());
    for ((program, helper), answer) in pairs.iter().zip(&answers) {
        let expected = helper.callable_from(program.0) == Some(true);
        let is_so = match answer {
            Answer::Yes => true,
            // older kernels allow less, and so do kernels without the options
            Answer::No(_) if release < TABLE || !is_configured => continue,
            _ => false,
        };
        yes += usize::from(is_so);
        // kernels newer than the table may allow more
        if is_so != expected && (expected || release.major == TABLE.major && release.minor <= TABLE.minor) {
            wrong.push(format!("{helper} from {program}: {answer}"));
        }
    }
    assert!(yes > 1000, "{yes}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
