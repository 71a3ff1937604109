//! Events that programs are attached to (PRF).

use std::{fs, path::Path};

use bpfld::{
    Errno, Kprobe, KprobeOptions, PerfEvent, ProbeWay, ProgramType, Tracepoint, Uprobe, UprobeOptions,
    perf::{Attr, Scope},
};
use bpfld_sys::PerfSoftware;
use bpfld_tests::{Need, alone, mount_tracefs, own_events, require, sandbox};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::counter::{Counter, eventually};

#[test]
fn prf_01_tracepoints_with_only_tracefs() {
    require!(Need::Root, Need::Config("CONFIG_FTRACE_SYSCALLS"));
    sandbox(|_room| {
        // Debugfs, where older tools look, is nowhere in this room.
        let debugfs = "/sys/kernel/debug";
        while nix::mount::umount2(debugfs, nix::mount::MntFlags::MNT_DETACH).is_ok() {}
        assert!(!Path::new(debugfs).join("tracing").exists());
        mount_tracefs();
        let counter = Counter::new(ProgramType::TRACEPOINT, None, 0);
        let program: Tracepoint = (&counter.program).try_into().unwrap();
        let link = program.attach("syscalls", "sys_enter_getppid").unwrap();
        let work = || {
            std::hint::black_box(std::os::unix::process::parent_id());
        };
        counter.sees(work);
        drop(link);
        assert_eq!(counter.runs_in(work), 0);
        let error = program
            .attach("syscalls", "no_such_point")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no_such_point"), "{error}");
    });
}

#[test]
fn prf_02_kernel_probes_of_one_name() {
    require!(Need::Root, Need::Config("CONFIG_KPROBE_EVENTS"));
    alone(
        "acceptance::perf::prf_02_kernel_probes_of_one_name",
        kernel_probes_of_one_name,
    );
}

fn kernel_probes_of_one_name() {
    sandbox(|_room| {
        mount_tracefs();
        let counter = Counter::new(ProgramType::KPROBE, None, 0);
        let program: Kprobe = (&counter.program).try_into().unwrap();
        let read = || drop(fs::read("/proc/self/comm"));
        let options = KprobeOptions::new().way(ProbeWay::Tracefs);
        let entry = program.attach_with("vfs_read", options).unwrap();
        let again = program.attach_with("vfs_read", options).unwrap();
        let leave = program.attach_with("vfs_read", options.at_return()).unwrap();
        assert_eq!(own_events().len(), 3);
        eventually(|| counter.runs_in(read) >= 3);
        drop((entry, again, leave));
        assert!(own_events().is_empty());
    });
}

#[expect(
    unsafe_code,
    reason = "a symbol that is found by name must not be there twice; this one is not"
)]
#[unsafe(export_name = "bpfld_acceptance_probe")]
#[inline(never)]
extern "C" fn target(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

#[test]
fn prf_03_probes_of_a_binary() {
    require!(Need::Root, Need::Config("CONFIG_UPROBE_EVENTS"));
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Uprobe = (&counter.program).try_into().unwrap();
    let run = || assert_eq!(target(1), 2);
    let exe = fs::canonicalize("/proc/self/exe").unwrap();
    let here = UprobeOptions::new().process(std::process::id());
    let elsewhere = UprobeOptions::new().process(1);
    for options in [UprobeOptions::new(), here, here.at_return()] {
        let link = program
            .attach_with(&exe, "bpfld_acceptance_probe", options)
            .unwrap();
        assert_eq!(counter.runs_in(run), 1);
        drop(link);
        assert_eq!(counter.runs_in(run), 0);
    }
    let link = program
        .attach_with(&exe, "bpfld_acceptance_probe", elsewhere)
        .unwrap();
    assert_eq!(counter.runs_in(run), 0);
    drop(link);
    // By the place in the file.
    let offset = file_offset(target as *const () as u64);
    let link = program.attach(&exe, offset).unwrap();
    assert_eq!(counter.runs_in(run), 1);
    drop(link);
}

/// Where in its file lies what this process has at an address.
fn file_offset(address: u64) -> u64 {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let places = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let offset = number(words.nth(1)?);
        let (from, to) = (number(from), number(to));
        (from..to).contains(&address).then(|| address - from + offset)
    });
    places.into_iter().next().unwrap()
}

#[test]
fn prf_04_nothing_is_left_after_detaching() {
    require!(Need::Root, Need::Config("CONFIG_UPROBE_EVENTS"));
    alone(
        "acceptance::perf::prf_04_nothing_is_left_after_detaching",
        nothing_is_left_after_detaching,
    );
}

fn nothing_is_left_after_detaching() {
    sandbox(|_room| {
        mount_tracefs();
        let counter = Counter::new(ProgramType::KPROBE, None, 0);
        let program: Uprobe = (&counter.program).try_into().unwrap();
        let exe = fs::canonicalize("/proc/self/exe").unwrap();
        let options = UprobeOptions::new().way(ProbeWay::Tracefs);
        let link = program
            .attach_with(&exe, "bpfld_acceptance_probe", options)
            .unwrap();
        assert_eq!(
            (own_events().len(), counter.runs_in(|| assert_eq!(target(2), 3))),
            (1, 1)
        );
        link.detach().unwrap();
        assert!(own_events().is_empty());
    });
}

#[test]
fn prf_05_events_need_rights() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::PERF_EVENT, None, 0);
    let program: PerfEvent = (&counter.program).try_into().unwrap();
    let clock = Attr::software(PerfSoftware::CPU_CLOCK).period(1_000_000);
    // A thread of its own, which gives up all rights.
    let error = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, none).unwrap();
            program.attach(&clock, Scope::Cpu(0)).unwrap_err()
        });
        thread.join().unwrap()
    });
    assert!(
        matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM)),
        "{error}"
    );
    assert!(
        error.hint().is_some_and(|hint| hint.contains("CAP_PERFMON")),
        "{error:#}"
    );
}
