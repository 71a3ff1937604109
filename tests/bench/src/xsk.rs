//! AF_XDP between two ends of virtual Ethernet, all on one thread, so that nothing but the work itself is measured.
//!
//! Packets are made, or dropped, at the far end by the same code whoever is measured. To make them is part of what is timed where they
//! are dropped, as nearly all of that is the kernel's work; it is not where they are sent back.

use std::{
    ffi::{CStr, c_int},
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld::{Link, Program, ProgramType, Xdp, XdpMode, XskMap};
use bpfld_insn::{Endian, Slot};
use bpfld_xsk::{Redirect, Then, Umem, XskSocket};

const FRAMES: u32 = 4096;
const FRAME_SIZE: u32 = 2048;
const BATCH: usize = 64;
/// Packets in a sample.
const SAMPLE: usize = 64 * 256;

#[repr(C)]
struct Peer {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn peer_open(ifname: *const std::ffi::c_char, frames: u32, frame_size: u32, receives: c_int)
    -> *mut Peer;
    fn peer_fd(peer: *mut Peer) -> c_int;
    fn peer_drop(peer: *mut Peer, most: u32) -> u32;
    fn peer_echo(peer: *mut Peer, most: u32) -> u32;
    fn peer_send(peer: *mut Peer, count: u32, packet: *const u8, len: u32) -> u32;
}

/// A socket of either side on the end called `right`.
enum Socket {
    Own(XskSocket),
    Libxdp(*mut Peer),
}

impl Socket {
    fn open(implementation: &str, map: Option<&XskMap>) -> Result<Socket> {
        match implementation {
            "bpfld" => {
                let socket = XskSocket::builder(&umem()?).bind("right", 0)?;
                if let Some(map) = map {
                    socket.insert_into(map, 0)?;
                }
                Ok(Socket::Own(socket))
            }
            "libxdp" => {
                let name: &CStr = c"right";
                // SAFETY: the name is a C string.
                let peer = unsafe { peer_open(name.as_ptr(), FRAMES, FRAME_SIZE, map.is_some().into()) };
                ensure!(!peer.is_null(), "libxdp makes no socket");
                if let Some(map) = map {
                    // SAFETY: the descriptor is open as long as the process runs: the socket is never closed.
                    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(peer_fd(peer)) };
                    map.set(0, fd)?;
                }
                Ok(Socket::Libxdp(peer))
            }
            other => bail!("{other} has no AF_XDP sockets"),
        }
    }

    fn drop(&mut self, seen: &mut u64) -> Result<usize> {
        match self {
            Socket::Own(socket) => Ok(socket.for_each(BATCH, |packet| {
                *seen += u64::from(packet.first().copied().unwrap_or(0));
                Then::Drop
            })?),
            // SAFETY: it was made above, and nobody else uses it.
            Socket::Libxdp(peer) => Ok(unsafe { peer_drop(*peer, BATCH as u32) } as usize),
        }
    }

    fn echo(&mut self) -> Result<usize> {
        match self {
            Socket::Own(socket) => Ok(socket.for_each(BATCH, |packet| {
                if let Some(addresses) = packet.first_chunk_mut::<12>() {
                    let (to, from) = addresses.split_at_mut(6);
                    to.swap_with_slice(from);
                }
                Then::Send
            })?),
            // SAFETY: as above.
            Socket::Libxdp(peer) => Ok(unsafe { peer_echo(*peer, BATCH as u32) } as usize),
        }
    }

    fn send(&mut self, packet: &[u8]) -> Result<usize> {
        match self {
            Socket::Own(socket) => send(socket, packet, BATCH),
            // SAFETY: as above; the packet has so many bytes.
            Socket::Libxdp(peer) => {
                Ok(unsafe { peer_send(*peer, BATCH as u32, packet.as_ptr(), packet.len() as u32) } as usize)
            }
        }
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

/// Answers `xsk-WHAT-BYTES`; false if the question is another.
pub(crate) fn run(case: &str, implementation: &str) -> Result<bool> {
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
            let mut socket = Socket::open(implementation, Some(redirect.sockets()))?;
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
                            socket.drop(&mut seen)?
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
            let mut socket = Socket::open(implementation, None)?;
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
