//! Attachments that are no links to the kernel: XDP by netlink, cgroups, socket maps and the flow
//! dissector by command. For the user they are links.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    thread,
};

use bpfld::{
    AttachFlags, AttachType, CgroupDirection, CgroupSkb, ElemFlags, Errno, FlowDissector, Interface,
    LinkDetails, LinkType, Map, MapType, Measure, ProgramKind, ProgramType, SkMsg, SkSkb, Xdp, XdpMode,
    XdpReplace,
};
use bpfld_features::{Feature, Probes};
use bpfld_tests::{Cgroup, Need, require, sandbox};

use crate::counter::{Counter, since};

const PASS: i32 = 2;

fn id(counter: &Counter) -> u32 {
    counter.program.info().unwrap().id()
}

#[test]
fn prg_06_xdp_by_netlink() {
    require!(Need::Root, Need::Linux(4, 12));
    sandbox(|room| {
        let load = || Counter::new(ProgramType::XDP, None, PASS);
        let (one, two) = (load(), load());
        let (first, second) = (
            Xdp::try_from(&one.program).unwrap(),
            Xdp::try_from(&two.program).unwrap(),
        );
        let send = || room.send(9, 3, 100);
        let lo = Interface::by_name("lo").unwrap();
        let attach = |program: &Xdp, mode, replace| program.attach_without_link(&lo, mode, replace);

        // Loopback has neither a card nor a driver that could.
        attach(&first, XdpMode::Offload, XdpReplace::Never).unwrap_err();
        let error = attach(&first, XdpMode::Driver, XdpReplace::Never).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
        let link = attach(&first, XdpMode::Auto, XdpReplace::Never).unwrap();
        assert!(!link.is_kernel_link());
        assert_eq!(one.runs_in(send), 3);
        assert_eq!(lo.xdp_programs().unwrap().generic, Some(id(&one)));
        let info = link.info().unwrap();
        assert_eq!(
            (info.id(), info.link_type(), info.program_id()),
            (0, LinkType::XDP, id(&one))
        );
        assert!(matches!(info.details(), LinkDetails::Xdp(xdp) if xdp.ifindex == lo.index()));

        let error = attach(&second, XdpMode::Auto, XdpReplace::Never).unwrap_err();
        assert!(
            matches!(error.errno(), Some(Errno::EEXIST | Errno::EBUSY)),
            "{error}"
        );
        assert_eq!(error.hint(), Some("something is attached there already"));
        if since(5, 7) {
            let error = attach(&second, XdpMode::Auto, XdpReplace::Only(&two.program)).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
            let error = link.update_if(&two.program, &one.program).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
            link.update_if(&one.program, &two.program).unwrap();
            assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 3));
            link.update(&one.program).unwrap();
        }
        // Another takes over; the first link then has nothing to detach.
        let other = attach(&second, XdpMode::Generic, XdpReplace::Any).unwrap();
        link.detach().unwrap();
        assert_eq!(two.runs_in(send), 3);
        drop(other);
        assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 0));
        assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());

        // Nor has it where one with a link took over.
        if Probes::live().has(Feature::LinkType(LinkType::XDP)) {
            let link = attach(&first, XdpMode::Generic, XdpReplace::Never).unwrap();
            drop(attach(&second, XdpMode::Generic, XdpReplace::Any).unwrap());
            let other = second.attach(&lo, XdpMode::Generic).unwrap();
            link.detach().unwrap();
            assert_eq!(two.runs_in(send), 3);
            drop(other);
        }

        // It stays when forgotten, and can be taken over.
        attach(&first, XdpMode::Generic, XdpReplace::Never)
            .unwrap()
            .forget();
        assert_eq!(one.runs_in(send), 3);
        attach(&second, XdpMode::Generic, XdpReplace::Any)
            .unwrap()
            .detach()
            .unwrap();
        assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());

        // A link is undone in the namespace where it was made, wherever it is dropped.
        let link = attach(&first, XdpMode::Auto, XdpReplace::Never).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || sandbox(|_| drop(link)));
        });
        assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());
    });
}

