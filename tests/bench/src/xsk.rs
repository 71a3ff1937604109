//! AF_XDP by our own sockets, and by libxdp's.

use std::ffi::{CStr, c_char, c_int};

use anyhow::{Result, bail, ensure};
use bpfld::XskMap;
use bpfld_xsk::{Then, XskSocket};

use crate::veth::{self, BATCH, FRAME_SIZE, FRAMES, Peer};

/// Answers `xsk-WHAT-BYTES`; false if the question is another.
pub(crate) fn run(case: &str, implementation: &str) -> Result<bool> {
    veth::run(case, |map| match implementation {
        "bpfld" => Ok(Box::new(Own::open(map)?)),
        "libxdp" => Ok(Box::new(Libxdp::open(map)?)),
        other => bail!("{other} has no AF_XDP sockets"),
    })
}

struct Own(XskSocket);

impl Own {
    fn open(map: Option<&XskMap>) -> Result<Own> {
        let socket = XskSocket::builder(&veth::umem()?).bind("right", 0)?;
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
        veth::send(&mut self.0, packet, BATCH)
    }
}

#[repr(C)]
struct CPeer {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn peer_open(ifname: *const c_char, frames: u32, frame_size: u32, receives: c_int) -> *mut CPeer;
    fn peer_fd(peer: *mut CPeer) -> c_int;
    fn peer_drop(peer: *mut CPeer, most: u32) -> u32;
    fn peer_echo(peer: *mut CPeer, most: u32) -> u32;
    fn peer_send(peer: *mut CPeer, count: u32, packet: *const u8, len: u32) -> u32;
}

/// A socket that is never closed.
struct Libxdp(*mut CPeer);

impl Libxdp {
    fn open(map: Option<&XskMap>) -> Result<Libxdp> {
        let name: &CStr = c"right";
        // SAFETY: the name is a C string.
        let peer = unsafe { peer_open(name.as_ptr(), FRAMES, FRAME_SIZE, map.is_some().into()) };
        ensure!(!peer.is_null(), "libxdp makes no socket");
        if let Some(map) = map {
            // SAFETY: the descriptor is open as long as the process runs: the socket is never closed.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(peer_fd(peer)) };
            map.set(0, fd)?;
        }
        Ok(Libxdp(peer))
    }
}

impl Peer for Libxdp {
    fn discard(&mut self, _seen: &mut u64) -> Result<usize> {
        // SAFETY: it was made above, and nobody else uses it.
        Ok(unsafe { peer_drop(self.0, BATCH as u32) } as usize)
    }

    fn echo(&mut self) -> Result<usize> {
        // SAFETY: as above.
        Ok(unsafe { peer_echo(self.0, BATCH as u32) } as usize)
    }

    fn send(&mut self, packet: &[u8]) -> Result<usize> {
        // SAFETY: as above; the packet has so many bytes.
        Ok(unsafe { peer_send(self.0, BATCH as u32, packet.as_ptr(), packet.len() as u32) } as usize)
    }
}
