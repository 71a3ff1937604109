//! Maps: the handle, and typed views of what is in them.

mod array;
mod batch;
mod cgroup_array;
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
mod redirect;
mod ring_memory;
mod ring_set;
mod ringbuf;
mod sockets;
mod stack_traces;
mod storage;
mod types;
mod user_ring_memory;
mod user_ringbuf;
mod view;

pub use self::{
    array::{Array, PerCpuArray},
    cgroup_array::CgroupArray,
    create::MapBuilder,
    fd_array::{ArrayOfMaps, HashOfMaps, ProgArray},
    global::Global,
    handle::{Map, MapSpec},
    info::MapInfo,
    iter::{Entries, Keys},
    keyed::{Hash, LpmTrie, LruHash, LruPerCpuHash, MapIter, PerCpuHash},
    lpm::{Ipv4Prefix, Ipv6Prefix, LpmKey, ParsePrefixError},
    memory::{MappedArray, Memory},
    percpu::PerCpuValues,
    perfbuf::{PerfBuf, PerfBufBuilder, PerfRecord, Wakeup},
    plain::Plain,
    queue::{BloomFilter, Queue, Stack},
    redirect::{CpuMap, CpuQueue, DevMap, DevMapHash, Port, XskMap},
    ring_set::RingSet,
    ringbuf::{RingBuf, RingDrain, RingRecord},
    sockets::{ReuseportArray, SockHash, SockMap},
    stack_traces::{BuildIdFrame, FrameLocation, StackTraces},
    storage::{
        CgroupStorage, CgroupStorageKey, CgrpStorage, InodeStorage, PerCpuCgroupStorage, SkStorage,
        TaskStorage,
    },
    types::MapTypes,
    user_ringbuf::{UserRecord, UserRingBuf},
};
