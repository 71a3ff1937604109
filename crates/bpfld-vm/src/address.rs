//! Guest addresses: what programs have in their registers when they mean memory.

use core::fmt;

/// An address as a program sees it. It means nothing to the host: no number a program makes up reaches host memory.
///
/// The upper 24 bits are the number of a region, the lower 40 an offset in it; so which region an access means is known
/// without a search, and an address that is off by far is found in no region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GuestAddr(pub u64);

/// Bits of the offset.
const OFFSET_BITS: u32 = 40;

impl GuestAddr {
    /// What no region has: a null pointer.
    pub const NULL: Self = Self(0);

    /// The byte at an offset of a region.
    #[must_use]
    pub(crate) const fn new(region: RegionId, offset: u64) -> Self {
        Self(((region.0 as u64) << OFFSET_BITS).wrapping_add(offset))
    }

    /// The region.
    #[inline(always)]
    pub(crate) const fn region(self) -> RegionId {
        RegionId((self.0 >> OFFSET_BITS) as u32)
    }

    /// The offset in the region.
    #[inline(always)]
    pub(crate) const fn offset(self) -> u64 {
        self.0 & ((1 << OFFSET_BITS) - 1)
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address so many bytes further on.
    #[must_use]
    pub const fn add(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl fmt::Debug for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GuestAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<u64> for GuestAddr {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

/// The number of a region: index into the memory's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RegionId(pub(crate) u32);

impl RegionId {
    /// No memory: offsets are places in programs.
    pub(crate) const CODE: Self = Self(1);
    /// No memory: offsets are numbers of maps.
    pub(crate) const MAPS: Self = Self(2);
    /// The context of the run.
    pub(crate) const CONTEXT: Self = Self(3);
    /// The packet of the run.
    pub(crate) const PACKET: Self = Self(4);
    /// No memory: sockets, tasks and other things that are only handed around.
    pub(crate) const OBJECTS: Self = Self(5);
    /// The socket of a packet.
    pub(crate) const SOCKET: Self = Self(6);
    /// What of a packet lies in other buffers than its beginning.
    pub(crate) const FRAGMENTS: Self = Self(7);
    /// The stack of the program; those of the functions it calls follow.
    pub(crate) const STACK: Self = Self(8);
    /// The first that is given to maps and memory of the host's.
    pub(crate) const FIRST_FREE: u32 = 112;
    /// What iterators are told about a visit.
    pub(crate) const VISIT: Self = Self(110);
    /// What a flow dissector found.
    pub(crate) const FLOW_KEYS: Self = Self(111);
    /// Keys that callbacks are shown, by depth.
    pub(crate) const KEYS: Self = Self(56);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What stands for the packet where it is an object of the kernel.
pub(crate) const PACKET_OBJECT: GuestAddr = GuestAddr::new(RegionId::OBJECTS, 1 << 8);

/// What stands for the text that an iterator writes.
pub(crate) const SEQUENCE_OBJECT: GuestAddr = GuestAddr::new(RegionId::OBJECTS, 2 << 8);

/// What stands for a task, by its number, of which there are less than 2^22.
pub(crate) const fn task_object(pid: u32) -> u64 {
    let number = pid as u64 & ((1 << 22) - 1);
    GuestAddr::new(RegionId::OBJECTS, (number + 1) << 16).0
}

/// What stands for a control group, by the lower bits of its number.
pub(crate) const fn cgroup_object(id: u64) -> u64 {
    let number = id & ((1 << 31) - 1);
    GuestAddr::new(RegionId::OBJECTS, 1 << 39 | number << 8).0
}

/// The address of a map, as 64-bit loads put it into registers.
pub(crate) const fn map_address(map: usize) -> u64 {
    GuestAddr::new(RegionId::MAPS, (map as u64 + 1) << 8).0
}

/// The map of which this is the address.
pub(crate) fn map_at(address: u64) -> Option<usize> {
    let address = GuestAddr(address);
    let offset = address.offset();
    if address.region() != RegionId::MAPS || offset & 0xff != 0 {
        return None;
    }
    usize::try_from((offset >> 8).checked_sub(1)?).ok()
}

/// Bits of a slot's number in the address of code.
const SLOT_BITS: u32 = 22;

/// The address of an instruction, as function pointers and jump tables have it.
pub(crate) const fn code_address(program: usize, slot: u32) -> u64 {
    GuestAddr::new(RegionId::CODE, ((program as u64) << SLOT_BITS | slot as u64) << 3).0
}

/// Program and slot of which this is the address.
pub(crate) fn code_at(address: u64) -> Option<(usize, u32)> {
    let address = GuestAddr(address);
    let offset = address.offset();
    if address.region() != RegionId::CODE || !offset.is_multiple_of(8) {
        return None;
    }
    let place = offset >> 3;
    Some((
        usize::try_from(place >> SLOT_BITS).ok()?,
        (place & ((1 << SLOT_BITS) - 1)) as u32,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_code_have_addresses() {
        assert_eq!(map_at(map_address(0)), Some(0));
        assert_eq!(map_at(map_address(70_000)), Some(70_000));
        assert_eq!(map_at(map_address(1) + 8), None);
        assert_eq!(map_at(0), None);
        assert_eq!(code_at(code_address(3, 999_999)), Some((3, 999_999)));
        assert_eq!(code_at(code_address(3, 5) + 1), None);
        assert_eq!(code_at(map_address(1)), None);
    }
}
