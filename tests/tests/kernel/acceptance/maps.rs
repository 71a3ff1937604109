//! Maps as objects (MAP-01, MAP-03, MAP-10, MAP-11, MAP-13 to MAP-16).

use std::sync::atomic::{AtomicBool, Ordering};

use bpfld::{
    Arena, Array, ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CgrpStorage, CpuMap, DevMap,
    DevMapHash, Errno, Error, Hash, HashOfMaps, InodeStorage, InsnArray, Ipv4Prefix, Loader, LpmTrie,
    LruHash, LruPerCpuHash, Map, MapType, Object, PerCpuArray, PerCpuCgroupStorage, PerCpuHash, PerfBuf,
    ProgArray, ProgramType, Queue, ResizableHash, ReuseportArray, RingBuf, SkStorage, SockHash, SockMap,
    Stack, StackTraces, TaskStorage, UserRingBuf, XskMap,
};
use bpfld_features::Feature;
use bpfld_tests::{Need, check_needs, fixture, require, sandbox};
use bpfld_xsk::{Umem, XskSocket};

use crate::{
    counter::{Counter, eventually},
    fixtures::load,
};

/// Whether a view takes a map.
type Accepts = fn(&Map) -> Result<(), Error>;

fn accepts<V: for<'a> TryFrom<&'a Map, Error = Error>>(map: &Map) -> Result<(), Error> {
    V::try_from(map).map(drop)
}

/// The view of each type, for maps of the object `maps`, which has those types that need no more than a file can say.
const VIEWS: &[(MapType, Accepts)] = &[
    (MapType::HASH, accepts::<Hash<[u8; 8], [u64; 4]>>),
    (MapType::ARRAY, accepts::<Array<[u64; 4]>>),
    (MapType::PROG_ARRAY, accepts::<ProgArray>),
    (MapType::PERF_EVENT_ARRAY, |map| {
        PerfBuf::builder().open(map).map(drop)
    }),
    (MapType::PERCPU_HASH, accepts::<PerCpuHash<[u8; 8], [u64; 4]>>),
    (MapType::PERCPU_ARRAY, accepts::<PerCpuArray<u64>>),
    (MapType::STACK_TRACE, accepts::<StackTraces>),
    (MapType::CGROUP_ARRAY, accepts::<CgroupArray>),
    (MapType::LRU_HASH, accepts::<LruHash<u32, u64>>),
    (MapType::LRU_PERCPU_HASH, accepts::<LruPerCpuHash<u32, u64>>),
    (MapType::LPM_TRIE, accepts::<LpmTrie<Ipv4Prefix, u32>>),
    (MapType::ARRAY_OF_MAPS, accepts::<ArrayOfMaps>),
    (MapType::HASH_OF_MAPS, accepts::<HashOfMaps<u32>>),
    (MapType::DEVMAP, accepts::<DevMap>),
    (MapType::SOCKMAP, accepts::<SockMap>),
    (MapType::CPUMAP, accepts::<CpuMap>),
    (MapType::XSKMAP, accepts::<XskMap>),
    (MapType::SOCKHASH, accepts::<SockHash<u64>>),
    (MapType::CGROUP_STORAGE, accepts::<CgroupStorage<u64>>),
    (MapType::REUSEPORT_SOCKARRAY, accepts::<ReuseportArray>),
    (
        MapType::PERCPU_CGROUP_STORAGE,
        accepts::<PerCpuCgroupStorage<u64>>,
    ),
    (MapType::QUEUE, accepts::<Queue<u64>>),
    (MapType::STACK, accepts::<Stack<u64>>),
    (MapType::SK_STORAGE, accepts::<SkStorage<u64>>),
    (MapType::DEVMAP_HASH, accepts::<DevMapHash>),
    (MapType::RINGBUF, accepts::<RingBuf>),
    (MapType::INODE_STORAGE, accepts::<InodeStorage<u64>>),
    (MapType::TASK_STORAGE, accepts::<TaskStorage<u64>>),
    (MapType::BLOOM_FILTER, accepts::<BloomFilter<u32>>),
    (MapType::USER_RINGBUF, accepts::<UserRingBuf>),
    (MapType::CGRP_STORAGE, accepts::<CgrpStorage<u64>>),
    (MapType::ARENA, accepts::<Arena>),
    (MapType::INSN_ARRAY, accepts::<InsnArray>),
    (MapType::RHASH, accepts::<ResizableHash<u32, u64>>),
];

