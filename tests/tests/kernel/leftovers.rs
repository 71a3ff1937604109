//! Whatever becomes of a test, nothing of it is left: descriptors, pins, queueing disciplines, probes in tracefs, programs on
//! interfaces and in cgroups.
//!
//! The test runs in a process of its own, where nobody else opens or closes anything.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
};

use bpfld::{
    AttachFlags, AttachType, CgroupDirection, CgroupSkb, FilterOptions, Interface, Link, ProgramType,
    RawTracepoint, SchedCls, SocketFilter, TcxDirection, Tracepoint, Uprobe, UprobeOptions, Xdp, XdpMode,
    XdpReplace,
};
use bpfld_tests::{Cgroup, Need, Room, alone, require, sandbox};

use crate::{
    counter::{Counter, since},
    kinds::{mount_tracefs, own_events},
};

#[test]
fn nothing_is_left_after_a_panic() {
    require!(Need::Root, Need::Linux(5, 9));
    alone("leftovers::nothing_is_left_after_a_panic", panics);
}

/// What this process, and the kernel for it, has open.
#[derive(Debug, PartialEq, Eq)]
struct State {
    descriptors: BTreeSet<String>,
    cgroups: usize,
    directories: usize,
}

impl State {
    fn now() -> State {
        let mine = |directory: &str| {
            let own = format!("bpfld-test-{}-", std::process::id());
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(&own))
                .count()
        };
        State {
            descriptors: descriptors(),
            cgroups: mine(&parent_of_cgroups()),
            directories: mine(&std::env::temp_dir().to_string_lossy()),
        }
    }
}

/// What the descriptors of this process are open to; what is read for that is closed again.
fn descriptors() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let open = |path: &std::path::PathBuf| {
        let target = fs::read_link(path).ok()?;
        Some(format!("{} {}", path.display(), target.display()))
    };
    // Gone meanwhile: the list itself.
    numbers.iter().filter_map(open).collect()
}

/// The directory in which tests make their control groups.
fn parent_of_cgroups() -> String {
    let cgroup = Cgroup::new().unwrap();
    cgroup.path().parent().unwrap().display().to_string()
}

fn panics() {
    // What is made once and kept is made now.
    sandbox(|room| try_all(room, || {}));
    let before = State::now();
    sandbox(|room| {
        mount_tracefs();
        let lo = Interface::by_name("lo").unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| try_all(room, || panic!("on purpose"))));
        assert!(result.is_err());
        assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());
        assert!(!room.has_qdisc("lo", "clsact"));
        assert!(!room.bpffs().join("a").exists(), "a pin stays behind");
        assert_eq!(own_events(), 0);
    });
    assert_eq!(State::now(), before);
}

#[expect(
    unsafe_code,
    reason = "a symbol that is found by name must not be there twice; this one is not"
)]
#[unsafe(export_name = "bpfld_leftovers_target")]
#[inline(never)]
extern "C" fn target(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

/// Attaches in all ways, pins, and ends as asked.
fn try_all(room: &Room, end: impl FnOnce()) {
    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let load = |program_type, attach_type| Counter::new(program_type, attach_type, 2);
    let mut links: Vec<Link> = Vec::new();
    let xdp = load(ProgramType::XDP, None);
    let program = Xdp::try_from(&xdp.program).unwrap();
    links.push(
        program
            .attach_without_link("lo", XdpMode::Generic, XdpReplace::Never)
            .unwrap(),
    );
    room.pair("veth", "left", "right");
    links.push(program.attach("left", XdpMode::Driver).unwrap());
    let filter = load(ProgramType::SCHED_CLS, None);
    let filter = SchedCls::try_from(&filter.program).unwrap();
    links.push(
        filter
            .attach_filter("lo", TcxDirection::Ingress, FilterOptions::new())
            .unwrap(),
    );
    let packets = Counter::new(ProgramType::CGROUP_SKB, Some(AttachType::CGROUP_INET_EGRESS), 1);
    let packets = CgroupSkb::try_from(&packets.program).unwrap();
    let flags = AttachFlags::ALLOW_MULTI;
    links.push(
        packets
            .attach_without_link(&directory, CgroupDirection::Egress, flags)
            .unwrap(),
    );
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket_filter = load(ProgramType::SOCKET_FILTER, None);
    links.push(
        SocketFilter::try_from(&socket_filter.program)
            .unwrap()
            .attach(&socket)
            .unwrap(),
    );
    let raw = Counter::new(ProgramType::RAW_TRACEPOINT, None, 0);
    links.push(
        RawTracepoint::try_from(&raw.program)
            .unwrap()
            .attach("sys_enter")
            .unwrap(),
    );
    let tracepoint = Counter::new(ProgramType::TRACEPOINT, None, 0);
    links.push(
        Tracepoint::try_from(&tracepoint.program)
            .unwrap()
            .attach("raw_syscalls", "sys_enter")
            .unwrap(),
    );
    let probe = Counter::new(ProgramType::KPROBE, None, 0);
    if since(4, 17) && bpfld_tests::check_needs(&[Need::Config("CONFIG_UPROBE_EVENTS")]).is_ok() {
        let options = UprobeOptions::new().way(bpfld::ProbeWay::Tracefs);
        let exe = fs::canonicalize("/proc/self/exe").unwrap();
        let uprobe = Uprobe::try_from(&probe.program).unwrap();
        links.push(
            uprobe
                .attach_with(exe, "bpfld_leftovers_target", options)
                .unwrap(),
        );
        assert_eq!(target(1), 2);
    }
    // A pin is there until it is removed, or its file system goes, as that of the room does.
    xdp.program.pin(room.bpffs().join("a/b/program")).unwrap();
    let _unpin = Unpin(room.bpffs().join("a/b/program"));
    end();
    for link in links {
        link.detach().unwrap();
    }
}

/// Removes a pin when dropped.
struct Unpin(std::path::PathBuf);

impl Drop for Unpin {
    fn drop(&mut self) {
        bpfld::remove_pin(&self.0).unwrap();
    }
}
