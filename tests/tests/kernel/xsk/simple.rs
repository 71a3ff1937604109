//! One packet at a time, several queues as one, awaiting.

use std::{collections::BTreeMap, net::UdpSocket, thread, time::Duration};

use bpfld::XdpMode;
use bpfld_tests::{Need, require, sandbox};
use bpfld_xsk::{AsyncXskSet, AsyncXskSocket, Direction, Error, Redirect, RingKind, Umem, XskSet, XskSocket};

use super::{Ends, LONG, expect, expect_none, number, packet, send, umem};

const NEED: Need = Need::Config("CONFIG_XDP_SOCKETS");

#[test]
fn xsk_02_copying() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        let mut buffer = [0; 2048];
        assert_eq!(ends.left.recv(&mut buffer).unwrap(), None);
        for count in 0..300 {
            // There and back.
            let bytes = packet(count, 60 + count as usize);
            send(&mut ends.left, &bytes);
            let (_, frame) = expect(&mut ends.right);
            drop(frame);
            send(&mut ends.right, &bytes);
            loop {
                let len = ends.left.recv_within(&mut buffer, LONG).unwrap().unwrap();
                if number(&buffer[..len]).is_some() {
                    assert_eq!(buffer[..len], bytes);
                    break;
                }
            }
        }
        // A buffer that is too short gets the beginning; the length is that of the packet.
        send(&mut ends.right, &packet(5, 100));
        send(&mut ends.right, &packet(6, 100));
        ends.left.wait(Some(LONG)).unwrap();
        let mut short = [0; 20];
        assert_eq!(ends.left.recv(&mut short).unwrap(), Some(100));
        assert_eq!(short, packet(5, 100)[..20]);
        assert_eq!(expect(&mut ends.left).0, 6);
        // What does not fit into a frame.
        let error = ends.left.send(&[0; 2049]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLong {
                    len: 2049,
                    room: 2048
                }
            ),
            "{error}"
        );
        ends.left.send(&[]).unwrap_err();
        assert_eq!(ends.left.umem().usage().user, 0);
    });
}

/// The kernel's own stack at the other end: it asks for an address, then talks, and gets answers.
#[test]
fn xsk_03_answers_to_the_kernel() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        room.add_address("left", [10, 9, 8, 1], 24);
        let umem = umem(64);
        let mut socket = XskSocket::builder(&umem)
            .ring_size(RingKind::Fill, 32)
            .bind("right", 0)
            .unwrap();
        let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
        redirect.insert(&socket).unwrap();
        let client = UdpSocket::bind("10.9.8.1:0").unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        for count in 0..100u32 {
            client.send_to(&count.to_be_bytes(), "10.9.8.77:7").unwrap();
            loop {
                let mut frame = socket.recv_frame_within(LONG).unwrap().expect("a packet");
                let answered = match frame.get(12..14) {
                    Some([8, 6]) => answer_arp(&mut frame),
                    Some([8, 0]) => answer_udp(&mut frame),
                    _ => None,
                };
                let Some(last) = answered else { continue };
                assert!(socket.send_frame_within(frame, LONG).unwrap().is_none());
                if last {
                    break;
                }
            }
            let mut answer = [0; 8];
            let (len, from) = client.recv_from(&mut answer).unwrap();
            assert_eq!(
                (&answer[..len], from.to_string()),
                (&count.to_be_bytes()[..], "10.9.8.77:7".into())
            );
        }
        assert_eq!(umem.usage().total(), 64);
    });
}

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 77];

/// Whether it was the last step; nothing if it is not for us.
fn answer_arp(packet: &mut [u8]) -> Option<bool> {
    if packet.get(38..42)? != [10, 9, 8, 77] || packet[20..22] != [0, 1] {
        return None;
    }
    let sender: [u8; 10] = packet[22..32].try_into().unwrap();
    packet.copy_within(6..12, 0);
    packet[6..12].copy_from_slice(&MAC);
    packet[21] = 2;
    packet[32..42].copy_from_slice(&sender);
    packet[22..28].copy_from_slice(&MAC);
    packet[28..32].copy_from_slice(&[10, 9, 8, 77]);
    Some(false)
}

fn answer_udp(packet: &mut [u8]) -> Option<bool> {
    if packet.get(23) != Some(&17) || packet.get(36..38)? != [0, 7] {
        return None;
    }
    let mut swap = |one: usize, two: usize, len| (0..len).for_each(|at| packet.swap(one + at, two + at));
    swap(0, 6, 6);
    swap(26, 30, 4);
    swap(34, 36, 2);
    // No checksum: what is there the card would have completed.
    packet[40..42].fill(0);
    Some(true)
}