/// Makes a map of a type that the object `maps` does not have.
fn make(map_type: MapType) -> Map {
    let map = |inner: &Map| {
        let map = Map::builder(map_type, "outer").key_size(4).value_size(4);
        map.max_entries(2).inner(inner).create().unwrap()
    };
    match map_type {
        MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
            map(Array::<u64>::create("inner", 1).unwrap().map())
        }
        MapType::ARENA => Arena::create("arena", 1).unwrap().map().clone(),
        MapType::INSN_ARRAY => InsnArray::create("places", 2).unwrap().map().clone(),
        MapType::RHASH => ResizableHash::<u32, u64>::create("grows", 8)
            .unwrap()
            .map()
            .clone(),
        other => panic!("how is a map of type {other} made?"),
    }
}

#[test]
fn map_01_every_type_has_a_view() {
    require!(Need::Root, Need::Linux(5, 10));
    let loaded = load("maps");
    // Tables of functions are attached as a whole, and have no elements.
    let without: Vec<MapType> = MapType::ALL
        .iter()
        .copied()
        .filter(|map_type| !VIEWS.iter().any(|(viewed, _)| viewed == map_type))
        .collect();
    assert_eq!(without, [MapType::STRUCT_OPS]);
    for (map_type, accepts) in VIEWS {
        if check_needs(&[Feature::MapType(*map_type).into()]).is_err() {
            continue;
        }
        let found = loaded.maps().find(|map| map.map_type() == *map_type);
        let map = found.cloned().unwrap_or_else(|| make(*map_type));
        accepts(&map).unwrap_or_else(|error| panic!("{map_type}: {error:#}"));
        for (other, refuses) in VIEWS.iter().filter(|(other, _)| other != map_type) {
            let error = refuses(&map).unwrap_err().to_string();
            assert!(
                error.contains(&format!("is of type {map_type};")),
                "{other}: {error}"
            );
        }
        // Whatever the type, a walk ends: with all that is in it, or because it cannot be walked.
        for element in map.entries() {
            if let Err(error) = element {
                assert!(error.errno().is_some(), "{map_type}: {error:#}");
            }
        }
    }
}

#[test]
fn map_03_maps_as_the_kernel_has_them() {
    require!(Need::Root, Need::Linux(4, 18));
    let loaded = load("maps");
    let info = loaded.map("hash").unwrap().info().unwrap();
    assert_eq!((info.name().as_str(), info.map_type()), ("hash", MapType::HASH));
    assert_eq!(
        (info.key_size(), info.value_size(), info.max_entries()),
        (8, 32, 100)
    );
    let types = loaded.map("hash").unwrap().types().unwrap().unwrap();
    assert_eq!(types.declaration(), "struct key to struct value");
    let info = loaded.map("lpm_trie").unwrap().info().unwrap();
    assert_eq!(info.flags(), bpfld::MapFlags::NO_PREALLOC);
    let long = loaded
        .map("a_map_with_a_name_longer_than_the_kernel_keeps")
        .unwrap();
    assert_eq!(long.info().unwrap().name(), "a_map_with_a_na");
}

