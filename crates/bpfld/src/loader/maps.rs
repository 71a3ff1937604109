//! Maps: what each is made as, and making it.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use bpfld_btf::TypeId;
use bpfld_features::why_not_permitted;
use bpfld_object::{MapDef, MapKind, Pinning};
use bpfld_sys::{self as sys, Errno, MapFd, MapFlags, MapType};

use super::options::{MapOptions, Pin};
use super::struct_ops::StructOps;
use crate::error::{Error, Subject};
use crate::map::{Map, MapSpec};
use crate::memlock;

/// Where maps are pinned unless the caller says otherwise.
const DEFAULT_ROOT: &str = "/sys/fs/bpf";

/// What a map is made as: the object's definition with the caller's wishes, fit for this machine.
#[derive(Clone, Debug)]
pub(crate) struct MapPlan<'a> {
    pub(crate) def: &'a MapDef,
    pub(crate) spec: MapSpec,
    pub(crate) numa_node: u32,
    /// Whether it is made at all.
    pub(crate) create: bool,
    pub(crate) pin: Option<PathBuf>,
    pub(crate) reuse: Option<Map>,
}

/// What maps need from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The object's type information in the kernel.
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// For maps of maps, a map like those that will be in it.
    pub(crate) inner: Option<BorrowedFd<'a>>,
    pub(crate) struct_ops: Option<&'a StructOps>,
    /// The module whose types that one is of.
    pub(crate) value_btf: Option<BorrowedFd<'a>>,
}

impl<'a> MapPlan<'a> {
    pub(crate) fn new(
        def: &'a MapDef,
        options: Option<&MapOptions>,
        pin_root: Option<&Path>,
    ) -> Result<Self, Error> {
        let none = MapOptions::default();
        let MapOptions {
            max_entries,
            value_size,
            flags,
            numa_node,
            map_extra,
            create,
            pin,
            reuse,
        } = options.unwrap_or(&none);
        let spec = MapSpec {
            name: def.name.to_string(),
            map_type: def.map_type,
            key_size: def.key_size,
            value_size: value_size.unwrap_or(def.value_size),
            max_entries: max_entries.unwrap_or(def.max_entries),
            flags: flags.unwrap_or(def.flags),
            map_extra: map_extra.unwrap_or(def.map_extra),
        };
        let pin = match (pin, def.pinning) {
            (Some(Pin::Never), _) | (None, Pinning::None) => None,
            (Some(Pin::At(path)), _) => Some(path.clone()),
            (None, _) => Some(default_pin(pin_root, &def.name)),
        };
        let mut plan = Self {
            def,
            spec,
            numa_node: numa_node.unwrap_or(def.numa_node),
            create: create.unwrap_or(def.autocreate) || reuse.is_some(),
            pin,
            reuse: reuse.clone(),
        };
        if numa_node.is_some() {
            plan.spec.flags |= MapFlags::NUMA_NODE;
        }
        if plan.spec.map_type == MapType::UNSPEC && plan.create && reuse.is_none() {
            return Err(Error::invalid(plan.subject(), "it has no type"));
        }
        plan.fit()?;
        Ok(plan)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Map(self.spec.name.clone())
    }

