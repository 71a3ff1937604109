//! Packets whose flows are to be dissected.

use alloc::vec;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;

use super::xdp::open_fields;
use super::{Fields, sealed::Sealed};
use crate::address::{GuestAddr, RegionId};
use crate::memory::Memory;
use crate::state::State;

/// Bytes of an Ethernet header, behind which programs begin.
const ETHERNET: usize = 14;
/// Bytes before the packet. Programs take its address for a number of 32 bits, and none for zero.
const HEADROOM: usize = 256;
/// Bytes of `struct bpf_flow_keys`.
const KEYS: usize = 56;
/// Where its fields are: network and transport header, protocol, flags.
const NHOFF: usize = 0;
const THOFF: usize = 2;
const N_PROTO: usize = 10;
const FLAGS: usize = 48;

/// A packet for a flow dissector, and the keys that the program finds.
///
/// ```
/// use bpfld_vm::Flow;
///
/// let flow = Flow::new(&[0; 60]);
/// assert_eq!(flow.keys().len(), 56);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// `BPF_FLOW_DISSECTOR_F_…`: how far to go.
    pub flags: u32,
    /// The packet behind the headroom.
    buffer: Vec<u8>,
    keys: Vec<u8>,
}

impl Flow {
    /// A packet as it comes from the wire, with an Ethernet header.
    #[must_use]
    pub fn new(packet: &[u8]) -> Self {
        Self {
            flags: 0,
            buffer: [&[0; HEADROOM], packet].concat(),
            keys: vec![0; KEYS],
        }
    }

    /// `struct bpf_flow_keys` as the program left it, in the order of the guest. As in the kernel, both headers begin
    /// within the packet.
    #[must_use]
    pub fn keys(&self) -> &[u8] {
        &self.keys
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.buffer.get(HEADROOM..).unwrap_or_default()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.keys.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn put_u16(&mut self, at: usize, value: u16, endian: Endian) {
        self.put(
            at,
            &match endian {
                Endian::Little => value.to_le_bytes(),
                Endian::Big => value.to_be_bytes(),
            },
        );
    }

    fn u16_at(&self, at: usize, endian: Endian) -> u16 {
        let bytes = self.keys.get(at..at + 2).and_then(<[u8]>::first_chunk);
        let bytes = bytes.copied().unwrap_or_default();
        match endian {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        }
    }
}

/// The fields while a program runs: all there is to know is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowFields {
    endian: Endian,
}

impl Sealed for Flow {
    fn enter(&mut self, state: &mut State, _: ProgramType, endian: Endian) {
        self.keys = vec![0; KEYS];
        let protocol = self.packet().get(12..14).unwrap_or(&[0; 2]).to_vec();
        self.put(N_PROTO, &protocol);
        self.put_u16(NHOFF, ETHERNET as u16, endian);
        self.put_u16(THOFF, ETHERNET as u16, endian);
        let flags = match endian {
            Endian::Little => self.flags.to_le_bytes(),
            Endian::Big => self.flags.to_be_bytes(),
        };
        self.put(FLAGS, &flags);
        for (id, bytes) in [
            (RegionId::PACKET, &mut self.buffer),
            (RegionId::FLOW_KEYS, &mut self.keys),
        ] {
            if let Some(region) = state.memory.region_mut(id) {
                region.bytes = core::mem::take(bytes);
                let start = if id == RegionId::PACKET { HEADROOM } else { 0 };
                region.set_window(start, region.bytes.len());
            }
        }
        open_fields(state);
        state.context = Fields::Flow(FlowFields { endian });
    }

    fn leave(&mut self, state: &mut State) {
        for (id, bytes) in [
            (RegionId::PACKET, &mut self.buffer),
            (RegionId::FLOW_KEYS, &mut self.keys),
        ] {
            if let Some(region) = state.memory.region_mut(id) {
                *bytes = core::mem::take(&mut region.bytes);
                region.set_window(0, 0);
            }
        }
        if let Fields::Flow(FlowFields { endian }) = core::mem::replace(&mut state.context, Fields::None) {
            // what the kernel makes of headers that a program says are elsewhere
            let least = ETHERNET as u16;
            let most = u16::try_from(self.packet().len()).unwrap_or(u16::MAX).max(least);
            let network = self.u16_at(NHOFF, endian).clamp(least, most);
            let transport = self.u16_at(THOFF, endian).clamp(network, most);
            self.put_u16(NHOFF, network, endian);
            self.put_u16(THOFF, transport, endian);
        }
    }
}

impl FlowFields {
    /// Of `struct __sk_buff`, only the packet and the keys.
    pub(super) fn load(memory: &Memory, offset: usize, size: usize) -> Option<u64> {
        let region = memory.region(RegionId::PACKET)?;
        let at = |region, offset: usize| Some(GuestAddr::new(region, offset as u64).0);
        match (offset, size) {
            (76, 4) => at(RegionId::PACKET, region.start),
            (80, 4) => at(RegionId::PACKET, region.end()),
            (144, 8) => at(RegionId::FLOW_KEYS, 0),
            _ => None,
        }
    }
}
