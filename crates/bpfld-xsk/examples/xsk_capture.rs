//! Writes all packets of an interface to a file that tcpdump and Wireshark read: `xsk_capture INTERFACE FILE [COUNT]`.
//!
//! The packets go to this program instead of the network stack.
#![expect(clippy::print_stdout, reason = "a program")]

use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    time::{Duration, SystemTime},
};

use bpfld::XdpMode;
use bpfld_xsk::{Direction, Redirect, Umem, XskSet, XskSocket, queue_count};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (interface, file, most) = match arguments.as_slice() {
        [interface, file] => (interface, file, u64::MAX),
        [interface, file, count] => (interface, file, count.parse()?),
        _ => return Err("usage: xsk_capture INTERFACE FILE [COUNT]".into()),
    };
    // Before the packets go here: they would be lost for nothing.
    let created = File::create(file).map_err(|error| format!("cannot make {file}: {error}"))?;
    let mut file = BufWriter::new(created);
    begin(&mut file)?;
    let queues = queue_count(interface)?;
    let umem = Umem::builder().frames(queues * 4096).build()?;
    let mut sockets = XskSet::new()?;
    let redirect = Redirect::attach(interface, XdpMode::Auto)?;
    for queue in 0..queues {
        let socket = XskSocket::builder(&umem).direction(Direction::Receive);
        let socket = socket.bind(interface, queue)?;
        redirect.insert(&socket)?;
        sockets.add(socket)?;
    }
    println!("capturing {interface}");
    let mut count = 0;
    while count < most {
        match sockets.recv_frame_within(Duration::from_secs(1))? {
            Some((_, packet)) => {
                write(&mut file, &packet)?;
                count += 1;
            }
            None => file.flush()?,
        }
    }
    file.flush()?;
    println!("{count} packets");
    Ok(())
}

/// The header of the file: packets of Ethernet, times in nanoseconds.
fn begin(file: &mut impl Write) -> std::io::Result<()> {
    for word in [0xa1b2_3c4d_u32, 2 | 4 << 16, 0, 0, 65535, 1] {
        file.write_all(&word.to_le_bytes())?;
    }
    Ok(())
}

fn write(file: &mut impl Write, packet: &[u8]) -> std::io::Result<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let len = packet.len() as u32;
    for word in [now.as_secs() as u32, now.subsec_nanos(), len, len] {
        file.write_all(&word.to_le_bytes())?;
    }
    file.write_all(packet)
}
