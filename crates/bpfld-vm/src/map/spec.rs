//! What a map is made from.

use alloc::string::String;

use bpfld_object::MapDef;
use bpfld_sys::{MapFlags, MapType};

/// Type, sizes and flags of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapSpec {
    /// The name.
    pub name: String,
    /// The type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value; for per-CPU maps, of the value of one CPU.
    pub value_size: u32,
    /// How many elements there is room for; for ring buffers, bytes.
    pub max_entries: u32,
    /// Flags.
    pub flags: MapFlags,
    /// A number whose meaning depends on the type.
    pub map_extra: u64,
}

impl MapSpec {
    /// A map of this type and these sizes.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        map_type: MapType,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Self {
        Self {
            name: name.into(),
            map_type,
            key_size,
            value_size,
            max_entries,
            flags: MapFlags::empty(),
            map_extra: 0,
        }
    }

    pub(crate) fn of(def: &MapDef) -> Self {
        Self {
            name: (*def.name).into(),
            map_type: def.map_type,
            key_size: def.key_size,
            value_size: def.value_size,
            max_entries: def.max_entries,
            flags: def.flags,
            map_extra: def.map_extra,
        }
    }

    /// Whether each CPU has a value of its own.
    #[must_use]
    pub fn is_per_cpu(&self) -> bool {
        matches!(
            self.map_type,
            MapType::PERCPU_ARRAY
                | MapType::PERCPU_HASH
                | MapType::LRU_PERCPU_HASH
                | MapType::PERCPU_CGROUP_STORAGE
        )
    }
}