/// The second takes the place of the first, whatever way that hangs on the interface.
#[test]
fn prg_06_xdp_is_replaced_in_every_mode() {
    require!(Need::Root, Need::Linux(4, 14));
    sandbox(|room| {
        let (left, _) = room.veth("left", "right");
        let interface = Interface::from(left);
        let programs = || interface.xdp_programs().unwrap();
        let load = || Counter::new(ProgramType::XDP, None, PASS);
        let attach = |interface: u32, counter: &Counter, mode, replace| {
            let program = Xdp::try_from(&counter.program).unwrap();
            program.attach_without_link(interface, mode, replace)
        };
        // This driver can; one that is asked to choose takes it.
        let in_mode = |mode, id| {
            let mut expected = bpfld::XdpPrograms::default();
            match mode {
                XdpMode::Generic => expected.generic = Some(id),
                _ => expected.driver = Some(id),
            }
            expected
        };
        let modes = [XdpMode::Auto, XdpMode::Driver, XdpMode::Generic];
        for (first, second) in modes
            .into_iter()
            .flat_map(|first| modes.map(|second| (first, second)))
        {
            let (one, two) = (load(), load());
            let link = attach(left, &one, first, XdpReplace::Never).unwrap();
            assert_eq!(programs(), in_mode(first, id(&one)));
            let error = attach(left, &two, second, XdpReplace::Never).unwrap_err();
            assert_eq!(
                error.hint(),
                Some("something is attached there already"),
                "{error}"
            );
            let other = attach(left, &two, second, XdpReplace::Any).unwrap();
            let expected = in_mode(second, id(&two));
            assert_eq!(programs(), expected, "{first:?}, {second:?}");
            // What was replaced has nothing to take off.
            link.detach().unwrap();
            assert_eq!(programs(), expected, "{first:?}, {second:?}");
            other.detach().unwrap();
            assert_eq!(programs(), bpfld::XdpPrograms::default());
        }

        // Where the second cannot be, the first is there afterwards as before.
        let (one, two) = (load(), load());
        let lo = Interface::from(room.loopback());
        let link = attach(lo.index(), &one, XdpMode::Generic, XdpReplace::Never).unwrap();
        let error = attach(lo.index(), &two, XdpMode::Driver, XdpReplace::Any).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP), "{error}");
        assert_eq!(lo.xdp_programs().unwrap().generic, Some(id(&one)));
        assert_eq!(one.runs_in(|| room.send(9, 3, 100)), 3);
        drop(link);
        assert_eq!(lo.xdp_programs().unwrap(), bpfld::XdpPrograms::default());
    });
}

#[test]
fn prg_07_xdp_of_interfaces_that_go() {
    require!(Need::Root, Need::Linux(4, 14));
    sandbox(|room| {
        let (left, right) = room.veth("left", "right");
        let counter = Counter::new(ProgramType::XDP, None, PASS);
        let program: Xdp = (&counter.program).try_into().unwrap();
        let attach = |index: u32, mode| {
            program
                .attach_without_link(index, mode, XdpReplace::Never)
                .unwrap()
        };
        let links = [attach(left, XdpMode::Driver), attach(right, XdpMode::Generic)];
        // Removing a program in the mode of the other would leave it there.
        let programs = |index: u32| Interface::from(index).xdp_programs().unwrap();
        assert_eq!(programs(left).driver, Some(id(&counter)));
        assert_eq!(programs(right).generic, Some(id(&counter)));
        drop(links);
        assert_eq!(programs(left), bpfld::XdpPrograms::default());
        assert_eq!(programs(right), bpfld::XdpPrograms::default());

        let links = [attach(left, XdpMode::Driver), attach(right, XdpMode::Driver)];
        room.remove("left");
        // Gone with the interface, which is as good.
        for link in links {
            link.detach().unwrap();
        }
        Interface::from(left).xdp_programs().unwrap_err();
    });
}

#[test]
fn cgroups_by_command() {
    require!(Need::Root, Need::Linux(4, 15));
    sandbox(|room| {
        let cgroup = Cgroup::new().unwrap();
        let directory = File::open(cgroup.path()).unwrap();
        let load = || Counter::new(ProgramType::CGROUP_SKB, Some(AttachType::CGROUP_INET_EGRESS), 1);
        let (one, two) = (load(), load());
        let send = || cgroup.run(|| room.send(9, 2, 100));
        let attach = |counter: &Counter, flags| {
            CgroupSkb::try_from(&counter.program)
                .unwrap()
                .attach_without_link(&directory, CgroupDirection::Egress, flags)
        };
        // Several at once.
        let link = attach(&one, AttachFlags::ALLOW_MULTI).unwrap();
        let both = attach(&two, AttachFlags::ALLOW_MULTI).unwrap();
        let (a, b) = (one.runs(), two.runs());
        send();
        assert_eq!((one.runs(), two.runs()), (a + 2, b + 2));
        let info = link.info().unwrap();
        assert_eq!(
            (info.id(), info.link_type(), info.program_id()),
            (0, LinkType::CGROUP, id(&one))
        );
        assert!(matches!(info.details(), LinkDetails::Cgroup(link) if link.cgroup_id == cgroup.id()));
        // Not along with one that allows no others.
        attach(&one, AttachFlags::ALLOW_OVERRIDE).unwrap_err();
        drop(both);
        if since(5, 6) {
            link.update_if(&one.program, &two.program).unwrap();
            assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 2));
        }
        link.detach().unwrap();
        assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 0));

        // One alone, replaced by the next.
        let link = attach(&one, AttachFlags::ALLOW_OVERRIDE).unwrap();
        assert_eq!(one.runs_in(send), 2);
        link.update(&two.program).unwrap();
        assert_eq!((one.runs_in(send), two.runs_in(send)), (0, 2));
        drop(link);
        assert_eq!(two.runs_in(send), 0);

        // Forgotten, it stays; the cgroup lets it go.
        attach(&one, AttachFlags::empty()).unwrap().forget();
        assert_eq!(one.runs_in(send), 2);
    });
}

