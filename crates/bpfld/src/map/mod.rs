//! Maps: the handle, and typed views of what is in them.

mod arena;
mod array;
#[cfg(feature = "tokio")]
mod asynchronous;
mod batch;
mod cgroup_array;
mod create;
mod cursor;
mod fd_array;
mod global;
mod handle;
mod info;
mod insn_array;
mod iter;
mod keyed;
mod layout;
mod lpm;
mod memory;
mod one_cpu;
mod overwrite_ring;
mod percpu;
mod perf_memory;
mod perfbuf;
mod plain;
mod queue;
mod redirect;
mod ring_memory;
mod ring_pages;
mod ring_set;
mod ringbuf;
mod rules;
mod sockets;
mod stack_traces;
mod storage;
mod stride;
mod types;
mod user_ring_memory;
mod user_ringbuf;
mod view;

#[cfg(feature = "tokio")]
pub use self::asynchronous::{AsyncPerfBuf, AsyncRingBuf, AsyncRingSet};
pub(crate) use self::rules::contradiction;
pub use self::{
    arena::Arena,
    array::{Array, PerCpuArray},
    cgroup_array::CgroupArray,
    create::MapBuilder,
    fd_array::{ArrayOfMaps, HashOfMaps, ProgArray},
    global::Global,
    handle::{Map, MapSpec},
    info::MapInfo,
    insn_array::{InsnArray, InsnPlace},
    iter::{Entries, Keys},
    keyed::{Hash, LpmTrie, LruHash, LruPerCpuHash, MapIter, PerCpuHash, ResizableHash},
    lpm::{Ipv4Prefix, Ipv6Prefix, LpmKey, ParsePrefixError},
    memory::{MappedArray, Memory},
    overwrite_ring::OverwriteRing,
    percpu::PerCpuValues,
    perfbuf::{PerfBuf, PerfBufBuilder, PerfDrain, PerfRecord, Wakeup},
    plain::Plain,
    queue::{BloomFilter, Queue, Stack},
    redirect::{CpuMap, CpuQueue, DevMap, DevMapHash, Port, XskMap},
    ring_set::RingSet,
    ringbuf::{RingBuf, RingDrain, RingRecord},
    sockets::{ReuseportArray, SockHash, SockMap},
    stack_traces::{FrameLocation, StackTraces},
    storage::{CgroupStorage, CgrpStorage, InodeStorage, PerCpuCgroupStorage, SkStorage, TaskStorage},
    types::MapTypes,
    user_ringbuf::{UserRecord, UserRingBuf},
};
