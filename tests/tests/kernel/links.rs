//! Programs on network interfaces, namespaces and sockets, and what can be done with their links.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    time::Duration,
};

use bpfld::{
    AttachType, Errno, FlowDissector, Link, LinkDetails, LinkType, Map, MapType, Netfilter, NetfilterFamily,
    NetfilterFlags, NetfilterHook, Order, ProgramKind, ProgramType, SchedCls, SkLookup, SkMsg, SkReuseport,
    SkSkb, SocketFilter, TcxDirection, Xdp, XdpMode,
};
use bpfld_features::Feature;
use bpfld_insn::Slot;
use bpfld_tests::{Need, require, sandbox};

use crate::counter::{Counter, call, eventually, mov, mov_reg, since};

const PASS: i32 = 2;
const NEXT: i32 = -1;

#[test]
fn xdp() {
    require!(Need::Root);
    sandbox(|room| {
        let counter = Counter::new(ProgramType::XDP, Some(AttachType::XDP), PASS);
        let program: Xdp = (&counter.program).try_into().unwrap();
        for interface in ["lo".to_owned(), room.loopback().to_string()] {
            let link = match interface.parse::<u32>() {
                Ok(index) => program.attach(index, XdpMode::Generic).unwrap(),
                Err(_) => program.attach(&interface, XdpMode::Auto).unwrap(),
            };
            assert_eq!(counter.runs_in(|| room.send(9, 5, 100)), 5);
            let info = link.info().unwrap();
            assert_eq!(info.link_type(), LinkType::XDP);
            assert!(matches!(info.details(), LinkDetails::Xdp(xdp) if xdp.ifindex == room.loopback()));
            assert_eq!(info.program_id(), counter.program.info().unwrap().id());
            assert_eq!(info.missed(), None);

            let error = program.attach("lo", XdpMode::Auto).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EBUSY), "{error}");
            assert!(
                error.hint().is_some() && error.to_string().contains("XDP of lo"),
                "{error}"
            );
            drop(link);
            assert_eq!(counter.runs_in(|| room.send(9, 5, 100)), 0);
        }
        let error = program.attach("nosuch", XdpMode::Auto).unwrap_err();
        assert_eq!(
            error.to_string(),
            "link to interface nosuch: there is no such interface in this network namespace"
        );
        room.veth("left", "right");
        let link = program.attach("left", XdpMode::Driver).unwrap();
        drop(link);
        let error = program.attach("lo", XdpMode::Driver).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
    });
}

/// Each that is listed is open for a moment, and stays attached as long, although its owner has let go of it.
#[test]
fn all_links_of_the_system() {
    require!(alone: Need::Root, Need::Linux(5, 9));
    sandbox(|room| {
        let counter = Counter::new(ProgramType::XDP, Some(AttachType::XDP), PASS);
        let program: Xdp = (&counter.program).try_into().unwrap();
        let link = program.attach("lo", XdpMode::Auto).unwrap();
        let id = link.info().unwrap().id();
        let find = || {
            let all = Link::all().filter_map(Result::ok);
            all.filter(|other| other.info().is_ok_and(|other| other.id() == id))
                .last()
        };
        let listed = find().unwrap();
        assert_eq!(
            listed.info().unwrap().program_id(),
            counter.program.info().unwrap().id()
        );
        drop(link);
        assert_eq!(counter.runs_in(|| room.send(9, 5, 100)), 5, "held by the list");
        drop(listed);
        assert_eq!(counter.runs_in(|| room.send(9, 5, 100)), 0);
        assert!(find().is_none());
    });
}

#[test]
fn links_are_updated_pinned_detached_and_kept() {
    require!(Need::Root, Need::Linux(5, 9));
    sandbox(|room| {
        let load = || Counter::new(ProgramType::XDP, Some(AttachType::XDP), PASS);
        let (one, two) = (load(), load());
        let mut link = Xdp::try_from(&one.program)
            .unwrap()
            .attach("lo", XdpMode::Auto)
            .unwrap();
        let send = || room.send(9, 1, 100);

        // Compare and swap.
        let error = link.update_if(&two.program, &one.program).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
        link.update_if(&one.program, &two.program).unwrap();
        assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 1));
        link.update(&one.program).unwrap();
        assert_eq!((one.runs_in(send), two.runs_in(send)), (1, 0));
        let other = Counter::new(ProgramType::SOCKET_FILTER, None, 0);
        assert!(link.update(&other.program).unwrap_err().errno().is_some());

        // A pinned link outlives its handle.
        let path = room.bpffs().join("links/one");
        link.pin(&path).unwrap();
        let id = link.info().unwrap().id();
        drop(link);
        assert_eq!(one.runs_in(send), 1);
        let mut link = Link::open_pinned(&path).unwrap();
        assert_eq!(link.info().unwrap().id(), id);
        assert_eq!(link.to_string(), format!("XDP of interface {}", room.loopback()));
        link.unpin().unwrap();
        assert!(!path.exists());
        assert_eq!(one.runs_in(send), 1);
        let second = Link::from_id(id).unwrap();
        drop(link);
        assert_eq!(one.runs_in(send), 1);
        drop(second);
        eventually(|| one.runs_in(send) == 0);

        // Detaching works for all holders, and removes the pins.
        let mut link = Xdp::try_from(&one.program)
            .unwrap()
            .attach("lo", XdpMode::Auto)
            .unwrap();
        link.pin(&path).unwrap();
        let other_holder = Link::open_pinned(&path).unwrap();
        link.detach().unwrap();
        assert!(!path.exists());
        assert_eq!(one.runs_in(send), 0);
        drop(other_holder);

        // Forgotten on purpose: attached until the interface or this process goes.
        let link = Xdp::try_from(&one.program)
            .unwrap()
            .attach("lo", XdpMode::Auto)
            .unwrap();
        let id = link.info().unwrap().id();
        let forgotten = link.link_fd().unwrap().as_raw_fd();
        link.forget();
        assert_eq!(one.runs_in(send), 1);
        Link::from_id(id).unwrap().detach().unwrap();
        assert_eq!(one.runs_in(send), 0);
        nix::unistd::close(forgotten).unwrap();
        Link::from_id(u32::MAX).unwrap_err();
    });
}

