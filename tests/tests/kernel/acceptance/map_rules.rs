//! What a map of each type may be (MAP-02): what we say when the kernel refuses, against what it refuses.

use bpfld::{Array, Errno, Hash, Map, MapFlags, MapType};
use bpfld_tests::{Need, require};

/// A map that the kernel takes: type, bytes of keys and of values, entries, flags.
type Form = (MapType, u32, u32, u32, MapFlags);

/// Types that need no more than that.
const FORMS: &[Form] = &[
    (MapType::HASH, 4, 8, 4, MapFlags::empty()),
    (MapType::PERCPU_HASH, 4, 8, 4, MapFlags::empty()),
    (MapType::LRU_HASH, 4, 8, 4, MapFlags::empty()),
    (MapType::LRU_PERCPU_HASH, 4, 8, 4, MapFlags::empty()),
    (MapType::ARRAY, 4, 8, 4, MapFlags::empty()),
    (MapType::PERCPU_ARRAY, 4, 8, 4, MapFlags::empty()),
    (MapType::PROG_ARRAY, 4, 4, 4, MapFlags::empty()),
    (MapType::PERF_EVENT_ARRAY, 4, 4, 4, MapFlags::empty()),
    (MapType::CGROUP_ARRAY, 4, 4, 4, MapFlags::empty()),
    (MapType::REUSEPORT_SOCKARRAY, 4, 8, 4, MapFlags::empty()),
    (MapType::STACK_TRACE, 4, 64, 4, MapFlags::empty()),
    (MapType::LPM_TRIE, 8, 8, 4, MapFlags::NO_PREALLOC),
    (MapType::DEVMAP, 4, 8, 4, MapFlags::empty()),
    (MapType::DEVMAP_HASH, 4, 8, 4, MapFlags::empty()),
    (MapType::CPUMAP, 4, 8, 1, MapFlags::empty()),
    (MapType::XSKMAP, 4, 4, 4, MapFlags::empty()),
    (MapType::SOCKMAP, 4, 8, 4, MapFlags::empty()),
    (MapType::SOCKHASH, 4, 8, 4, MapFlags::empty()),
    (MapType::QUEUE, 0, 8, 4, MapFlags::empty()),
    (MapType::STACK, 0, 8, 4, MapFlags::empty()),
    (MapType::BLOOM_FILTER, 0, 8, 4, MapFlags::empty()),
    (MapType::RINGBUF, 0, 0, 4096, MapFlags::empty()),
    (MapType::USER_RINGBUF, 0, 0, 4096, MapFlags::empty()),
    (MapType::ARENA, 0, 0, 4, MapFlags::MMAPABLE),
];

/// Flags that every kernel of the tests knows, of all maps.
const FLAGS: MapFlags = MapFlags::NO_PREALLOC
    .union(MapFlags::NO_COMMON_LRU)
    .union(MapFlags::RDONLY)
    .union(MapFlags::WRONLY)
    .union(MapFlags::STACK_BUILD_ID)
    .union(MapFlags::ZERO_SEED)
    .union(MapFlags::RDONLY_PROG)
    .union(MapFlags::WRONLY_PROG)
    .union(MapFlags::CLONE)
    .union(MapFlags::MMAPABLE)
    .union(MapFlags::PRESERVE_ELEMS)
    .union(MapFlags::INNER_MAP)
    .union(MapFlags::SEGV_ON_FAULT)
    .union(MapFlags::NO_USER_CONV);

/// Tries a form, and holds that we know why, if the kernel says no.
fn check((map_type, key, value, entries, flags): Form) -> Result<(), String> {
    let map = Map::builder(map_type, "form")
        .key_size(key)
        .value_size(value)
        .max_entries(entries);
    match map.flags(flags).create() {
        Ok(map) => {
            assert_eq!(map.info().unwrap().map_type(), map_type);
            Ok(())
        }
        Err(error) if error.errno() == Some(Errno::EINVAL) => match error.hint() {
            Some(hint) => Err(hint.to_owned()),
            None => panic!("refused, and nobody knows why: {error:#}"),
        },
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn map_02_refusals_are_explained() {
    require!(Need::Root, Need::Linux(6, 12));
    for form in FORMS {
        let (map_type, key, value, entries, flags) = *form;
        check(*form).unwrap_or_else(|why| panic!("{map_type}: {why}"));
        // Sizes around those that are right.
        for other in [0, 1, 3, 4, 5, 8, 12] {
            let _ = check((map_type, other, value, entries, flags));
            let _ = check((map_type, key, other, entries, flags));
            let _ = check((map_type, key, value, other, flags));
        }
        for flag in FLAGS.iter() {
            let _ = check((map_type, key, value, entries, flags | flag));
        }
        if !flags.is_empty() {
            check((map_type, key, value, entries, MapFlags::empty())).unwrap_err();
        }
    }
}

#[test]
fn map_02_messages() {
    require!(Need::Root, Need::Linux(6, 1));
    let said = |form, expected: &str| {
        let why = check(form).unwrap_err();
        assert!(why.contains(expected), "{why}");
    };
    said(
        (MapType::ARRAY, 8, 8, 1, MapFlags::empty()),
        "for type array, the bytes of a key must be 4, not 8",
    );
    said(
        (MapType::DEVMAP, 4, 5, 1, MapFlags::empty()),
        "the bytes of a value must be 4 or 8, not 5",
    );
    said(
        (MapType::QUEUE, 0, 8, 0, MapFlags::empty()),
        "the number of entries must be at least 1, not 0",
    );
    said(
        (MapType::LPM_TRIE, 4, 8, 1, MapFlags::NO_PREALLOC),
        "the bytes of a key must be 5 to 260, not 4",
    );
    said(
        (MapType::STACK_TRACE, 4, 12, 1, MapFlags::empty()),
        "the bytes of a value must be a multiple of 8, not 12",
    );
    said(
        (MapType::RINGBUF, 0, 0, 5000, MapFlags::empty()),
        "the number of entries must be a power of two",
    );
    said(
        (MapType::LPM_TRIE, 8, 8, 1, MapFlags::empty()),
        "for type lpm_trie, there must be the flags NO_PREALLOC",
    );
    said(
        (MapType::HASH, 4, 8, 1, MapFlags::MMAPABLE),
        "for type hash, there cannot be the flags MMAPABLE, but only NO_PREALLOC",
    );
    said(
        (
            MapType::ARRAY,
            4,
            8,
            1,
            MapFlags::RDONLY_PROG | MapFlags::WRONLY_PROG,
        ),
        "not both",
    );
    // What no rule knows the kernel still takes, and what it refuses keeps its number.
    let error = Hash::<u32, u64>::create("hash", 0).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EINVAL));
    Array::<u64>::create("array", 1).unwrap();
}
