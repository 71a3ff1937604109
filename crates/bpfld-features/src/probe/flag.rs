//! Which flags the kernel takes. Each is tried where it makes sense.

use std::os::fd::AsFd;

use bpfld_sys::{self as sys, ElemFlags, Errno, MapCreate, MapFlags, MapType, ProgFlags, ProgramType};

use super::code::RETURN_0;
use super::command::{pin_below_directory, takes_token};
use super::kernel::{self, Load};
use super::map::{LARGEST_PAGE, local_storage, struct_ops};
use super::verdict::{judge, refused, refused_program};
use crate::Answer;
use crate::probe::btf;

/// Whether a flag is taken when a map is created.
pub(crate) fn map(flag: MapFlags) -> Answer {
    let with = |kind, key, value, entries, more: MapFlags| {
        let mut map = MapCreate::new(kind, key, value, entries);
        map.flags = flag | more;
        judge(kernel::create(&map), "creating a map with the flag")
    };
    let plain = |kind| with(kind, 4, 4, 1, MapFlags::empty());
    match flag {
        MapFlags::NO_PREALLOC | MapFlags::NUMA_NODE | MapFlags::ZERO_SEED => plain(MapType::HASH),
        MapFlags::NO_COMMON_LRU => plain(MapType::LRU_HASH),
        MapFlags::RDONLY
        | MapFlags::WRONLY
        | MapFlags::RDONLY_PROG
        | MapFlags::WRONLY_PROG
        | MapFlags::MMAPABLE
        | MapFlags::INNER_MAP => plain(MapType::ARRAY),
        // An entry is a build id and an offset, or an address.
        MapFlags::STACK_BUILD_ID => with(MapType::STACK_TRACE, 4, 32, 1, MapFlags::empty()),
        MapFlags::CLONE => local_storage(MapType::SK_STORAGE, flag),
        MapFlags::PRESERVE_ELEMS => plain(MapType::PERF_EVENT_ARRAY),
        MapFlags::LINK => struct_ops(flag),
        MapFlags::PATH_FD => pin_below_directory(),
        MapFlags::TOKEN_FD | MapFlags::VTYPE_BTF_OBJ_FD => match sys::inquire_map(flag) {
            Errno::EBADF => Answer::Yes,
            errno => refused(errno, "creating a map with a descriptor that is not open"),
        },
        MapFlags::SEGV_ON_FAULT | MapFlags::NO_USER_CONV => with(MapType::ARENA, 0, 0, 1, MapFlags::MMAPABLE),
        MapFlags::RB_OVERWRITE => with(MapType::RINGBUF, 0, 0, LARGEST_PAGE, MapFlags::empty()),
        _ => Answer::unknown("no probe for this flag"),
    }
}

/// Whether a flag is taken when an element is written.
pub(crate) fn element(flag: ElemFlags) -> Answer {
    const HOW: &str = "writing an element with the flag";
    let write = |map: &MapCreate<'_>, key: u32, size: usize, allowed: Option<Errno>| {
        let map = match kernel::create(map) {
            Ok(map) => map,
            Err(errno) => return refused(errno, "creating the map for it"),
        };
        match kernel::write(&map, &key.to_ne_bytes(), &vec![0; size], flag) {
            Err(errno) if Some(errno) == allowed => Answer::Yes,
            result => judge(result, HOW),
        }
    };
    match flag {
        ElemFlags::NOEXIST => write(&MapCreate::new(MapType::HASH, 4, 4, 1), 0, 4, None),
        ElemFlags::EXIST => write(&MapCreate::new(MapType::ARRAY, 4, 4, 1), 0, 4, None),
        ElemFlags::F_LOCK => {
            let btf = match btf::storage_value().map(|bytes| kernel::load_btf(&bytes)) {
                Ok(Ok(btf)) => btf,
                Ok(Err(errno)) => return refused(errno, "loading BTF for a value with a lock"),
                Err(error) => return Answer::unknown(error.to_string()),
            };
            let mut map = MapCreate::new(MapType::ARRAY, 4, 8, 1);
            (map.btf, map.btf_key_type_id, map.btf_value_type_id) = (Some(btf.as_fd()), 1, 3);
            write(&map, 0, 8, None)
        }
        ElemFlags::F_CPU | ElemFlags::F_ALL_CPUS => {
            write(&MapCreate::new(MapType::PERCPU_ARRAY, 4, 8, 1), 0, 8, None)
        }
        _ => Answer::unknown("no probe for this flag"),
    }
}

/// Whether a flag is taken when a program is loaded.
pub(crate) fn load(flag: ProgFlags) -> Answer {
    const HOW: &str = "loading a program with the flag";
    let kind = match flag {
        ProgFlags::XDP_HAS_FRAGS | ProgFlags::XDP_DEV_BOUND_ONLY => ProgramType::XDP,
        ProgFlags::SLEEPABLE => ProgramType::KPROBE,
        ProgFlags::TOKEN_FD => {
            return takes_token(|fd| {
                let code = kernel::bytes(&RETURN_0);
                let mut load = sys::ProgLoad::new(ProgramType::SOCKET_FILTER, code, c"GPL");
                load.token = Some(fd);
                sys::prog_load(&load, None)
                    .map(drop)
                    .map_err(|error| error.errno())
            });
        }
        _ if flag.since().is_some() => ProgramType::SOCKET_FILTER,
        _ => return Answer::unknown("no probe for this flag"),
    };
    let load = Load {
        flags: flag,
        ..Load::new(kind, &RETURN_0)
    };
    match load.run_with_log() {
        (Ok(_), _) => Answer::Yes,
        // The verifier has something to say about such programs.
        (Err(_), log) if flag == ProgFlags::SLEEPABLE && log.contains("sleepable") => Answer::Yes,
        (Err(errno), _) => refused_program(kind, errno, HOW),
    }
}
