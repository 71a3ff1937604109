//! Which maps the kernel takes, and what can be done with them.

use std::os::fd::AsFd;

use bpfld_sys::{Errno, MapCreate, MapFlags, MapType, ProgramType};

use super::code::RETURN_0;
use super::kernel::{self, Load};
use super::verdict::{judge, refused};
use crate::Answer;
use crate::probe::btf;

/// The largest pages of any kernel: ring buffers of this size are taken everywhere.
pub(crate) const LARGEST_PAGE: u32 = 64 << 10;

const HOW: &str = "creating the smallest map of this type";

/// Whether maps of a type can be created, with the smallest sizes that the kernel takes for it.
pub(crate) fn create(kind: MapType) -> Answer {
    let with_flags = |key, value, entries, flags| {
        let mut map = MapCreate::new(kind, key, value, entries);
        map.flags = flags;
        map
    };
    let plain = |key, value, entries| with_flags(key, value, entries, MapFlags::empty());
    let map = match kind {
        MapType::UNSPEC => return Answer::unknown("no map type"),
        MapType::STACK_TRACE | MapType::REUSEPORT_SOCKARRAY => plain(4, 8, 1),
        MapType::INSN_ARRAY => plain(4, 16, 1),
        MapType::LPM_TRIE => with_flags(8, 8, 1, MapFlags::NO_PREALLOC),
        MapType::RHASH => with_flags(4, 4, 1, MapFlags::NO_PREALLOC),
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => plain(16, 8, 0),
        MapType::QUEUE | MapType::STACK | MapType::BLOOM_FILTER => plain(0, 4, 1),
        MapType::RINGBUF | MapType::USER_RINGBUF => plain(0, 0, LARGEST_PAGE),
        MapType::ARENA => with_flags(0, 0, 1, MapFlags::MMAPABLE),
        MapType::SK_STORAGE | MapType::INODE_STORAGE | MapType::TASK_STORAGE | MapType::CGRP_STORAGE => {
            return local_storage(kind, MapFlags::empty());
        }
        MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
            let inner = match kernel::array(4, MapFlags::empty()) {
                Ok(inner) => inner,
                Err(errno) => return refused(errno, "creating an array as inner map"),
            };
            let mut map = plain(4, 4, 1);
            map.inner_map = Some(inner.as_fd());
            return judge(kernel::create(&map), HOW);
        }
        MapType::STRUCT_OPS => return struct_ops(MapFlags::empty()),
        _ if kind.name().is_some() => plain(4, 4, 1),
        _ => return Answer::unknown("no probe for this map type"),
    };
    judge(kernel::create(&map), HOW)
}

/// Whether there is storage of a kind, with more flags.
pub(crate) fn local_storage(kind: MapType, flags: MapFlags) -> Answer {
    let btf = match btf::storage_value().map(|bytes| kernel::load_btf(&bytes)) {
        Ok(Ok(btf)) => btf,
        Ok(Err(errno)) => return refused(errno, "loading BTF for the value"),
        Err(error) => return Answer::unknown(error.to_string()),
    };
    let mut map = MapCreate::new(kind, 4, 8, 0);
    map.flags = flags | MapFlags::NO_PREALLOC;
    (map.btf, map.btf_key_type_id, map.btf_value_type_id) = (Some(btf.as_fd()), 1, 3);
    judge(kernel::create(&map), HOW)
}

/// Whether there are tables of functions, with more flags. Type 1 of the kernel is no such table: a kernel that looks there knows
/// the map type and the flags.
pub(crate) fn struct_ops(flags: MapFlags) -> Answer {
    let mut map = MapCreate::new(MapType::STRUCT_OPS, 4, 4, 1);
    map.flags = flags;
    map.btf_vmlinux_value_type_id = 1;
    match kernel::create(&map) {
        Ok(_) | Err(Errno::ENOTSUPP) => Answer::Yes,
        Err(errno) => refused(errno, HOW),
    }
}

pub(crate) fn array_mmap() -> Answer {
    judge(
        kernel::array(4, MapFlags::MMAPABLE),
        "creating an array that can be mapped",
    )
}

pub(crate) fn batch() -> Answer {
    with_array(|map| judge(kernel::look_up_nothing(map), "looking up a batch of no elements"))
}

pub(crate) fn bind() -> Answer {
    with_array(
        |map| match Load::new(ProgramType::SOCKET_FILTER, &RETURN_0).run() {
            Ok(program) => judge(kernel::bind(&program, map), "tying an array to a program"),
            Err(errno) => refused(errno, "loading a socket filter"),
        },
    )
}

pub(crate) fn common_attributes() -> Answer {
    let map = MapCreate::new(MapType::ARRAY, 4, 4, 1);
    judge(kernel::create_with_log(&map), "creating an array with a log")
}

/// Answer with the help of an array of one value of 32 bytes.
pub(crate) fn with_array(then: impl FnOnce(&bpfld_sys::MapFd) -> Answer) -> Answer {
    match kernel::array(32, MapFlags::empty()) {
        Ok(map) => then(&map),
        Err(errno) => refused(errno, "creating an array"),
    }
}
