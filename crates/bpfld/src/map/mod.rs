//! Maps: the handle, and typed views of what is in them.

mod array;
mod batch;
mod create;
mod cursor;
mod fd_array;
mod global;
mod handle;
mod info;
mod iter;
mod keyed;
mod lpm;
mod memory;
mod percpu;
mod perf_memory;
mod perfbuf;
mod plain;
mod queue;
mod ring_memory;
mod ring_set;
mod ringbuf;
mod user_ring_memory;
mod user_ringbuf;
mod view;

pub use self::{
    array::{Array, PerCpuArray},
    create::MapBuilder,
    fd_array::{ArrayOfMaps, ProgArray},
    global::Global,
    handle::{Map, MapSpec},
    info::MapInfo,
    iter::{Entries, Keys},
    keyed::{Hash, LpmTrie, LruHash, LruPerCpuHash, MapIter, PerCpuHash},
    lpm::LpmKey,
    memory::{MappedArray, Memory},
    percpu::PerCpuValues,
    perfbuf::{PerfBuf, PerfBufBuilder, PerfRecord, Wakeup},
    plain::Plain,
    queue::{BloomFilter, Queue, Stack},
    ring_set::RingSet,
    ringbuf::{RingBuf, RingDrain, RingRecord},
    user_ringbuf::{UserRecord, UserRingBuf},
};
