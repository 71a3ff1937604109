//! AF_XDP by our own sockets, and by libxdp's.

use std::{
    ffi::{CStr, c_char, c_int},
    os::fd::BorrowedFd,
};

use anyhow::{Result, bail, ensure};
use bpfld::XskMap;

use crate::veth::{self, BATCH, FRAME_SIZE, FRAMES, Peer};

/// Answers `xsk-WHAT-BYTES`; false if the question is another.
pub(crate) fn run(case: &str, implementation: &str) -> Result<bool> {
    let way = match implementation {
        "libxdp" => &LIBXDP,
        "xdpsock" => &XDPSOCK,
        _ if case.starts_with("xsk-") => bail!("{implementation} has no AF_XDP sockets"),
        _ => return Ok(false),
    };
    veth::run(case, &|map| Ok(Box::new(Libxdp::open(way, map)?)))
}

#[repr(C)]
struct CPeer {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn peer_open(
        ifname: *const c_char,
        frames: u32,
        frame_size: u32,
        fill: u32,
        receives: c_int,
    ) -> *mut CPeer;
    fn peer_fd(peer: *mut CPeer) -> c_int;
    fn peer_drop(peer: *mut CPeer, most: u32) -> u32;
    fn peer_echo(peer: *mut CPeer, most: u32) -> u32;
    fn peer_send(peer: *mut CPeer, count: u32, packet: *const u8, len: u32) -> u32;
    fn xdpsock_rxdrop(peer: *mut CPeer, batch: u32) -> u32;
    fn xdpsock_l2fwd(peer: *mut CPeer, batch: u32) -> u32;
    fn xdpsock_txonly(peer: *mut CPeer, batch: u32, packet: *const u8, len: u32) -> u32;
}

/// A way to use libxdp.
struct Way {
    frame_size: u32,
    /// Elements of the fill ring.
    fill: u32,
    drop: unsafe extern "C" fn(*mut CPeer, u32) -> u32,
    echo: unsafe extern "C" fn(*mut CPeer, u32) -> u32,
    send: unsafe extern "C" fn(*mut CPeer, u32, *const u8, u32) -> u32,
}

/// As fast as we could make it.
const LIBXDP: Way = Way {
    frame_size: FRAME_SIZE,
    fill: 2048,
    drop: peer_drop,
    echo: peer_echo,
    send: peer_send,
};

/// As its example program does.
const XDPSOCK: Way = Way {
    frame_size: 4096,
    fill: 4096,
    drop: xdpsock_rxdrop,
    echo: xdpsock_l2fwd,
    send: xdpsock_txonly,
};

/// A socket that is never closed.
struct Libxdp {
    way: &'static Way,
    peer: *mut CPeer,
}

impl Libxdp {
    fn open(way: &'static Way, map: Option<&XskMap>) -> Result<Libxdp> {
        let name: &CStr = c"right";
        // SAFETY: the name is a C string.
        let peer = unsafe {
            peer_open(
                name.as_ptr(),
                FRAMES,
                way.frame_size,
                way.fill,
                map.is_some().into(),
            )
        };
        ensure!(!peer.is_null(), "libxdp makes no socket");
        if let Some(map) = map {
            // SAFETY: the descriptor is open as long as the process runs: the socket is never closed.
            let fd = unsafe { BorrowedFd::borrow_raw(peer_fd(peer)) };
            map.set(0, fd)?;
        }
        Ok(Libxdp { way, peer })
    }
}

impl Peer for Libxdp {
    fn discard(&mut self, _seen: &mut u64) -> Result<usize> {
        // SAFETY: it was made above, and nobody else uses it.
        Ok(unsafe { (self.way.drop)(self.peer, BATCH as u32) } as usize)
    }

    fn echo(&mut self) -> Result<usize> {
        // SAFETY: as above.
        Ok(unsafe { (self.way.echo)(self.peer, BATCH as u32) } as usize)
    }

    fn send(&mut self, packet: &[u8]) -> Result<usize> {
        let (start, len) = (packet.as_ptr(), packet.len() as u32);
        // SAFETY: as above; the packet has so many bytes.
        Ok(unsafe { (self.way.send)(self.peer, BATCH as u32, start, len) } as usize)
    }
}