#[test]
fn socket_maps_by_command() {
    require!(Need::Root, Need::Config("CONFIG_BPF_STREAM_PARSER"));
    sandbox(|_room| {
        let map = Map::builder(MapType::SOCKHASH, "sockets")
            .key_size(4)
            .value_size(4)
            .max_entries(2)
            .create()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let parser = Counter::with(
            ProgramType::SK_SKB,
            Some(AttachType::SK_SKB_STREAM_PARSER),
            5,
            &[],
        );
        let verdict = Counter::new(ProgramType::SK_SKB, Some(AttachType::SK_SKB_STREAM_VERDICT), 1);
        let message = Counter::new(ProgramType::SK_MSG, Some(AttachType::SK_MSG_VERDICT), 1);
        let stream = |counter: &Counter, attach_type| {
            SkSkb::try_from(&counter.program)
                .unwrap()
                .attach_without_link(&map, attach_type)
                .unwrap()
        };
        let links = [
            stream(&parser, AttachType::SK_SKB_STREAM_PARSER),
            stream(&verdict, AttachType::SK_SKB_STREAM_VERDICT),
            SkMsg::try_from(&message.program)
                .unwrap()
                .attach_without_link(&map)
                .unwrap(),
        ];
        // This was asked for; what stands in for a link on an older kernel is told.
        assert!(links.iter().all(|link| link.adaptations().is_empty()));
        let set = |key: u32, fd: i32| {
            map.update(&key.to_ne_bytes(), &fd.to_ne_bytes(), ElemFlags::empty())
                .unwrap()
        };
        set(0, server.as_raw_fd());
        set(1, client.as_raw_fd());
        client.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        server.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello");
        assert!(parser.runs() > 0);
        assert_eq!((verdict.runs(), message.runs()), (1, 1));
        for (link, counter) in links.into_iter().zip([&parser, &verdict, &message]) {
            let info = link.info().unwrap();
            assert_eq!(
                (info.id(), info.link_type(), info.program_id()),
                (0, LinkType::SOCKMAP, id(counter))
            );
            link.detach().unwrap();
        }
    });
}

#[test]
fn flow_dissectors_by_command() {
    require!(Need::Root, Need::Linux(5, 5));
    sandbox(|_room| {
        let load = || Counter::new(ProgramType::FLOW_DISSECTOR, Some(AttachType::FLOW_DISSECTOR), 0);
        let (one, two) = (load(), load());
        let dissector: FlowDissector = (&one.program).try_into().unwrap();
        let link = dissector.attach_here_without_link().unwrap();
        let info = link.info().unwrap();
        assert_eq!(
            (info.id(), info.link_type(), info.program_id()),
            (0, LinkType::NETNS, id(&one))
        );
        link.update(&two.program).unwrap();
        // With a link it does not go where one is.
        if since(5, 7) {
            let error = dissector.attach_here().unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
        }
        link.detach().unwrap();
        let link = dissector.attach_here().unwrap();
        assert_eq!(dissector.program().name(), "counter");
        drop(link);
    });
}

/// Links to socket maps came later than the programs.
#[test]
fn what_stands_in_for_a_link_is_told() {
    require!(
        Need::Root,
        Need::Config("CONFIG_BPF_STREAM_PARSER"),
        Need::Linux(4, 18)
    );
    let map = Map::builder(MapType::SOCKHASH, "sockets")
        .key_size(4)
        .value_size(4)
        .max_entries(1)
        .create()
        .unwrap();
    let message = Counter::new(ProgramType::SK_MSG, Some(AttachType::SK_MSG_VERDICT), 1);
    let link = SkMsg::try_from(&message.program).unwrap().attach(&map).unwrap();
    let has_links = Probes::live().has(Feature::LinkType(LinkType::SOCKMAP));
    let expected: &[Measure] = if has_links {
        &[]
    } else {
        &[Measure::AttachedByCommand]
    };
    assert_eq!(crate::adaptations::of_link(&link), expected);
    assert_eq!(link.is_kernel_link(), has_links);
    link.detach().unwrap();
}
