//! XDP packets.

use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::{Fields, sealed::Sealed};
use crate::address::{GuestAddr, RegionId};
use crate::memory::{Memory, Rights, Shape};
use crate::state::State;

/// Bytes before the packet, as in test runs of the kernel.
const HEADROOM: usize = 256;
/// Where a packet of one page must end: what is behind belongs to the kernel.
const HARD_END: usize = 4096 - 320;

/// A packet for an XDP program.
///
/// ```
/// use bpfld_vm::Xdp;
///
/// let mut packet = Xdp::new(&[0; 60]);
/// packet.ingress_ifindex = 3;
/// assert_eq!(packet.packet().len(), 60);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Xdp {
    /// The device it came from.
    pub ingress_ifindex: u32,
    /// The receive queue.
    pub rx_queue_index: u32,
    /// The device it leaves through, for programs in device maps.
    pub egress_ifindex: u32,
    buffer: Vec<u8>,
    meta: usize,
    data: usize,
    end: usize,
    fragments: Vec<u8>,
}

/// The fields while a program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XdpFields {
    /// Where the packet begins in its region; the metadata before it begins where the region does.
    pub(crate) data: usize,
    pub(crate) ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

impl Xdp {
    /// A packet as it comes from the wire, with an Ethernet header.
    #[must_use]
    pub fn new(packet: &[u8]) -> Self {
        Self::with_metadata(&[], packet)
    }

    /// A packet with metadata before it.
    #[must_use]
    pub fn with_metadata(metadata: &[u8], packet: &[u8]) -> Self {
        let mut xdp = Self {
            ingress_ifindex: 1,
            rx_queue_index: 0,
            egress_ifindex: 0,
            buffer: Vec::new(),
            meta: 0,
            data: 0,
            end: 0,
            fragments: Vec::new(),
        };
        xdp.set(metadata, packet);
        xdp
    }

    /// A packet in several buffers: programs get the address of the first part only, and see the rest by
    /// `bpf_xdp_load_bytes` and the like (Linux 5.18).
    ///
    /// ```
    /// use bpfld_vm::Xdp;
    ///
    /// let jumbo = Xdp::with_fragments(&[1; 100], &[2; 8000]);
    /// assert_eq!(jumbo.packet().len() + jumbo.fragments().len(), 8100);
    /// ```
    #[must_use]
    pub fn with_fragments(first: &[u8], rest: &[u8]) -> Self {
        Self {
            fragments: rest.to_vec(),
            ..Self::new(first)
        }
    }

    /// What is not in the first buffer: as it went in, or as the program left it.
    #[must_use]
    pub fn fragments(&self) -> &[u8] {
        &self.fragments
    }

    /// Another packet in the same buffer.
    pub fn set_packet(&mut self, packet: &[u8]) {
        self.set(&[], packet);
    }

    fn set(&mut self, metadata: &[u8], packet: &[u8]) {
        self.fragments.clear();
        self.data = HEADROOM.max(metadata.len());
        self.meta = self.data - metadata.len();
        self.end = self.data + packet.len();
        self.buffer.resize(HARD_END.max(self.end), 0);
        for (at, bytes) in [(self.meta, metadata), (self.data, packet)] {
            if let Some(place) = self.buffer.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }

    /// The packet: as it went in, or as the program left it; of several buffers, the first.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.buffer.get(self.data..self.end).unwrap_or_default()
    }

    /// The metadata before it.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        self.buffer.get(self.meta..self.data).unwrap_or_default()
    }
}

impl Sealed for Xdp {
    fn enter(&mut self, state: &mut State, _: ProgramType, _: Endian) {
        let Self {
            ingress_ifindex,
            rx_queue_index,
            egress_ifindex,
            buffer,
            meta,
            data,
            end,
            fragments,
        } = self;
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            core::mem::swap(&mut region.bytes, buffer);
            region.set_window(*meta, *end);
        }
        if !fragments.is_empty()
            && let Some(region) = state.memory.region_mut(RegionId::FRAGMENTS)
        {
            core::mem::swap(&mut region.bytes, fragments);
            let end = region.bytes.len();
            region.set_window(0, end);
        }
        open_fields(state);
        state.context = Fields::Xdp(XdpFields {
            data: *data,
            ingress_ifindex: *ingress_ifindex,
            rx_queue_index: *rx_queue_index,
            egress_ifindex: *egress_ifindex,
        });
    }

    fn leave(&mut self, state: &mut State) {
        if let Some(fields) = state.context.xdp() {
            self.data = fields.data;
        }
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            (self.meta, self.end) = (region.start, region.end());
            core::mem::swap(&mut region.bytes, &mut self.buffer);
            region.set_window(0, 0);
        }
        if let Some(region) = state.memory.region_mut(RegionId::FRAGMENTS)
            && !region.bytes.is_empty()
        {
            self.fragments = core::mem::take(&mut region.bytes);
            region.set_window(0, 0);
        }
        state.context = Fields::None;
    }
}

/// The context becomes one of fields.
pub(super) fn open_fields(state: &mut State) {
    if let Some(region) = state.memory.region_mut(RegionId::CONTEXT) {
        region.shape = Shape::Fields;
        region.rights = Rights::ReadWrite;
        (region.start, region.read_end, region.write_end) = (0, 0, 0);
    }
}

impl XdpFields {
    pub(super) fn load(&self, memory: &Memory, offset: usize, size: usize) -> Option<u64> {
        if size != 4 {
            return None;
        }
        let region = memory.region(RegionId::PACKET)?;
        let at = |offset: usize| GuestAddr::new(RegionId::PACKET, offset as u64).0;
        Some(match offset {
            0 => at(self.data),
            4 => at(region.end()),
            8 => at(region.start),
            12 => self.ingress_ifindex.into(),
            16 => self.rx_queue_index.into(),
            20 => self.egress_ifindex.into(),
            _ => return None,
        })
    }
}