#[test]
fn tcx_in_order() {
    require!(Need::Root, Feature::TcxLink);
    sandbox(|room| {
        let load = |verdict| {
            let counter = Counter::new(ProgramType::SCHED_CLS, None, verdict);
            (SchedCls::try_from(&counter.program).unwrap(), counter)
        };
        // What stops the row sees to it that those behind do not run.
        let ((one, first), (two, second), (three, third)) = (load(NEXT), load(NEXT), load(0));
        let link = one.attach_tcx("lo", TcxDirection::Ingress).unwrap();
        assert!(
            matches!(link.info().unwrap().details(), LinkDetails::Tcx(tcx) if tcx.attach_type == AttachType::TCX_INGRESS)
        );
        let send = || room.send(9, 1, 100);
        assert_eq!(first.runs_in(send), 1);
        let before = two
            .attach_tcx_at("lo", TcxDirection::Ingress, Order::before(&link))
            .unwrap();
        let runs = || (first.runs(), second.runs(), third.runs());
        let stop = three
            .attach_tcx_at("lo", TcxDirection::Ingress, Order::after(two.program()))
            .unwrap();
        let (a, b, c) = runs();
        send();
        assert_eq!(runs(), (a, b + 1, c + 1));
        drop(stop);
        let stop = three
            .attach_tcx_at("lo", TcxDirection::Ingress, Order::first())
            .unwrap();
        let (a, b, c) = runs();
        send();
        assert_eq!(runs(), (a, b, c + 1));
        let error = three
            .attach_tcx_at("lo", TcxDirection::Ingress, Order::last().revision(77))
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ESTALE), "{error}");
        drop((link, before, stop));
        let (a, b, c) = runs();
        send();
        assert_eq!(runs(), (a, b, c));

        let link = one.attach_tcx("lo", TcxDirection::Egress).unwrap();
        assert_eq!(first.runs_in(send), 1);
        link.detach().unwrap();
        assert_eq!(first.runs_in(send), 0);
    });
}

#[test]
fn socket_filters() {
    require!(Need::Root);
    // Keeps four bytes of each datagram.
    let counter = Counter::new(ProgramType::SOCKET_FILTER, None, 4);
    let (one, two) = UnixDatagram::pair().unwrap();
    let filter: SocketFilter = (&counter.program).try_into().unwrap();
    let mut link = filter.attach(&one).unwrap();
    let exchange = || {
        two.send(b"longer than four").unwrap();
        one.recv(&mut [0; 100]).unwrap()
    };
    assert_eq!(exchange(), 4);
    // It is a link for the user, but not for the kernel.
    assert!(!link.is_kernel_link());
    let info = link.info().unwrap();
    assert_eq!(
        (info.id(), info.program_id()),
        (0, counter.program.info().unwrap().id())
    );
    link.pin("/sys/fs/bpf/never").unwrap_err();
    link.update(&counter.program).unwrap_err();
    drop(link);
    assert_eq!(exchange(), 16);
    filter.attach(&one).unwrap().forget();
    assert_eq!(exchange(), 4);
    let link = filter.attach(&one).unwrap();
    link.detach().unwrap();
    assert_eq!(exchange(), 16);
    assert_eq!(counter.runs(), 2);
    let error = filter.attach(File::open("/dev/null").unwrap()).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOTSOCK));
}

#[test]
fn reuseport_groups() {
    require!(Need::Root);
    sandbox(|room| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let counter = Counter::new(
            ProgramType::SK_REUSEPORT,
            Some(AttachType::SK_REUSEPORT_SELECT),
            1,
        );
        let program: SkReuseport = (&counter.program).try_into().unwrap();
        // Alone in its group, and not told that there could be others.
        match program.attach(&socket) {
            Ok(link) => link.detach().unwrap(),
            Err(error) => assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}"),
        }
        let _ = room;
    });
}

