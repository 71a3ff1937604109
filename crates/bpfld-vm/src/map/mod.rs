//! Maps, with the semantics and error numbers of the kernel's.

mod array;
mod bloom;
mod contents;
mod entries;
mod hash;
mod numbers;
mod ops;
mod queue;
mod ring;
mod spec;
mod special;

pub use contents::Event;
pub use ring::RingQuery;
pub use spec::MapSpec;

pub(crate) use contents::{Contents, Map, PAGE};
pub(crate) use entries::number_key;
pub(crate) use ops::Put;
pub(crate) use ring::{RecordState, Ring};
pub(crate) use special::Special;
