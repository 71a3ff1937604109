//! Sends packets of Ethernet as fast as it gets: `xsk_generate INTERFACE COUNT BYTES`.
//!
//! They are of the type for local experiments (88b5), from and to addresses that nobody has.
#![expect(clippy::print_stdout, reason = "a program")]

use std::{error::Error, time::Instant};

use bpfld_xsk::{Direction, Frame, Umem, XskSocket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, count, bytes] = arguments.as_slice() else {
        return Err("usage: xsk_generate INTERFACE COUNT BYTES".into());
    };
    let (count, bytes): (usize, usize) = (count.parse()?, bytes.parse()?);
    let packet = packet(bytes.max(14));
    let umem = Umem::builder().frames(1024).build()?;
    let socket = XskSocket::builder(&umem).direction(Direction::Send);
    let mut socket = socket.bind(interface, 0)?;
    let start = Instant::now();
    let (mut sent, mut frames) = (0, Vec::<Frame>::new());
    while sent < count {
        let wanted = (count - sent).min(64);
        while frames.len() < wanted {
            // None is free while all are on their way.
            let Ok(mut frame) = socket.frame() else { break };
            frame.set(&packet)?;
            frames.push(frame);
        }
        sent += socket.transmit(&mut frames)?;
    }
    let time = start.elapsed();
    println!(
        "{sent} packets of {} bytes in {time:.1?}: {:.0} a second",
        packet.len(),
        sent as f64 / time.as_secs_f64()
    );
    Ok(())
}

fn packet(bytes: usize) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
    packet.resize(bytes, 0x5a);
    packet
}
