//! Frames on their way to the kernel, to receive.

use crate::{ledger::Page, packet::Packet, ring::Run, shared::Cut};

/// Room in a fill ring. When it is dropped the kernel is told of what was put there.
pub(crate) struct Filler<'a> {
    pub(crate) cut: Cut,
    pub(crate) page: Page<'a>,
    pub(crate) room: Run<'a, 1>,
}

impl Filler<'_> {
    /// Gives frames of packets to the kernel, from the first on, as many as there is room for; returns how many.
    pub(crate) fn put_all(&mut self, packets: &[Packet]) -> usize {
        let (cut, page) = (self.cut, self.page);
        let count = self.room.put_all(packets, |packet| [cut.address(packet.number)]);
        for packet in packets.iter().take(count) {
            page.give(packet.number);
        }
        count
    }

    /// Gives a frame that is neither free nor anybody's to the kernel, to receive; false if there is no room.
    #[inline]
    pub(crate) fn put(&mut self, number: u32) -> bool {
        let given = self.room.put([self.cut.address(number)]);
        if given {
            self.page.give(number);
        }
        given
    }
}
