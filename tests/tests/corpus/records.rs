//! Records of real kernels: what their probes said, against the table of releases.

use bpfld_features::{Feature, Group, Reason, Record, compare};
use bpfld_insn::Helper;
use bpfld_sys::ProgramType;
use bpfld_tests::{record, records};

#[test]
fn kernels_are_what_their_releases_promise() {
    let mut unexplained = Vec::new();
    let all = records();
    assert!(all.len() >= 5, "{}", all.len());
    for record in &all {
        let release = record.release().unwrap();
        for difference in compare(
            &record.probes(),
            release,
            record.config().as_ref(),
            record.lockdown(),
        ) {
            let name = difference.feature.name();
            match difference.reason {
                Reason::Configuration(_) | Reason::CarriedBack(_) => {}
                reason => unexplained.push(format!("{release}: {name}: {} ({reason})", difference.answer)),
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// Every kernel was asked about everything, but for what this build learnt later.
#[test]
fn records_are_complete() {
    for record in records() {
        let probes = record.probes();
        let groups = Group::ALL.iter().filter(|group| **group != Group::Helpers);
        for feature in groups.flat_map(|group| group.features()) {
            let answer = probes.probe(feature);
            assert_ne!(
                answer.word(),
                "unknown",
                "{:?}: {feature}: {answer}",
                record.release()
            );
        }
        let can = |program, helper| probes.has(Feature::Helper(program, helper));
        assert!(can(ProgramType::XDP, Helper::MAP_LOOKUP_ELEM));
        assert!(!can(ProgramType::XDP, Helper::GET_STACK));
    }
}

#[test]
fn newer_kernels_can_more() {
    let count = |record: &Record| {
        let features = Group::ALL.iter().flat_map(|group| group.features());
        let probes = record.probes();
        features.filter(|feature| probes.has(*feature)).count()
    };
    let lines = ["5.10", "6.1", "6.12", "6.18", "7.3"];
    let counts: Vec<usize> = lines.iter().map(|line| count(&record(line))).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(!record("5.10").probes().has(Feature::PerfLink));
    assert!(record("6.1").probes().has(Feature::PerfLink));
}
