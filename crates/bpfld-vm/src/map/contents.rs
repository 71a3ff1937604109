//! What is in a map, by the kind of map.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_sys::{MapFlags, MapType};

use super::bloom::Bloom;
use super::hash::{Eviction, Hash};
use super::queue::Order;
use super::special::Special;
use super::{MapSpec, Ring};
use crate::address::RegionId;
use crate::memory::{Memory, Region, RegionKind, Rights, Shape, value_shape};

/// A map of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) spec: MapSpec,
    /// Where its values are, for maps whose values programs get pointers to.
    pub(crate) region: RegionId,
    /// Values of one key: one, or as many as there are CPUs.
    pub(crate) copies: u32,
    /// What is known of the fields of its values that belong to the kernel.
    pub(crate) special: Option<Special>,
    pub(crate) contents: Contents,
}

/// What is in a map.
#[derive(Clone, Debug)]
pub(crate) enum Contents {
    /// Values at the places of their keys.
    Array,
    /// Values at any places.
    Hash(Hash),
    /// Values without keys.
    Queue(Order, VecDeque<Vec<u8>>),
    /// Yes or no.
    Bloom(Bloom),
    /// Records in order.
    Ring(Ring),
    /// Samples of the host's, in order.
    UserRing(VecDeque<Vec<u8>>),
    /// What was output, for each CPU.
    Events(Vec<Event>),
    /// Programs, by number.
    Programs(Vec<Option<usize>>),
    /// Maps, by number.
    Maps(Vec<Option<usize>>),
    /// Maps, by number as value.
    HashOfMaps(Hash, Vec<Option<usize>>),
    /// Memory of the program's own making.
    Arena {
        /// Which pages are allocated.
        pages: Vec<bool>,
    },
    /// It exists, and nothing can be done with it here.
    Opaque,
}

/// What a program gave to `bpf_perf_event_output`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The element of the map: usually the CPU.
    pub index: u32,
    /// The bytes, and after them what was asked of the packet.
    pub data: Vec<u8>,
}

