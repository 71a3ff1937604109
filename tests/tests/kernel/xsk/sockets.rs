//! Sockets in all ways to make them, and batches.

use std::path::Path;

use bpfld::{Errno, XdpMode};
use bpfld_sys::xdp;
use bpfld_tests::{Need, require, sandbox};
use bpfld_xsk::{CopyMode, Direction, Error, Redirect, RingKind, Then, Umem, XskSocket, queue_count};

use super::{Ends, LONG, expect, expect_none, number, packet, send, umem};
use crate::counter::since;

const NEED: Need = Need::Config("CONFIG_XDP_SOCKETS");

#[test]
fn xsk_01_as_many_come_as_are_sent() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        let total = 2_000u32;
        let mut next = 0;
        let mut frames = Vec::new();
        let mut received = Vec::new();
        let mut expected = 0;
        while expected < total {
            while next < total && frames.len() < 64 {
                let Ok(mut frame) = ends.left.frame() else { break };
                frame.set(&packet(next, 60 + next as usize % 1400)).unwrap();
                frames.push(frame);
                next += 1;
            }
            ends.left.transmit(&mut frames).unwrap();
            ends.right.wait(Some(LONG)).unwrap();
            ends.right.receive(&mut received, 64).unwrap();
            for frame in received.drain(..) {
                if let Some(number) = number(&frame) {
                    assert_eq!(number, expected);
                    expected += 1;
                }
            }
            for umem in [ends.left.umem(), ends.right.umem()] {
                assert_eq!(umem.usage().total(), 4096);
            }
        }
        expect_none(&mut ends.right);
        let statistics = ends.right.statistics().unwrap();
        assert_eq!((statistics.rx_dropped, statistics.rx_invalid_descs), (0, 0));
        assert_eq!(ends.left.statistics().unwrap().tx_invalid_descs, 0);
        assert!(!ends.left.is_zero_copy());
        assert_eq!(ends.left.queue(), 0);
        let umem = ends.left.umem();
        drop(ends);
        assert_eq!(umem.usage().free, 4096);
    });
}

#[test]
fn xsk_01_settings() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let umem = umem(64);
        let small = || {
            let rings = [RingKind::Rx, RingKind::Tx, RingKind::Fill, RingKind::Completion];
            let builder = XskSocket::builder(&umem);
            rings
                .into_iter()
                .fold(builder, |builder, ring| builder.ring_size(ring, 16))
        };
        #[track_caller]
        fn refused<T: std::fmt::Debug>(result: Result<T, Error>, errno: Option<Errno>, text: &str) {
            let error = result.unwrap_err();
            assert_eq!(error.errno(), errno, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
        refused(
            small().ring_size(RingKind::Rx, 0).bind("left", 0),
            None,
            "Rx ring of 0",
        );
        refused(
            small().ring_size(RingKind::Fill, 48).bind("left", 0),
            None,
            "powers of two",
        );
        refused(small().bind("nosuch", 0), None, "interface nosuch");
        // The driver tells how many queues there are since 5.13.
        let text = if since(6, 1) {
            "bind to queue 7 of left, which has 1, from 0 on"
        } else {
            "bind to queue 7 of left"
        };
        refused(small().bind("left", 7), Some(Errno::EINVAL), text);
        if since(6, 6) {
            // It is not for the several frames.
            let several = small().multi_buffer().bind("left", 7);
            refused(several, Some(Errno::EINVAL), text);
        }
        refused(small().bind(9999u32, 0), Some(Errno::ENODEV), "bind to queue 0");
        // The driver of virtual Ethernet copies.
        refused(
            small().copy_mode(CopyMode::ZeroCopy).bind("left", 0),
            Some(Errno::EOPNOTSUPP),
            "zero copy",
        );
        assert_eq!(umem.usage().free, 64, "what failed gives all frames back");
        let socket = small().copy_mode(CopyMode::Copy).bind("left", 0).unwrap();
        assert_eq!(umem.usage().receiving, 16);
        assert!(!socket.is_zero_copy());
        // The redirect program is of one interface.
        let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
        refused(redirect.insert(&socket), None, "the program is on interface");
        let error = Redirect::attach("right", XdpMode::Auto).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EBUSY), "{error}");
        redirect.detach().unwrap();
        drop(socket);
        assert_eq!(umem.usage().free, 64);
        let file = std::fs::File::open("/dev/null").unwrap();
        refused(
            small().passed(file.into()).bind("left", 0),
            None,
            "no AF_XDP socket",
        );
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        refused(
            small().passed(udp.into()).bind("left", 0),
            None,
            "no AF_XDP socket",
        );
        if since(5, 11) {
            small().busy_poll(20, 8).bind("left", 0).unwrap();
        }
        small().always_wake().bind("left", 0).unwrap();
        assert_eq!(umem.usage().free, 64);
    });
}

