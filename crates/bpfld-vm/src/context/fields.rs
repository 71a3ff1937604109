//! Contexts whose fields are translated: which there are, and what is the same for all.

use alloc::boxed::Box;
use core::net::SocketAddr;

use bpfld_insn::Endian;
use bpfld_sys::plain::SkBuff;

use super::{FlowFields, Message, SkbFields, StructureFields, Sysctl, Written, XdpFields};
use crate::address::RegionId;
use crate::memory::Memory;

/// The context of the run.
#[derive(Clone, Debug)]
pub(crate) enum Fields {
    /// None, or one that is plain memory.
    None,
    Xdp(XdpFields),
    Skb(Box<SkbFields>),
    Flow(FlowFields),
    Structure(Box<StructureFields>),
    /// Arguments of a function, and whether its result comes behind them. They are plain memory.
    Arguments {
        count: u64,
        has_result: bool,
    },
    /// What an iterator wrote. What it visits is plain memory.
    Visit(Box<Written>),
}

/// Where the headers of a packet begin, in the bytes of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) link: usize,
    pub(crate) network: usize,
}

/// Part of a field: `size` bytes from `inner` on, as a number.
pub(crate) fn narrow(value: u64, field: usize, inner: usize, size: usize, endian: Endian) -> u64 {
    let lower = match endian {
        Endian::Little => inner,
        Endian::Big => field - inner - size,
    };
    let value = value >> (lower * 8);
    match size {
        8 => value,
        _ => value & ((1 << (size * 8)) - 1),
    }
}

