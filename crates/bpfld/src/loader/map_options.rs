//! What a caller may ask of one map.

use std::path::PathBuf;

use bpfld_sys::MapFlags;

use crate::map::Map;

/// What to change about one map before it is made. Names that the object does not have fail the load.
#[derive(Clone, Debug, Default)]
pub struct MapOptions {
    pub(crate) max_entries: Option<u32>,
    pub(crate) value_size: Option<u32>,
    pub(crate) flags: Option<MapFlags>,
    pub(crate) numa_node: Option<u32>,
    pub(crate) map_extra: Option<u64>,
    pub(crate) create: Option<bool>,
    pub(crate) pin: Option<Pin>,
    pub(crate) reuse: Option<Map>,
}

/// Where a map shall be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    Never,
    At(PathBuf),
}

impl MapOptions {
    /// How many elements it holds; for ring buffers the size in bytes, rounded up to what the kernel takes.
    pub fn max_entries(&mut self, entries: u32) -> &mut Self {
        self.max_entries = Some(entries);
        self
    }

    /// The size of a value in bytes. The initial contents of data sections are cut or filled with zeroes, and an array at the end of the
    /// section has as many elements as there is then room for:
    ///
    /// ```no_run
    /// # fn example(object: &bpfld::Object) -> Result<(), bpfld::Error> {
    /// let mut loader = bpfld::Loader::new();
    /// // u64 table[8] SEC(".data.table");
    /// loader.map(".data.table").value_size(64 * 8);
    /// loader.global("table", &[1u64; 64]);
    /// let table = loader.load(object)?.global::<[u64; 64]>("table")?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "bpf_map__set_value_size")]
    pub fn value_size(&mut self, bytes: u32) -> &mut Self {
        self.value_size = Some(bytes);
        self
    }

    /// The creation flags, instead of those declared.
    pub fn flags(&mut self, flags: MapFlags) -> &mut Self {
        self.flags = Some(flags);
        self
    }

    /// The memory node to allocate from (Linux 4.14); sets [`MapFlags::NUMA_NODE`] too.
    pub fn numa_node(&mut self, node: u32) -> &mut Self {
        self.numa_node = Some(node);
        self
    }

    /// The number whose meaning depends on the map's type: hash functions of a Bloom filter, address of an arena
    /// (Linux 5.16).
    pub fn map_extra(&mut self, extra: u64) -> &mut Self {
        self.map_extra = Some(extra);
        self
    }

    /// Whether the map is made at all. A program that reaches a reference to a map not made is rejected.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = Some(create);
        self
    }

    /// Uses the map pinned at this path, or pins the new one there.
    pub fn pin(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.pin = Some(Pin::At(path.into()));
        self
    }

    /// Leaves the map unpinned even if the object declares `pinning` by name.
    pub fn no_pin(&mut self) -> &mut Self {
        self.pin = Some(Pin::Never);
        self
    }

    /// Uses this map instead of making one. Its parameters are taken as they are.
    pub fn reuse(&mut self, map: &Map) -> &mut Self {
        self.reuse = Some(map.clone());
        self
    }
}