/// With one direction off there was asked for a ring without elements, which kernels refuse.
#[test]
fn xsk_bug_1_one_direction_only() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let builder = |umem, direction| XskSocket::builder(umem).direction(direction);
        let (one, two) = (umem(4096), umem(4096));
        let mut sender = builder(&one, Direction::Send).bind("left", 0).unwrap();
        let mut receiver = builder(&two, Direction::Receive).bind("right", 0).unwrap();
        assert_eq!((one.usage().receiving, two.usage().receiving), (0, 2048));
        let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
        redirect.insert(&receiver).unwrap();
        // Packets reach the other end only if that takes them as XDP does.
        let _other = Redirect::attach("left", XdpMode::Auto).unwrap();
        send(&mut sender, &packet(1, 60));
        let (number, frame) = expect(&mut receiver);
        assert_eq!(number, 1);
        let error = receiver.send_frame(frame).unwrap_err().to_string();
        assert!(error.contains("only receives"), "{error}");
        assert!(sender.recv_frame().unwrap().is_none());
    });
}

/// An interval for the thread that collected frames could be 0, and that panicked. There is no such thread: frames come back when
/// they are asked for.
#[test]
fn xsk_bug_2_frames_come_back_without_a_thread() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let (one, two) = (umem(8), umem(64));
        room.veth_with_queues("left", "right", 1);
        let builder = XskSocket::builder(&one).direction(Direction::Send);
        let mut sender = builder.bind("left", 0).unwrap();
        let mut receiver = XskSocket::builder(&two).bind("right", 0).unwrap();
        let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
        redirect.insert(&receiver).unwrap();
        for count in 0..100 {
            send(&mut sender, &packet(count, 100));
            assert_eq!(expect(&mut receiver).0, count);
        }
        assert_eq!(one.usage().total(), 8);
    });
}

#[test]
fn xsk_07_queues() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        assert_eq!(queue_count("lo").unwrap(), 1);
        room.veth_with_queues("left", "right", 3);
        // Before that this driver does not tell.
        let told = if since(5, 15) {
            3
        } else {
            queue_count("left").unwrap()
        };
        assert!([1, 3].contains(&told));
        assert_eq!(queue_count("left").unwrap(), told);
        let right = bpfld::Interface::by_name("right").unwrap().index();
        assert_eq!(queue_count(right).unwrap(), told);
        for name in ["../lo", "lo/", "nosuch", "", "a name that is much too long"] {
            queue_count(name).unwrap_err();
        }
        queue_count(9999u32).unwrap_err();
    });
}

