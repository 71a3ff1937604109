//! Socket buffers: packets for traffic control, socket filters, and control groups.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::ProgramType;
use bpfld_sys::plain::SkBuff;
use zerocopy::IntoBytes;

use super::fields::narrow;
use super::xdp::open_fields;
use super::{Fields, Headers, sealed::Sealed};
use crate::address::{GuestAddr, RegionId};
use crate::memory::Memory;
use crate::state::State;

/// Bytes before the packet.
const HEADROOM: usize = 256;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A packet for programs of traffic control, socket filters, `cgroup_skb`, `sk_skb` and lightweight tunnels.
///
/// Traffic control sees the packet from its Ethernet header on, streams (`sk_skb`) see all of it, the others from the network
/// header on, as in the kernel.
///
/// ```
/// use bpfld_vm::Skb;
///
/// let mut packet = Skb::new(&[0; 60]);
/// packet.fields_mut().mark = 7;
/// assert_eq!(packet.fields().protocol, 0x0400); // no IP: a length that is too short for one
/// ```
#[derive(Clone, Debug)]
pub struct Skb {
    inner: Box<SkbFields>,
    buffer: Vec<u8>,
    end: usize,
}

/// The fields, at rest and while a program runs.
#[derive(Clone, Debug)]
pub(crate) struct SkbFields {
    /// As `struct __sk_buff` has them, in the order of the host; `cb` in that of the guest.
    pub(crate) values: SkBuff,
    pub(crate) headers: Headers,
    kind: ProgramType,
    /// How many checksums, one inside the other, are known to be right.
    pub(crate) checksum_level: Option<u8>,
}

impl Skb {
    /// A packet as it comes from the wire, with an Ethernet header. The fields are those of a test run in the kernel:
    /// protocol and kind of addressee by the header, addresses by the network header, device 1.
    #[must_use]
    pub fn new(packet: &[u8]) -> Self {
        let mut skb = Self {
            inner: Box::new(SkbFields {
                values: SkBuff::default(),
                headers: Headers {
                    link: HEADROOM,
                    network: HEADROOM,
                },
                kind: ProgramType::UNSPEC,
                checksum_level: None,
            }),
            buffer: Vec::new(),
            end: 0,
        };
        skb.set_packet(packet);
        skb
    }

    /// Another packet in the same buffer, with the fields made anew.
    pub fn set_packet(&mut self, packet: &[u8]) {
        self.end = HEADROOM + packet.len();
        self.buffer.clear();
        self.buffer.resize(HEADROOM, 0);
        self.buffer.extend_from_slice(packet);
        let network = HEADROOM + ETHERNET.min(packet.len());
        self.inner.headers = Headers {
            link: HEADROOM,
            network,
        };
        let mut values = SkBuff::default();
        values.len = packet.len() as u32;
        values.wire_len = values.len;
        values.gso_segs = 0;
        values.ifindex = 1;
        values.protocol = protocol(packet).into();
        values.pkt_type = addressee(packet);
        addresses(packet, &mut values);
        self.inner.values = values;
        self.inner.checksum_level = None;
    }

    /// The packet from its Ethernet header on: as it went in, or as the program left it.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.buffer
            .get(self.inner.headers.link..self.end)
            .unwrap_or_default()
    }

    /// The fields of `struct __sk_buff`; `data`, `data_end` and `data_meta` mean nothing here.
    #[must_use]
    pub fn fields(&self) -> &SkBuff {
        &self.inner.values
    }

    /// The same, to be changed before a run.
    pub fn fields_mut(&mut self) -> &mut SkBuff {
        &mut self.inner.values
    }
}

/// The protocol, as the field holds it: in network order.
fn protocol(packet: &[u8]) -> u16 {
    /// From here on the field is a protocol and no length.
    const FIRST: u16 = 0x600;
    let at = |offset: usize| {
        let bytes = packet.get(offset..offset + 2).and_then(<[u8]>::first_chunk);
        u16::from_be_bytes(bytes.copied().unwrap_or_default())
    };
    let number = match at(12) {
        found @ FIRST.. => found,
        _ if packet.len() >= ETHERNET + 2 && at(14) == 0xffff => 1,
        _ => 4,
    };
    number.to_be()
}