    /// Sizes that depend on the machine.
    fn fit(&mut self) -> Result<(), Error> {
        match self.spec.map_type {
            MapType::RINGBUF | MapType::USER_RINGBUF => {
                self.spec.max_entries = ring_size(self.spec.max_entries, sys::mmap::page_size() as u32);
            }
            MapType::PERF_EVENT_ARRAY if self.spec.max_entries == 0 => {
                self.spec.max_entries = sys::possible_cpus()
                    .map_err(|error| Error::io(self.subject(), "count the processors", error))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes the map. A kernel that does not take its BTF gets it without.
    pub(crate) fn create(&self, around: Surroundings<'_>) -> Result<Map, Error> {
        let types = around.btf.filter(|_| takes_types(self.spec.map_type));
        let result = match self.try_create(types, around) {
            Err(_) if types.is_some() && self.has_types() && around.struct_ops.is_none() => {
                self.try_create(None, around)
            }
            result => result,
        };
        let fd = result.map_err(|error| self.explain(error))?;
        Ok(Map::from_parts(fd, self.spec.clone()))
    }

    fn has_types(&self) -> bool {
        self.def.key_type.is_some() || self.def.value_type.is_some()
    }

    fn try_create(
        &self,
        btf: Option<BorrowedFd<'_>>,
        around: Surroundings<'_>,
    ) -> Result<MapFd, bpfld_sys::Error> {
        let MapSpec {
            name: _,
            map_type,
            key_size,
            value_size,
            max_entries,
            flags,
            map_extra,
        } = self.spec;
        let mut request = sys::MapCreate::new(map_type, key_size, value_size, max_entries);
        request.name = &self.def.kernel_name;
        request.flags = flags;
        request.numa_node = self.numa_node;
        request.map_extra = map_extra;
        request.inner_map = around.inner;
        if let Some(btf) = btf {
            let number = |ty: Option<TypeId>| ty.map_or(0, |ty| ty.0);
            let is_struct_ops = around.struct_ops.is_some();
            request.btf = Some(btf);
            request.btf_key_type_id = if is_struct_ops {
                0
            } else {
                number(self.def.key_type)
            };
            request.btf_value_type_id = if is_struct_ops {
                0
            } else {
                number(self.def.value_type)
            };
        }
        if let Some(table) = around.struct_ops {
            request.value_size = table.value.len() as u32;
            request.btf_vmlinux_value_type_id = table.value_type.id.0;
            request.value_type_btf = around.value_btf;
        }
        memlock::within(|| sys::map_create(&request))
    }

    /// What the kernel's refusal may mean.
    fn explain(&self, error: bpfld_sys::Error) -> Error {
        let MapSpec {
            map_type,
            key_size,
            value_size,
            max_entries,
            ..
        } = self.spec;
        let errno = error.errno();
        let doing = format!(
            "create it as {map_type} of {max_entries} entries, keys of {key_size} and values of {value_size} bytes"
        );
        let failed = Error::kernel(self.subject(), doing, error);
        let hint: Option<Cow<'static, str>> = match errno {
            Errno::EINVAL if max_entries == 0 && needs_entries(map_type) => {
                Some("the object leaves the number of entries to the caller".into())
            }
            Errno::EINVAL if is_ring(map_type) => {
                Some("a ring buffer's size must be a power of two times the page size".into())
            }
            Errno::EPERM => Some(why_not_permitted(None).map_or(
                Cow::Borrowed("this needs CAP_BPF, for some types CAP_NET_ADMIN or CAP_PERFMON too"),
                Cow::Owned,
            )),
            Errno::ENOMEM | Errno::E2BIG => Some("fewer entries may do".into()),
            _ => None,
        };
        match hint {
            Some(hint) => failed.with_hint(hint),
            None => failed,
        }
    }

    /// The initial value, cut or filled up to the map's size.
    pub(crate) fn initial<'b>(&self, contents: &'b [u8]) -> Cow<'b, [u8]> {
        let size = self.spec.value_size as usize;
        if contents.len() == size && self.def.kind != MapKind::Bss {
            return Cow::Borrowed(contents);
        }
        let mut value = contents.to_vec();
        value.resize(size, 0);
        Cow::Owned(value)
    }
}

/// Types whose keys and values the kernel wants no BTF for.
fn takes_types(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::PERF_EVENT_ARRAY
            | MapType::CGROUP_ARRAY
            | MapType::STACK_TRACE
            | MapType::ARRAY_OF_MAPS
            | MapType::HASH_OF_MAPS
            | MapType::DEVMAP
            | MapType::DEVMAP_HASH
            | MapType::CPUMAP
            | MapType::XSKMAP
            | MapType::SOCKMAP
            | MapType::SOCKHASH
            | MapType::QUEUE
            | MapType::STACK
            | MapType::ARENA
    )
}

fn is_ring(map_type: MapType) -> bool {
    matches!(map_type, MapType::RINGBUF | MapType::USER_RINGBUF)
}

fn needs_entries(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::SK_STORAGE | MapType::INODE_STORAGE | MapType::TASK_STORAGE | MapType::CGRP_STORAGE
    )
}

/// The next size that the kernel takes for a ring buffer: a power of two times the page size. Zero stays zero, and what
/// is too large stays as it is: both are for the kernel to refuse.
fn ring_size(size: u32, page: u32) -> u32 {
    if size == 0 || page == 0 {
        return size;
    }
    size.div_ceil(page)
        .checked_next_power_of_two()
        .and_then(|pages| pages.checked_mul(page))
        .unwrap_or(size)
}

fn default_pin(root: Option<&Path>, name: &str) -> PathBuf {
    root.unwrap_or(Path::new(DEFAULT_ROOT))
        .join(name.replace('.', "_"))
}

/// The descriptor of a map, as instructions hold it.
pub(crate) fn raw_fd(map: &Map) -> i32 {
    use std::os::fd::AsRawFd;
    map.as_fd().as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_rounded_up() {
        #[track_caller]
        fn check(size: u32, expected: u32) {
            assert_eq!(ring_size(size, 4096), expected);
        }
        check(0, 0);
        check(1, 4096);
        check(4096, 4096);
        check(4097, 8192);
        check(3 * 4096, 4 * 4096);
        check(1 << 31, 1 << 31);
        check((1 << 31) + 1, (1 << 31) + 1);
        check(u32::MAX, u32::MAX);
    }
}
