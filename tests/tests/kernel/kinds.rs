//! Kinds of programs that the other files do not see run: each is attached, and its work is seen.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use bpfld::{
    AttachType, CgroupSockopt, CgroupSysctl, ElemFlags, FlowDissector, LinkDetails, LinkType, LircMode2, Map,
    MapType, Measure, NetkitSide, Order, PerfEvent, ProgramType, RawTracepoint, SchedCls, SkReuseport, SkSkb,
    SocketFilter, TcxDirection, Uprobe, UprobeOptions,
    perf::{Attr, Scope},
};
use bpfld_insn::Slot;
use bpfld_sys::{PerfSoftware, PerfType};
use bpfld_tests::{Cgroup, Need, alone, mount_tracefs, own_events, require, sandbox};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt};

use crate::counter::{Counter, call, eventually, mov_reg, since};

/// A socket of a reuseport group.
fn member(address: SocketAddr) -> UdpSocket {
    let fd: OwnedFd = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&fd, sockopt::ReusePort, &true).unwrap();
    let SocketAddr::V4(address) = address else {
        panic!("an IPv4 address")
    };
    bind(fd.as_raw_fd(), &SockaddrIn::from(address)).unwrap();
    UdpSocket::from(fd)
}

#[test]
fn reuseport_groups_are_steered() {
    require!(Need::Root, Need::Linux(4, 19));
    sandbox(|_room| {
        let first = member("127.0.0.1:0".parse().unwrap());
        let address = first.local_addr().unwrap();
        let second = member(address);
        let counter = Counter::new(
            ProgramType::SK_REUSEPORT,
            Some(AttachType::SK_REUSEPORT_SELECT),
            1,
        );
        let program: SkReuseport = (&counter.program).try_into().unwrap();
        let link = program.attach(&first).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = || {
            client.send_to(b"x", address).unwrap();
        };
        assert_eq!(counter.runs_in(send), 1);
        assert_eq!(link.info().unwrap().id(), 0);
        if since(5, 3) {
            link.detach().unwrap();
            assert_eq!(counter.runs_in(send), 0);
        }

        // An old socket filter says which socket by its number in the group.
        let chooser = Counter::new(ProgramType::SOCKET_FILTER, None, 1);
        let filter: SocketFilter = (&chooser.program).try_into().unwrap();
        let _link = filter.attach_reuseport(&first).unwrap();
        for socket in [&first, &second] {
            socket.set_nonblocking(true).unwrap();
            while socket.recv(&mut [0; 8]).is_ok() {}
        }
        assert_eq!(chooser.runs_in(send), 1);
        second.set_nonblocking(false).unwrap();
        second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(second.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn netkit_devices() {
    require!(Need::Root, Need::Config("CONFIG_NETKIT"));
    sandbox(|room| {
        let (primary, _) = room.netkit("outer", "inner");
        let load = || Counter::new(ProgramType::SCHED_CLS, None, 0);
        let (one, two) = (load(), load());
        let attach = |counter: &Counter, side| {
            SchedCls::try_from(&counter.program)
                .unwrap()
                .attach_netkit(primary, side, Order::default())
                .unwrap()
        };
        let links = [attach(&one, NetkitSide::Primary), attach(&two, NetkitSide::Peer)];
        assert!(
            matches!(links[0].info().unwrap().details(), LinkDetails::Netkit(link) if link.ifindex == primary)
        );
        assert_eq!(links[1].info().unwrap().link_type(), LinkType::NETKIT);
        // To nobody, through the primary device.
        let send = || {
            let socket = UdpSocket::bind("10.9.8.1:0").unwrap();
            socket.send_to(b"x", "10.9.8.77:9").unwrap();
        };
        assert!(one.runs_in(send) > 0);
        links.into_iter().for_each(|link| link.detach().unwrap());
        assert_eq!(one.runs_in(send), 0);
    });
}

#[test]
fn perf_events_of_cpus_and_processes() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::PERF_EVENT, None, 0);
    let program: PerfEvent = (&counter.program).try_into().unwrap();
    let spin = || {
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 30 {
            std::hint::black_box(start);
        }
    };
    // Whatever CPU this runs on.
    let clock = Attr::software(PerfSoftware::CPU_CLOCK).period(1_000_000);
    let link = program.attach_on_all_cpus(&clock).unwrap();
    counter.sees(spin);
    assert_eq!(
        link.info().unwrap().program_id(),
        counter.program.info().unwrap().id()
    );
    link.detach().unwrap();
    assert_eq!(counter.runs_in(spin), 0);
    let faults = Attr::software(PerfSoftware::PAGE_FAULTS).period(1);
    let link = program.attach(&faults, Scope::Process(0)).unwrap();
    // So large that it is never memory which was there before.
    let touch = || drop(std::hint::black_box(vec![1u8; 40 << 20]));
    counter.sees(touch);
    drop(link);
    // A machine without counters in hardware, such as most virtual ones, says so.
    let cycles = Attr::new(PerfType::HARDWARE, 0).period(100_000);
    match program.attach(&cycles, Scope::Process(0)) {
        Ok(_link) => counter.sees(spin),
        Err(error) => assert_eq!(error.errno(), Some(bpfld::Errno::ENOENT), "{error}"),
    }
}

#[test]
fn settings_and_options_of_a_cgroup() {
    require!(Need::Root, Need::Linux(5, 3));
    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let counter = Counter::new(ProgramType::CGROUP_SYSCTL, Some(AttachType::CGROUP_SYSCTL), 0);
    let link = CgroupSysctl::try_from(&counter.program)
        .unwrap()
        .attach(&directory)
        .unwrap();
    let read = || fs::read_to_string("/proc/sys/kernel/ostype");
    cgroup.run(|| read().unwrap_err());
    assert_eq!(counter.runs(), 1);
    drop(link);
    cgroup.run(|| read().unwrap());

    let counter = Counter::new(
        ProgramType::CGROUP_SOCKOPT,
        Some(AttachType::CGROUP_SETSOCKOPT),
        0,
    );
    let link = CgroupSockopt::try_from(&counter.program)
        .unwrap()
        .attach(&directory)
        .unwrap();
    // The kernel asks the group in which the socket was made.
    let socket = cgroup.run(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    let set = || socket.set_broadcast(true);
    cgroup.run(|| set().unwrap_err());
    assert_eq!(counter.runs(), 1);
    drop(link);
    cgroup.run(|| set().unwrap());
}

#[test]
fn keys_of_flows() {
    require!(Need::Root, Need::Linux(5, 7));
    sandbox(|room| {
        let counter = Counter::new(ProgramType::FLOW_DISSECTOR, Some(AttachType::FLOW_DISSECTOR), 0);
        let program: FlowDissector = (&counter.program).try_into().unwrap();
        let link = program.attach_here().unwrap();
        // bpf_set_hash_invalid, bpf_get_hash_recalc: a hash is made of the keys.
        let hash = [mov_reg(1, 6), call(41), mov_reg(1, 6), call(34)];
        let packets = Counter::with(ProgramType::SCHED_CLS, None, 0, &hash);
        let packets: SchedCls = (&packets.program).try_into().unwrap();
        let _packets = packets.attach("lo", TcxDirection::Ingress).unwrap();
        assert_eq!(counter.runs_in(|| room.send(9, 3, 100)), 3);
        drop(link);
        assert_eq!(counter.runs_in(|| room.send(9, 3, 100)), 0);
    });
}

#[test]
fn tracepoints_that_can_be_written_to() {
    require!(Need::Root, Need::Linux(5, 2));
    // Reads the number that the tracepoint lets it change, and puts it back: others run tests, too.
    let write = [
        Slot::new(0x79, 7, 6, 0, 0),
        Slot::new(0x61, 8, 7, 0, 0),
        Slot::new(0x63, 7, 8, 0, 0),
    ];
    let counter = Counter::with(ProgramType::RAW_TRACEPOINT_WRITABLE, None, 0, &write);
    let program: RawTracepoint = (&counter.program).try_into().unwrap();
    let link = program.attach("bpf_test_finish").unwrap();
    let other = Counter::new(ProgramType::SOCKET_FILTER, None, 0);
    assert!(counter.runs_in(|| drop(other.program.test_run().data(&[0; 64]).run().unwrap())) > 0);
    drop(link);
    // Not at a tracepoint with nothing to change.
    program.attach("sched_switch").unwrap_err();
}

/// Needs a kernel with BPF for infrared receivers, which distributions do not build, and its module `rc-loopback`: a device that receives what it sends.
#[test]
fn infrared_signals() {
    require!(Need::Root, Need::Config("CONFIG_BPF_LIRC_MODE2"));
    let Ok(mut device) = File::options().read(true).write(true).open("/dev/lirc0") else {
        return bpfld_tests::skip("kernel::kinds::infrared_signals", "there is no infrared device");
    };
    let counter = Counter::new(ProgramType::LIRC_MODE2, Some(AttachType::LIRC_MODE2), 0);
    let program: LircMode2 = (&counter.program).try_into().unwrap();
    let link = program.attach(&device).unwrap();
    // A pulse, a space, a pulse; microseconds.
    let signal = [900u32, 400, 900].map(u32::to_ne_bytes).concat();
    device.write_all(&signal).unwrap();
    eventually(|| counter.runs() > 0);
    link.detach().unwrap();
}

/// Routes get such programs from other tools; the kernel runs them for us on a packet of our own.
#[test]
fn tunnels_and_segments() {
    require!(Need::Root, Need::Config("CONFIG_LWTUNNEL_BPF"));
    for program_type in [ProgramType::LWT_IN, ProgramType::LWT_OUT, ProgramType::LWT_XMIT] {
        let counter = Counter::new(program_type, None, 3);
        let mut packet = [0; 64];
        packet[12] = 8;
        let outcome = counter.program.test_run().data(&packet).run().unwrap();
        assert_eq!((outcome.return_value, counter.runs()), (3, 1), "{program_type}");
    }
}

/// Verdicts without a parser, on datagrams.
#[test]
fn verdicts_on_datagrams_of_a_socket_map() {
    require!(
        Need::Root,
        Need::Linux(5, 13),
        Need::Config("CONFIG_BPF_STREAM_PARSER")
    );
    sandbox(|_room| {
        let map = Map::builder(MapType::SOCKMAP, "sockets")
            .key_size(4)
            .value_size(4)
            .max_entries(1)
            .create()
            .unwrap();
        let counter = Counter::new(ProgramType::SK_SKB, Some(AttachType::SK_SKB_VERDICT), 0);
        let link = SkSkb::try_from(&counter.program).unwrap().attach(&map).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        map.update(
            &0u32.to_ne_bytes(),
            &socket.as_raw_fd().to_ne_bytes(),
            ElemFlags::empty(),
        )
        .unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        eventually(|| counter.runs() == 1);
        assert!(map.delete(&0u32.to_ne_bytes()).unwrap());
        drop(link);
    });
}

#[expect(
    unsafe_code,
    reason = "a symbol that is found by name must not be there twice; this one is not"
)]
#[unsafe(export_name = "bpfld_tracefs_target")]
#[inline(never)]
extern "C" fn tracefs_target(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

#[test]
fn probes_made_in_tracefs() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(4, 7)
    );
    alone("kinds::probes_made_in_tracefs", || {
        sandbox(|_room| {
            mount_tracefs();
            probes_in_tracefs();
        });
    });
}

