//! AF_XDP between two ends of virtual Ethernet, all on one thread, so that nothing but the work itself is measured.
//!
//! Packets are made, or dropped, at the far end by the same code whoever is measured. To make them is part of what is timed where they
//! are dropped (`drop`), as nearly all of that is the kernel's work; it is not where they are sent back (`echo`), or where only what a process does
//! with received packets is of interest (`take`).
//!
//! Nearly all of the time is the kernel's, and changes by more than implementations differ: so our own socket and another take turns of some ten
//! milliseconds, each on devices of its own, and what counts is the ratio of two turns that follow each other.

use std::{
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld::{Link, Program, ProgramType, Xdp, XdpMode, XskMap};
use bpfld_insn::{Endian, Slot};
use bpfld_xsk::{Redirect, Then, Umem, XskSocket};

pub(crate) const FRAMES: u32 = 4096;
pub(crate) const FRAME_SIZE: u32 = 2048;
pub(crate) const BATCH: usize = 64;
/// Packets of a turn.
const TURN: usize = 64 * 256;
const TIME: Duration = Duration::from_secs(6);

/// A socket of whoever is measured, on queue 0 of the end called `right`. Packets are taken in batches of at most [`BATCH`].
pub(crate) trait Peer {
    /// Receives packets, adds the first byte of each to `seen`, and gives the frames back; returns how many.
    fn discard(&mut self, seen: &mut u64) -> Result<usize>;

    /// Receives packets, exchanges their two addresses and sends them back; returns how many.
    fn echo(&mut self) -> Result<usize>;

    /// Sends copies of a packet; returns how many.
    fn send(&mut self, packet: &[u8]) -> Result<usize>;
}

/// Makes the socket of who is measured, and puts it into the map if there is one.
pub(crate) type Open<'a> = &'a dyn Fn(Option<&XskMap>) -> Result<Box<dyn Peer>>;

/// Answers `xsk-WHAT-BYTES` for our own socket and another, and prints the nanoseconds per packet of our own and how many times as long the other takes;
/// false if the question is another.
pub(crate) fn run(case: &str, other: Open<'_>) -> Result<bool> {
    let Some(rest) = case.strip_prefix("xsk-") else {
        return Ok(false);
    };
    let (what, len) = rest.split_once('-').context("xsk-WHAT-BYTES")?;
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
    packet.resize(len.parse()?, 0x5a);
    let mut own = prepare(what, &packet, &|map| Ok(Box::new(Own::open(map)?)))?;
    let mut other = prepare(what, &packet, other)?;
    let (mut least, mut ratios) = (f64::MAX, Vec::new());
    let start = Instant::now();
    while start.elapsed() < TIME {
        let (ours, theirs) = (own()?, other()?);
        least = least.min(ours);
        ratios.push(theirs / ours);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).context("no turn ended in time")?;
    println!("{least} {median}");
    Ok(true)
}

/// Takes turns: each gives nanoseconds per packet.
fn prepare<'a>(
    what: &'a str,
    packet: &'a [u8],
    open: Open<'_>,
) -> Result<Box<dyn FnMut() -> Result<f64> + 'a>> {
    devices()?;
    Ok(match what {
        "drop" | "take" | "echo" => {
            let redirect = Redirect::attach("right", XdpMode::Auto)?;
            let drops = drops("left")?;
            let mut generator = XskSocket::builder(&umem()?).bind("left", 0)?;
            let mut socket = open(Some(redirect.sockets()))?;
            Box::new(move || {
                let _attached = (&redirect, &drops);
                let (mut time, mut count, mut seen) = (Duration::ZERO, 0, 0);
                while count < TURN {
                    let mut start = Instant::now();
                    let mut sent = 0;
                    while sent < BATCH {
                        sent += send(&mut generator, packet, BATCH - sent)?;
                    }
                    if what != "drop" {
                        start = Instant::now();
                    }
                    let mut received = 0;
                    while received < sent {
                        received += if what == "echo" {
                            socket.echo()?
                        } else {
                            socket.discard(&mut seen)?
                        };
                    }
                    time += start.elapsed();
                    count += received;
                }
                black_box(seen);
                Ok(time.as_nanos() as f64 / count as f64)
            })
        }
        "tx" => {
            // The near end takes packets as XDP does only if it has a program too.
            let programs = [drops("left")?, drops("right")?];
            let mut socket = open(None)?;
            Box::new(move || {
                let _attached = &programs;
                let (start, mut count) = (Instant::now(), 0);
                while count < TURN {
                    count += socket.send(packet)?;
                }
                Ok(start.elapsed().as_nanos() as f64 / count as f64)
            })
        }
        other => bail!("there is no benchmark xsk-{other}"),
    })
}

/// Our own socket.
struct Own(XskSocket);

impl Own {
    fn open(map: Option<&XskMap>) -> Result<Own> {
        let socket = XskSocket::builder(&umem()?).bind("right", 0)?;
        if let Some(map) = map {
            socket.insert_into(map, 0)?;
        }
        Ok(Own(socket))
    }
}

impl Peer for Own {
    fn discard(&mut self, seen: &mut u64) -> Result<usize> {
        Ok(self.0.for_each(BATCH, |packet| {
            *seen += u64::from(packet.first().copied().unwrap_or(0));
            Then::Drop
        })?)
    }

    fn echo(&mut self) -> Result<usize> {
        Ok(self.0.for_each(BATCH, |packet| {
            if let Some(addresses) = packet.first_chunk_mut::<12>() {
                let (to, from) = addresses.split_at_mut(6);
                to.swap_with_slice(from);
            }
            Then::Send
        })?)
    }

    fn send(&mut self, packet: &[u8]) -> Result<usize> {
        send(&mut self.0, packet, BATCH)
    }
}

fn umem() -> Result<Umem> {
    Ok(Umem::builder().frames(FRAMES).frame_size(FRAME_SIZE).build()?)
}

fn send(socket: &mut XskSocket, packet: &[u8], count: usize) -> Result<usize> {
    Ok(socket.send_each(count, |frame| {
        // It fits: a frame is longer than any packet here.
        let _ = frame.set(packet);
    })?)
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