/// Packets are looked at where they lie: odd ones go back, of the others some are kept.
#[test]
fn packets_handled_where_they_lie() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        let umem = ends.right.umem();
        let mut kept = Vec::new();
        let (mut handled, mut back) = (0, 0);
        for first in (0..3000).step_by(30) {
            for count in first..first + 30 {
                send(&mut ends.left, &packet(count, 64));
            }
            while handled < first + 30 {
                ends.right
                    .for_each(16, |frame| {
                        let Some(number) = number(frame) else {
                            return Then::Drop;
                        };
                        assert_eq!(number, handled);
                        handled += 1;
                        if number % 2 != 0 {
                            return Then::Send;
                        }
                        if number % 100 == 0
                            && let Ok(free) = umem.frame()
                        {
                            kept.push(std::mem::replace(frame, free));
                        }
                        Then::Drop
                    })
                    .unwrap();
            }
            while back * 2 < handled {
                assert_eq!(expect(&mut ends.left).0, back * 2 + 1);
                back += 1;
            }
            assert_eq!(
                (umem.usage().total(), umem.usage().user as usize),
                (4096, kept.len())
            );
        }
        let numbers: Vec<_> = kept.iter().map(|frame| number(frame).unwrap()).collect();
        assert_eq!(numbers, (0..3000).step_by(100).collect::<Vec<_>>());
        // What was taken to be handed out one by one comes first.
        send(&mut ends.left, &packet(1, 64));
        assert!(ends.right.wait(Some(LONG)).unwrap());
        assert_eq!(ends.right.for_each(1, |_| Then::Send).unwrap(), 1);
        assert_eq!(expect(&mut ends.left).0, 1);
    });
}

/// Frames go from one interface to another, and on the same queue from one socket to another, without being copied.
#[test]
fn one_memory_for_several_sockets() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("a", "b", 1);
        room.veth_with_queues("c", "d", 1);
        let shared = umem(4096 * 2);
        let (outer, inner) = (umem(4096), umem(4096));
        let bind = |umem, name| {
            let socket = XskSocket::builder(umem).bind(name, 0).unwrap();
            let redirect = Redirect::attach(name, XdpMode::Auto).unwrap();
            redirect.insert(&socket).unwrap();
            (socket, redirect)
        };
        let ((mut a, _a), (mut b, _b)) = (bind(&outer, "a"), bind(&shared, "b"));
        let ((mut c, _c), (mut d, _d)) = (bind(&shared, "c"), bind(&inner, "d"));
        for count in 0..200 {
            send(&mut a, &packet(count, 300));
            let (_, frame) = expect(&mut b);
            let number = frame.number();
            assert!(c.send_frame(frame).unwrap().is_none());
            assert_eq!(expect(&mut d).0, count);
            assert!(number < 8192);
            assert_eq!(shared.usage().total(), 8192);
        }
        // Another socket on a queue that has one; a packet goes by either.
        let mut second = XskSocket::builder(&shared).share(&c).unwrap();
        send(&mut second, &packet(1000, 64));
        assert_eq!(expect(&mut d).0, 1000);
        let error = XskSocket::builder(&outer).share(&c).unwrap_err().to_string();
        assert!(error.contains("same memory"), "{error}");
        // It now gets what comes, in frames of the ring that both have.
        _c.insert(&second).unwrap();
        for count in 0..100 {
            send(&mut d, &packet(count, 64));
            assert_eq!(expect(&mut second).0, count);
        }
        // The queue lives as long as one of them.
        drop(c);
        for count in 0..3000 {
            send(&mut d, &packet(count, 64));
            assert_eq!(expect(&mut second).0, count);
            send(&mut second, &packet(count, 64));
            assert_eq!(expect(&mut d).0, count);
        }
        drop((b, second));
        assert_eq!(shared.usage().free, 8192);
    });
}

/// As a kernel before 5.3 needs it, with a second map.
#[test]
fn the_program_for_old_kernels() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = XskSocket::builder(&one).bind("left", 0).unwrap();
        let mut right = XskSocket::builder(&two).bind("right", 0).unwrap();
        for old in [false, true] {
            let builder = Redirect::builder().queues(4);
            let builder = if old { builder.for_old_kernels() } else { builder };
            let redirect = builder.attach("right").unwrap();
            let verdict = || {
                let run = redirect.program().test_run().data(&[0; 64]).run().unwrap();
                run.return_value
            };
            assert_eq!(verdict(), 2, "without a socket packets pass");
            redirect.insert(&right).unwrap();
            assert_eq!(verdict(), 4, "with one they are redirected");
            send(&mut left, &packet(7, 64));
            assert_eq!(expect(&mut right).0, 7);
            redirect.remove(0).unwrap();
            assert_eq!(verdict(), 2);
            redirect.insert(&right).unwrap();
            redirect.detach().unwrap();
        }
    });
}

