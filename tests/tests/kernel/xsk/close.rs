//! Whatever happens, nothing crashes, hangs or is left.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use bpfld::{Interface, XdpMode};
use bpfld_tests::{Need, alone, require, sandbox};
use bpfld_xsk::{Error, Redirect, RingKind, Umem, XskSocket};

use super::{Ends, LONG, expect, number, packet, send, umem};

const NEED: Need = Need::Config("CONFIG_XDP_SOCKETS");
/// The thread that collected frames went on when a socket was closed, and touched memory that was no more; a second close
/// failed. Here a value is dropped once, and there is no thread.
#[test]
fn xsk_06_closed_under_load_a_thousand_times() {
    require!(Need::Root, NEED);
    alone(
        "xsk::close::xsk_06_closed_under_load_a_thousand_times",
        closed_under_load,
    );
}

fn descriptors() -> usize {
    fs::read_dir("/proc/thread-self/fd").unwrap().count()
}

/// Mappings of this process, and its locked and resident memory in KiB.
fn memory() -> (usize, u64) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    (maps, resident)
}

/// Ends the load when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn closed_under_load() {
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let small = |umem: &Umem, name: &str| {
            XskSocket::builder(umem)
                .ring_size(RingKind::Fill, 64)
                .ring_size(RingKind::Rx, 64)
                .ring_size(RingKind::Tx, 64)
                .ring_size(RingKind::Completion, 64)
                .bind(name, 0)
        };
        let redirect = Redirect::attach("right", XdpMode::Auto).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            // Set however this ends.
            let stopper = Stop(&stop);
            scope.spawn(|| {
                let umem = umem(256);
                let mut left = small(&umem, "left").unwrap();
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    left.send(&packet(count, 1000)).unwrap();
                    count += 1;
                }
                assert_eq!(umem.usage().total(), 256);
            });
            let umem = umem(256);
            let mut received = 0u32;
            let mut before = None;
            let start = Instant::now();
            for turn in 0..1000 {
                // Machines that are emulated would take too long for all of them.
                if turn > 50 && start.elapsed() > Duration::from_secs(45) {
                    break;
                }
                let mut socket = small(&umem, "right").unwrap();
                redirect.insert(&socket).unwrap();
                let (_, frame) = expect(&mut socket);
                received += 1;
                // Some frames go back and some are kept, some are on their way when it is closed.
                let kept = socket.recv_frame().unwrap();
                if turn % 2 == 0 {
                    let _ = socket.send_frame(frame).unwrap();
                } else {
                    drop(frame);
                }
                drop(socket);
                assert_eq!(umem.usage().user, u32::from(kept.is_some()));
                drop(kept);
                assert_eq!((umem.usage().free, umem.usage().retired), (256, 0), "turn {turn}");
                if turn == 20 {
                    before = Some((descriptors(), memory()));
                }
            }
            assert!(received > 50);
            let (descriptors_before, (maps, resident)) = before.unwrap();
            assert_eq!(descriptors(), descriptors_before);
            let (maps_now, resident_now) = memory();
            assert!(maps_now <= maps + 4, "{maps} mappings became {maps_now}");
            assert!(
                resident_now <= resident + 2048,
                "{resident} KiB became {resident_now}"
            );
            // Until here the other end has its own open.
            drop(stopper);
        });
        drop(redirect);
        let right = Interface::by_name("right").unwrap();
        assert_eq!(right.xdp_programs().unwrap(), bpfld::XdpPrograms::default());
    });
}

/// A socket that is closed while frames of its are about, and frames that outlive everything.
#[test]
fn xsk_bug_3_frames_outlive_sockets_and_memory() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let mut ends = Ends::new(room);
        send(&mut ends.left, &packet(1, 200));
        let (_, frame) = expect(&mut ends.right);
        let mut other = ends.right.frame().unwrap();
        drop(ends);
        assert_eq!(number(&frame), Some(1));
        other.set(&frame).unwrap();
        assert!(other[..] == frame[..]);
    });
}

#[test]
fn an_interface_that_goes_under_load() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        for _ in 0..5 {
            let mut ends = Ends::new(room);
            let (mut sent, mut count) = (0, 0);
            let error = loop {
                if count == 300 {
                    room.remove("left");
                }
                count += 1;
                match ends.left.send(&packet(count, 500)) {
                    Ok(true) => sent += 1,
                    Ok(false) => {}
                    Err(error) => break error,
                }
            };
            assert!(sent > 0);
            assert!(matches!(error, Error::InterfaceGone(_)), "{error}");
            // Who waits at the other end is told: what came before can still be read.
            let error = loop {
                match ends.right.recv_frame_within(LONG) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the wait was over, and nothing said"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, Error::InterfaceGone(_)), "{error}");
            ends.right.check().unwrap_err();
            ends.left.check().unwrap_err();
            let umem = [ends.left.umem(), ends.right.umem()];
            drop(ends);
            for umem in umem {
                assert_eq!(umem.usage().free, 4096);
            }
        }
    });
}

/// The user has all frames: nothing is received or sent, nothing breaks, and all goes on when they are dropped.
#[test]
fn memory_that_is_used_up() {
    require!(Need::Root, NEED);
    sandbox(|room| {
        let (one, two) = (umem(4096), umem(64));
        let mut ends = Ends::with(room, &one, &two);
        let mut hoard = Vec::new();
        let mut count = 0;
        while two.usage().receiving > 0 {
            send(&mut ends.left, &packet(count, 64));
            hoard.push(ends.right.recv_frame_within(LONG).unwrap().unwrap());
            count += 1;
        }
        assert_eq!(two.usage().user, 64);
        let error = ends.right.frame().unwrap_err();
        assert!(matches!(error, Error::NoFrame), "{error}");
        assert!(!ends.right.send(&packet(0, 64)).unwrap());
        for count in 0..100 {
            send(&mut ends.left, &packet(count, 64));
        }
        assert!(ends.right.recv_frame().unwrap().is_none());
        let statistics = ends.right.statistics().unwrap();
        assert!(
            statistics.rx_dropped + statistics.rx_fill_ring_empty_descs > 0,
            "{statistics:?}"
        );
        hoard.clear();
        while ends.right.recv_frame().unwrap().is_some() {}
        // The kernel is given the frames by the next call.
        assert!(ends.right.recv_frame().unwrap().is_none());
        assert_eq!((two.usage().receiving, two.usage().free), (32, 32));
        send(&mut ends.left, &packet(77, 64));
        assert_eq!(expect(&mut ends.right).0, 77);
    });
}