#[test]
fn map_10_tail_calls_through_an_array() {
    require!(Need::Root, Need::Linux(5, 10));
    let object = r#"
        .license "GPL"
        .map tails prog_array key=4 value=4 max_entries=2
        .section socket
start:  r2 = tails ll
        r3 = 1
        call bpf_tail_call
        r0 = 5
        exit
    "#;
    let object = Object::parse(object.as_bytes().to_vec()).unwrap();
    let loaded = Loader::new().load(&object).unwrap();
    let tails: ProgArray = loaded.map("tails").unwrap().try_into().unwrap();
    let start = loaded.program("start").unwrap();
    let run = || start.test_run().data(&[0; 64]).run().unwrap().return_value;
    assert_eq!(run(), 5);
    let counter = Counter::new(ProgramType::SOCKET_FILTER, None, 9);
    tails.set(1, &counter.program).unwrap();
    assert_eq!((run(), counter.runs()), (9, 1));
    let id = counter.program.info().unwrap().id();
    assert_eq!(tails.id(1).unwrap(), Some(id));
    assert!(tails.clear(1).unwrap());
    assert_eq!((run(), tails.id(1).unwrap()), (5, None));
}

#[test]
fn map_11_inner_maps_are_swapped_under_a_program() {
    require!(Need::Root, Need::Linux(5, 10));
    let id = |map: &Map| map.info().unwrap().id();
    let outer = |map_type, inner: &Map| {
        let outer = Map::builder(map_type, "outer").key_size(4).value_size(4);
        outer.max_entries(2).inner(inner).create().unwrap()
    };
    let hash = Hash::<u32, u64>::create("hash", 4).unwrap();
    let hashes: ArrayOfMaps = outer(MapType::ARRAY_OF_MAPS, hash.map()).try_into().unwrap();
    hashes.set(1, &hash).unwrap();
    assert_eq!(id(&hashes.get(1).unwrap().unwrap()), id(hash.map()));
    let hashes: HashOfMaps<u32> = outer(MapType::HASH_OF_MAPS, hash.map()).try_into().unwrap();
    hashes.insert(&7, &hash).unwrap();
    assert_eq!(id(&hashes.get(&7).unwrap().unwrap()), id(hash.map()));

    let object = r#"
        .license "GPL"
        .map shape array key=4 value=8 max_entries=1 template
        .map outer array_of_maps key=4 max_entries=1 inner=shape
        .section socket
count:  *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r1 = outer ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = r0
        r2 = r10
        r2 += -4
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = 1
        lock *(u64 *)(r0 + 0) += r1
out:    r0 = 0
        exit
    "#;
    let object = Object::parse(object.as_bytes().to_vec()).unwrap();
    let loaded = Loader::new().load(&object).unwrap();
    let outer: ArrayOfMaps = loaded.map("outer").unwrap().try_into().unwrap();
    let inner: [Array<u64>; 2] = ["one", "two"].map(|name| Array::create(name, 1).unwrap());
    outer.set(0, &inner[0]).unwrap();
    let (done, program) = (AtomicBool::new(false), loaded.program("count").unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                program.test_run().data(&[0; 64]).repeat(5000).run().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        for turn in (0..2).cycle() {
            outer.set(0, &inner[turn]).unwrap();
            if done.load(Ordering::Acquire) {
                break;
            }
        }
    });
    let counts = inner.each_ref().map(|inner| inner.get(0).unwrap().unwrap());
    assert_eq!(counts[0] + counts[1], 100_000, "{counts:?}");
}

/// That frames reach the sockets stands with the tests of those.
#[test]
fn map_13_sockets_for_packets() {
    require!(Need::Root, Need::Linux(5, 4), Need::Config("CONFIG_XDP_SOCKETS"));
    let sockets = XskMap::create("sockets", 2).unwrap();
    sandbox(|room| {
        room.veth("left", "right");
        let xsk = XskSocket::builder(&Umem::builder().frames(16).build().unwrap());
        let xsk = xsk.bind("left", 0).unwrap();
        xsk.insert_into(&sockets, 1).unwrap();
        xsk.insert_into(&sockets, 1).unwrap();
        assert_eq!(
            xsk.insert_into(&sockets, 2).unwrap_err().errno(),
            Some(Errno::E2BIG)
        );
    });
    // The kernel does not tell of sockets.
    assert_eq!(
        sockets.map().lookup(&1u32.to_ne_bytes()).unwrap_err().errno(),
        Some(Errno::EOPNOTSUPP)
    );
    sockets.clear(1).unwrap();
    sockets.clear(0).unwrap();
}

