//! `bpfld-bench-xsk-rs CASE xsk-rs`: AF_XDP by the crate `xsk-rs`, measured as in `tests/bench/src/xsk.rs`.

use std::{
    io::Write as _,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use anyhow::{Context as _, Result, bail, ensure};
use bpfld::XskMap;
use xsk_rs::{
    CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem,
    config::{BindFlags, LibxdpFlags, SocketConfig, UmemConfig},
};

#[path = "../../src/veth.rs"]
mod veth;

use veth::{BATCH, FRAME_SIZE, FRAMES, Peer};

/// Elements of each ring.
const RING: u32 = 2048;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, _implementation, ..] = arguments.as_slice() else {
        bail!("usage: bpfld-bench-xsk-rs CASE xsk-rs");
    };
    ensure!(
        veth::run(case, &|map| Ok(Box::new(XskRs::open(map)?)))?,
        "there is no benchmark {case}"
    );
    Ok(())
}

struct XskRs {
    umem: Umem,
    fill: FillQueue,
    completion: CompQueue,
    rx: RxQueue,
    tx: TxQueue,
    /// Room for what a batch receives, or that was sent.
    batch: Vec<FrameDesc>,
    free: Vec<FrameDesc>,
}

impl XskRs {
    fn open(map: Option<&XskMap>) -> Result<XskRs> {
        let config = UmemConfig::builder()
            .frame_size(FRAME_SIZE.try_into()?)
            .fill_queue_size(RING.try_into()?)
            .comp_queue_size(RING.try_into()?)
            .build()?;
        let (umem, mut free) = Umem::new(config, FRAMES.try_into()?, false)?;
        let config = SocketConfig::builder()
            .rx_queue_size(RING.try_into()?)
            .tx_queue_size(RING.try_into()?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(BindFlags::XDP_USE_NEED_WAKEUP)
            .build();
        // SAFETY: nothing else is bound to this queue.
        let (tx, rx, rings) = unsafe { Socket::new(config, &umem, &"right".parse()?, 0) }?;
        let (mut fill, completion) = rings.context("xsk-rs gives no rings")?;
        if let Some(map) = map {
            let filled = free.split_off(free.len() - RING as usize);
            // SAFETY: the frames are of this memory, and nobody uses them.
            ensure!(
                unsafe { fill.produce(&filled) } == filled.len(),
                "the fill ring is full"
            );
            // SAFETY: the socket is open as long as its rings are, which is longer than the map.
            let fd = unsafe { BorrowedFd::borrow_raw(rx.fd().as_raw_fd()) };
            map.set(0, fd)?;
        }
        let batch = vec![FrameDesc::default(); RING as usize];
        Ok(XskRs {
            umem,
            fill,
            completion,
            rx,
            tx,
            batch,
            free,
        })
    }

    /// Has the kernel send what is in the TX ring: it takes 32 at a time.
    fn kick(&self) -> Result<()> {
        for _ in (0..BATCH).step_by(32) {
            if self.tx.needs_wakeup() {
                self.tx.wakeup()?;
            }
        }
        Ok(())
    }
}

impl Peer for XskRs {
    fn discard(&mut self, seen: &mut u64) -> Result<usize> {
        // SAFETY: each frame is in one place: what came out of one ring goes into the other.
        let count = unsafe { self.rx.consume(&mut self.batch[..BATCH]) };
        for desc in &self.batch[..count] {
            // SAFETY: as above.
            *seen += u64::from(unsafe { self.umem.data(desc) }.contents()[0]);
        }
        // SAFETY: as above.
        let given = unsafe { self.fill.produce(&self.batch[..count]) };
        ensure!(given == count, "the fill ring is full");
        Ok(count)
    }

    fn echo(&mut self) -> Result<usize> {
        // SAFETY: as in `discard`.
        let sent = unsafe { self.completion.consume(&mut self.batch) };
        // SAFETY: as in `discard`.
        let given = unsafe { self.fill.produce(&self.batch[..sent]) };
        ensure!(given == sent, "the fill ring is full");
        // SAFETY: as in `discard`.
        let count = unsafe { self.rx.consume(&mut self.batch[..BATCH]) };
        for desc in &mut self.batch[..count] {
            // SAFETY: as in `discard`.
            let mut data = unsafe { self.umem.data_mut(desc) };
            let (to, from) = data.contents_mut()[..12].split_at_mut(6);
            to.swap_with_slice(from);
        }
        // SAFETY: as in `discard`.
        let put = unsafe { self.tx.produce(&self.batch[..count]) };
        ensure!(put == count, "the TX ring is full");
        self.kick()?;
        Ok(count)
    }

    fn send(&mut self, packet: &[u8]) -> Result<usize> {
        // SAFETY: as in `discard`.
        let sent = unsafe { self.completion.consume(&mut self.batch) };
        self.free.extend_from_slice(&self.batch[..sent]);
        let count = BATCH.min(self.free.len());
        let from = self.free.len() - count;
        for desc in &mut self.free[from..] {
            // SAFETY: as in `discard`.
            let mut data = unsafe { self.umem.data_mut(desc) };
            data.cursor().set_pos(0);
            data.cursor().write_all(packet)?;
        }
        // SAFETY: as in `discard`.
        let put = unsafe { self.tx.produce(&self.free[from..]) };
        self.free.truncate(from);
        ensure!(put == count, "the TX ring is full");
        self.kick()?;
        Ok(count)
    }
}
