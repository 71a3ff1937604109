//! A frame as a value, and the packet in it as a slice.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bpfld_sys::xdp::{PKT_CONTD, TX_METADATA};
use zerocopy::IntoBytes as _;

use crate::{Error, Result, TxRequest, metadata, packet::Packet, shared::Shared, slot::Slot};

/// A frame: room for one packet, in exactly one place. Dropping it makes it free.
///
/// It is the slice of the bytes of its packet. In front of that and behind it there is room to grow; what is there is left over
/// from other packets.
///
/// ```
/// # let umem = bpfld_xsk::Umem::builder().frames(2).headroom(32).build()?;
/// let mut frame = umem.frame()?;
/// frame.set(b"payload")?;
/// frame.grow_front(3)?.copy_from_slice(b"to ");
/// assert_eq!(&frame[..], b"to payload");
/// frame.shrink_front(5);
/// assert_eq!(&frame[..], b"yload");
/// # Ok::<(), bpfld_xsk::Error>(())
/// ```
pub struct Frame {
    pub(crate) slot: Slot,
    start: u32,
    len: u32,
    options: u32,
    request: Option<Box<TxRequest>>,
}

impl Frame {
    /// The packet, in its frame.
    #[inline]
    pub(crate) fn of(packet: Packet, shared: &Arc<Shared>) -> Self {
        let mut frame = Self::vacant(shared);
        frame.hold(packet);
        frame
    }

    /// Nothing yet, of some memory.
    #[inline]
    pub(crate) fn vacant(shared: &Arc<Shared>) -> Self {
        Self {
            slot: Slot::vacant(Arc::clone(shared)),
            start: 0,
            len: 0,
            options: 0,
            request: None,
        }
    }

    /// Becomes a packet of the same memory; the frame before must have been given up.
    #[inline]
    pub(crate) fn hold(&mut self, packet: Packet) {
        let Packet {
            number,
            start,
            len,
            options,
        } = packet;
        self.slot.take(number);
        (self.start, self.len, self.options) = (start, len, options);
        if self.request.is_some() {
            self.request = None;
        }
    }

    /// Which one it is in its memory. With it, what was sent is known again: see
    /// [`XskSocket::completed`](crate::XskSocket::completed).
    #[must_use]
    pub fn number(&self) -> u32 {
        self.slot.number()
    }

    /// Makes a copy of these bytes the packet, from where it began.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if they do not fit; the packet stays what it was.
    #[inline]
    pub fn set(&mut self, bytes: &[u8]) -> Result<()> {
        let behind = self.slot.whole_mut().get_mut(self.start as usize..);
        let behind = behind.unwrap_or_default();
        let (room, len) = (behind.len(), bytes.len());
        let Some(to) = behind.get_mut(..len) else {
            return Err(Error::TooLong { len, room });
        };
        to.copy_from_slice(bytes);
        self.len = len as u32;
        Ok(())
    }

    /// Bytes that [`grow_front`](Self::grow_front) can add.
    #[must_use]
    pub fn room_in_front(&self) -> usize {
        self.start.saturating_sub(self.reserved()) as usize
    }

    /// Bytes that [`grow_back`](Self::grow_back) can add.
    #[must_use]
    pub fn room_behind(&self) -> usize {
        self.slot.whole().len().saturating_sub(self.end())
    }

    /// Adds bytes in front of the packet, and lends them to be written.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if there is no room.
    pub fn grow_front(&mut self, bytes: usize) -> Result<&mut [u8]> {
        let room = self.room_in_front();
        if bytes > room {
            return Err(Error::TooLong { len: bytes, room });
        }
        self.start -= bytes as u32;
        self.len += bytes as u32;
        Ok(self.get_mut(..bytes).unwrap_or_default())
    }

    /// Adds bytes behind the packet, and lends them to be written.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if there is no room.
    pub fn grow_back(&mut self, bytes: usize) -> Result<&mut [u8]> {
        let (room, len) = (self.room_behind(), self.len());
        if bytes > room {
            return Err(Error::TooLong { len: bytes, room });
        }
        self.len += bytes as u32;
        Ok(self.get_mut(len..).unwrap_or_default())
    }

    /// Takes bytes off the front: so many, or all there are.
    pub fn shrink_front(&mut self, bytes: usize) {
        let bytes = bytes.min(self.len()) as u32;
        self.start += bytes;
        self.len -= bytes;
    }

    /// Takes bytes off the end until so many are left, if there are more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// The bytes just in front of the packet, where programs put metadata; nothing if there are not so many.
    #[must_use]
    pub fn in_front(&self, bytes: usize) -> Option<&[u8]> {
        let start = self.start as usize;
        self.slot.whole().get(start.checked_sub(bytes)?..start)
    }

