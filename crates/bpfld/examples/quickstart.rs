//! Counts UDP packets by port on loopback, in a network namespace of its own: `cargo run --example quickstart`.
//!
//! The program it loads is `quickstart.bpf.c`, compiled beforehand; no compiler is needed. It needs the rights to make a
//! network namespace and to load and attach programs, in short: root.

use std::{
    error::Error,
    io::{self, Write as _},
    net::UdpSocket,
    process::ExitCode,
};

use bpfld::{
    Loader, Object, PerCpuHash, Xdp, XdpMode,
    features::{Capabilities, Capability},
    zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout},
};
use nix::{
    libc,
    sched::{CloneFlags, unshare},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
    },
};

#[cfg(target_endian = "little")]
const OBJECT: &[u8] = include_bytes!("quickstart.el.o");
#[cfg(target_endian = "big")]
const OBJECT: &[u8] = include_bytes!("quickstart.eb.o");

/// What the program counts: `struct traffic` in its source.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Traffic {
    packets: u64,
    bytes: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    check_rights()?;
    // From here on this thread sees a network with nothing in it but loopback, which is gone when the thread ends.
    unshare(CloneFlags::CLONE_NEWNET)?;
    set_loopback_up()?;

    // Open: no kernel is asked. Load: maps and programs come to be. Attach: it counts until the link is dropped.
    let object = Object::options().name("quickstart").parse(OBJECT)?;
    let loaded = Loader::new().load(&object)?;
    let count = Xdp::try_from(loaded.program("count")?)?;
    let link = count.attach("lo", XdpMode::Generic)?;

    for (port, packets, size) in [(53, 5, 40), (123, 3, 48), (4433, 12, 1200)] {
        send(port, packets, size)?;
    }

    let ports: PerCpuHash<u32, Traffic> = loaded.map("ports")?.try_into()?;
    let mut rows = Vec::new();
    for entry in ports.iter() {
        let (port, per_cpu) = entry?;
        let packets: u64 = per_cpu.iter().map(|traffic| traffic.packets).sum();
        let bytes: u64 = per_cpu.iter().map(|traffic| traffic.bytes).sum();
        rows.push((port, packets, bytes));
    }
    rows.sort_unstable();

    let mut out = io::stdout().lock();
    writeln!(out, "UDP on loopback, counted by {}:", link.target())?;
    writeln!(out, "{:>6} {:>8} {:>8}", "port", "packets", "bytes")?;
    for (port, packets, bytes) in rows {
        writeln!(out, "{port:>6} {packets:>8} {bytes:>8}")?;
    }
    Ok(())
}

/// Says which rights are missing, before the kernel says only "no".
fn check_rights() -> Result<(), String> {
    let Some(own) = Capabilities::effective() else {
        return Ok(());
    };
    let needed = [Capability::SYS_ADMIN, Capability::NET_ADMIN, Capability::BPF];
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|needed| !own.can(*needed))
        .map(|missing| missing.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "this process lacks {}; run it as root",
        missing.join(", ")
    ))
}

/// Sends datagrams to a port of loopback; all have arrived when this returns.
fn send(port: u16, packets: usize, size: usize) -> io::Result<()> {
    let receiver = UdpSocket::bind(("127.0.0.1", port))?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let mut buffer = vec![0; size];
    for _ in 0..packets {
        sender.send_to(&buffer, receiver.local_addr()?)?;
        receiver.recv(&mut buffer)?;
    }
    Ok(())
}

/// What `ip link set lo up` does: one request to the kernel's routing socket.
fn set_loopback_up() -> io::Result<()> {
    const LOOPBACK: u32 = 1;
    const UP: u32 = 1;
    let mut request = Vec::new();
    // Header: length, type, flags, sequence number, sender.
    request.extend(32u32.to_ne_bytes());
    request.extend(libc::RTM_NEWLINK.to_ne_bytes());
    request.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
    request.extend([0; 8]);
    // Device: family and type (any), index, flags, which of the flags to change.
    request.extend([0; 4]);
    for number in [LOOPBACK, UP, UP] {
        request.extend(number.to_ne_bytes());
    }
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    sendto(fd, &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 256];
    let length = recv(fd, &mut answer, MsgFlags::empty())?;
    // The answer repeats the header; the number after it is 0 or a negative errno.
    match answer.get(16..20).map(i32::read_from_bytes) {
        Some(Ok(0)) if length >= 20 => Ok(()),
        Some(Ok(error)) => Err(io::Error::from_raw_os_error(-error)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
