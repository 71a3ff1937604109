//! The memory of packets, cut into frames.

use std::sync::Arc;

use bpfld_sys::{
    Errno,
    mmap::{SharedMmap, page_size},
    xdp::{TxMetadata, UmemFlags, UmemReg},
};

use crate::{
    Error, Frame, Result,
    ledger::{Ledger, Usage},
    shared::{Cut, Shared},
};

/// Frames at most, so that their numbers and places take no more than some hundred MiB.
const MOST_FRAMES: u32 = 1 << 24;

/// Memory for packets, cut into frames of one size, for any number of sockets on any queues and interfaces.
///
/// Clones are the same memory. It lives as long as a clone, a socket or a frame of it does. Child processes do not have it (`MADV_DONTFORK`
/// of madvise(2)). It is made of huge pages where the kernel has some for who asks (`/sys/kernel/mm/transparent_hugepage/enabled`), which takes
/// less time to find a packet in it; [`UmemBuilder::huge_pages`] insists on them.
///
/// A frame that came in by one socket can be sent by another without being copied. Each queue registers the memory with the kernel
/// anew, so that this works on all kernels that have AF_XDP (4.18), and each may be bound in its own way; for users without
/// CAP_IPC_LOCK it counts as often against the limit of locked memory.
///
/// ```
/// use bpfld_xsk::Umem;
///
/// let umem = Umem::builder().frames(64).frame_size(2048).build()?;
/// let mut frame = umem.frame()?;
/// frame.set(b"a packet")?;
/// assert_eq!(umem.usage().user, 1);
/// drop(frame);
/// assert_eq!(umem.usage().free, 64);
/// # Ok::<(), bpfld_xsk::Error>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "xsk_umem__create")]
pub struct Umem {
    pub(crate) shared: Arc<Shared>,
}

impl Umem {
    /// Options for memory.
    pub fn builder() -> UmemBuilder {
        UmemBuilder {
            frames: 4096,
            frame_size: page_size().try_into().unwrap_or(4096),
            headroom: 0,
            unaligned: false,
            huge_pages: None,
            flags: UmemFlags::empty(),
        }
    }

    /// A free frame, empty, with the headroom in front.
    ///
    /// Frames that were sent are free when their socket has seen that they were: [`XskSocket::frame`](crate::XskSocket::frame)
    /// looks for them.
    ///
    /// # Errors
    ///
    /// [`Error::NoFrame`] when none is free.
    pub fn frame(&self) -> Result<Frame> {
        let number = self.shared.ledger.free().pop();
        number
            .map(|number| Frame::of(self.shared.empty(number), &self.shared))
            .ok_or(Error::NoFrame)
    }

    /// Gives many frames back at once: cheaper than to drop each.
    pub fn recycle(&self, frames: impl IntoIterator<Item = Frame>) {
        // The list is not locked meanwhile: `frames` is others' code, and may use this memory too.
        let mut frames: Vec<Frame> = frames.into_iter().collect();
        let mut free = self.shared.ledger.free();
        // What is of other memory goes back there.
        let own = frames.iter_mut().filter(|frame| frame.slot.is_of(&self.shared));
        free.extend(own.map(|frame| frame.slot.leave()));
    }

    /// How many frames are where.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.shared.ledger.usage()
    }

    /// Bytes of a frame, headroom included.
    #[must_use]
    pub fn frame_size(&self) -> usize {
        self.shared.cut.frame_size as usize
    }
}

/// Options for [`Umem`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `build`"]
pub struct UmemBuilder {
    frames: u32,
    frame_size: u32,
    headroom: u32,
    unaligned: bool,
    huge_pages: Option<u8>,
    flags: UmemFlags,
}

impl UmemBuilder {
    /// How many frames; 4096 unless said otherwise.
    pub fn frames(mut self, frames: u32) -> Self {
        self.frames = frames;
        self
    }

    /// Bytes of a frame, from 2048 to a page, which is the default; a power of two, unless [`unaligned`](Self::unaligned).
    ///
    /// A packet that is received has 256 bytes and the headroom in front of it.
    pub fn frame_size(mut self, bytes: u32) -> Self {
        self.frame_size = bytes;
        self
    }

    /// Bytes that stay free in front of packets, for headers to be put there; received packets have 256 more.
    pub fn headroom(mut self, bytes: u32) -> Self {
        self.headroom = bytes;
        self
    }

    /// Frames may have any size (5.4). With zero-copy sockets this wants huge pages, as no frame may lie across pages that are
    /// not neighbours in memory.
    pub fn unaligned(mut self) -> Self {
        self.unaligned = true;
        self
    }

    /// Uses huge pages of 2^`bits` bytes (21 for 2 MiB), which must have been set aside in `/proc/sys/vm/nr_hugepages`.
    pub fn huge_pages(mut self, bits: u8) -> Self {
        self.huge_pages = Some(bits);
        self
    }

