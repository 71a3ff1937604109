//! Programs on routes.

use std::net::{IpAddr, UdpSocket};

use bpfld::{Array, Errno, Link, Loaded, Loader, LwtIn, LwtOut, LwtXmit, Object};
use bpfld_tests::{Need, Room, require, sandbox};

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
fn packets_that_come_in_and_other_families() {
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
