//! What else goes with packets: metadata, several frames.

use bpfld::Errno;
use bpfld_tests::{Need, require, sandbox};
use bpfld_xsk::{Error, Frame, Redirect, TxRequest, Umem, XskSocket};

use super::{LONG, expect, number, packet, umem};

const NEED: Need = Need::Config("CONFIG_XDP_SOCKETS");

fn receiver(name: &str, redirect: &Redirect) -> XskSocket {
    let socket = XskSocket::builder(&umem(4096)).bind(name, 0).unwrap();
    redirect.insert(&socket).unwrap();
    socket
}

/// The sum that makes up for all others.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[test]
fn checksums_and_times_of_sent_packets() {
    require!(Need::Root, NEED, Need::Linux(6, 8));
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let redirect = Redirect::builder().attach("right").unwrap();
        let mut right = receiver("right", &redirect);
        let with_metadata = Umem::builder().frames(4096).frame_size(2048).software_checksums();
        let mut left = XskSocket::builder(&with_metadata.build().unwrap())
            .bind("left", 0)
            .unwrap();
        let mut frame = left.frame().unwrap();
        let mut wanted = packet(3, 101);
        frame.set(&wanted).unwrap();
        frame[40..42].fill(0);
        wanted[40..42].fill(0);
        let sum = checksum(&wanted[34..]);
        wanted[40..42].copy_from_slice(&sum.to_be_bytes());
        frame.request(TxRequest::new().checksum(34, 6).timestamp());
        assert!(left.send_frame_within(frame, LONG).unwrap().is_none());
        let frame = loop {
            let frame = right.recv_frame_within(LONG).unwrap().unwrap();
            if frame.get(12..14) == Some(&[0x88, 0xb5]) {
                break frame;
            }
        };
        assert_eq!(frame[..], wanted[..], "the kernel puts the checksum there");
        drop(frame);
        // A packet that asks for nothing, and one whose time is read.
        let mut plain = left.frame().unwrap();
        plain.set(&packet(4, 64)).unwrap();
        let mut timed = left.frame().unwrap();
        timed.set(&packet(5, 64)).unwrap();
        timed.request(TxRequest::new().timestamp());
        let numbers = [plain.number(), timed.number()];
        let mut done: Vec<Frame> = Vec::new();
        assert_eq!(left.transmit(&mut vec![plain, timed]).unwrap(), 2);
        assert_eq!((expect(&mut right).0, expect(&mut right).0), (4, 5));
        while done.len() < 2 {
            left.completed(&mut done).unwrap();
        }
        assert_eq!(done.iter().map(Frame::number).collect::<Vec<_>>(), numbers);
        assert_eq!(done[0].sent_at(), None);
        assert!(done[1].sent_at().unwrap() > 0);
        assert!(done[1].is_empty());
        // More than the packet has.
        let mut frame = left.frame().unwrap();
        frame.set(&packet(6, 64)).unwrap();
        frame.request(TxRequest::new().checksum(60, 10));
        let error = left.send_frame(frame).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        // Memory without room for it.
        let mut frame = right.frame().unwrap();
        frame.set(&packet(6, 64)).unwrap();
        frame.request(TxRequest::new().timestamp());
        let error = right.send_frame(frame).unwrap_err().to_string();
        assert!(error.contains("tx_metadata"), "{error}");
        assert_eq!(left.umem().usage().total(), 4096);
    });
}

#[test]
fn what_the_driver_knows_of_received_packets() {
    require!(
        Need::Root,
        NEED,
        Need::Linux(6, 3),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let mut left = XskSocket::builder(&umem(64)).bind("left", 0).unwrap();
        let redirect = Redirect::builder().metadata().attach("right").unwrap();
        let mut right = receiver("right", &redirect);
        for count in 0..50 {
            assert!(left.send(&packet(count, 64)).unwrap());
            let (number, frame) = expect(&mut right);
            assert_eq!(number, count);
            let metadata = frame.rx_metadata().expect("metadata");
            // This driver has the time of all packets, and hashes of those that have one.
            assert!(metadata.timestamp.is_some(), "{metadata:?}");
        }
        assert_eq!(right.frame().unwrap().rx_metadata(), None);
    });
}

#[test]
fn packets_of_several_frames() {
    require!(Need::Root, NEED, Need::Linux(6, 6));
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        room.set_mtu("left", 9000);
        room.set_mtu("right", 9000);
        let (one, two) = (umem(4096), umem(4096));
        let mut left = XskSocket::builder(&one).multi_buffer().bind("left", 0).unwrap();
        let mut right = XskSocket::builder(&two).multi_buffer().bind("right", 0).unwrap();
        let redirect = Redirect::builder().multi_buffer().attach("right").unwrap();
        redirect.insert(&right).unwrap();
        for count in 0..100u32 {
            let whole = packet(count, 100 + count as usize * 70);
            let mut frames: Vec<Frame> = whole
                .chunks(2000)
                .map(|part| {
                    let mut frame = left.frame().unwrap();
                    frame.set(part).unwrap();
                    frame.continue_in_next();
                    frame
                })
                .collect();
            frames.last_mut().unwrap().end_packet();
            while !frames.is_empty() {
                left.transmit(&mut frames).unwrap();
            }
            let mut buffer = vec![0; 9000];
            loop {
                let len = right.recv_within(&mut buffer, LONG).unwrap().expect("a packet");
                if number(&buffer[..len]).is_some() {
                    assert!(buffer[..len] == whole[..]);
                    break;
                }
            }
        }
        assert_eq!((one.usage().total(), two.usage().total()), (4096, 4096));
        assert_eq!(two.usage().user, 0);
        // A socket that was not made for it does not send them.
        drop((left, right));
        let mut plain = XskSocket::builder(&one).bind("left", 0).unwrap();
        let mut frame = plain.frame().unwrap();
        frame.set(&packet(0, 64)).unwrap();
        frame.continue_in_next();
        let error = plain.send_frame(frame).unwrap_err();
        assert_eq!(error.errno(), None::<Errno>, "{error}");
        assert_eq!(one.usage().user, 0);
    });
}
