//! Making maps that come from no object.

use bpfld_features::why_not_permitted;
use bpfld_sys::{self as sys, Errno, MapCreate, MapFlags, MapType};

use super::{Map, MapSpec, contradiction};
use crate::info::check_name;
use crate::memlock::{self, Memlock};
use crate::{Error, Result, Subject};

/// A map that is to be made. Made by [`Map::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `create`"]
pub struct MapBuilder<'a> {
    name: &'a str,
    wanted: MapSpec,
    inner: Option<&'a Map>,
    numa_node: u32,
    ifindex: u32,
    exclusive: Option<&'a [u8; 32]>,
}

impl<'a> MapBuilder<'a> {
    pub(super) fn new(map_type: MapType, name: &'a str) -> Self {
        let wanted = MapSpec {
            name: name.to_owned(),
            map_type,
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            flags: MapFlags::empty(),
            map_extra: 0,
        };
        MapBuilder {
            name,
            wanted,
            inner: None,
            numa_node: 0,
            ifindex: 0,
            exclusive: None,
        }
    }

    /// Bytes of a key. None for queues, stacks, Bloom filters and ring buffers.
    pub fn key_size(mut self, bytes: u32) -> Self {
        self.wanted.key_size = bytes;
        self
    }

    /// Bytes of a value, of per-CPU maps of one CPU's. None for ring buffers.
    pub fn value_size(mut self, bytes: u32) -> Self {
        self.wanted.value_size = bytes;
        self
    }

    /// Most elements it may hold. For ring buffers its bytes: a power of two and whole pages.
    pub fn max_entries(mut self, count: u32) -> Self {
        self.wanted.max_entries = count;
        self
    }

    /// Flags.
    pub fn flags(mut self, flags: MapFlags) -> Self {
        self.wanted.flags = flags;
        self
    }

    /// Type-specific number (5.16), as the count of hash functions of a Bloom filter.
    pub fn map_extra(mut self, extra: u64) -> Self {
        self.wanted.map_extra = extra;
        self
    }

    /// For maps of maps: a map like those that it will hold.
    pub fn inner(mut self, map: &'a Map) -> Self {
        self.inner = Some(map);
        self
    }

    /// Memory node to keep the map on (4.14).
    pub fn numa_node(mut self, node: u32) -> Self {
        self.numa_node = node;
        self.wanted.flags |= MapFlags::NUMA_NODE;
        self
    }

    /// Network device that is to keep the map, for programs that are off-loaded to it (4.16).
    pub fn ifindex(mut self, ifindex: u32) -> Self {
        self.ifindex = ifindex;
        self
    }

    /// Keeps the map for one program, by the SHA-256 of its instructions (6.18): the verifier refuses it to all others.
    #[doc(alias = "excl_prog_hash")]
    pub fn exclusive(mut self, program: &'a [u8; 32]) -> Self {
        self.exclusive = Some(program);
        self
    }

    /// Makes the map.
    ///
    /// # Errors
    ///
    /// EINVAL when sizes or flags do not fit to the type, or the kernel does not know it; EPERM without CAP_BPF. When the name is empty, or has
    /// anything but letters, digits, `_` and `.`; of a longer one the kernel keeps 15 bytes.
    #[doc(alias = "BPF_MAP_CREATE")]
    pub fn create(self) -> Result<Map> {
        let MapBuilder {
            name,
            wanted,
            inner,
            numa_node,
            ifindex,
            exclusive,
        } = self;
        let MapSpec {
            name: _,
            map_type,
            key_size,
            value_size,
            max_entries,
            flags,
            map_extra,
        } = &wanted;
        check_name(Subject::Map(name.to_owned()), name)?;
        let mut create = MapCreate::new(*map_type, *key_size, *value_size, *max_entries);
        create.name = name;
        create.flags = *flags;
        create.map_extra = *map_extra;
        create.inner_map = inner.map(std::os::fd::AsFd::as_fd);
        create.numa_node = numa_node;
        create.ifindex = ifindex;
        create.exclusive_program = exclusive;
        let fd = memlock::within(Memlock::Raise, || sys::map_create(&create)).map_err(|source| {
            let doing = format!(
                "create ({map_type}, keys of {key_size} bytes, values of {value_size} bytes, {max_entries} entries, \
                 flags {flags})"
            );
            let error = Error::kernel(Subject::Map(name.to_owned()), doing, source);
            match error.errno() {
                Some(Errno::EINVAL) => error.with_optional_hint(contradiction(&wanted)),
                Some(Errno::EPERM) => error.with_optional_hint(why_not_permitted(None)),
                _ => error,
            }
        })?;
        Ok(Map::from_parts(fd, wanted))
    }
}
