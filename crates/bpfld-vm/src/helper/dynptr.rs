//! Dynamic pointers: memory, records and packets, with their bounds known at run time only.

use bpfld_sys::{Errno, ProgramType};

use super::call::{Call, errno};
use super::skb;
use crate::address::{GuestAddr, PACKET_OBJECT, RegionId};
use crate::fault::Trap;
use crate::map::{Contents, RecordState};
use crate::state::State;

/// The largest, in bytes.
const LARGEST: u64 = (1 << 24) - 1;
/// Bytes of `struct bpf_dynptr`.
const BYTES: usize = 16;

/// What it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Packet,
}

const READ_ONLY: u32 = 1 << 31;
const IS_PACKET: u32 = 1 << 28;

/// A dynamic pointer. In guest memory: the address, the size with two flags in its upper bits, the offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dynptr {
    pub(crate) data: u64,
    pub(crate) size: u32,
    pub(crate) offset: u32,
    pub(crate) kind: Kind,
    pub(crate) read_only: bool,
}

impl Dynptr {
    pub(crate) const NULL: Self = Self::memory(0, 0);

    pub(crate) const fn memory(data: u64, size: u32) -> Self {
        Self {
            data,
            size,
            offset: 0,
            kind: Kind::Memory,
            read_only: false,
        }
    }

    pub(crate) fn read(call: &Call<'_>, at: u64) -> Result<Self, Trap> {
        let packed = call.read_i32(at.wrapping_add(8))? as u32;
        Ok(Self {
            data: call.read_u64(at)?,
            size: packed & LARGEST as u32,
            offset: call.read_i32(at.wrapping_add(12))? as u32,
            kind: if packed & IS_PACKET != 0 {
                Kind::Packet
            } else {
                Kind::Memory
            },
            read_only: packed & READ_ONLY != 0,
        })
    }

    pub(crate) fn write(self, call: &mut Call<'_>, at: u64) -> Result<(), Trap> {
        let Self {
            data,
            size,
            offset,
            kind,
            read_only,
        } = self;
        let kind = if kind == Kind::Packet { IS_PACKET } else { 0 };
        let rights = if read_only { READ_ONLY } else { 0 };
        call.write_number(at, data, 8)?;
        call.write_number(at.wrapping_add(8), u64::from(size | kind | rights), 4)?;
        call.write_number(at.wrapping_add(12), offset.into(), 4)
    }

    /// Whether so many bytes from an offset on are in it.
    pub(super) fn holds(&self, offset: u64, len: u64) -> bool {
        len <= u64::from(self.size) && offset <= u64::from(self.size) - len
    }

    /// The address of memory, or the offset in the packet.
    pub(super) fn at(&self, offset: u64) -> u64 {
        let offset = u64::from(self.offset) + offset;
        match self.kind {
            Kind::Memory => self.data.wrapping_add(offset),
            Kind::Packet => offset,
        }
    }

    /// The address of bytes that can be accessed as they are: not of those that are in more than one buffer.
    fn address(&self, call: &Call<'_>, offset: u64, len: u64) -> Option<u64> {
        let at = self.at(offset);
        if self.kind == Kind::Memory {
            return Some(at);
        }
        let state = &*call.run.state;
        let start = state.context.packet_start(&state.memory) as u64;
        let first = skb::first_len(call) as u64;
        if at >= first {
            return Some(GuestAddr::new(RegionId::FRAGMENTS, at - first).0);
        }
        (at + len <= first).then(|| GuestAddr::new(RegionId::PACKET, start + at).0)
    }
}

pub(crate) fn from_memory(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [data, size, flags, to, _] = call.args;
    let size = size & 0xffff_ffff;
    let (made, status) = match (size, flags) {
        (LARGEST.., _) if size > LARGEST => (Dynptr::NULL, errno(Errno::E2BIG)),
        (_, 0) => (Dynptr::memory(data, size as u32), 0),
        _ => (Dynptr::NULL, errno(Errno::EINVAL)),
    };
    made.write(call, to)?;
    Ok(status)
}

