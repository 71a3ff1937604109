//! What all that use some memory have in common.

use bpfld_sys::{mmap::SharedMmap, xdp::UmemReg};

use crate::{ledger::Ledger, packet::Packet};

/// What all clones, sockets and frames have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: SharedMmap,
    /// As the kernel was told.
    pub(crate) registration: UmemReg,
    pub(crate) cut: Cut,
    /// Where a frame's bytes begin, when it is not one that a packet was received in.
    pub(crate) lead: u32,
    pub(crate) ledger: Ledger,
}

impl Shared {
    /// A packet without bytes, in that frame.
    #[inline]
    pub(crate) fn empty(&self, number: u32) -> Packet {
        Packet {
            number,
            start: self.lead,
            len: 0,
            options: 0,
        }
    }

    /// Bytes before a packet to be sent that belong to the kernel.
    #[inline]
    pub(crate) fn tx_metadata(&self) -> u32 {
        self.registration.tx_metadata_len
    }
}

/// How the memory is cut into frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) frames: u32,
    pub(crate) frame_size: u32,
    /// Whether frames may begin anywhere, so that addresses have an offset in their upper bits.
    pub(crate) unaligned: bool,
}

impl Cut {
    /// Where a frame begins.
    #[inline]
    pub(crate) fn address(self, number: u32) -> u64 {
        u64::from(number) * u64::from(self.frame_size)
    }

    /// Which frame an address lies in, if there are so many, and how far from its beginning.
    #[inline]
    pub(crate) fn locate(self, address: u64) -> (u64, u32) {
        if self.unaligned {
            divide(address, self.frame_size)
        } else {
            // A power of two.
            let bits = self.frame_size.trailing_zeros();
            (address >> bits, address as u32 & (self.frame_size - 1))
        }
    }

    /// Whether so many bytes from there on are within a frame.
    #[inline]
    pub(crate) fn has(self, start: u32, len: u32) -> bool {
        u64::from(start) + u64::from(len) <= u64::from(self.frame_size)
    }
}

/// The frame and the place in it where frames may begin anywhere; apart, as it takes registers from loops.
#[inline(never)]
fn divide(address: u64, frame_size: u32) -> (u64, u32) {
    const OFFSET_BITS: u32 = 48;
    let (base, offset) = (address & ((1 << OFFSET_BITS) - 1), address >> OFFSET_BITS);
    let (address, size) = (base + offset, u64::from(frame_size));
    (address / size, (address % size) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cut = Cut {
            frames: 5,
            frame_size: 2048,
            unaligned: false,
        };
        assert_eq!(cut.locate(2048 * 4 + 256), (4, 256));
        assert_eq!(cut.locate(2048 * 5), (5, 0));
        assert!(cut.locate(u64::MAX).0 > 5);
        let cut = Cut {
            frame_size: 3000,
            unaligned: true,
            ..cut
        };
        assert_eq!(cut.locate(6000 | 256 << 48), (2, 256));
        assert_eq!(cut.locate(6256), (2, 256));
        assert!(cut.locate(u64::MAX).0 > 5);
    }
}
