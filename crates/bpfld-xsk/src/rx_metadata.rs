//! What the driver knows about a received packet, written in front of it by the program.

use bpfld::{Errno, KernelBtf, XskMap, btf::Kind};
use bpfld_insn::{
    Helper,
    Reg::{R0, R1, R2, R3, R6, R7, R10},
    Size, Slot,
    build::{Builder, call, call_kfunc},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    Error, Frame, Result,
    code::{finish, redirect},
};

/// Marks what our program wrote. The last hexadecimal digit is for [`TIMESTAMP`] and [`HASH`].
const MAGIC: u32 = 0xbf1d_a560;
const TIMESTAMP: u32 = 1;
const HASH: u32 = 2;

/// As it lies in front of a packet.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Layout {
    timestamp: [u8; 8],
    hash: [u8; 4],
    hash_type: [u8; 4],
    magic: [u8; 4],
    padding: [u8; 4],
}

const SIZE: i32 = size_of::<Layout>() as i32;

/// What the driver knows about a received packet (6.3), where [`RedirectBuilder::metadata`](crate::RedirectBuilder::metadata) asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxMetadata {
    /// When the packet came, in nanoseconds of the device's clock.
    pub timestamp: Option<u64>,
    /// Its hash, and of what it was made (`enum xdp_rss_hash_type`).
    pub hash: Option<(u32, u32)>,
}

impl Frame {
    /// What the driver knows about this packet, if the program that redirected it asked for that. To be read before bytes are added in
    /// front. Nothing for frames that no packet was received in; another program can of course write the same bytes there.
    #[must_use]
    pub fn rx_metadata(&self) -> Option<RxMetadata> {
        let bytes = self.in_front(size_of::<Layout>())?;
        let layout = Layout::read_from_bytes(bytes).ok()?;
        let magic = u32::from_ne_bytes(layout.magic);
        if magic & !0xf != MAGIC {
            return None;
        }
        let hash = (
            u32::from_ne_bytes(layout.hash),
            u32::from_ne_bytes(layout.hash_type),
        );
        Some(RxMetadata {
            timestamp: (magic & TIMESTAMP != 0).then(|| u64::from_ne_bytes(layout.timestamp)),
            hash: (magic & HASH != 0).then_some(hash),
        })
    }
}

/// That there is none.
pub(crate) fn unsupported(errno: Errno) -> Error {
    Error::Unsupported {
        feature: "metadata of received packets",
        since: "6.3",
        errno,
    }
}

/// A program that asks the driver, writes the answers in front of the packet, and redirects it. If there is no room it is
/// redirected without.
pub(crate) fn program(sockets: &XskMap) -> Result<Vec<Slot>> {
    let kernel = KernelBtf::shared()?;
    let function = |name| {
        let id = kernel.vmlinux().find(name, Kind::FUNC);
        id.ok_or_else(|| unsupported(Errno::ENOENT))
    };
    let timestamp = function("bpf_xdp_metadata_rx_timestamp")?;
    let hash = function("bpf_xdp_metadata_rx_hash")?;
    let mut code = Builder::new();
    let done = code.label();
    // On the stack: the layout from -SIZE on.
    let at = |offset: i32| (offset - SIZE) as i16;
    code.push(R6.mov(R1));
    code.push(R2.mov(-SIZE));
    code.push(call(Helper::XDP_ADJUST_META));
    code.jump_if(R0.jne(0), done);
    for word in 0..SIZE / 8 {
        code.push(R10.store(Size::Dw, at(word * 8), 0));
    }
    code.push(R7.mov(MAGIC as i32));
    for (ask, id) in [(TIMESTAMP, timestamp), (HASH, hash)] {
        let unknown = code.label();
        code.push(R1.mov(R6));
        code.push(R2.mov(R10));
        if ask == TIMESTAMP {
            code.push(R2.add(-SIZE));
        } else {
            code.push(R2.add(8 - SIZE));
            code.push(R3.mov(R10));
            code.push(R3.add(12 - SIZE));
        }
        code.push(call_kfunc(id.0));
        code.jump_if(R0.w().jne(0), unknown);
        code.push(R7.or(ask as i32));
        code.bind(unknown);
    }
    code.push(R10.store(Size::W, at(16), R7));
    // data_meta and data
    code.push(R1.load(Size::W, R6, 8));
    code.push(R2.load(Size::W, R6, 0));
    code.push(R3.mov(R1));
    code.push(R3.add(SIZE));
    code.jump_if(R3.jgt(R2), done);
    for word in 0..SIZE / 8 {
        code.push(R2.load(Size::Dw, R10, at(word * 8)));
        code.push(R1.store(Size::Dw, (word * 8) as i16, R2));
    }
    code.bind(done);
    code.push(R1.mov(R6));
    redirect(&mut code, sockets);
    finish(code)
}
