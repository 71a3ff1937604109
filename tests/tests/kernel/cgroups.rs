//! Programs on cgroups.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
};

use bpfld::{
    Array, AttachType, CgroupDevice, CgroupDirection, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSockopt,
    CgroupSysctl, Errno, ErrorKind, LinkDetails, Map, MapType, Order, Program, ProgramKind, ProgramType,
    SockOps,
};
use bpfld_insn::Slot;
use bpfld_tests::{Cgroup, Need, require, sandbox};

use crate::counter::{Counter, exit, map_value, mov, since};

/// `r0 = 1; exit` is what most cgroup programs need to let things happen.
const ALLOW: i32 = 1;

#[test]
fn cgroup_packets() {
    require!(Need::Root);
    sandbox(|room| {
        let cgroup = Cgroup::new().unwrap();
        let directory = File::open(cgroup.path()).unwrap();
        let counter = Counter::new(
            ProgramType::CGROUP_SKB,
            Some(AttachType::CGROUP_INET_EGRESS),
            ALLOW,
        );
        let program: CgroupSkb = (&counter.program).try_into().unwrap();
        let link = program.attach(&directory, CgroupDirection::Egress).unwrap();
        assert!(matches!(link.info().unwrap().details(), LinkDetails::Cgroup(link)
            if link.attach_type == AttachType::CGROUP_INET_EGRESS));
        let send = || room.send(9, 3, 100);
        assert_eq!(counter.runs_in(send), 0);
        assert_eq!(counter.runs_in(|| cgroup.run(send)), 3);

        // A second program of the same cgroup, before and after the first.
        let second = Counter::new(
            ProgramType::CGROUP_SKB,
            Some(AttachType::CGROUP_INET_EGRESS),
            ALLOW,
        );
        let other: CgroupSkb = (&second.program).try_into().unwrap();
        match other.attach_at(&directory, CgroupDirection::Egress, Order::before(&link)) {
            Ok(_both) => assert_eq!(second.runs_in(|| cgroup.run(send)), 3),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Unsupported { since: Some(since), .. } if since == "6.17"),
                "{error}"
            ),
        }
        drop(link);
        assert_eq!(counter.runs_in(|| cgroup.run(send)), 0);
        let error = program
            .attach(File::open("/").unwrap(), CgroupDirection::Egress)
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EBADF), "{error}");
    });
}

#[test]
fn every_place_of_a_cgroup() {
    require!(Need::Root);
    sandbox(|_room| {
        let cgroup = Cgroup::new().unwrap();
        let directory = File::open(cgroup.path()).unwrap();
        let mut failed = Vec::new();
        let mut tried = 0;
        macro_rules! each {
            ($($kind:ident $program_type:ident: $($attach_type:ident)+;)+) => { $($({
                let attach_type = AttachType::$attach_type;
                tried += 1;
                if since(6, 7) || !attach_type.to_string().contains("unix") {
                    let counter = Counter::new(ProgramType::$program_type, Some(attach_type), ALLOW);
                    let attached = $kind::try_from(&counter.program).unwrap().attach(&directory);
                    match attached.map(|link| (link.info().unwrap().program_id(), link.detach())) {
                        Ok((id, Ok(()))) => assert_eq!(id, counter.program.info().unwrap().id()),
                        Ok((_, Err(error))) | Err(error) => failed.push(format!("{attach_type}: {error}")),
                    }
                }
            })+)+ };
        }
        each! {
            CgroupSock CGROUP_SOCK: CGROUP_INET_SOCK_CREATE CGROUP_INET_SOCK_RELEASE CGROUP_INET4_POST_BIND CGROUP_INET6_POST_BIND;
            CgroupSockAddr CGROUP_SOCK_ADDR: CGROUP_INET4_BIND CGROUP_INET6_BIND CGROUP_INET4_CONNECT CGROUP_INET6_CONNECT
                CGROUP_UNIX_CONNECT CGROUP_UDP4_SENDMSG CGROUP_UDP6_SENDMSG CGROUP_UNIX_SENDMSG CGROUP_UDP4_RECVMSG
                CGROUP_UDP6_RECVMSG CGROUP_UNIX_RECVMSG CGROUP_INET4_GETPEERNAME CGROUP_INET6_GETPEERNAME
                CGROUP_UNIX_GETPEERNAME CGROUP_INET4_GETSOCKNAME CGROUP_INET6_GETSOCKNAME CGROUP_UNIX_GETSOCKNAME;
            SockOps SOCK_OPS: CGROUP_SOCK_OPS;
            CgroupDevice CGROUP_DEVICE: CGROUP_DEVICE;
            CgroupSysctl CGROUP_SYSCTL: CGROUP_SYSCTL;
            CgroupSockopt CGROUP_SOCKOPT: CGROUP_GETSOCKOPT CGROUP_SETSOCKOPT;
        }
        assert!(failed.is_empty(), "{failed:#?}");
        assert_eq!(tried, 26);
    });
}