/// A header put in front of a packet where it lies; sent from there, it must not be looked for elsewhere.
#[test]
fn xsk_bug_4_headroom_is_counted_once() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let with_headroom = || {
            Umem::builder()
                .frames(4096)
                .frame_size(2048)
                .headroom(40)
                .build()
                .unwrap()
        };
        let mut ends = Ends::with(room, &with_headroom(), &with_headroom());
        for count in 0..200 {
            let whole = packet(count, 400);
            // Written behind the headroom, then grown into it.
            let mut frame = ends.left.frame().unwrap();
            assert_eq!(frame.room_in_front(), 40);
            frame.set(&whole[40..]).unwrap();
            frame.grow_front(40).unwrap().copy_from_slice(&whole[..40]);
            assert!(ends.left.send_frame_within(frame, LONG).unwrap().is_none());
            let (number, mut frame) = expect(&mut ends.right);
            assert_eq!((number, frame.len()), (count, 400));
            // Encapsulated where it lies: all of the headroom is there, and the kernel's own.
            assert!(frame.room_in_front() >= 40 + 256);
            frame.grow_front(18).unwrap().copy_from_slice(&packet(count, 18));
            assert!(ends.right.send_frame_within(frame, LONG).unwrap().is_none());
            loop {
                let frame = ends.left.recv_frame_within(LONG).unwrap().unwrap();
                if frame.len() == 418 {
                    assert!(frame[18..] == whole[..] && frame[..18] == packet(count, 18));
                    break;
                }
            }
        }
    });
}

#[test]
fn xsk_04_timeouts() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        expect_none(&mut ends.right);
        // Nothing comes: each returns.
        let mut buffer = [0; 64];
        for timeout in [
            Duration::ZERO,
            Duration::from_millis(1),
            Duration::from_millis(30),
        ] {
            while let Some(frame) = ends.right.recv_frame_within(timeout).unwrap() {
                assert_eq!(number(&frame), None);
            }
            let _ = ends.right.recv_within(&mut buffer, timeout).unwrap();
        }
        // What comes ends the wait, for whatever time that is.
        for timeout in [None, Some(LONG), Some(Duration::MAX)] {
            thread::scope(|scope| {
                scope.spawn(|| send(&mut ends.left, &packet(9, 64)));
                loop {
                    assert!(ends.right.wait(timeout).unwrap());
                    let frame = ends.right.recv_frame().unwrap().unwrap();
                    if number(&frame).is_some() {
                        break;
                    }
                }
            });
        }
        // There is no room to send while the user has all frames.
        let all: Vec<_> = std::iter::from_fn(|| ends.left.frame().ok()).collect();
        assert!(
            !ends
                .left
                .send_within(&packet(1, 64), Duration::from_millis(2))
                .unwrap()
        );
        drop(all);
        assert!(ends.left.send_within(&packet(1, 64), Duration::ZERO).unwrap());
    });
}

fn all_queues(umem: &Umem, name: &str, queues: u32, direction: Direction) -> XskSet {
    let mut set = XskSet::new().unwrap();
    for queue in 0..queues {
        let builder = XskSocket::builder(umem)
            .direction(direction)
            .ring_size(RingKind::Fill, 512)
            .ring_size(RingKind::Rx, 512);
        let place = set.add(builder.bind(name, queue).unwrap()).unwrap();
        assert_eq!(place, queue as usize);
    }
    set
}

#[test]
fn xsk_05_several_queues_take_turns() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        const QUEUES: u32 = 3;
        const EACH: u32 = 100;
        room.veth_with_queues("left", "right", QUEUES);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = all_queues(&one, "left", QUEUES, Direction::Send);
        let mut right = all_queues(&two, "right", QUEUES, Direction::Receive);
        let redirect = Redirect::builder().queues(QUEUES).attach("right").unwrap();
        for socket in right.sockets() {
            redirect.insert(socket).unwrap();
        }
        // The set sends by each in turn.
        for count in 0..QUEUES * EACH {
            let place = left.send_within(&packet(count, 64), LONG).unwrap().unwrap();
            assert_eq!(place as u32, count % QUEUES);
        }
        // All queues are full of packets when reading begins: none waits while another has two turns.
        for socket in right.sockets_mut() {
            while socket.statistics().unwrap().rx_dropped == 0 && socket.umem().usage().user == 0 {
                if socket.wait(Some(LONG)).unwrap() {
                    break;
                }
            }
        }
        let mut seen: BTreeMap<usize, u32> = BTreeMap::new();
        let mut turns = Vec::new();
        while turns.len() < (QUEUES * EACH) as usize {
            let (place, frame) = right.recv_frame_within(LONG).unwrap().expect("a packet");
            if let Some(number) = number(&frame) {
                assert_eq!(number % QUEUES, place as u32, "by the queue it was sent to");
                *seen.entry(place).or_default() += 1;
                turns.push(place);
            }
        }
        assert_eq!(seen.into_values().collect::<Vec<_>>(), [EACH; QUEUES as usize]);
        // By the time that all have come, each had every third turn.
        let middle = &turns[turns.len() / 3..turns.len() * 2 / 3];
        for place in 0..QUEUES as usize {
            let share = middle.iter().filter(|turn| **turn == place).count();
            assert!(
                share * 6 >= middle.len(),
                "queue {place} had {share} of {}",
                middle.len()
            );
        }
        // The kernel's own packets come at any time.
        let mut buffer = [0; 64];
        while let Some((place, _)) = right.recv(&mut buffer).unwrap() {
            assert_eq!(number(&buffer), None, "queue {place}");
        }
        assert_eq!(left.send(&packet(0, 64)).unwrap(), Some(0));
        let received = loop {
            assert!(right.wait(Some(LONG)).unwrap());
            match right.recv(&mut buffer).unwrap() {
                Some(received) if number(&buffer).is_some() => break received,
                _ => {}
            }
        };
        assert_eq!(received, (0, 64));
    });
}

