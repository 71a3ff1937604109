//! What the kernel says about a map.

use std::os::fd::BorrowedFd;

use bpfld_sys::{self as sys, MapFlags, MapType, info};

use super::MapSpec;

/// What the kernel says about a map (4.13).
#[derive(Clone, Debug)]
pub struct MapInfo {
    raw: info::MapInfo,
}

impl MapInfo {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<MapInfo, sys::Error> {
        Ok(MapInfo {
            raw: sys::map_info(fd)?,
        })
    }

    /// Id, unique on the machine for as long as the map lives.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.raw.id
    }

    /// Name, at most 15 characters (4.15); bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn name(&self) -> String {
        crate::info::name(&self.raw.name)
    }

    /// Type of the map.
    #[must_use]
    pub fn map_type(&self) -> MapType {
        self.raw.map_type
    }

    /// Bytes of a key.
    #[must_use]
    pub fn key_size(&self) -> u32 {
        self.raw.key_size
    }

    /// Bytes of a value, for a per-CPU map of one CPU's.
    #[must_use]
    pub fn value_size(&self) -> u32 {
        self.raw.value_size
    }

    /// Most elements it may hold; for a ring buffer its bytes.
    #[must_use]
    pub fn max_entries(&self) -> u32 {
        self.raw.max_entries
    }

    /// Flags it was made with.
    #[must_use]
    pub fn flags(&self) -> MapFlags {
        self.raw.map_flags
    }

    /// Type-specific number (5.16), as the count of hash functions of a Bloom filter.
    #[must_use]
    pub fn map_extra(&self) -> u64 {
        self.raw.map_extra
    }

    /// Id of the BTF object that describes keys and values (4.18), if it has one.
    #[must_use]
    pub fn btf_id(&self) -> Option<u32> {
        (self.raw.btf_id != 0).then_some(self.raw.btf_id)
    }

    /// All that the kernel told, field by field.
    #[must_use]
    pub fn raw(&self) -> &info::MapInfo {
        &self.raw
    }

    pub(crate) fn spec(&self) -> MapSpec {
        MapSpec {
            name: self.name(),
            map_type: self.map_type(),
            key_size: self.key_size(),
            value_size: self.value_size(),
            max_entries: self.max_entries(),
            flags: self.flags(),
            map_extra: self.map_extra(),
        }
    }
}