impl Map {
    /// Makes a map, with memory for its values.
    pub(crate) fn make(spec: MapSpec, cpus: u32, memory: &mut Memory) -> Result<Self, String> {
        let limit = memory.left;
        let copies = if spec.is_per_cpu() { cpus } else { 1 };
        let value = spec.value_size as usize;
        let room = (value.next_multiple_of(8).max(8))
            .checked_mul(spec.max_entries as usize)
            .and_then(|room| room.checked_mul(copies as usize));
        let bounded = |room: Option<usize>| {
            room.filter(|room| *room <= limit)
                .ok_or_else(|| format!("its values would take more than the limit of {limit} bytes"))
        };
        let needs_entries = || match spec.max_entries {
            0 => Err(String::from("it has room for no entries")),
            _ => Ok(()),
        };
        let needs_keys = || match spec.key_size {
            0 => Err(String::from("its keys have no bytes")),
            _ => Ok(()),
        };
        let rights = if spec.flags.contains(MapFlags::RDONLY_PROG) {
            Rights::Read
        } else if spec.flags.contains(MapFlags::WRONLY_PROG) {
            Rights::Write
        } else {
            Rights::ReadWrite
        };
        let mut region = |kind, rights, shape, bytes| {
            memory.add(Region::new(kind, spec.name.as_str().into(), rights, shape, bytes))
        };
        let mut hash = |spec: &MapSpec, eviction| {
            bounded(room)?;
            let region = region(RegionKind::MapValue, rights, value_shape(value), Vec::new());
            Ok::<_, String>((region, Hash::new(spec, eviction)))
        };
        let (region, contents) = match spec.map_type {
            MapType::ARRAY | MapType::PERCPU_ARRAY => {
                needs_entries()?;
                if spec.key_size != 4 {
                    return Err("keys of arrays have 4 bytes".into());
                }
                let bytes = vec![0; bounded(room)?];
                // a single value needs no space between values: the quick way of access
                let single = spec.max_entries == 1 && copies == 1;
                let shape = if single { Shape::Plain } else { value_shape(value) };
                let id = region(RegionKind::MapValue, rights, shape, bytes);
                if let Some(region) = memory.region_mut(id).filter(|_| single) {
                    region.set_window(0, value);
                }
                (id, Contents::Array)
            }
            MapType::HASH | MapType::PERCPU_HASH => {
                needs_entries()?;
                needs_keys()?;
                let (region, hash) = hash(&spec, Eviction::Never)?;
                (region, Contents::Hash(hash))
            }
            MapType::LRU_HASH | MapType::LRU_PERCPU_HASH => {
                needs_entries()?;
                needs_keys()?;
                let (region, hash) = hash(&spec, Eviction::LeastRecent)?;
                (region, Contents::Hash(hash))
            }
            MapType::LPM_TRIE => {
                needs_entries()?;
                // the length of the prefix, and up to 256 bytes: LPM_KEY_SIZE_MAX
                if !(5..=260).contains(&spec.key_size) {
                    return Err("keys of prefix tries have 5 to 260 bytes".into());
                }
                let (region, hash) = hash(&spec, Eviction::Never)?;
                (region, Contents::Hash(hash))
            }
            MapType::DEVMAP
            | MapType::DEVMAP_HASH
            | MapType::CPUMAP
            | MapType::XSKMAP
            | MapType::SOCKMAP
            | MapType::SOCKHASH
            | MapType::REUSEPORT_SOCKARRAY
            | MapType::CGROUP_ARRAY
            | MapType::STACK_TRACE => {
                needs_entries()?;
                let (region, hash) = hash(&spec, Eviction::Never)?;
                (region, Contents::Hash(hash))
            }
            MapType::SK_STORAGE
            | MapType::TASK_STORAGE
            | MapType::INODE_STORAGE
            | MapType::CGRP_STORAGE
            | MapType::CGROUP_STORAGE
            | MapType::PERCPU_CGROUP_STORAGE => {
                let mut sized = spec.clone();
                let each = value.next_multiple_of(8).max(8).saturating_mul(copies as usize);
                bounded(Some(each))?;
                let fitting = u32::try_from(limit / each).unwrap_or(u32::MAX);
                (sized.key_size, sized.max_entries) = (8, STORAGE_ENTRIES.min(fitting));
                let region = region(RegionKind::MapValue, rights, value_shape(value), Vec::new());
                (region, Contents::Hash(Hash::new(&sized, Eviction::Never)))
            }
            MapType::QUEUE => {
                needs_entries()?;
                bounded(room)?;
                (RegionId(0), Contents::Queue(Order::FirstIn, VecDeque::new()))
            }
            MapType::STACK => {
                needs_entries()?;
                bounded(room)?;
                (RegionId(0), Contents::Queue(Order::LastIn, VecDeque::new()))
            }
            MapType::BLOOM_FILTER => (RegionId(0), Contents::Bloom(Bloom::new(&spec, limit)?)),
            MapType::RINGBUF => {
                let size = spec.max_entries as usize;
                if !size.is_power_of_two() {
                    return Err("a ring buffer's size is a power of two".into());
                }
                bounded(size.checked_mul(2))?;
                // a record that runs over the end goes on behind it
                let bytes = vec![0; size * 2];
                let id = region(RegionKind::Record, Rights::ReadWrite, Shape::Records, bytes);
                (id, Contents::Ring(Ring::new(size)))
            }
            MapType::USER_RINGBUF => {
                if !spec.max_entries.is_power_of_two() {
                    return Err("a ring buffer's size is a power of two".into());
                }
                let id = region(RegionKind::Record, Rights::ReadWrite, Shape::Plain, Vec::new());
                (id, Contents::UserRing(VecDeque::new()))
            }
            MapType::PERF_EVENT_ARRAY => (RegionId(0), Contents::Events(Vec::new())),
            MapType::PROG_ARRAY => {
                bounded(room)?;
                (
                    RegionId(0),
                    Contents::Programs(vec![None; spec.max_entries as usize]),
                )
            }
            MapType::ARRAY_OF_MAPS => {
                bounded(room)?;
                (RegionId(0), Contents::Maps(vec![None; spec.max_entries as usize]))
            }
            MapType::HASH_OF_MAPS => {
                let (region, hash) = hash(&spec, Eviction::Never)?;
                (region, Contents::HashOfMaps(hash, Vec::new()))
            }
            MapType::ARENA => {
                let pages = spec.max_entries as usize;
                // its first page is never given out: what is at zero is a null pointer
                bounded(pages.checked_add(1).and_then(|pages| pages.checked_mul(PAGE)))?;
                let bytes = vec![0; (pages + 1) * PAGE];
                let end = bytes.len();
                let id = region(RegionKind::Arena, Rights::ReadWrite, Shape::Plain, bytes);
                if let Some(region) = memory.region_mut(id) {
                    region.set_window(PAGE, end);
                }
                (
                    id,
                    Contents::Arena {
                        pages: vec![false; pages],
                    },
                )
            }
            _ => (RegionId(0), Contents::Opaque),
        };
        let taken = match &contents {
            Contents::Queue(..) => room,
            Contents::Bloom(bloom) => Some(bloom.bytes()),
            Contents::Programs(slots) | Contents::Maps(slots) => Some(size_of_val(&slots[..])),
            _ => memory.region(region).map(|region| region.bytes.len()),
        };
        taken
            .and_then(|taken| memory.take(taken))
            .ok_or_else(|| format!("it would take more than the limit of {limit} bytes"))?;
        Ok(Self {
            spec,
            region,
            copies,
            special: None,
            contents,
        })
    }
}

/// How many objects can have storage at once.
const STORAGE_ENTRIES: u32 = 1 << 16;

/// Bytes of a page of an arena.
pub(crate) const PAGE: usize = 4096;