/// The descriptors that were waited for belonged to the sockets before; whoever waited for the last one waited for ever.
#[test]
fn xsk_bug_5_each_socket_wakes_the_set() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 3);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = all_queues(&one, "left", 3, Direction::Send);
        let mut right = all_queues(&two, "right", 3, Direction::Receive);
        let redirect = Redirect::builder().queues(3).attach("right").unwrap();
        for socket in right.sockets() {
            redirect.insert(socket).unwrap();
        }
        for turn in 0..3u32 {
            for queue in [2, 0, 1] {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        send(&mut left.sockets_mut()[queue], &packet(turn, 64));
                    });
                    loop {
                        assert!(right.wait(None).unwrap());
                        let (place, frame) = right.recv_frame().unwrap().unwrap();
                        if number(&frame).is_some() {
                            assert_eq!(place, queue);
                            break;
                        }
                    }
                });
            }
        }
        assert!(
            !XskSet::new().unwrap().wait(None).unwrap(),
            "an empty set waits for nothing"
        );
    });
}

#[test]
fn descriptors_tell_of_packets() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        expect_none(&mut ends.right);
        let copy = ends.right.readiness().unwrap().try_clone_to_owned().unwrap();
        send(&mut ends.left, &packet(3, 64));
        assert!(bpfld_sys::poll::readable(&copy, Some(LONG)).unwrap());
        assert_eq!(expect(&mut ends.right).0, 3);
        // A copy of it does not keep the socket open.
        let umem = ends.right.umem();
        drop(ends);
        assert_eq!(umem.usage().free, umem.usage().total());
        assert!(!bpfld_sys::poll::readable(&copy, Some(Duration::ZERO)).unwrap());
        let socket = XskSocket::builder(&umem).bind("right", 0).unwrap();
        drop(socket);
    });
}

#[test]
fn packets_are_awaited() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 2);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = all_queues(&one, "left", 2, Direction::Send);
        let right = all_queues(&two, "right", 2, Direction::Receive);
        let redirect = Redirect::builder().queues(2).attach("right").unwrap();
        for socket in right.sockets() {
            redirect.insert(socket).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .unwrap();
        let mut right = runtime.block_on(async { AsyncXskSet::new(right).unwrap() });
        for count in 0..20u32 {
            let found = thread::scope(|scope| {
                scope.spawn(|| send(&mut left.sockets_mut()[(count % 2) as usize], &packet(count, 64)));
                let received = async {
                    loop {
                        let (place, frame) = right.recv_frame().await.unwrap();
                        if let Some(number) = number(&frame) {
                            return (place as u32, number);
                        }
                    }
                };
                runtime.block_on(async { tokio::time::timeout(LONG, received).await })
            });
            assert_eq!(found, Ok((count % 2, count)));
        }
        assert_eq!(right.into_inner().sockets().len(), 2);
        let three = umem(4096);
        drop(left);
        let socket = XskSocket::builder(&three).bind("left", 0).unwrap();
        let redirect = Redirect::attach("left", XdpMode::Auto).unwrap();
        redirect.insert(&socket).unwrap();
        let mut other = XskSocket::builder(&umem(64)).bind("right", 0).unwrap();
        runtime.block_on(async {
            let mut socket = AsyncXskSocket::new(socket).unwrap();
            let mut buffer = [0; 64];
            send(&mut other, &packet(44, 64));
            loop {
                let len = tokio::time::timeout(LONG, socket.recv(&mut buffer))
                    .await
                    .unwrap()
                    .unwrap();
                if len == 64 && number(&buffer) == Some(44) {
                    break;
                }
            }
            assert!(!socket.inner().is_zero_copy());
        });
    });
}
