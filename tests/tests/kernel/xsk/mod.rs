//! AF_XDP sockets, between two ends of virtual Ethernet in a namespace of the test.

mod close;
mod metadata;
mod passed;
mod simple;
mod sockets;

use std::time::Duration;

use bpfld::XdpMode;
use bpfld_tests::Room;
use bpfld_xsk::{Frame, Redirect, Umem, XskSocket};

/// As long as anything should take; a test that waits for so long has failed.
const LONG: Duration = Duration::from_secs(20);

/// The type of packets that are for experiments only.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// A packet of so many bytes (at least 18), with a number in it.
fn packet(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; 6];
    bytes.extend([2, 0, 0, 0, 0, 1]);
    bytes.extend(ETHERTYPE);
    bytes.extend(number.to_be_bytes());
    bytes.extend((bytes.len()..len).map(|at| at as u8 ^ number as u8));
    bytes
}

/// The number of a packet that [`packet`] made and that came whole; nothing for what the kernel itself sends.
fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.get(12..14)? != ETHERTYPE {
        return None;
    }
    let number = u32::from_be_bytes(*bytes.get(14..)?.first_chunk()?);
    assert!(
        bytes == packet(number, bytes.len()),
        "packet {number} came changed"
    );
    Some(number)
}

/// Two sockets on the ends of a pair of devices, which reach each other.
struct Ends {
    left: XskSocket,
    right: XskSocket,
    /// Last to go.
    _redirects: [Redirect; 2],
}

fn umem(frames: u32) -> Umem {
    Umem::builder().frames(frames).frame_size(2048).build().unwrap()
}

impl Ends {
    fn new(room: &Room) -> Ends {
        Ends::with(room, &umem(4096), &umem(4096))
    }

    fn with(room: &Room, left: &Umem, right: &Umem) -> Ends {
        // What the kernel sends by itself when interfaces come up would be among the packets.
        match std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        room.veth_with_queues("left", "right", 1);
        let socket = |umem, name| XskSocket::builder(umem).bind(name, 0).unwrap();
        let redirect = |name, socket| {
            let redirect = Redirect::attach(name, XdpMode::Auto).unwrap();
            redirect.insert(socket).unwrap();
            redirect
        };
        let (left, right) = (socket(left, "left"), socket(right, "right"));
        let _redirects = [redirect("left", &left), redirect("right", &right)];
        Ends {
            left,
            right,
            _redirects,
        }
    }
}

/// The next packet that a test sent, with its number.
#[track_caller]
fn expect(socket: &mut XskSocket) -> (u32, Frame) {
    loop {
        let frame = socket.recv_frame_within(LONG).unwrap().expect("a packet");
        if let Some(number) = number(&frame) {
            return (number, frame);
        }
    }
}

/// Nothing that a test sent is there.
#[track_caller]
fn expect_none(socket: &mut XskSocket) {
    while let Some(frame) = socket.recv_frame().unwrap() {
        assert_eq!(number(&frame), None);
    }
}

#[track_caller]
fn send(socket: &mut XskSocket, bytes: &[u8]) {
    assert!(socket.send_within(bytes, LONG).unwrap(), "no room to send");
}
