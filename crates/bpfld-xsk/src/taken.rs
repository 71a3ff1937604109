//! Frames between two places.

use std::mem;

use crate::{filler::Filler, packet::Packet, shared::Shared};

/// Packets, or just frames, that were taken out of a ring or off the list of free frames. Whatever happens, those that nobody got, and those
/// that were given back, are free in the end.
pub(crate) struct Taken<'a> {
    umem: &'a Shared,
    packets: &'a mut [Packet],
    /// Up to here they were given back.
    back: usize,
    /// From here on nobody has got them yet.
    next: usize,
}

impl<'a> Taken<'a> {
    #[inline]
    pub(crate) fn new(umem: &'a Shared, packets: &'a mut [Packet]) -> Self {
        Self {
            umem,
            packets,
            back: 0,
            next: 0,
        }
    }

    /// Takes the frame of a packet back that somebody got.
    #[inline]
    pub(crate) fn give_back(&mut self, number: u32) {
        // There are no more than were taken.
        if let Some(packet) = self.packets.get_mut(self.back) {
            packet.number = number;
            self.back += 1;
        }
    }

    /// Gives all to the kernel to receive in, as far as there is room: those that were given back, if nobody gets any more of the others.
    #[inline]
    pub(crate) fn refill(mut self, filler: &mut Filler<'_>) {
        let next = mem::replace(&mut self.next, self.packets.len());
        let back = mem::take(&mut self.back);
        for part in [self.packets.get(..back), self.packets.get(next..)] {
            let part = part.unwrap_or_default();
            let given = filler.put_all(part);
            free(self.umem, part.get(given..).unwrap_or_default());
        }
    }
}

impl Iterator for Taken<'_> {
    type Item = Packet;

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        let packet = self.packets.get(self.next)?;
        self.next += 1;
        Some(*packet)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.packets.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Taken<'_> {}

impl DoubleEndedIterator for Taken<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Packet> {
        if self.next == self.packets.len() {
            return None;
        }
        let (packet, others) = mem::take(&mut self.packets).split_last_mut()?;
        self.packets = others;
        Some(*packet)
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        for part in [self.packets.get(..self.back), self.packets.get(self.next..)] {
            free(self.umem, part.unwrap_or_default());
        }
    }
}

/// Makes frames free, of which there are mostly none.
#[inline]
fn free(umem: &Shared, packets: &[Packet]) {
    if !packets.is_empty() {
        let numbers = packets.iter().map(|packet| packet.number);
        umem.ledger.free().extend(numbers);
    }
}