pub(crate) fn reserve(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [_, size, flags, to, _] = call.args;
    let size = size & 0xffff_ffff;
    let (number, map) = call.map(0)?;
    if !matches!(map.contents, Contents::Ring(_)) {
        return Err(call.bad(1, "no ring buffer"));
    }
    Dynptr::NULL.write(call, to)?;
    if flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if size > LARGEST {
        return Ok(errno(Errno::E2BIG));
    }
    let State { maps, memory, .. } = call.state();
    let map = maps.get_mut(number);
    let Some(record) = map.and_then(|map| map.reserve(memory, size)) else {
        return Ok(errno(Errno::EINVAL));
    };
    Dynptr::memory(record, size as u32).write(call, to)?;
    Ok(0)
}

pub(crate) fn submit(call: &mut Call<'_>) -> Result<u64, Trap> {
    finish(call, RecordState::Submitted)
}

pub(crate) fn discard(call: &mut Call<'_>) -> Result<u64, Trap> {
    finish(call, RecordState::Discarded)
}

fn finish(call: &mut Call<'_>, to: RecordState) -> Result<u64, Trap> {
    let at = call.args[0];
    let record = Dynptr::read(call, at)?.data;
    if record == 0 {
        return Ok(0);
    }
    super::ringbuf::finish(call, record, to)?;
    Dynptr::NULL.write(call, at)?;
    Ok(0)
}

pub(crate) fn read(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, len, from, offset, flags] = call.args;
    let (len, offset) = (len & 0xffff_ffff, offset & 0xffff_ffff);
    let from = Dynptr::read(call, from)?;
    if from.data == 0 || flags != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    if !from.holds(offset, len) {
        return Ok(errno(Errno::E2BIG));
    }
    call.charge(len as usize / 64);
    match from.kind {
        Kind::Memory => {
            let bytes = call.read(from.at(offset), len as usize)?.to_vec();
            call.write(to, &bytes)?;
            Ok(0)
        }
        Kind::Packet => skb::copy_out(call, from.at(offset), to, len as usize),
    }
}

pub(crate) fn write(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [to, offset, from, len, flags] = call.args;
    let (len, offset) = (len & 0xffff_ffff, offset & 0xffff_ffff);
    let to = Dynptr::read(call, to)?;
    if to.data == 0 || to.read_only {
        return Ok(errno(Errno::EINVAL));
    }
    if !to.holds(offset, len) {
        return Ok(errno(Errno::E2BIG));
    }
    // recompute the checksum, forget the hash: of socket buffers only
    let is_skb = to.kind == Kind::Packet && call.run.state.context.xdp().is_none();
    if flags & !(if is_skb { 3 } else { 0 }) != 0 {
        return Ok(errno(Errno::EINVAL));
    }
    call.charge(len as usize / 64);
    match to.kind {
        Kind::Memory => {
            let bytes = call.read(from, len as usize)?.to_vec();
            call.write(to.at(offset), &bytes)?;
            Ok(0)
        }
        Kind::Packet => skb::copy_in(call, to.at(offset), from, len as usize),
    }
}

/// The address of bytes of memory; none of packets.
pub(crate) fn data(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, offset, len, ..] = call.args;
    let found = Dynptr::read(call, at)?;
    let (offset, len) = (offset & 0xffff_ffff, len & 0xffff_ffff);
    let has = found.data != 0 && !found.read_only && found.kind == Kind::Memory && found.holds(offset, len);
    Ok(if has { found.at(offset) } else { 0 })
}

/// The address of bytes to be read; those in more than one buffer are copied into the program's own, if it gave one.
pub(crate) fn slice(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, offset, buffer, len, _] = call.args;
    let found = Dynptr::read(call, at)?;
    let (offset, len) = (offset & 0xffff_ffff, len & 0xffff_ffff);
    if found.data == 0 || !found.holds(offset, len) {
        return Ok(0);
    }
    if let Some(address) = found.address(call, offset, len) {
        return Ok(address);
    }
    if buffer == 0 {
        return Ok(0);
    }
    skb::copy_out(call, found.at(offset), buffer, len as usize)?;
    Ok(buffer)
}