    /// Whether the packet goes on in the next frame (6.6).
    #[must_use]
    pub fn continues(&self) -> bool {
        self.options & PKT_CONTD != 0
    }

    /// Makes the frame that is sent after this one the next part of the same packet (6.6).
    pub fn continue_in_next(&mut self) {
        self.options |= PKT_CONTD;
    }

    /// Makes this the last or only part of its packet.
    pub fn end_packet(&mut self) {
        self.options &= !PKT_CONTD;
    }

    /// Asks for something to be done when the packet is sent (6.8).
    pub fn request(&mut self, request: TxRequest) {
        self.request = Some(Box::new(request));
    }

    /// When the packet was sent, in nanoseconds of the device's clock or of TAI: if it was
    /// [asked for](TxRequest::timestamp), and this frame came from [`XskSocket::completed`](crate::XskSocket::completed).
    #[must_use]
    pub fn sent_at(&self) -> Option<u64> {
        let reserved = self.reserved() as usize;
        metadata::sent_at(self.in_front(reserved)?)
    }

    /// Where the packet begins, its length and options; if it is in one frame of this memory, with nothing asked for or to be written to it.
    #[inline]
    pub(crate) fn plain(&self, shared: &Arc<Shared>) -> Option<(u32, u32, u32)> {
        let plain = self.slot.is_of(shared) && shared.tx_metadata() == 0 && self.request.is_none();
        (plain && self.options == 0 && self.len > 0).then_some((self.start, self.len, 0))
    }

    /// Makes the frame ready to be sent: where the packet begins, its length and options.
    #[inline]
    pub(crate) fn prepare(&mut self) -> Result<(u32, u32, u32)> {
        let reserved = self.reserved();
        if self.len == 0 {
            return Err(Error::invalid("an empty packet cannot be sent"));
        }
        if self.start < reserved {
            return Err(Error::TooLong {
                len: reserved as usize,
                room: self.start as usize,
            });
        }
        let mut options = self.options;
        if reserved == 0 {
            if self.request.is_some() {
                return Err(Error::invalid(
                    "the memory was made without room for metadata: see UmemBuilder::tx_metadata",
                ));
            }
        } else {
            let metadata = match &self.request {
                Some(request) => request.metadata(self.len)?,
                None => metadata::NONE,
            };
            if self.request.is_some() {
                options |= TX_METADATA;
            }
            let (start, reserved) = (self.start as usize, reserved as usize);
            if let Some(bytes) = self.slot.whole_mut().get_mut(start - reserved..start) {
                bytes.copy_from_slice(metadata.as_bytes());
            }
        }
        Ok((self.start, self.len, options))
    }

    #[inline]
    fn reserved(&self) -> u32 {
        self.slot.tx_metadata()
    }

    fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let range = self.start as usize..self.end();
        self.slot.whole().get(range).unwrap_or_default()
    }
}

impl DerefMut for Frame {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let range = self.start as usize..self.end();
        self.slot.whole_mut().get_mut(range).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("number", &self.slot.number())
            .field("start", &self.start)
            .field("len", &self.len)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Umem};

    #[test]
    fn grows_within_its_frame_only() {
        let umem = Umem::builder().frames(2).frame_size(2048).headroom(16);
        let umem = umem.build().unwrap();
        let mut frame = umem.frame().unwrap();
        let mut other = umem.frame().unwrap();
        assert!(matches!(umem.frame(), Err(Error::NoFrame)));
        other.set(&[7; 2032]).unwrap();
        other.grow_front(16).unwrap().fill(7);
        assert_eq!((frame.room_in_front(), frame.room_behind()), (16, 2032));
        frame.grow_back(2032).unwrap().fill(1);
        frame.grow_front(16).unwrap().fill(2);
        assert_eq!((frame.room_in_front(), frame.room_behind()), (0, 0));
        frame.grow_front(1).unwrap_err();
        frame.grow_back(1).unwrap_err();
        frame.set(&[0; 2049]).unwrap_err();
        assert_eq!((frame.len(), frame[15], frame[16]), (2048, 2, 1));
        assert!(other.iter().all(|byte| *byte == 7));
        frame.shrink_front(20);
        frame.truncate(3);
        assert_eq!(frame[..], [1, 1, 1]);
        assert_eq!(frame.in_front(5), Some(&[2, 1, 1, 1, 1][..]));
        assert_eq!(frame.in_front(21), None);
        frame.shrink_front(100);
        assert_eq!(frame.len(), 0);
        assert_eq!(umem.usage().user, 2);
        let foreign = Umem::builder().frames(1).build().unwrap();
        umem.recycle([frame, other, foreign.frame().unwrap()]);
        assert_eq!((umem.usage().free, foreign.usage().free), (2, 1));
    }
}