#[test]
fn network_namespaces() {
    require!(Need::Root);
    sandbox(|room| {
        let counter = Counter::new(ProgramType::SK_LOOKUP, Some(AttachType::SK_LOOKUP), 1);
        let program: SkLookup = (&counter.program).try_into().unwrap();
        let link = program.attach(room.network()).unwrap();
        assert!(matches!(link.info().unwrap().details(), LinkDetails::Netns(_)));
        assert_eq!(counter.runs_in(|| room.send(9, 2, 100)), 2);
        drop(link);
        let link = program.attach_here().unwrap();
        assert_eq!(counter.runs_in(|| room.send(9, 2, 100)), 2);
        link.detach().unwrap();
        assert_eq!(counter.runs_in(|| room.send(9, 2, 100)), 0);
    });
    sandbox(|_room| {
        let counter = Counter::new(ProgramType::FLOW_DISSECTOR, Some(AttachType::FLOW_DISSECTOR), 0);
        let program: FlowDissector = (&counter.program).try_into().unwrap();
        let link = program.attach_here().unwrap();
        link.detach().unwrap();
    });
}

#[test]
fn netfilter() {
    require!(Need::Root, Need::Config("CONFIG_NETFILTER_BPF_LINK"));
    sandbox(|room| {
        let counter = Counter::new(ProgramType::NETFILTER, Some(AttachType::NETFILTER), 1);
        let program: Netfilter = (&counter.program).try_into().unwrap();
        let attach = |hook| program.attach(NetfilterFamily::Ipv4, hook, -5, NetfilterFlags::empty());
        let link = attach(NetfilterHook::LOCAL_IN).unwrap();
        assert_eq!(counter.runs_in(|| room.send(9, 2, 100)), 2);
        assert!(
            matches!(link.info().unwrap().details(), LinkDetails::Netfilter(link)
            if link.priority == -5 && link.hooknum == NetfilterHook::LOCAL_IN)
        );
        let error = attach(NetfilterHook::LOCAL_IN).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EBUSY), "{error}");
        drop(link);
        assert_eq!(counter.runs_in(|| room.send(9, 2, 100)), 0);
    });
}

#[test]
fn socket_maps() {
    require!(Need::Root);
    sandbox(|_room| {
        let map = Map::builder(MapType::SOCKMAP, "sockets")
            .key_size(4)
            .value_size(4)
            .max_entries(2)
            .create()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();

        // A verdict of 1 lets the data pass.
        let verdict = Counter::new(ProgramType::SK_SKB, Some(AttachType::SK_SKB_STREAM_VERDICT), 1);
        let message = Counter::new(ProgramType::SK_MSG, Some(AttachType::SK_MSG_VERDICT), 1);
        let links = [
            SkSkb::try_from(&verdict.program).unwrap().attach(&map).unwrap(),
            SkMsg::try_from(&message.program).unwrap().attach(&map).unwrap(),
        ];
        use std::os::fd::AsRawFd;
        let set =
            |key: u32, fd: i32| map.update(&key.to_ne_bytes(), &fd.to_ne_bytes(), bpfld::ElemFlags::empty());
        set(0, server.as_raw_fd()).unwrap();
        set(1, client.as_raw_fd()).unwrap();
        client.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello");
        assert_eq!((verdict.runs(), message.runs()), (1, 1));
        for link in links {
            // Before that it is a command for the kernel, and the same for the user.
            assert_eq!(link.is_kernel_link(), since(6, 10));
            if link.is_kernel_link() {
                let (info, id) = (link.info().unwrap(), map.info().unwrap().id());
                assert!(
                    matches!(info.details(), LinkDetails::Sockmap(link) if link.map_id == id),
                    "{info:?}"
                );
            }
            link.detach().unwrap();
        }
        // Sockets that are in the map keep what they had.
        for key in 0u32..2 {
            assert!(map.delete(&key.to_ne_bytes()).unwrap());
        }
        client.write_all(b"again").unwrap();
        server.read_exact(&mut buffer).unwrap();
        assert_eq!((verdict.runs(), message.runs()), (1, 1));
    });
}

#[test]
fn kinds_do_not_mix() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::XDP, None, PASS);
    let error = SchedCls::try_from(&counter.program).unwrap_err().to_string();
    assert_eq!(error, "program 'counter': is of type xdp, which is no `SchedCls`");
    assert_eq!(
        Xdp::try_from(&counter.program).unwrap().program().name(),
        "counter"
    );
    let error = counter.program.attach().unwrap_err().to_string();
    assert!(error.contains("came from no object"), "{error}");
}

#[test]
fn refused_programs_bring_the_log() {
    require!(Need::Root);
    let code = [mov_reg(0, 5), Slot::new(0x95, 0, 0, 0, 0)];
    let error = bpfld::Program::builder(ProgramType::XDP, "bad", &code)
        .load()
        .unwrap_err();
    let log = error.verifier_log().unwrap();
    assert!(log.as_str().contains("R5"), "{error:#}");
    assert!(error.to_string().contains("R5"), "{error}");
    let code = [mov(0, 0), call(-1), Slot::new(0x95, 0, 0, 0, 0)];
    bpfld::Program::builder(ProgramType::XDP, "bad", &code)
        .load()
        .unwrap_err();
}
