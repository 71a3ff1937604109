//! Memory as programs see it: regions, each with its bounds and rights.

mod access;
mod region;
mod space;
mod stack;

pub use region::{RegionInfo, RegionKind, Rights};

pub(crate) use access::{bytes_of, value_of};
pub(crate) use region::{Region, Shape, value_shape};
pub(crate) use space::Memory;
pub(crate) use stack::{MAX_CALLS, MAX_FRAMES, STACK_BYTES};