/// The address of bytes to be written.
pub(crate) fn slice_to_write(call: &mut Call<'_>) -> Result<u64, Trap> {
    if Dynptr::read(call, call.args[0])?.read_only {
        return Ok(0);
    }
    slice(call)
}

pub(crate) fn adjust(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [at, start, end, ..] = call.args;
    let mut found = Dynptr::read(call, at)?;
    let (start, end) = (start as u32, end as u32);
    if found.data == 0 || start > end {
        return Ok(errno(Errno::EINVAL));
    }
    if end > found.size {
        return Ok(errno(Errno::ERANGE));
    }
    found.offset = found.offset.wrapping_add(start);
    found.size = end - start;
    found.write(call, at)?;
    Ok(0)
}

pub(crate) fn is_null(call: &mut Call<'_>) -> Result<u64, Trap> {
    Ok((Dynptr::read(call, call.args[0])?.data == 0).into())
}

pub(crate) fn is_read_only(call: &mut Call<'_>) -> Result<u64, Trap> {
    let found = Dynptr::read(call, call.args[0])?;
    Ok((found.data != 0 && found.read_only).into())
}

pub(crate) fn size(call: &mut Call<'_>) -> Result<u64, Trap> {
    let found = Dynptr::read(call, call.args[0])?;
    Ok(if found.data == 0 {
        errno(Errno::EINVAL)
    } else {
        found.size.into()
    })
}

pub(crate) fn clone(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [from, to, ..] = call.args;
    let found = Dynptr::read(call, from)?;
    let is_null = found.data == 0;
    if is_null { Dynptr::NULL } else { found }.write(call, to)?;
    Ok(if is_null { errno(Errno::EINVAL) } else { 0 })
}

/// Of the packet of the run.
pub(crate) fn from_packet(call: &mut Call<'_>) -> Result<u64, Trap> {
    let [context, flags, to, ..] = call.args;
    if context != PACKET_OBJECT.0 {
        call.context(0)?;
    }
    if flags != 0 {
        Dynptr::NULL.write(call, to)?;
        return Ok(errno(Errno::EINVAL));
    }
    let rest = call.run.state.memory.region(RegionId::FRAGMENTS);
    let len = skb::first_len(call) + rest.map_or(0, |region| region.bytes.len());
    let may_write = matches!(
        call.program_type(),
        ProgramType::XDP
            | ProgramType::SCHED_CLS
            | ProgramType::SCHED_ACT
            | ProgramType::SK_SKB
            | ProgramType::LWT_XMIT
    );
    let made = Dynptr {
        data: context,
        size: len.min(LARGEST as usize) as u32,
        offset: 0,
        kind: Kind::Packet,
        read_only: !may_write,
    };
    made.write(call, to)?;
    Ok(0)
}

/// Calls a function with a dynamic pointer that only lives as long.
pub(crate) fn lend(call: &mut Call<'_>, lent: Dynptr, callback: u64, context: u64) -> Result<u64, Trap> {
    let id = RegionId(RegionId::KEYS.0 + call.run.state.depth as u32);
    if let Some(region) = call.run.state.memory.region_mut(id) {
        region.bytes.clear();
        region.bytes.resize(BYTES, 0);
        region.rights = crate::memory::Rights::ReadWrite;
        region.set_window(0, BYTES);
    }
    let at = GuestAddr::new(id, 0).0;
    lent.write(call, at)?;
    let result = call.callback(callback, [at, context, 0, 0, 0]);
    if let Some(region) = call.run.state.memory.region_mut(id) {
        region.rights = crate::memory::Rights::Read;
        region.set_window(0, 0);
    }
    result
}