#[test]
fn cgroup_programs_run() {
    require!(Need::Root);
    sandbox(|_room| {
        let cgroup = Cgroup::new().unwrap();
        let directory = File::open(cgroup.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || {
            cgroup.run(|| {
                let _ = TcpStream::connect(address);
            });
        };
        let load = |program_type, attach_type, verdict| {
            let counter = Counter::new(program_type, Some(attach_type), verdict);
            let link = match program_type {
                ProgramType::CGROUP_SOCK => {
                    CgroupSock::try_from(&counter.program).unwrap().attach(&directory)
                }
                ProgramType::CGROUP_SOCK_ADDR => CgroupSockAddr::try_from(&counter.program)
                    .unwrap()
                    .attach(&directory),
                ProgramType::SOCK_OPS => SockOps::try_from(&counter.program).unwrap().attach(&directory),
                _ => CgroupDevice::try_from(&counter.program)
                    .unwrap()
                    .attach(&directory),
            };
            (counter, link.unwrap())
        };
        let (counter, link) = load(
            ProgramType::CGROUP_SOCK,
            AttachType::CGROUP_INET_SOCK_CREATE,
            ALLOW,
        );
        assert_eq!(counter.runs_in(connect), 1);
        drop(link);
        let (counter, link) = load(ProgramType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_CONNECT, 0);
        assert_eq!(
            counter.runs_in(|| drop(cgroup.run(|| TcpStream::connect(address).map(drop).unwrap_err()))),
            1
        );
        drop(link);
        let (counter, link) = load(ProgramType::SOCK_OPS, AttachType::CGROUP_SOCK_OPS, ALLOW);
        assert!(counter.runs_in(connect) > 0);
        drop(link);
        let (counter, link) = load(ProgramType::CGROUP_DEVICE, AttachType::CGROUP_DEVICE, 0);
        cgroup.run(|| File::open("/dev/zero").unwrap_err());
        assert_eq!(counter.runs(), 1);
        drop(link);
        cgroup.run(|| File::open("/dev/zero").unwrap());
    });
}

/// PRG-10.

#[test]
fn unix_sockets_of_a_cgroup() {
    require!(Need::Root, Need::Linux(6, 7));
    let cgroup = Cgroup::new().unwrap();
    let directory = File::open(cgroup.path()).unwrap();
    let counter = Counter::new(
        ProgramType::CGROUP_SOCK_ADDR,
        Some(AttachType::CGROUP_UNIX_CONNECT),
        0,
    );
    let link = CgroupSockAddr::try_from(&counter.program)
        .unwrap()
        .attach(&directory)
        .unwrap();
    let path = std::env::temp_dir().join(format!("bpfld-unix-{}", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let refused = cgroup.run(|| UnixStream::connect(&path).map(drop).unwrap_err());
    assert_eq!(refused.raw_os_error(), Some(Errno::EPERM.0));
    assert_eq!(counter.runs(), 1);
    drop(link);
    cgroup.run(|| UnixStream::connect(&path).unwrap());
    drop(listener);
    std::fs::remove_file(path).unwrap();
}

/// The kernel does not tell of a program what it was loaded for: who opens one has to know.
#[test]
fn programs_that_were_opened_from_elsewhere() {
    require!(Need::Root, Need::Linux(5, 7));
    sandbox(|room| {
        let cgroup = Cgroup::new().unwrap();
        let directory = File::open(cgroup.path()).unwrap();
        let attach_type = AttachType::CGROUP_INET4_CONNECT;
        let counter = Counter::new(ProgramType::CGROUP_SOCK_ADDR, Some(attach_type), 0);
        let path = room.bpffs().join("connect");
        counter.program.pin(&path).unwrap();
        let program = CgroupSockAddr::open_pinned(&path).unwrap();
        bpfld::remove_pin(&path).unwrap();
        let error = program.attach(&directory).unwrap_err();
        assert!(error.to_string().contains("attach type"), "{error}");
        let order = Order::default();
        let error = program
            .attach_as(AttachType::CGROUP_INET4_BIND, &directory, order)
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
        let link = program.attach_as(attach_type, &directory, order).unwrap();
        cgroup.run(|| TcpStream::connect("127.0.0.1:9").unwrap_err());
        assert_eq!(counter.runs(), 1);
        drop(link);
    });
}

#[test]
fn programs_of_cgroups_run_from_the_inside_out_unless_told_otherwise() {
    require!(Need::Root, Need::Linux(6, 15));
    sandbox(|room| {
        let outer = Cgroup::new().unwrap();
        let inner = outer.child().unwrap();
        // How many ran before each.
        let map = Map::builder(MapType::ARRAY, "turns")
            .key_size(4)
            .value_size(24)
            .max_entries(1);
        let map = map.create().unwrap();
        let load = |place: i16| {
            let mut code = map_value(1, &map).to_vec();
            code.extend([
                mov(2, 1),
                Slot::new(0xdb, 1, 2, 0, 1),
                Slot::new(0x7b, 1, 2, 8 * place, 0),
                mov(0, ALLOW),
                exit(),
            ]);
            let attach_type = AttachType::CGROUP_INET_EGRESS;
            let program = Program::builder(ProgramType::CGROUP_SKB, "turn", &code).attach_type(attach_type);
            CgroupSkb::try_from(program.load().unwrap()).unwrap()
        };
        let turns: Array<[u64; 3]> = map.clone().try_into().unwrap();
        let (first, second) = (load(1), load(2));
        let inside = File::open(inner.path()).unwrap();
        let _inside = second.attach(&inside, CgroupDirection::Egress).unwrap();
        let outside = File::open(outer.path()).unwrap();
        for (order, expected) in [(Order::default(), [1, 0]), (Order::default().preorder(), [0, 1])] {
            let _outside = first.attach_at(&outside, CgroupDirection::Egress, order).unwrap();
            turns.set(0, &[0; 3]).unwrap();
            outer.run(|| inner.run(|| room.send(9, 1, 100)));
            assert_eq!(turns.get(0).unwrap().unwrap()[1..], expected);
        }
    });
}
