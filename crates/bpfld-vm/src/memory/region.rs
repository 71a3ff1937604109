//! A region: a stretch of guest memory of one kind, with its bytes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// What a region is to programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegionKind {
    /// The stack of a function; the program's own is frame 0.
    Stack {
        /// How many calls deep.
        frame: u32,
    },
    /// The context.
    Context,
    /// The packet.
    Packet,
    /// Values of a map, global variables among them.
    MapValue,
    /// Records of a ring buffer.
    Record,
    /// An arena.
    Arena,
    /// Memory that the host gave, such as variables of the kernel.
    Host,
    /// Nothing that can be read or written: code, maps themselves, sockets.
    Opaque,
}

/// What a program may do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rights {
    /// Nothing.
    None,
    /// Read it.
    Read,
    /// Write it.
    Write,
    /// Both.
    ReadWrite,
}

impl Rights {
    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// What a fault tells about the region that was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegionInfo {
    /// What it is.
    pub kind: RegionKind,
    /// Its name: of the map or variable.
    pub name: Arc<str>,
    /// The bytes that can be accessed, as offsets in the region; for maps with many values, those of the value meant.
    pub bounds: Range<u64>,
    /// Where the access was, as offset in the region.
    pub offset: u64,
    /// What programs may do there.
    pub rights: Rights,
}

impl fmt::Display for RegionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            bounds,
            offset,
            ..
        } = self;
        match kind {
            RegionKind::Stack { frame } if bounds.is_empty() => {
                return write!(f, "stack of frame {frame}, which has ended");
            }
            RegionKind::Stack { frame } => {
                let below = bounds.end.wrapping_sub(*offset) as i64;
                return write!(f, "stack of frame {frame} at r10{:+}", below.wrapping_neg());
            }
            RegionKind::Context if bounds.is_empty() => return write!(f, "context at {offset}"),
            RegionKind::Context => f.write_str("context")?,
            RegionKind::Packet => {
                let at = offset.wrapping_sub(bounds.start) as i64;
                let len = bounds.end.saturating_sub(bounds.start);
                return write!(f, "packet of {len} bytes at {at}");
            }
            RegionKind::MapValue => write!(f, "value of map {name}")?,
            RegionKind::Record => write!(f, "ring buffer {name}")?,
            RegionKind::Arena => write!(f, "arena {name}")?,
            RegionKind::Host => write!(f, "{name}")?,
            RegionKind::Opaque => return write!(f, "{name}, which is no memory"),
        }
        let at = offset.wrapping_sub(bounds.start) as i64;
        let len = bounds.end.saturating_sub(bounds.start);
        write!(f, " of {len} bytes at {at}")
    }
}

/// How offsets in a region are places in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// They are the same, between `start` and `end`.
    Plain,
    /// Values of equal size; in guest memory, each begins at a multiple of a power of two at least twice its size, so that
    /// what runs over the end of one value does not get to the next.
    Values {
        /// The power.
        shift: u32,
        /// Bytes of a value.
        size: usize,
        /// Bytes from one value to the next in the host.
        stride: usize,
    },
    /// Only what is reserved: whoever owns the region tells.
    Records,
    /// Fields that are translated: whoever owns the region reads and writes.
    Fields,
    /// Pages that come to be when they are allocated.
    Opaque,
}

/// A region with its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: RegionKind,
    pub(crate) name: Arc<str>,
    pub(crate) rights: Rights,
    pub(crate) shape: Shape,
    /// The first byte that can be accessed; plain regions only.
    pub(crate) start: usize,
    /// The end of those that can be read at once; zero where a closer look is needed.
    pub(crate) read_end: usize,
    /// The end of those that can be written at once.
    pub(crate) write_end: usize,
    /// For stacks: which bytes have been written, one bit each, and one byte more than there are bits for.
    pub(crate) written: Vec<u8>,
    /// For ring buffers, what is reserved now: where it begins and ends.
    pub(crate) reserved: BTreeMap<usize, usize>,
}

impl Region {
    pub(crate) fn new(
        kind: RegionKind,
        name: Arc<str>,
        rights: Rights,
        shape: Shape,
        bytes: Vec<u8>,
    ) -> Self {
        let mut region = Self {
            bytes,
            kind,
            name,
            rights,
            shape,
            start: 0,
            read_end: 0,
            write_end: 0,
            written: Vec::new(),
            reserved: BTreeMap::new(),
        };
        let end = region.bytes.len();
        region.set_window(0, end);
        region
    }

    /// Says which bytes of a plain region can be accessed.
    pub(crate) fn set_window(&mut self, start: usize, end: usize) {
        if self.shape != Shape::Plain {
            return;
        }
        let end = end.min(self.bytes.len());
        self.start = start;
        self.read_end = if self.rights.reads() { end } else { 0 };
        self.write_end = if self.rights.writes() { end } else { 0 };
    }

    /// The end of the bytes that can be accessed in some way.
    pub(crate) fn end(&self) -> usize {
        match self.shape {
            Shape::Plain => self.read_end.max(self.write_end),
            _ => self.bytes.len(),
        }
    }

    /// Where in the host an access lies that is all in one value; `None` if these are no values, or it is not.
    #[inline]
    pub(crate) fn in_value(&self, offset: usize, len: usize) -> Option<usize> {
        let Shape::Values { shift, size, stride } = self.shape else {
            return None;
        };
        let (number, inner) = (offset >> shift, offset & ((1 << shift) - 1));
        if inner.checked_add(len)? > size {
            return None;
        }
        number.checked_mul(stride)?.checked_add(inner)
    }

    /// Have all of these bytes been written? Always, where that is not tracked.
    #[inline(always)]
    pub(crate) fn is_written<const N: usize>(&self, offset: usize) -> bool {
        if self.written.is_empty() {
            return true;
        }
        let mask = ((1u32 << N) - 1) << (offset & 7);
        let low = self.written.get(offset >> 3).copied().unwrap_or(0);
        let high = self.written.get((offset >> 3) + 1).copied().unwrap_or(0);
        (u32::from(low) | u32::from(high) << 8) & mask == mask
    }

    /// Takes note that bytes have been written.
    #[inline(always)]
    pub(crate) fn mark_written<const N: usize>(&mut self, offset: usize) {
        if self.written.is_empty() {
            return;
        }
        let mask = ((1u32 << N) - 1) << (offset & 7);
        if let Some(low) = self.written.get_mut(offset >> 3) {
            *low |= mask as u8;
        }
        if mask > 0xff
            && let Some(high) = self.written.get_mut((offset >> 3) + 1)
        {
            *high |= (mask >> 8) as u8;
        }
    }

    /// The first of these bytes that has not been written.
    pub(crate) fn first_unwritten(&self, range: Range<usize>) -> Option<usize> {
        if self.written.is_empty() {
            return None;
        }
        range.into_iter().find(|&at| !self.is_written::<1>(at))
    }

    /// Takes note that a range has been written.
    pub(crate) fn mark_range_written(&mut self, range: Range<usize>) {
        if !self.written.is_empty() {
            range.into_iter().for_each(|at| self.mark_written::<1>(at));
        }
    }
}

/// The power of two for values of so many bytes, and the distance between them in the host.
pub(crate) fn value_shape(size: usize) -> Shape {
    let stride = size.next_multiple_of(8).max(8);
    Shape::Values {
        shift: (stride * 2).next_power_of_two().trailing_zeros(),
        size,
        stride,
    }
}