/// 0: this host, 1: all, 2: some, 3: another. The device's own address is all zeros.
fn addressee(packet: &[u8]) -> u32 {
    let address = packet.get(..6).unwrap_or_default();
    match address.first() {
        _ if address.iter().all(|byte| *byte == 0) => 0,
        Some(first) if first & 1 != 0 => 2,
        _ => 3,
    }
}

/// The socket that test runs make has the family and addresses of the packet.
fn addresses(packet: &[u8], values: &mut SkBuff) {
    let word = |offset: usize| {
        let bytes = packet.get(offset..offset + 4).and_then(<[u8]>::first_chunk);
        u32::from_ne_bytes(bytes.copied().unwrap_or_default())
    };
    let words = |offset: usize| [0, 4, 8, 12].map(|at| word(offset + at));
    match packet.get(12..14) {
        Some([0x08, 0x00]) => {
            values.family = 2;
            if packet.len() >= ETHERNET + 20 {
                values.local_ip4 = word(ETHERNET + 12);
                values.remote_ip4 = word(ETHERNET + 16);
            }
        }
        Some([0x86, 0xdd]) => {
            values.family = 10;
            if packet.len() >= ETHERNET + 40 {
                values.local_ip6 = words(ETHERNET + 8);
                values.remote_ip6 = words(ETHERNET + 24);
            }
        }
        _ => {}
    }
}

/// An empty packet.
impl Default for Skb {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Sealed for Skb {
    fn enter(&mut self, state: &mut State, program: ProgramType, _: Endian) {
        let inner = &mut self.inner;
        inner.kind = program;
        let start = if sees_link_layer(program) {
            inner.headers.link
        } else {
            inner.headers.network
        };
        inner.values.len = (self.end - start) as u32;
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            core::mem::swap(&mut region.bytes, &mut self.buffer);
            region.set_window(start, self.end);
        }
        open_fields(state);
        let empty = Box::new(SkbFields {
            values: SkBuff::default(),
            headers: inner.headers,
            kind: program,
            checksum_level: None,
        });
        state.context = Fields::Skb(core::mem::replace(&mut self.inner, empty));
    }

    fn leave(&mut self, state: &mut State) {
        if let Fields::Skb(fields) = core::mem::replace(&mut state.context, Fields::None) {
            self.inner = fields;
        }
        if let Some(region) = state.memory.region_mut(RegionId::PACKET) {
            self.end = region.end();
            let headers = &mut self.inner.headers;
            // room that was made before the network header is followed by none of the link layer
            if !sees_link_layer(self.inner.kind) && region.start != headers.network {
                headers.link = region.start.saturating_sub(ETHERNET);
            }
            core::mem::swap(&mut region.bytes, &mut self.buffer);
            region.set_window(0, 0);
        }
    }
}

/// Whether a program sees the Ethernet header.
fn sees_link_layer(program: ProgramType) -> bool {
    // streams have no header: what they see is all payload
    matches!(
        program,
        ProgramType::SCHED_CLS | ProgramType::SCHED_ACT | ProgramType::SK_SKB
    )
}

/// The bytes of the program's own: `cb`.
const CB: core::ops::Range<usize> = 48..68;

/// A number in network order, for a guest whose order is not the host's.
fn swapped(guest: Endian, number: u32) -> u32 {
    match guest == Endian::NATIVE {
        true => number,
        false => number.swap_bytes(),
    }
}

/// The same, where the field at an offset is in network order: protocols, addresses, and the peer's port.
fn in_order_of(guest: Endian, offset: usize, number: u32) -> u32 {
    match offset {
        16 | 28 => swapped(guest, number) >> if guest == Endian::NATIVE { 0 } else { 16 },
        92..136 => swapped(guest, number),
        _ => number,
    }
}

