//! What the running kernel can do: probes against the table, and against the kernel's own lists.

use std::{fs, thread};

use bpfld::{Program, ProgramType};
use bpfld_features::{Config, Feature, Group, Kfuncs, Probes, Reason, Release, Settings, compare};
use bpfld_insn::{Helper, Op, Slot};
use bpfld_tests::{Need, require};
use nix::sched::{CloneFlags, unshare};

use crate::counter::{exit, mov};

/// Probe and table agree, but for what the configuration or a lockdown takes away.
#[test]
fn the_kernel_is_what_its_release_promises() {
    require!(Need::Root);
    let release = Release::current().unwrap();
    let lockdown = Settings::current().lockdown.map(|(level, _)| level);
    let mut unexplained = Vec::new();
    for difference in compare(&Probes::live(), release, Config::current(), lockdown) {
        let line = format!(
            "{}: {} ({})",
            difference.feature, difference.answer, difference.reason
        );
        match difference.reason {
            // A kernel that is locked down may refuse to everybody, and only then.
            Reason::Refused(_) | Reason::Configuration(_) | Reason::CarriedBack(_) => eprintln!("{line}"),
            _ => unexplained.push(line),
        }
    }
    assert!(
        unexplained.is_empty(),
        "Linux {release}:\n{}",
        unexplained.join("\n")
    );
}

/// The kernels that take it early do with it what later ones do.
#[test]
fn long_jumps_jump() {
    require!(Need::Root, Feature::Instruction(Op::JumpLong));
    // What is jumped over must be reached in another way: where a packet is of that length.
    let code = [
        Slot::new(0x61, 0, 1, 0, 0),
        Slot::new(0x15, 0, 0, 1, i32::MAX),
        Slot::new(0x06, 0, 0, 0, 2),
        mov(0, 1),
        exit(),
        mov(0, 2),
        exit(),
    ];
    let program = Program::builder(ProgramType::SOCKET_FILTER, "long_jump", &code).load();
    let program = program.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(program.test_run().data(&[0; 14]).run().unwrap().return_value, 2);
}

/// A full probe makes maps, programs and BTF by the hundred, on several threads, and keeps none.
#[test]
fn nothing_is_left_behind() {
    require!(Need::Root);
    let open = || {
        // the one that lists them is among them
        fs::read_dir("/proc/thread-self/fd").unwrap().count()
    };
    thread::spawn(move || {
        // Other tests open and close files of their own meanwhile: not in this table.
        unshare(CloneFlags::CLONE_FILES).unwrap();
        let before = open();
        let all: Vec<Feature> = Group::ALL.iter().flat_map(|group| group.features()).collect();
        let answers = Probes::live().probe_all(&all);
        assert_eq!(answers.len(), all.len());
        assert_eq!(open(), before);
    })
    .join()
    .unwrap();
}

/// Answers that need no probe to be known.
#[test]
fn well_known_answers() {
    require!(Need::Root);
    let probes = Probes::live();
    let can = |program, helper| probes.has(Feature::Helper(program, helper));
    assert!(can(ProgramType::SOCKET_FILTER, Helper::MAP_LOOKUP_ELEM));
    assert!(can(ProgramType::XDP, Helper::XDP_ADJUST_HEAD));
    assert!(!can(ProgramType::SOCKET_FILTER, Helper::XDP_ADJUST_HEAD));
    assert!(!can(ProgramType::XDP, Helper::GET_STACK));
    let target = Feature::Helper(ProgramType::LSM, Helper::MAP_LOOKUP_ELEM);
    assert_eq!(probes.probe(target).word(), "unknown");
}

#[test]
fn kernel_functions_and_their_callers() {
    require!(
        Need::Root,
        Need::Linux(6, 1),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Feature::Instruction(Op::CallKfunc)
    );
    let kfuncs = Kfuncs::of_running_kernel().unwrap();
    // For tracing, traffic control and the like.
    assert_eq!(
        kfuncs.may_call(ProgramType::SOCKET_FILTER, "bpf_lookup_user_key"),
        Some(false)
    );
    assert_eq!(kfuncs.may_call(ProgramType::XDP, "no_such_function"), Some(false));
    if Release::current().unwrap() >= Release::new(6, 7) {
        assert_eq!(kfuncs.may_call(ProgramType::XDP, "bpf_rdonly_cast"), Some(true));
        assert_eq!(kfuncs.may_call(ProgramType::LSM, "bpf_rdonly_cast"), None);
    }
}