/// What the user chooses goes to the socket, with a program and map of their own.
#[test]
fn a_program_of_the_user() {
    require!(Need::Root, NEED, Need::Linux(5, 3));
    sandbox(|room| {
        let (_, right) = room.veth_with_queues("left", "right", 1);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = XskSocket::builder(&one).bind("left", 0).unwrap();
        let mut socket = XskSocket::builder(&two).bind(right, 0).unwrap();
        let object = bpfld::Object::parse(
            br#"
            .license "GPL"
            .map chosen xskmap key=u32 value=u32 max_entries=8
            .section xdp
choose:     r6 = r1
            r2 = *(u32 *)(r1 + 0)
            r3 = *(u32 *)(r1 + 4)
            r4 = r2
            r4 += 18
            if r4 > r3 goto pass
            r5 = *(u8 *)(r2 + 17)
            if r5 & 1 goto pass
            r1 = chosen ll
            r2 = 5
            r3 = 2
            call bpf_redirect_map
            exit
pass:       r0 = 1
            exit
            "#
            .to_vec(),
        )
        .unwrap();
        let loaded = bpfld::Loader::new().load(&object).unwrap();
        let map = loaded.map("chosen").unwrap().try_into().unwrap();
        socket.insert_into(&map, 5).unwrap();
        let program: bpfld::Xdp = loaded.program("choose").unwrap().try_into().unwrap();
        let _link = program.attach("right", XdpMode::Auto).unwrap();
        for count in 0..10 {
            send(&mut left, &packet(count, 64));
        }
        let numbers: Vec<u32> = (0..5).map(|_| expect(&mut socket).0).collect();
        assert_eq!(numbers, [0, 2, 4, 6, 8]);
        expect_none(&mut socket);
        let error = socket.insert_into(&map, 8).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::E2BIG), "{error}");
    });
}

#[test]
fn frames_of_any_size_and_huge_pages() {
    require!(Need::Root, NEED, Need::Linux(5, 4));
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let build = |builder: bpfld_xsk::UmemBuilder| builder.frames(4096).build();
        let unaligned = || Umem::builder().frame_size(3000).unaligned().headroom(50);
        let mut memories = vec![(build(unaligned()).unwrap(), build(unaligned()).unwrap())];
        let huge = || build(Umem::builder().frame_size(2048).huge_pages(21));
        match (huge(), huge()) {
            (Ok(one), Ok(two)) => memories.push((one, two)),
            (Err(error), _) | (_, Err(error)) => {
                // Not all machines have pages of this size, and most have set none aside.
                let is_size = Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists();
                let expected = if is_size { Errno::ENOMEM } else { Errno::EINVAL };
                assert_eq!(error.errno(), Some(expected), "{error}");
            }
        }
        for (one, two) in memories {
            let mut left = XskSocket::builder(&one).bind("left", 0).unwrap();
            let mut right = XskSocket::builder(&two).bind("right", 0).unwrap();
            let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
            redirect.insert(&right).unwrap();
            for count in 0..6000 {
                send(&mut left, &packet(count, 1400));
                assert_eq!(expect(&mut right).0, count);
            }
            assert_eq!((one.usage().total(), two.usage().total()), (4096, 4096));
        }
    });
}

#[test]
fn how_much_is_sent_at_once() {
    require!(Need::Root, NEED, Need::Linux(6, 17));
    let socket = xdp::socket().unwrap();
    assert_eq!(xdp::set_tx_budget(&socket, 64), Err(Errno::EACCES), "no TX ring");
    xdp::set_ring_size(&socket, RingKind::Tx, 128).unwrap();
    for (packets, result) in [
        (31, Err(Errno::EACCES)),
        (32, Ok(())),
        (128, Ok(())),
        (129, Err(Errno::EACCES)),
    ] {
        assert_eq!(xdp::set_tx_budget(&socket, packets), result, "{packets}");
    }
}
