//! Filters of traffic control, and actions of filters: attached by netlink, which knows no links.

use std::net::UdpSocket;

use bpfld::{
    AttachType, Errno, FilterOptions, LinkDetails, LinkType, ProgramType, SchedAct, SchedCls, TcxDirection,
};
use bpfld_tests::{Need, require, sandbox};

use crate::counter::Counter;

/// Traffic control goes on with the next filter.
const NEXT: i32 = -1;

fn id(counter: &Counter) -> u32 {
    counter.program.info().unwrap().id()
}

#[test]
fn filters_of_traffic_control() {
    require!(
        Need::Root,
        Need::Config("CONFIG_NET_CLS_BPF"),
        Need::Config("CONFIG_NET_SCH_INGRESS")
    );
    sandbox(|room| {
        let load = |verdict| {
            let counter = Counter::new(ProgramType::SCHED_CLS, None, verdict);
            (SchedCls::try_from(&counter.program).unwrap(), counter)
        };
        let ((one, first), (two, second), (three, third)) = (load(NEXT), load(NEXT), load(0));
        let send = || room.send(9, 2, 100);
        let attach =
            |program: &SchedCls, options| program.attach_filter("lo", TcxDirection::Ingress, options);
        assert!(!room.has_qdisc("lo", "clsact"));

        let link = attach(&one, FilterOptions::new().priority(20)).unwrap();
        assert!(room.has_qdisc("lo", "clsact"));
        assert!(!link.is_kernel_link());
        assert_eq!(first.runs_in(send), 2);
        let (priority, handle) = link.filter_place().unwrap();
        assert_eq!((priority, handle), (20, 1));
        let info = link.info().unwrap();
        assert_eq!(
            (info.id(), info.link_type(), info.program_id()),
            (0, LinkType::TCX, id(&first))
        );
        assert!(
            matches!(info.details(), LinkDetails::Tcx(filter) if filter.attach_type == AttachType::TCX_INGRESS)
        );

        // Lower priorities first; a verdict stops the row.
        let before = attach(&three, FilterOptions::new().priority(10).handle(7)).unwrap();
        assert_eq!(before.filter_place(), Some((10, 7)));
        let (a, b) = (first.runs(), third.runs());
        send();
        assert_eq!((first.runs(), third.runs()), (a, b + 2));
        let error = attach(&two, FilterOptions::new().priority(10).handle(7)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
        assert!(error.hint().is_some());

        // Replaced by us, by update; and by others, whose filter then is not ours to remove.
        let error = before.update_if(&first.program, &second.program).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EPERM), "{error}");
        before.update(&second.program).unwrap();
        let (a, b, c) = (first.runs(), second.runs(), third.runs());
        send();
        assert_eq!((first.runs(), second.runs(), third.runs()), (a + 2, b + 2, c));
        let other = attach(&three, FilterOptions::new().priority(10).handle(7).replace()).unwrap();
        before.detach().unwrap();
        assert_eq!(third.runs_in(send), 2);
        drop(other);

        // The queueing discipline goes with the link that made it, but not while others use it.
        let egress = two
            .attach_filter("lo", TcxDirection::Egress, FilterOptions::new())
            .unwrap();
        assert_eq!(second.runs_in(send), 2);
        link.detach().unwrap();
        assert!(room.has_qdisc("lo", "clsact"));
        drop(egress);
        assert_eq!((first.runs_in(send), second.runs_in(send)), (0, 0));
        room.remove_qdisc("lo", "clsact");
        let link = attach(&one, FilterOptions::new()).unwrap();
        assert!(room.has_qdisc("lo", "clsact"));
        drop(link);
        assert!(!room.has_qdisc("lo", "clsact"));

        // Gone with the interface.
        room.veth("left", "right");
        let link = one
            .attach_filter("left", TcxDirection::Egress, FilterOptions::new())
            .unwrap();
        room.remove("left");
        link.detach().unwrap();
        let error = one
            .attach_filter("nosuch", TcxDirection::Egress, FilterOptions::new())
            .unwrap_err();
        assert!(error.to_string().contains("interface nosuch"), "{error}");
        // Whatever the kernel has.
        let link = one.attach("lo", TcxDirection::Ingress).unwrap();
        assert_eq!(first.runs_in(send), 2);
        drop(link);
        assert_eq!(first.runs_in(send), 0);
    });
}

#[test]
fn actions_of_traffic_control() {
    require!(
        Need::Root,
        Need::Config("CONFIG_NET_CLS_BPF"),
        Need::Config("CONFIG_NET_SCH_INGRESS"),
        Need::Config("CONFIG_NET_ACT_BPF")
    );
    sandbox(|room| {
        let load = |verdict| {
            let counter = Counter::new(ProgramType::SCHED_ACT, None, verdict);
            (SchedAct::try_from(&counter.program).unwrap(), counter)
        };
        let ((one, first), (two, second)) = (load(NEXT), load(2));
        let send = || room.send(9, 2, 100);
        let attach = |program: &SchedAct, options| program.attach("lo", TcxDirection::Ingress, options);
        let link = attach(&one, FilterOptions::new().priority(10)).unwrap();
        assert!(room.has_qdisc("lo", "clsact"));
        assert_eq!(first.runs_in(send), 2);
        assert_eq!(link.info().unwrap().program_id(), id(&first));
        // It leaves the decision to the next filter, which drops all.
        let after = attach(&two, FilterOptions::new().priority(20)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (a, b) = (first.runs(), second.runs());
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        assert_eq!((first.runs(), second.runs()), (a + 1, b + 1));
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0]).is_err());
        drop(after);

        link.update(&second.program).unwrap();
        link.update(&first.program).unwrap();
        assert_eq!((first.runs_in(send), second.runs()), (2, b + 1));
        let error = attach(&two, FilterOptions::new().priority(10).handle(1)).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
        // Another takes its place, and stays there.
        let other = attach(&two, FilterOptions::new().priority(10).handle(1).replace()).unwrap();
        link.detach().unwrap();
        let before = second.runs();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        assert_eq!(second.runs(), before + 1);
        drop(other);
        // The queueing discipline was another's, and is nobody's now.
        room.remove_qdisc("lo", "clsact");
        let link = attach(&one, FilterOptions::new()).unwrap();
        assert!(room.has_qdisc("lo", "clsact"));
        drop(link);
        assert!(!room.has_qdisc("lo", "clsact"));
    });
}
