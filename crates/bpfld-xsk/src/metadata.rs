//! What packets to be sent may ask for, and the answer.

use bpfld_sys::xdp::{TX_TIMESTAMP_OFFSET, TxMetadata, TxMetadataFlags};

use crate::{Error, Result};

/// What is to be done when a packet is sent (6.8), for [`Frame::request`](crate::Frame::request).
///
/// The memory must be made with [`tx_metadata`](crate::UmemBuilder::tx_metadata). What a device cannot do it leaves undone: its driver says
/// what it can, by netlink (`xdp_features` of the netdev family), which this crate does not ask.
///
/// ```
/// use bpfld_xsk::TxRequest;
///
/// // The checksum of UDP in IPv4 in Ethernet: from byte 34 on, to be put 6 bytes later.
/// let request = TxRequest::new().checksum(34, 6).timestamp();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TxRequest {
    flags: TxMetadataFlags,
    start: u16,
    offset: u16,
    launch_time: u64,
}

/// What lies before a packet that asks for nothing.
pub(crate) const NONE: TxMetadata = TxMetadata {
    flags: 0,
    csum_start: 0,
    csum_offset: 0,
    reserved: 0,
    launch_time: 0,
};

impl TxRequest {
    /// Asks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The checksum of the bytes from `start` to the end of the packet, to be put `offset` bytes after `start`, where the
    /// checksum of the pseudo header must be.
    pub fn checksum(mut self, start: u16, offset: u16) -> Self {
        self.flags |= TxMetadataFlags::CHECKSUM;
        (self.start, self.offset) = (start, offset);
        self
    }

    /// The time when the packet was sent: see [`Frame::sent_at`](crate::Frame::sent_at).
    pub fn timestamp(mut self) -> Self {
        self.flags |= TxMetadataFlags::TIMESTAMP;
        self
    }

    /// Not to be sent before a time, in nanoseconds of the device's clock (6.14).
    pub fn launch_at(mut self, nanoseconds: u64) -> Self {
        self.flags |= TxMetadataFlags::LAUNCH_TIME;
        self.launch_time = nanoseconds;
        self
    }

    /// As the kernel takes it, for a packet of so many bytes.
    pub(crate) fn metadata(&self, len: u32) -> Result<TxMetadata> {
        let end = u32::from(self.start) + u32::from(self.offset) + 2;
        // The kernel would refuse it, and the frame would be lost.
        if self.flags.contains(TxMetadataFlags::CHECKSUM) && end > len {
            return Err(Error::invalid(format!(
                "a checksum up to byte {end} of a packet of {len} bytes"
            )));
        }
        Ok(TxMetadata {
            flags: self.flags.bits(),
            csum_start: self.start,
            csum_offset: self.offset,
            reserved: 0,
            launch_time: self.launch_time,
        })
    }
}

/// The time in the metadata of a packet that was sent.
pub(crate) fn sent_at(metadata: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = metadata.get(at..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    };
    let flags = TxMetadataFlags::from_bits_retain(number(0)?);
    flags
        .contains(TxMetadataFlags::TIMESTAMP)
        .then(|| number(TX_TIMESTAMP_OFFSET))?
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;

    #[test]
    fn checksums_lie_within_the_packet() {
        let request = TxRequest::new().checksum(34, 6);
        request.metadata(41).unwrap_err();
        let metadata = request.metadata(42).unwrap();
        assert_eq!(
            (metadata.flags, metadata.csum_start, metadata.csum_offset),
            (2, 34, 6)
        );
    }

    #[test]
    fn times_are_there_if_asked_for() {
        assert_eq!(sent_at(NONE.as_bytes()), None);
        assert_eq!(sent_at(&[]), None);
        let mut bytes = TxRequest::new().timestamp().metadata(60).unwrap();
        bytes.as_mut_bytes()[8..16].copy_from_slice(&77u64.to_ne_bytes());
        assert_eq!(sent_at(bytes.as_bytes()), Some(77));
    }
}