fn probes_in_tracefs() {
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Uprobe = (&counter.program).try_into().unwrap();
    let run = || assert_eq!(tracefs_target(1), 2);
    // The process's own name for itself means nothing to the kernel's list.
    let exe = fs::canonicalize("/proc/self/exe").unwrap();
    let options = UprobeOptions::new().way(bpfld::ProbeWay::Tracefs);
    for options in [options, options.at_return(), options.process(std::process::id())] {
        let link = program
            .attach_with(&exe, "bpfld_tracefs_target", options)
            .unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(counter.runs_in(run), 1);
        assert_eq!(own_events().len(), 1);
        assert_eq!(
            crate::adaptations::of_link(&link),
            crate::adaptations::at_perf_event(&[Measure::ProbeInTracefs])
        );
        link.detach().unwrap();
        assert_eq!(counter.runs_in(run), 0);
        assert!(own_events().is_empty());
    }
    // What was made for a place that the kernel then refuses goes again.
    program.attach_with(&exe, u64::MAX >> 1, options).unwrap_err();
    assert!(own_events().is_empty());
    if bpfld_tests::check_needs(&[Need::Config("CONFIG_KPROBE_EVENTS")]).is_ok() {
        let program: bpfld::Kprobe = (&counter.program).try_into().unwrap();
        let options = bpfld::KprobeOptions::new().way(bpfld::ProbeWay::Tracefs);
        let link = program.attach_with("vfs_read", options).unwrap();
        assert_eq!(
            crate::adaptations::of_link(&link),
            crate::adaptations::at_perf_event(&[Measure::ProbeInTracefs])
        );
        counter.sees(|| drop(fs::read("/proc/self/comm")));
        drop(link);
        assert!(own_events().is_empty());
    }
}
