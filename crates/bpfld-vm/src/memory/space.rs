//! The table of regions, and accesses that need a closer look or have any length.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::{MAX_FRAMES, Region, RegionInfo, RegionKind, Rights, Shape};
use crate::address::{GuestAddr, RegionId};
use crate::fault::{Access, AccessFault, FaultKind, Problem, Trap};

/// The name of regions that nobody has.
const NOTHING: &str = "nothing";

/// All memory of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) regions: Vec<Region>,
    /// Whether all accesses must be aligned.
    pub(crate) aligned: bool,
    /// Whether reads of stack that was not written are faults.
    pub(crate) tracks_written: bool,
    /// How many bytes maps may still take.
    pub(crate) left: usize,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let nothing: Arc<str> = NOTHING.into();
        let (stack, key): (Arc<str>, Arc<str>) = ("stack".into(), "key".into());
        let opaque =
            |name: Arc<str>| Region::new(RegionKind::Opaque, name, Rights::None, Shape::Opaque, Vec::new());
        let plain = |kind, name: Arc<str>, rights| Region::new(kind, name, rights, Shape::Plain, Vec::new());
        let mut regions: Vec<Region> = Vec::with_capacity(RegionId::FIRST_FREE as usize + 8);
        for number in 0..RegionId::FIRST_FREE {
            let frame = number.wrapping_sub(RegionId::STACK.0);
            let depth = number.wrapping_sub(RegionId::KEYS.0);
            regions.push(match RegionId(number) {
                RegionId(0) => opaque("null".into()),
                RegionId::CODE => opaque("code".into()),
                RegionId::MAPS => opaque("a map itself".into()),
                RegionId::OBJECTS => opaque("an object of the kernel".into()),
                RegionId::SOCKET => Region::new(
                    RegionKind::Host,
                    "socket".into(),
                    Rights::Read,
                    Shape::Fields,
                    Vec::new(),
                ),
                RegionId::CONTEXT => plain(RegionKind::Context, "context".into(), Rights::None),
                RegionId::PACKET | RegionId::FRAGMENTS => {
                    plain(RegionKind::Packet, "packet".into(), Rights::ReadWrite)
                }
                RegionId::VISIT => plain(RegionKind::Host, "visit of an iterator".into(), Rights::Read),
                RegionId::FLOW_KEYS => plain(RegionKind::Host, "flow keys".into(), Rights::ReadWrite),
                _ if (frame as usize) < MAX_FRAMES => {
                    plain(RegionKind::Stack { frame }, Arc::clone(&stack), Rights::ReadWrite)
                }
                _ if depth as usize <= MAX_FRAMES => plain(RegionKind::Host, Arc::clone(&key), Rights::Read),
                _ => opaque(Arc::clone(&nothing)),
            });
        }
        Self {
            regions,
            aligned: false,
            tracks_written: true,
            left: usize::MAX,
        }
    }

    /// Takes bytes for a map off what there is for all; `None` if there are not so many.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    /// Gives them back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Adds a region.
    pub(crate) fn add(&mut self, region: Region) -> RegionId {
        self.regions.push(region);
        RegionId(self.regions.len() as u32 - 1)
    }

    pub(crate) fn region(&self, id: RegionId) -> Option<&Region> {
        self.regions.get(id.index())
    }

    pub(crate) fn region_mut(&mut self, id: RegionId) -> Option<&mut Region> {
        self.regions.get_mut(id.index())
    }

    /// Where in the host the bytes are that an access means.
    pub(crate) fn locate(
        &self,
        address: u64,
        size: usize,
        access: Access,
    ) -> Result<(RegionId, Range<usize>), Trap> {
        let address = GuestAddr(address);
        let fault = |problem| Trap::from(self.fault(address, size, access, problem));
        let id = address.region();
        let Some(region) = self.region(id).filter(|region| region.shape != Shape::Opaque) else {
            let problem = if address.0 < 4096 {
                Problem::Null
            } else {
                Problem::NoRegion
            };
            return Err(fault(problem));
        };
        let offset = address.offset() as usize;
        let needed = match access {
            Access::Read => region.rights.reads(),
            Access::Write => region.rights.writes(),
            Access::Atomic => region.rights.reads() && region.rights.writes(),
        };
        if !needed {
            return Err(fault(Problem::Rights));
        }
        let aligns = self.aligned || access == Access::Atomic;
        if aligns && matches!(size, 2 | 4 | 8) && !offset.is_multiple_of(size) {
            return Err(fault(Problem::Misaligned));
        }
        let range = match region.shape {
            Shape::Plain => {
                let end = offset.checked_add(size).filter(|end| *end <= region.end());
                match end {
                    Some(end) if offset >= region.start => offset..end,
                    _ => return Err(fault(Problem::Bounds)),
                }
            }
            Shape::Values { .. } => {
                let end = |start: &usize| start.checked_add(size);
                let found = region.in_value(offset, size);
                let fits = |start: &usize| end(start).is_some_and(|end| end <= region.bytes.len());
                match found.filter(fits) {
                    Some(start) => start..start + size,
                    None => return Err(fault(Problem::Bounds)),
                }
            }
            Shape::Records => {
                let end = offset.saturating_add(size);
                let last = region.reserved.range(..=offset).next_back();
                if last.is_none_or(|(_, last)| end > *last) || end > region.bytes.len() {
                    return Err(fault(Problem::Bounds));
                }
                offset..end
            }
            Shape::Fields => return Err(fault(Problem::Field)),
            Shape::Opaque => return Err(fault(Problem::NoRegion)),
        };
        if access != Access::Write
            && let Some(first) = region.first_unwritten(range.clone())
        {
            return Err(fault(Problem::Uninitialised {
                first: (first - range.start) as u64,
            }));
        }
        Ok((id, range))
    }

    /// The bytes at an address, to be read.
    pub(crate) fn slice(&self, address: u64, size: usize) -> Result<&[u8], Trap> {
        if size == 0 {
            return Ok(&[]);
        }
        let (id, range) = self.locate(address, size, Access::Read)?;
        let bytes = self.region(id).and_then(|region| region.bytes.get(range));
        bytes.ok_or_else(|| {
            self.fault(GuestAddr(address), size, Access::Read, Problem::Bounds)
                .into()
        })
    }

    /// The bytes at an address, to be written, all of them.
    pub(crate) fn slice_mut(&mut self, address: u64, size: usize) -> Result<&mut [u8], Trap> {
        if size == 0 {
            return Ok(&mut []);
        }
        let (id, range) = self.locate(address, size, Access::Write)?;
        let found = self.region(id).and_then(|region| region.bytes.get(range.clone()));
        if found.is_none() {
            let fault = self.fault(GuestAddr(address), size, Access::Write, Problem::Bounds);
            return Err(fault.into());
        }
        let region = self.region_mut(id).ok_or(FaultKind::Instruction)?;
        region.mark_range_written(range.clone());
        region.bytes.get_mut(range).ok_or(FaultKind::Instruction.into())
    }

    /// A load that needs a closer look.
    #[inline(never)]
    pub(crate) fn load_slow<const N: usize>(&self, address: u64, access: Access) -> Result<[u8; N], Trap> {
        let (id, range) = self.locate(address, N, access)?;
        let bytes = self
            .region(id)
            .and_then(|region| region.bytes.get(range)?.first_chunk());
        let fault = || self.fault(GuestAddr(address), N, access, Problem::Bounds).into();
        bytes.copied().ok_or_else(fault)
    }

    /// A store that needs a closer look.
    #[inline(never)]
    pub(crate) fn store_slow<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Result<(), Trap> {
        self.slice_mut(address, N)?.copy_from_slice(&bytes);
        Ok(())
    }

    /// What there is to say about an access that cannot be made.
    #[cold]
    pub(crate) fn fault(
        &self,
        address: GuestAddr,
        size: usize,
        access: Access,
        problem: Problem,
    ) -> FaultKind {
        let region = self.region(address.region()).filter(|_| problem != Problem::Null);
        let info = region
            .filter(|region| region.name.as_ref() != NOTHING)
            .map(|region| {
                let offset = address.offset();
                let bounds = match region.shape {
                    Shape::Values { shift, size, .. } => {
                        let start = offset >> shift << shift;
                        start..start + size as u64
                    }
                    _ => region.start as u64..region.end() as u64,
                };
                RegionInfo {
                    kind: region.kind,
                    name: Arc::clone(&region.name),
                    bounds,
                    offset,
                    rights: region.rights,
                }
            });
        FaultKind::Access(AccessFault {
            address,
            size,
            access,
            problem,
            region: info,
        })
    }

    /// How far an address can be read from: up to so many bytes, for strings whose end is not known.
    pub(crate) fn readable(&self, address: u64, most: usize) -> Result<usize, Trap> {
        let (mut low, mut high) = (0, most);
        if most == 0 {
            return Ok(0);
        }
        self.locate(address, 1, Access::Read)?;
        // the longest prefix that can be read: what can be read of a region has no holes
        low += 1;
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.locate(address, middle, Access::Read).is_ok() {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}
