//! Instructions that redirect packets.

use std::os::fd::{AsFd as _, AsRawFd as _};

use bpfld::{Map, XskMap};
use bpfld_insn::{
    Helper,
    Reg::{R0, R1, R2, R3, R10},
    Size, Slot,
    build::{Builder, call, exit},
};

use crate::{Error, Result};

/// What the program says about a packet for the network stack.
pub(crate) const XDP_PASS: i32 = 2;
/// Where the context of XDP programs has the number of the queue.
const RX_QUEUE: i16 = 16;

/// Appends: redirect to the socket in the place of the queue, if there is one, else pass. The context is in r1.
pub(crate) fn redirect(code: &mut Builder, sockets: &XskMap) {
    code.push(R2.load(Size::W, R1, RX_QUEUE));
    code.push(R1.map(sockets.map().as_fd().as_raw_fd()));
    code.push(R3.mov(XDP_PASS));
    code.push(call(Helper::REDIRECT_MAP));
    code.push(exit());
}

/// The whole program, since 5.3.
pub(crate) fn new_program(sockets: &XskMap) -> Result<Vec<Slot>> {
    let mut code = Builder::new();
    redirect(&mut code, sockets);
    finish(code)
}

/// The same on older kernels: a second map says which places are taken, for the first cannot be looked into there.
pub(crate) fn old_program(sockets: &XskMap, taken: &Map) -> Result<Vec<Slot>> {
    let mut code = Builder::new();
    let pass = code.label();
    code.push(R2.load(Size::W, R1, RX_QUEUE));
    code.push(R10.store(Size::W, -4, R2));
    code.push(R2.mov(R10));
    code.push(R2.add(-4));
    code.push(R1.map(taken.as_fd().as_raw_fd()));
    code.push(call(Helper::MAP_LOOKUP_ELEM));
    code.jump_if(R0.jeq(0), pass);
    code.push(R1.load(Size::W, R0, 0));
    code.jump_if(R1.jeq(0), pass);
    code.push(R1.map(sockets.map().as_fd().as_raw_fd()));
    code.push(R2.load(Size::W, R10, -4));
    code.push(R3.mov(0));
    code.push(call(Helper::REDIRECT_MAP));
    code.push(exit());
    code.bind(pass);
    code.push(R0.mov(XDP_PASS));
    code.push(exit());
    finish(code)
}

/// Puts the instructions together.
pub(crate) fn finish(code: Builder) -> Result<Vec<Slot>> {
    code.finish()
        .map_err(|error| Error::invalid(format!("the redirect program: {error}")))
}