impl Fields {
    /// There are none, as is usual already: then there is nothing to be dropped.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if !matches!(self, Self::None) {
            *self = Self::None;
        }
    }

    /// Reads a field; `None` if there is none that may be read so.
    pub(crate) fn load(&self, memory: &Memory, offset: u64, size: usize, endian: Endian) -> Option<u64> {
        let offset = usize::try_from(offset)
            .ok()
            .filter(|offset| offset.is_multiple_of(size))?;
        match self {
            Self::None | Self::Arguments { .. } | Self::Visit(_) => None,
            Self::Xdp(fields) => fields.load(memory, offset, size),
            Self::Skb(fields) => fields.load(memory, offset, size, endian),
            Self::Flow(_) => FlowFields::load(memory, offset, size),
            Self::Structure(fields) => fields.load(memory, offset, size, endian),
        }
    }

    /// Reads a field of the packet's socket.
    pub(crate) fn load_socket(&self, offset: u64, size: usize, endian: Endian) -> Option<u64> {
        let offset = usize::try_from(offset)
            .ok()
            .filter(|offset| offset.is_multiple_of(size))?;
        match self {
            Self::Skb(fields) => fields.load_socket(offset, size, endian),
            Self::Structure(fields) => fields.load_socket(offset, size),
            Self::None | Self::Xdp(_) | Self::Flow(_) | Self::Arguments { .. } | Self::Visit(_) => None,
        }
    }

    /// Writes a field; false if there is none that may be written so.
    pub(crate) fn store(&mut self, offset: u64, size: usize, value: u64, endian: Endian) -> bool {
        let Some(offset) = usize::try_from(offset)
            .ok()
            .filter(|offset| offset.is_multiple_of(size))
        else {
            return false;
        };
        match self {
            Self::None | Self::Xdp(_) | Self::Flow(_) | Self::Arguments { .. } | Self::Visit(_) => false,
            Self::Skb(fields) => fields.store(offset, size, value, endian),
            Self::Structure(fields) => fields.store(offset, size, value, endian),
        }
    }

    /// Where the packet's headers are, for packets that have them told.
    pub(crate) fn headers(&self) -> Option<Headers> {
        match self {
            Self::Skb(fields) => Some(fields.headers),
            _ => None,
        }
    }

    /// Where the packet begins in its region: behind the metadata.
    pub(crate) fn packet_start(&self, memory: &Memory) -> usize {
        match self {
            Self::Xdp(fields) => fields.data,
            _ => memory.region(RegionId::PACKET).map_or(0, |region| region.start),
        }
    }

    pub(crate) fn xdp(&self) -> Option<XdpFields> {
        match self {
            Self::Xdp(fields) => Some(*fields),
            _ => None,
        }
    }

    pub(crate) fn set_xdp(&mut self, fields: XdpFields) {
        *self = Self::Xdp(fields);
    }

    /// Of a socket buffer, how many checksums are known to be right; `None`: not even the outermost.
    pub(crate) fn checksum_level(&mut self) -> Option<&mut Option<u8>> {
        match self {
            Self::Skb(fields) => Some(&mut fields.checksum_level),
            _ => None,
        }
    }

    pub(crate) fn skb_mut(&mut self) -> Option<&mut SkBuff> {
        match self {
            Self::Skb(fields) => Some(&mut fields.values),
            _ => None,
        }
    }

    /// The device that the packet came in through.
    pub(crate) fn ifindex(&self) -> u32 {
        match self {
            Self::Xdp(fields) => fields.ingress_ifindex,
            Self::Skb(fields) => fields.values.ifindex,
            Self::None | Self::Flow(_) | Self::Structure(_) | Self::Arguments { .. } | Self::Visit(_) => 0,
        }
    }

    /// How many arguments there are, and whether a result follows.
    pub(crate) fn arguments(&self) -> Option<(u64, bool)> {
        match *self {
            Self::Arguments { count, has_result } => Some((count, has_result)),
            _ => None,
        }
    }

    /// What an iterator wrote.
    pub(crate) fn written_mut(&mut self) -> Option<&mut Written> {
        match self {
            Self::Visit(written) => Some(written),
            _ => None,
        }
    }

    /// The number in a field of a structure.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        match self {
            Self::Structure(fields) => fields.field(field),
            _ => None,
        }
    }

    /// Sets the number in a field of a structure; false if there is no such field.
    pub(crate) fn set_number(&mut self, field: &str, value: u64) -> bool {
        match self {
            Self::Structure(fields) => fields.set_field(field, value),
            _ => false,
        }
    }

    /// The setting that a program watches over.
    pub(crate) fn sysctl_mut(&mut self) -> Option<&mut Sysctl> {
        match self {
            Self::Structure(fields) => Some(&mut fields.sysctl),
            _ => None,
        }
    }

    /// What helpers were told about a message.
    pub(crate) fn message_mut(&mut self) -> Option<&mut Message> {
        match self {
            Self::Structure(fields) => fields.message_mut(),
            _ => None,
        }
    }

    /// The address that a socket is bound to by the program.
    pub(crate) fn bound_mut(&mut self) -> Option<&mut Option<SocketAddr>> {
        match self {
            Self::Structure(fields) => fields.bound_mut(),
            _ => None,
        }
    }

    pub(crate) fn set_data_len(&mut self, size: u32) {
        if let Self::Structure(fields) = self {
            fields.set_size(size);
        }
    }

    /// The network header begins so many bytes after the link layer's.
    pub(crate) fn network_at(&mut self, offset: usize) {
        if let Self::Skb(fields) = self {
            fields.headers.network = fields.headers.link + offset;
        }
    }

    /// The network header begins at least so many bytes after the link layer's.
    pub(crate) fn network_from(&mut self, offset: usize) {
        if let Self::Skb(fields) = self {
            fields.headers.network = fields.headers.network.max(fields.headers.link + offset);
        }
    }

    pub(crate) fn set_len(&mut self, len: u32) {
        if let Some(fields) = self.skb_mut() {
            fields.len = len;
        }
    }

    /// The packet moved in its region: all of it by `by`, and it begins elsewhere now.
    pub(crate) fn moved(&mut self, by: i64, start: usize, len: u32) {
        if let Self::Skb(fields) = self {
            fields.values.len = len;
            fields.headers.link = start;
            fields.headers.network = (fields.headers.network as i64 + by) as usize;
        }
    }
}
