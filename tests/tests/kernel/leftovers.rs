//! Whatever becomes of a test, nothing of it is left: descriptors, mappings, pins, queueing disciplines, probes in tracefs,
//! control groups. [`Leftovers`] looks after that for every test; here it is looked after itself.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use bpfld::{
    Array, AttachFlags, AttachType, CgroupDirection, CgroupSkb, FilterOptions, Interface, Link, Map,
    MapFlags, MapType, ProgramType, RawTracepoint, SchedCls, SocketFilter, TcxDirection, Tracepoint, Uprobe,
    UprobeOptions, Xdp, XdpMode, XdpReplace,
};
use bpfld_tests::{
    Cgroup, Leftovers, Need, Room, alone, check_needs, mount_tracefs, own_events, require, sandbox, skip,
};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::counter::{Counter, since};

#[test]
fn nothing_is_left_after_a_panic() {
    require!(Need::Root, Need::Linux(5, 9));
    // Alone, as others have probes in tracefs, too.
    alone("leftovers::nothing_is_left_after_a_panic", || sandbox(panics));
}

fn panics(room: &Room) {
    mount_tracefs();
    let lo = Interface::by_name("lo").unwrap();
    let result = catch_unwind(AssertUnwindSafe(|| try_all(room, || panic!("on purpose"))));
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());
    assert!(!room.has_qdisc("lo", "clsact"));
    assert!(!room.bpffs().join("a").exists(), "a pin stays behind");
    assert!(own_events().is_empty());
}

#[test]
fn what_is_left_is_found() {
    // Without the guard that this is about.
    if let Err(reason) = check_needs(&[
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 5),
    ]) {
        return skip("leftovers::what_is_left_is_found", &reason);
    }
    alone("leftovers::what_is_left_is_found", || {
        // In namespaces of its own, so that what is left is left nowhere.
        std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("bpffs"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), none).unwrap();
            mount_tracefs();
            each_is_found();
        })
        .join()
        .unwrap();
    });
}

/// What is said of a test.
fn said(test: impl FnOnce()) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _leftovers = Leftovers::watch();
        test();
    }));
    match result {
        Ok(()) => String::new(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
        },
    }
}

fn each_is_found() {
    let array = || {
        let map = Map::builder(MapType::ARRAY, "left").key_size(4).value_size(8);
        map.max_entries(1).flags(MapFlags::MMAPABLE).create().unwrap()
    };
    let found = |what: &str, test: &dyn Fn()| {
        let said = said(test);
        assert!(said.contains(" leaves ") && said.contains(what), "{what}: {said}");
    };
    assert_eq!(said(|| drop(array())), "");
    found("of anon_inode:bpf-map", &|| std::mem::forget(array()));
    found("of /dev/null", &|| {
        std::mem::forget(File::open("/dev/null").unwrap())
    });
    found("mapping ", &|| {
        let array: Array<u64> = array().try_into().unwrap();
        std::mem::forget(array.mapped().unwrap());
    });
    found("of anon_inode:", &|| {
        let counter = Counter::new(ProgramType::RAW_TRACEPOINT, None, 0);
        let program: RawTracepoint = (&counter.program).try_into().unwrap();
        program.attach("sys_enter").unwrap().forget();
    });
    found("pin left", &|| array().pin("/sys/fs/bpf/left").unwrap());
    let directory = std::env::temp_dir().join(format!("bpfld-test-{}-left", std::process::id()));
    found("directory bpfld-test-", &|| fs::create_dir(&directory).unwrap());
    fs::remove_dir(directory).unwrap();
    let group = Cgroup::new()
        .unwrap()
        .path()
        .with_file_name(format!("bpfld-test-{}-left", std::process::id()));
    found("control group bpfld-test-", &|| fs::create_dir(&group).unwrap());
    fs::remove_dir(group).unwrap();
    found("queueing discipline clsact of interface 1", &|| {
        let counter = Counter::new(ProgramType::SCHED_CLS, None, 0);
        let program: SchedCls = (&counter.program).try_into().unwrap();
        let options = FilterOptions::new();
        program
            .attach_filter("lo", TcxDirection::Ingress, options)
            .unwrap()
            .forget();
    });
    let probe = |line: String| {
        let mut list = OpenOptions::new()
            .append(true)
            .open("/sys/kernel/tracing/uprobe_events")
            .unwrap();
        list.write_all(line.as_bytes()).unwrap();
    };
    let group = format!("bpfld_{}", std::process::id());
    let exe = fs::canonicalize("/proc/self/exe").unwrap();
    found("event p:bpfld_", &|| {
        probe(format!("p:{group}/left {}:0x40\n", exe.display()))
    });
    probe(format!("-:{group}/left\n"));
    assert!(!Path::new("/sys/kernel/tracing/events").join(&group).exists());
    // A test that has failed says why it failed.
    let both = said(|| {
        std::mem::forget(array());
        panic!("as a failed test does");
    });
    assert_eq!(both, "as a failed test does");
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
    room.veth("left", "right");
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
}

/// Removes a pin when dropped.
struct Unpin(std::path::PathBuf);

impl Drop for Unpin {
    fn drop(&mut self) {
        bpfld::remove_pin(&self.0).unwrap();
    }
}