    /// Packets to be sent may ask for checksums and times: see [`TxRequest`](crate::TxRequest) (6.8). Takes 24 bytes before each.
    pub fn tx_metadata(mut self) -> Self {
        self.flags |= UmemFlags::TX_METADATA_LEN;
        self
    }

    /// As [`tx_metadata`](Self::tx_metadata), with checksums computed by the kernel, for tests on interfaces that cannot (6.8; not with zero copy).
    pub fn software_checksums(self) -> Self {
        let mut this = self.tx_metadata();
        this.flags |= UmemFlags::TX_SW_CSUM;
        this
    }

    /// Makes the memory. The kernel sees it when a socket is bound.
    ///
    /// # Errors
    ///
    /// When the sizes contradict each other, or there is not so much memory.
    pub fn build(self) -> Result<Umem> {
        let Self {
            frames,
            frame_size,
            headroom,
            unaligned,
            huge_pages,
            flags,
        } = self;
        let page = page_size();
        if !(2048..=page).contains(&(frame_size as usize)) {
            let message = format!("a frame of {frame_size} bytes: frames have 2048 to {page} bytes");
            return Err(Error::invalid(message));
        }
        if !unaligned && !frame_size.is_power_of_two() {
            let message = format!(
                "a frame of {frame_size} bytes: their size is a power of two, unless they are unaligned"
            );
            return Err(Error::invalid(message));
        }
        if !(1..=MOST_FRAMES).contains(&frames) {
            let message = format!("{frames} frames: there are 1 to {MOST_FRAMES}");
            return Err(Error::invalid(message));
        }
        let tx_metadata_len = if flags.contains(UmemFlags::TX_METADATA_LEN) {
            size_of::<TxMetadata>() as u32
        } else {
            0
        };
        let lead = headroom.saturating_add(tx_metadata_len);
        // The kernel wants its own headroom and at least one byte.
        if lead.saturating_add(KERNEL_HEADROOM) >= frame_size {
            let message = format!("a headroom of {headroom} bytes leaves no room in frames of {frame_size}");
            return Err(Error::invalid(message));
        }
        let unit = match huge_pages {
            Some(bits) => 1usize.checked_shl(bits.into()).unwrap_or(0),
            None => page,
        };
        let memory = (frames as usize)
            .checked_mul(frame_size as usize)
            .and_then(|len| len.checked_next_multiple_of(unit))
            .ok_or(Errno::EINVAL)
            .and_then(|len| SharedMmap::anonymous(len, huge_pages))
            .map_err(|errno| {
                Error::kernel(
                    format!("make memory for {frames} frames of {frame_size} bytes"),
                    errno,
                )
            })?;
        let mut flags = flags;
        flags.set(UmemFlags::UNALIGNED_CHUNK, unaligned);
        let mut registration = UmemReg::default();
        registration.chunk_size = frame_size;
        registration.headroom = headroom;
        registration.flags = flags.bits();
        registration.tx_metadata_len = tx_metadata_len;
        let shared = Shared {
            memory,
            registration,
            cut: Cut {
                frames,
                frame_size,
                unaligned,
            },
            lead,
            ledger: Ledger::new(frames),
        };
        Ok(Umem {
            shared: Arc::new(shared),
        })
    }
}

/// Bytes that the kernel leaves free before the headroom of received packets.
#[doc(alias = "XDP_PACKET_HEADROOM")]
const KERNEL_HEADROOM: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(builder: UmemBuilder, text: &str) {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }

    #[test]
    fn refuses_sizes() {
        let umem = Umem::builder;
        refused(umem().frames(0), "0 frames");
        refused(umem().frames(u32::MAX), "frames: there are");
        refused(umem().frame_size(1024), "frame of 1024 bytes");
        refused(umem().frame_size(1 << 30), "frames have 2048 to");
        refused(umem().frame_size(3000), "power of two");
        refused(umem().frame_size(2048).headroom(1792), "headroom of 1792");
        refused(umem().headroom(u32::MAX), "leaves no room");
        refused(umem().huge_pages(200), "cannot make memory");
        umem().frames(3).frame_size(3000).unaligned().build().unwrap();
    }

    #[test]
    fn whoever_recycles_may_use_the_memory_meanwhile() {
        let umem = Umem::builder().frames(8).build().unwrap();
        let frames: Vec<Frame> = (0..8).map(|_| umem.frame().unwrap()).collect();
        let mut again = None;
        umem.recycle(frames.into_iter().filter(|frame| {
            again = again.take().or_else(|| umem.frame().ok());
            frame.number() % 2 == 0
        }));
        assert_eq!(umem.usage().free, 7);
        drop(again);
        assert_eq!(umem.usage().free, 8);
    }
}