#[test]
fn map_14_global_data() {
    require!(Need::Root, Need::Linux(5, 5));
    let object = Object::open(fixture("globals")).unwrap();
    let run = |limit: Option<u32>| {
        let mut loader = Loader::new();
        if let Some(limit) = limit {
            loader.global("limit", &limit);
        }
        let loaded = loader.load(&object).unwrap();
        let program = loaded.program("numbers").unwrap();
        program.test_run().data(&[0; 64]).run().unwrap();
        let results: Array<u64> = loaded.map("results").unwrap().try_into().unwrap();
        let results = results
            .iter()
            .map(|element| element.unwrap().1)
            .collect::<Vec<_>>();
        (loaded, results)
    };
    let (loaded, results) = run(None);
    assert_eq!(results[..3], [10, 42, 0]);
    let minus_two = u64::MAX - 1;
    assert_eq!(results[3..9], [0, 0xff_eeff, minus_two, 0xab, 1234, 7]);
    assert_eq!(results[9..13], [0x1111_1111_1111_1111, u64::MAX, 11, 1]);
    // Variables are read and written, also while the program is there.
    let counter = loaded.global::<u64>("counter").unwrap();
    counter.set(&77).unwrap();
    loaded
        .program("numbers")
        .unwrap()
        .test_run()
        .data(&[0; 64])
        .run()
        .unwrap();
    let results: Array<u64> = loaded.map("results").unwrap().try_into().unwrap();
    assert_eq!(results.get(4).unwrap(), Some(77));
    assert_eq!(loaded.global::<u64>("runs").unwrap().get().unwrap(), 2);
    // Constants are what they were at the load.
    let limit = loaded.global::<u32>("limit").unwrap();
    limit.set(&11).unwrap_err();
    assert_eq!(limit.get().unwrap(), 10);
    assert_eq!(run(Some(99)).1[0], 99);
}

#[test]
fn map_15_one_map_by_any_way() {
    require!(Need::Root, Need::Linux(4, 13));
    let hash = Hash::<u32, u64>::create("hash", 4).unwrap();
    let id = hash.map().info().unwrap().id();
    let one: Hash<u32, u64> = Map::from_id(id).unwrap().try_into().unwrap();
    let two: Hash<u32, u64> = Map::from_id(id).unwrap().try_into().unwrap();
    one.insert(&1, &2).unwrap();
    assert_eq!((two.get(&1).unwrap(), hash.get(&1).unwrap()), (Some(2), Some(2)));
    assert_eq!(one.map().spec(), two.map().spec());
    assert_eq!(two.map().info().unwrap().id(), id);
    let fd = std::os::fd::AsFd::as_fd(hash.map()).try_clone_to_owned().unwrap();
    assert_eq!(Map::from_fd(fd).unwrap().info().unwrap().id(), id);
}

#[test]
fn map_16_the_last_handle_closes() {
    require!(Need::Root, Need::Linux(4, 13));
    let hash = Hash::<u32, u64>::create("hash", 4).unwrap();
    let id = hash.map().info().unwrap().id();
    let clone = hash.clone();
    drop(hash);
    clone.insert(&1, &1).unwrap();
    assert_eq!(Map::from_id(id).unwrap().info().unwrap().id(), id);
    drop(clone);
    eventually(|| Map::from_id(id).is_err_and(|error| error.errno() == Some(Errno::ENOENT)));
}
