//! Programs on routes.

use std::{
    net::{IpAddr, Ipv6Addr, UdpSocket},
    time::Duration,
};

use bpfld::{Array, Errno, Link, Loaded, Loader, LwtIn, LwtOut, LwtSeg6local, LwtXmit, Object};
use bpfld_tests::{Need, Room, require, sandbox};
use bpfld_xsk::{Umem, XskSocket};

use crate::counter::eventually;

fn load(section: &str) -> Loaded {
    let text = format!(
        r#"
        .license "GPL"
        .map hits array key=u32 value=u64 max_entries=1
        .section {section}
count:
        *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r1 = hits ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = 1
        lock *(u64 *)(r0 + 0) += r1
out:
        r0 = 0
        exit
        "#
    );
    Loader::new()
        .load(&Object::parse(text.into_bytes()).unwrap())
        .unwrap()
}

fn hits(loaded: &Loaded) -> u64 {
    let hits: Array<u64> = loaded.map("hits").unwrap().try_into().unwrap();
    hits.get(0).unwrap().unwrap()
}

/// Sends packets to an address that only the route of the test leads to; false if nothing leads there.
fn send(count: usize) -> bool {
    let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
    (0..count).all(|_| socket.send_to(b"hello", "10.77.1.1:9").is_ok())
}

fn room_with_interfaces(room: &Room) {
    room.veth("here", "there");
    room.add_address("here", [10, 99, 0, 1], 24);
}

const DESTINATION: (&str, u8) = ("10.77.0.0", 16);

fn counts(section: &str, attach: impl Fn(&Loaded, IpAddr, u8) -> bpfld::Result<Link>) {
    let (loaded, other) = (load(section), load(section));
    let (address, prefix_len) = (DESTINATION.0.parse().unwrap(), DESTINATION.1);
    assert!(!send(1));
    let link = attach(&loaded, address, prefix_len).unwrap();
    assert!(send(3));
    assert_eq!(hits(&loaded), 3);
    assert_eq!(
        link.info().unwrap().program_id(),
        loaded.program("count").unwrap().info().unwrap().id()
    );
    let error = attach(&other, address, prefix_len).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
    link.detach().unwrap();
    assert!(!send(1));
    assert_eq!((hits(&loaded), hits(&other)), (3, 0));
}

#[test]
fn packets_that_go_out() {
    require!(Need::Root);
    sandbox(|room| {
        room_with_interfaces(room);
        counts("lwt_out", |loaded, address, prefix_len| {
            let program: LwtOut = loaded.program("count").unwrap().try_into().unwrap();
            program.attach(address, prefix_len, "here")
        });
        counts("lwt_xmit", |loaded, address, prefix_len| {
            let program: LwtXmit = loaded.program("count").unwrap().try_into().unwrap();
            program.attach(address, prefix_len, "here")
        });
    });
}

#[test]
fn routes_of_both_families() {
    require!(Need::Root);
    sandbox(|room| {
        room_with_interfaces(room);
        let loaded = load("lwt_in");
        let program: LwtIn = loaded.program("count").unwrap().try_into().unwrap();
        let link = program.attach("10.77.0.0".parse().unwrap(), 16, "here").unwrap();
        assert!(send(1), "there is a route");
        drop(link);
        assert!(!send(1), "the route is gone");
        let link = program.attach("fd00:77::".parse().unwrap(), 64, "here").unwrap();
        link.detach().unwrap();
        let error = program
            .attach("10.77.0.0".parse().unwrap(), 33, "here")
            .unwrap_err();
        assert!(error.to_string().contains("at most 32 bits"), "{error}");
        let error = program
            .attach("10.77.0.1".parse().unwrap(), 16, "here")
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
        // the interface takes the route along
        let link = program.attach("10.77.0.0".parse().unwrap(), 16, "here").unwrap();
        room.remove("here");
        link.detach().unwrap();
    });
}

/// Sends packets to the other end of the interface that has the routes.
fn arrive(packet: &[u8]) {
    let umem = Umem::builder().frames(16).frame_size(2048).build().unwrap();
    let mut socket = XskSocket::builder(&umem).bind("there", 0).unwrap();
    for _ in 0..3 {
        assert!(socket.send_within(packet, Duration::from_secs(10)).unwrap());
    }
}

/// An Ethernet header to all.
fn ethernet(protocol: u16) -> Vec<u8> {
    let mut packet = vec![0xff; 6];
    packet.extend([2, 0, 0, 0, 0, 1]);
    packet.extend(protocol.to_be_bytes());
    packet
}

#[test]
fn packets_that_come_in() {
    require!(Need::Root, Need::Config("CONFIG_XDP_SOCKETS"));
    sandbox(|room| {
        room_with_interfaces(room);
        // Only who forwards packets looks for a route for those of others.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let mut packet = ethernet(0x0800);
        // IPv4, 28 bytes in all, UDP, with a checksum; from a neighbour to the destination of the route
        packet.extend([
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0x65, 0x1f, 10, 99, 0, 2, 10, 77, 1, 1,
        ]);
        packet.extend([0, 9, 0, 9, 0, 8, 0, 0]);
        let loaded = load("lwt_in");
        let program: LwtIn = loaded.program("count").unwrap().try_into().unwrap();
        let link = program.attach("10.77.0.0".parse().unwrap(), 16, "here").unwrap();
        arrive(&packet);
        eventually(|| hits(&loaded) == 3);
        drop(link);
    });
}

/// A packet to the first of two segments.
fn through_segments(first: Ipv6Addr, last: Ipv6Addr) -> Vec<u8> {
    let mut packet = ethernet(0x86dd);
    // IPv6: 40 bytes follow, a routing header; hop limit
    packet.extend([0x60, 0, 0, 0, 0, 40, 43, 64]);
    packet.extend("fd00:1::1".parse::<Ipv6Addr>().unwrap().octets());
    packet.extend(first.octets());
    // nothing follows; 32 bytes more; of segment routing; one segment left, of those up to number 1; flags and tag
    packet.extend([59, 4, 4, 1, 1, 0, 0, 0]);
    packet.extend(last.octets());
    packet.extend(first.octets());
    packet
}

#[test]
fn endpoints_of_segment_routing() {
    require!(
        Need::Root,
        Need::Config("CONFIG_IPV6_SEG6_BPF"),
        Need::Config("CONFIG_XDP_SOCKETS")
    );
    sandbox(|room| {
        room_with_interfaces(room);
        let (loaded, other) = (load("lwt_seg6local"), load("lwt_seg6local"));
        let program: LwtSeg6local = loaded.program("count").unwrap().try_into().unwrap();
        let segment: Ipv6Addr = "fd00:77::".parse().unwrap();
        let packet = through_segments("fd00:77::1".parse().unwrap(), "fd00:99::1".parse().unwrap());
        let send = || arrive(&packet);
        let link = program.attach(segment, 64, "here").unwrap();
        send();
        eventually(|| hits(&loaded) == 3);
        let id = loaded.program("count").unwrap().info().unwrap().id();
        assert_eq!(link.info().unwrap().program_id(), id);
        let second: LwtSeg6local = other.program("count").unwrap().try_into().unwrap();
        let error = second.attach(segment, 64, "here").unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
        link.detach().unwrap();
        // What comes after the others has passed the place where they would have been counted.
        send();
        let link = second.attach(segment, 64, "here").unwrap();
        send();
        eventually(|| hits(&other) >= 3);
        drop(link);
        assert_eq!(hits(&loaded), 3);
    });
}
