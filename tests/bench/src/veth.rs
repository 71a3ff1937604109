//! AF_XDP between two ends of virtual Ethernet, all on one thread, so that nothing but the work itself is measured.
//!
//! Packets are made, or dropped, at the far end by the same code whoever is measured. To make them is part of what is timed where they
//! are dropped, as nearly all of that is the kernel's work; it is not where they are sent back.

use std::{
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld::{Link, Program, ProgramType, Xdp, XdpMode, XskMap};
use bpfld_insn::{Endian, Slot};
use bpfld_xsk::{Redirect, Umem, XskSocket};

pub(crate) const FRAMES: u32 = 4096;
pub(crate) const FRAME_SIZE: u32 = 2048;
pub(crate) const BATCH: usize = 64;
/// Packets in a sample.
const SAMPLE: usize = 64 * 256;

/// A socket of whoever is measured, on queue 0 of the end called `right`. Packets are taken in batches of at most [`BATCH`].
pub(crate) trait Peer {
    /// Receives packets, adds the first byte of each to `seen`, and gives the frames back; returns how many.
    fn discard(&mut self, seen: &mut u64) -> Result<usize>;

    /// Receives packets, exchanges their two addresses and sends them back; returns how many.
    fn echo(&mut self) -> Result<usize>;

    /// Sends copies of a packet; returns how many.
    fn send(&mut self, packet: &[u8]) -> Result<usize>;
}

pub(crate) fn umem() -> Result<Umem> {
    Ok(Umem::builder().frames(FRAMES).frame_size(FRAME_SIZE).build()?)
}

pub(crate) fn send(socket: &mut XskSocket, packet: &[u8], count: usize) -> Result<usize> {
    Ok(socket.send_each(count, |frame| {
        // It fits: a frame is longer than any packet here.
        let _ = frame.set(packet);
    })?)
}

/// Answers `xsk-WHAT-BYTES` for the socket that `open` makes, and puts into the map if there is one; false if the question is another.
pub(crate) fn run(case: &str, open: impl FnOnce(Option<&XskMap>) -> Result<Box<dyn Peer>>) -> Result<bool> {
    let Some(rest) = case.strip_prefix("xsk-") else {
        return Ok(false);
    };
    let (what, len) = rest.split_once('-').context("xsk-WHAT-BYTES")?;
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
    packet.resize(len.parse()?, 0x5a);
    devices()?;
    match what {
        "drop" | "echo" => {
            let redirect = Redirect::attach("right", XdpMode::Auto)?;
            let _drops = drops("left")?;
            let mut generator = XskSocket::builder(&umem()?).bind("left", 0)?;
            let mut socket = open(Some(redirect.sockets()))?;
            let mut seen = 0;
            report(|| {
                let mut time = Duration::ZERO;
                let mut count = 0;
                while count < SAMPLE {
                    let mut start = Instant::now();
                    let mut sent = 0;
                    while sent < BATCH {
                        sent += send(&mut generator, &packet, BATCH - sent)?;
                    }
                    if what == "echo" {
                        start = Instant::now();
                    }
                    let mut received = 0;
                    while received < sent {
                        received += if what == "drop" {
                            socket.discard(&mut seen)?
                        } else {
                            socket.echo()?
                        };
                    }
                    time += start.elapsed();
                    count += received;
                }
                black_box(seen);
                Ok(time.as_nanos() as u64 / count as u64)
            })
        }
        "tx" => {
            let _drops = drops("left")?;
            // The near end takes packets as XDP does only if it has a program too.
            let _other = drops("right")?;
            let mut socket = open(None)?;
            report(|| {
                let (start, mut count) = (Instant::now(), 0);
                while count < SAMPLE {
                    count += socket.send(&packet)?;
                }
                Ok(start.elapsed().as_nanos() as u64 / count as u64)
            })
        }
        other => bail!("there is no benchmark xsk-{other}"),
    }?;
    Ok(true)
}

/// A pair of devices in a namespace of this process.
fn devices() -> Result<()> {
    // SAFETY: takes no addresses.
    ensure!(
        unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0,
        "cannot make a network namespace"
    );
    for arguments in [
        "link add left type veth peer name right",
        "link set left addrgenmode none up",
        "link set right addrgenmode none up",
    ] {
        let status = Command::new("ip").args(arguments.split(' ')).status()?;
        ensure!(status.success(), "ip {arguments} failed");
    }
    Ok(())
}

/// A program that drops all that comes.
fn drops(interface: &str) -> Result<Link> {
    let code = [[0xb7, 0, 0, 0, 1, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let code = code.map(|bytes| Slot::from_bytes(bytes, Endian::Little));
    let program = Program::builder(ProgramType::XDP, "drop", &code).load()?;
    Ok(Xdp::try_from(program)?.attach(interface, XdpMode::Auto)?)
}

/// Prints nanoseconds per packet: of the first sample, and of the best in two seconds.
fn report(mut sample: impl FnMut() -> Result<u64>) -> Result<()> {
    let first = sample()?;
    let (start, mut least) = (Instant::now(), first);
    while start.elapsed() < Duration::from_secs(2) {
        least = least.min(sample()?);
    }
    println!("{first} {least}");
    Ok(())
}