impl SkbFields {
    pub(super) fn load(&self, memory: &Memory, offset: usize, size: usize, endian: Endian) -> Option<u64> {
        let region = memory.region(RegionId::PACKET)?;
        let pointer = |at: usize| GuestAddr::new(RegionId::PACKET, at as u64).0;
        let has_data = self.kind != ProgramType::SOCKET_FILTER;
        match (offset, size) {
            (76, 4) => return has_data.then(|| pointer(region.start)),
            (80, 4) => return has_data.then(|| pointer(region.end())),
            (140, 4) => return has_data.then(|| pointer(region.start)),
            (76..84 | 140..152 | 180..184, _) => {
                return (offset == 180 && size == 1).then(|| self.values.tstamp_type.into());
            }
            _ => {}
        }
        // every packet of a test run has a socket
        if (offset, size) == (168, 8) {
            return Some(GuestAddr::new(RegionId::SOCKET, 0).0);
        }
        if CB.contains(&offset) {
            let bytes = self
                .values
                .cb
                .as_bytes()
                .get(offset - CB.start..offset - CB.start + size)?;
            let mut wide = [0; 8];
            return Some(match endian {
                Endian::Little => {
                    wide.get_mut(..size)?.copy_from_slice(bytes);
                    u64::from_le_bytes(wide)
                }
                Endian::Big => {
                    wide.get_mut(8 - size..)?.copy_from_slice(bytes);
                    u64::from_be_bytes(wide)
                }
            });
        }
        let width = match offset {
            152..160 | 168..176 | 184..192 => 8,
            _ => 4,
        };
        if size > width || (width == 8 && size != 8) {
            return None;
        }
        let start = offset / width * width;
        let bytes = self.values.as_bytes().get(start..start + width)?;
        let value = match *bytes {
            [a, b, c, d] => {
                let number = u32::from_ne_bytes([a, b, c, d]);
                in_order_of(endian, start, number).into()
            }
            _ => u64::from_ne_bytes(bytes.first_chunk().copied()?),
        };
        Some(narrow(value, width, offset - start, size, endian))
    }

    /// A field of `struct bpf_sock`: the socket has the family and the addresses of the packet, and nothing else.
    pub(super) fn load_socket(&self, offset: usize, size: usize, endian: Endian) -> Option<u64> {
        /// `TCP_CLOSE`: what a socket is in at its beginning.
        const CLOSED: u32 = 7;
        let values = &self.values;
        let address = |words: &[u32; 4], at: usize| words.get(at / 4).copied();
        let start = offset / 4 * 4;
        let value = match start {
            0 | 8..24 => 0,
            4 => values.family,
            24 => swapped(endian, values.local_ip4),
            28..44 => swapped(endian, address(&values.local_ip6, start - 28)?),
            44 => values.local_port,
            48 => swapped(endian, values.remote_port),
            52 => swapped(endian, values.remote_ip4),
            56..72 => swapped(endian, address(&values.remote_ip6, start - 56)?),
            72 => CLOSED,
            76 => u32::MAX,
            _ => return None,
        };
        (size <= 4).then(|| narrow(value.into(), 4, offset - start, size, endian))
    }

    pub(super) fn store(&mut self, offset: usize, size: usize, value: u64, endian: Endian) -> bool {
        if CB.contains(&offset) {
            let start = offset - CB.start;
            let Some(place) = self.values.cb.as_mut_bytes().get_mut(start..start + size) else {
                return false;
            };
            match endian {
                Endian::Little => place.copy_from_slice(value.to_le_bytes().get(..size).unwrap_or_default()),
                Endian::Big => place.copy_from_slice(value.to_be_bytes().get(8 - size..).unwrap_or_default()),
            }
            return true;
        }
        let (is_tc, is_cgroup) = match self.kind {
            ProgramType::SCHED_CLS | ProgramType::SCHED_ACT => (true, false),
            ProgramType::CGROUP_SKB => (false, true),
            ProgramType::LWT_XMIT | ProgramType::LWT_IN | ProgramType::LWT_OUT => (false, true),
            _ => return false,
        };
        let values = &mut self.values;
        let word = value as u32;
        match (offset, size) {
            (8, 4) => values.mark = word,
            (32, 4) => values.priority = word,
            (152, 8) if is_tc || is_cgroup => values.tstamp = value,
            (12, 4) if is_tc => {
                // numbers that no queue has are left out
                if word < 0xffff {
                    values.queue_mapping = word;
                }
            }
            (44, 4) if is_tc => values.tc_index = word & 0xffff,
            (72, 4) if is_tc => values.tc_classid = word & 0xffff,
            _ => return false,
        }
        true
    }
}
