//! A wire between two interfaces: `xsk_forward ONE OTHER`. Packets are not copied here: both have the same memory.
#![expect(clippy::print_stdout, reason = "a program")]

use std::{error::Error, io, time::Duration};

use bpfld::XdpMode;
use bpfld_sys::epoll::Epoll;
use bpfld_xsk::{Frame, Redirect, Umem, XskSocket};

/// One end of the wire.
struct End {
    socket: XskSocket,
    /// Packets that came by the other end and found no room yet.
    leaving: Vec<Frame>,
    _redirect: Redirect,
}

impl End {
    fn new(umem: &Umem, interface: &str) -> Result<End, bpfld_xsk::Error> {
        let socket = XskSocket::builder(umem).bind(interface, 0)?;
        let redirect = Redirect::attach(interface, XdpMode::Auto)?;
        redirect.insert(&socket)?;
        Ok(End {
            socket,
            leaving: Vec::new(),
            _redirect: redirect,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [one, other] = arguments.as_slice() else {
        return Err("usage: xsk_forward ONE OTHER".into());
    };
    // Each end has 2048 frames to receive in; the rest is on its way.
    let umem = Umem::builder().frames(8192).build()?;
    let (mut one, mut other) = (End::new(&umem, one)?, End::new(&umem, other)?);
    let ready = Epoll::new().map_err(io::Error::from)?;
    for (socket, place) in [(&one.socket, 0), (&other.socket, 1)] {
        ready.add(socket.readiness()?, place).map_err(io::Error::from)?;
    }
    println!("forwarding");
    let mut events = Vec::new();
    loop {
        let moved = carry(&mut one, &mut other)? + carry(&mut other, &mut one)?;
        if moved == 0 {
            let wait = ready.wait(&mut events, Some(Duration::from_secs(1)));
            wait.map_err(io::Error::from)?;
            one.socket.check()?;
            other.socket.check()?;
        }
    }
}

/// Takes what came by one end to the other.
fn carry(from: &mut End, to: &mut End) -> Result<usize, bpfld_xsk::Error> {
    if to.leaving.len() < 512 {
        from.socket.receive(&mut to.leaving, 64)?;
    }
    if to.leaving.is_empty() {
        return Ok(0);
    }
    to.socket.transmit(&mut to.leaving)
}
