//! Maps: raw access, typed views, iteration, batches, memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bpfld::{
    Array, BloomFilter, ElemFlags, Errno, ErrorKind, Hash, LpmKey, LpmTrie, LruHash, LruPerCpuHash, Map,
    MapFlags, MapType, PerCpuArray, PerCpuHash, PerCpuValues, ProgArray, ProgramType, Queue, RingBuf, Stack,
};
use bpfld_tests::{Need, require, sandbox};

use crate::counter::{Counter, since};

#[test]
fn bytes_go_in_and_out() {
    require!(Need::Root);
    let map = Map::builder(MapType::HASH, "raw")
        .key_size(3)
        .value_size(5)
        .max_entries(4)
        .create()
        .unwrap();
    assert_eq!((map.key_size(), map.value_size(), map.cpus()), (3, 5, 1));
    assert_eq!(map.lookup(b"abc").unwrap(), None);
    map.update(b"abc", b"12345", ElemFlags::NOEXIST).unwrap();
    assert_eq!(map.lookup(b"abc").unwrap(), Some(b"12345".to_vec()));
    let error = map.update(b"abc", b"12345", ElemFlags::NOEXIST).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST));
    assert!(error.to_string().contains("map 'raw'"), "{error}");
    if since(5, 14) {
        let mut value = [0; 5];
        assert!(map.take_into(b"abc", &mut value).unwrap());
        assert_eq!(&value, b"12345");
    } else {
        assert!(map.delete(b"abc").unwrap());
    }
    assert!(!map.delete(b"abc").unwrap());
    assert!(!map.next_key(None, &mut [0; 3]).unwrap());

    for error in [
        map.lookup(b"ab").unwrap_err(),
        map.update(b"abc", b"1234", ElemFlags::empty()).unwrap_err(),
        map.lookup_into(b"abc", &mut [0; 6], ElemFlags::empty())
            .unwrap_err(),
        map.next_key(Some(b"a"), &mut [0; 3]).unwrap_err(),
    ] {
        assert!(error.to_string().contains(" bytes, not "), "{error}");
    }
}

#[test]
fn views_compare_types_and_sizes() {
    require!(Need::Root);
    let map = Map::builder(MapType::HASH, "ports")
        .key_size(2)
        .value_size(8)
        .max_entries(4)
        .create()
        .unwrap();
    let error = Hash::<u16, u32>::try_from(&map).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Layout {
                part: "value",
                expected: 8,
                declared: None,
                rust_type: "u32",
                given: 4,
                align: 4,
            }
        ),
        "{error}"
    );
    let error = Hash::<u32, u64>::try_from(&map).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Layout {
                part: "key",
                expected: 2,
                given: 4,
                ..
            }
        ),
        "{error}"
    );
    let error = Array::<u64>::try_from(&map).unwrap_err().to_string();
    assert_eq!(
        error,
        "map 'ports': is of type hash; a `Array` views maps of type array"
    );
    Hash::<u16, u64>::try_from(&map).unwrap();
    RingBuf::try_from(&map).unwrap_err();
}

#[test]
fn hashes() {
    require!(Need::Root);
    let map = Hash::<u32, [u8; 7]>::create("hash", 100).unwrap();
    map.insert(&1, b"onepad.").unwrap();
    assert!(!map.insert_new(&1, b"another").unwrap());
    assert!(!map.replace(&2, b"another").unwrap());
    assert!(map.insert_new(&2, b"twopad.").unwrap());
    assert!(map.replace(&2, b"another").unwrap());
    assert_eq!(map.get(&2).unwrap(), Some(*b"another"));
    assert!(map.contains(&1).unwrap() && !map.contains(&3).unwrap());
    assert_eq!(map.take(&1).unwrap(), Some(*b"onepad."));
    assert_eq!(map.take(&1).unwrap(), None);
    assert!(map.remove(&2).unwrap() && !map.remove(&2).unwrap());

    let lru = LruHash::<u32, u32>::create("lru", 64).unwrap();
    for key in 0..1000 {
        lru.insert(&key, &key).unwrap();
    }
    let seen = lru.iter().count();
    assert!(seen > 0 && seen <= 64, "{seen}");
}

#[test]
fn per_cpu_values() {
    require!(Need::Root);
    let cpus = bpfld_sys::possible_cpus().unwrap() as usize;
    let values = PerCpuValues::from_fn(cpus, |cpu| [cpu as u32, 7, 9]);
    let hash = PerCpuHash::<u64, [u32; 3]>::create("cpu_hash", 10).unwrap();
    assert_eq!(hash.map().cpus(), cpus);
    hash.insert(&5, &values).unwrap();
    assert_eq!(hash.get(&5).unwrap().unwrap(), values);
    assert_eq!(
        hash.iter().map(Result::unwrap).collect::<Vec<_>>(),
        [(5, values.clone())]
    );
    assert_eq!(hash.take(&5).unwrap().unwrap(), values);
    let lru = LruPerCpuHash::<u64, [u32; 3]>::create("cpu_lru", 10).unwrap();
    lru.insert(&5, &values).unwrap();
    assert_eq!(lru.get(&5).unwrap().unwrap(), values);
    let array = PerCpuArray::<[u32; 3]>::create("cpu_array", 3).unwrap();
    array.set(1, &values).unwrap();
    assert_eq!(array.get(1).unwrap().unwrap(), values);
    assert_eq!(array.get(0).unwrap().unwrap(), PerCpuValues::zeroed(cpus));
    assert_eq!(array.iter().count(), 3);
    assert_eq!(array.iter().nth(1).unwrap().unwrap(), (1, values));
}

#[test]
fn arrays() {
    require!(Need::Root);
    let array = Array::<[u8; 5]>::create("array", 10).unwrap();
    array.set(9, b"ninth").unwrap();
    assert_eq!(array.get(9).unwrap(), Some(*b"ninth"));
    assert_eq!(array.get(10).unwrap(), None);
    assert_eq!(array.set(10, b"ninth").unwrap_err().errno(), Some(Errno::E2BIG));
    let all: Vec<_> = array.iter().map(Result::unwrap).collect();
    assert_eq!(all.len(), 10);
    assert_eq!(all[9], (9, *b"ninth"));
    let error = array.mapped().unwrap_err().to_string();
    assert!(error.contains("MMAPABLE"), "{error}");
}

#[test]
fn arrays_as_memory() {
    require!(Need::Root);
    let map = Map::builder(MapType::ARRAY, "memory")
        .key_size(4)
        .value_size(12)
        .max_entries(1000);
    let map = map.flags(MapFlags::MMAPABLE).create().unwrap();
    let array: Array<[u32; 3]> = map.clone().try_into().unwrap();
    let mapped = array.mapped().unwrap();
    for index in 0..1000 {
        mapped.set(index, &[index, 1, 2]).unwrap();
    }
    assert_eq!(array.get(999).unwrap(), Some([999, 1, 2]));
    array.set(500, &[3; 3]).unwrap();
    assert_eq!(mapped.get(500), Some([3; 3]));
    assert_eq!(mapped.get(1000), None);
    mapped.set(1000, &[0; 3]).unwrap_err();
    assert_eq!(mapped.iter().count(), 1000);
    let memory = mapped.memory();
    assert_eq!((memory.len(), memory.is_writable()), (16_000, true));
    memory.atomic_u32(4).unwrap().fetch_add(41, Ordering::Relaxed);
    assert_eq!(array.get(0).unwrap(), Some([0, 42, 2]));
    assert!(memory.atomic_u64(4).is_none());
    memory.read(15_999, &mut [0; 2]).unwrap_err();

    // While it can be written through memory, it cannot be frozen.
    assert_eq!(map.freeze().unwrap_err().errno(), Some(Errno::EBUSY));
    let frozen = Map::builder(MapType::ARRAY, "frozen")
        .key_size(4)
        .value_size(8)
        .max_entries(1);
    let frozen = frozen.flags(MapFlags::MMAPABLE).create().unwrap();
    frozen.freeze().unwrap();
    let frozen: Array<u64> = frozen.try_into().unwrap();
    let mapped = frozen.mapped().unwrap();
    assert_eq!(mapped.get(0), Some(0));
    let error = mapped.set(0, &1).unwrap_err().to_string();
    assert!(error.contains("read-only or frozen"), "{error}");
    assert!(mapped.memory().atomic_u64(0).is_none());
    assert_eq!(frozen.set(0, &1).unwrap_err().errno(), Some(Errno::EPERM));
}

#[test]
fn a_program_writes_while_memory_is_read() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::SOCKET_FILTER, None, 0);
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (counter, finished) = (&counter, Arc::clone(&done));
        scope.spawn(move || {
            for _ in 0..20 {
                counter
                    .program
                    .test_run()
                    .data(&[0; 64])
                    .repeat(10_000)
                    .run()
                    .unwrap();
            }
            finished.store(true, Ordering::Release);
        });
        let mut last = 0;
        while !done.load(Ordering::Acquire) {
            let now = counter.runs();
            assert!(now >= last);
            last = now;
        }
    });
    assert_eq!(counter.runs(), 200_000);
}

#[test]
fn prefixes() {
    require!(Need::Root);
    let trie = LpmTrie::<LpmKey<[u8; 4]>, u32>::create("trie", 10).unwrap();
    trie.insert(&LpmKey::new(8, [10, 0, 0, 0]), &8).unwrap();
    trie.insert(&LpmKey::new(16, [10, 1, 0, 0]), &16).unwrap();
    assert_eq!(trie.get(&LpmKey::new(32, [10, 1, 2, 3])).unwrap(), Some(16));
    assert_eq!(trie.get(&LpmKey::new(32, [10, 2, 2, 3])).unwrap(), Some(8));
    assert_eq!(trie.get(&LpmKey::new(32, [11, 2, 2, 3])).unwrap(), None);
    let mut keys: Vec<_> = trie.keys().map(|key| format!("{:?}", key.unwrap())).collect();
    keys.sort();
    assert_eq!(keys, ["[10, 0, 0, 0]/8", "[10, 1, 0, 0]/16"]);
}

#[test]
fn queues_stacks_and_filters() {
    require!(Need::Root);
    let queue = Queue::<u32>::create("queue", 2).unwrap();
    queue.push(&1).unwrap();
    queue.push(&2).unwrap();
    assert_eq!(queue.push(&3).unwrap_err().errno(), Some(Errno::E2BIG));
    queue.push_over(&3).unwrap();
    assert_eq!(queue.peek().unwrap(), Some(2));
    assert_eq!(
        (queue.pop().unwrap(), queue.pop().unwrap(), queue.pop().unwrap()),
        (Some(2), Some(3), None)
    );
    let stack = Stack::<u32>::create("stack", 2).unwrap();
    stack.push(&1).unwrap();
    stack.push(&2).unwrap();
    assert_eq!(
        (stack.pop().unwrap(), stack.pop().unwrap(), stack.pop().unwrap()),
        (Some(2), Some(1), None)
    );
    require!(Need::Linux(5, 16));
    let filter = BloomFilter::<u32>::create("filter", 100).unwrap();
    filter.insert(&7).unwrap();
    assert!(filter.contains(&7).unwrap());
    assert!((100..200).filter(|value| filter.contains(value).unwrap()).count() < 50);
}

#[test]
fn arrays_of_programs() {
    require!(Need::Root);
    let map = Map::builder(MapType::PROG_ARRAY, "tails")
        .key_size(4)
        .value_size(4)
        .max_entries(4)
        .create()
        .unwrap();
    let tails: ProgArray = map.try_into().unwrap();
    let counter = Counter::new(ProgramType::XDP, None, 2);
    tails.set(2, &counter.program).unwrap();
    let id = counter.program.info().unwrap().id();
    assert_eq!(tails.id(2).unwrap(), Some(id));
    assert_eq!(tails.ids().map(Result::unwrap).collect::<Vec<_>>(), [(2, id)]);
    assert_eq!(tails.get(2).unwrap().unwrap().info().unwrap().id(), id);
    assert!(tails.clear(2).unwrap() && !tails.clear(2).unwrap());
    assert_eq!(tails.id(2).unwrap(), None);
    assert_eq!(
        tails.set(4, &counter.program).unwrap_err().errno(),
        Some(Errno::E2BIG)
    );
}

#[test]
fn iteration_ends_while_others_write() {
    require!(Need::Root);
    let stable: Vec<u32> = (0..500).collect();
    let map = Hash::<u32, u32>::create("churn", 2000).unwrap();
    map.insert_batch(&stable, &stable, ElemFlags::empty()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut key = 1000;
            while !stop.load(Ordering::Relaxed) {
                map.insert(&key, &key).unwrap();
                map.remove(&(key - 20)).unwrap();
                key = if key == 2000 { 1000 } else { key + 1 };
            }
        });
        for _ in 0..50 {
            let mut seen: Vec<u32> = map.keys().map(Result::unwrap).filter(|key| *key < 500).collect();
            seen.sort_unstable();
            assert_eq!(seen, stable);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn pins_and_ids() {
    require!(Need::Root);
    sandbox(|room| {
        let map = Hash::<u32, u32>::create("pinned", 10).unwrap();
        map.insert(&1, &2).unwrap();
        let path = room.bpffs().join("a/b/map");
        map.map().pin(&path).unwrap();
        let error = map.map().pin(&path).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
        let again: Hash<u32, u32> = Map::open_pinned(&path).unwrap().try_into().unwrap();
        assert_eq!(again.get(&1).unwrap(), Some(2));
        assert_eq!(again.map().name(), "pinned");
        assert_eq!(again.map().spec(), map.map().spec());
        let id = map.map().info().unwrap().id();
        assert_eq!(Map::from_id(id).unwrap().info().unwrap().id(), id);
        Map::from_id(u32::MAX).unwrap_err();

        // What is pinned must be what it is opened as.
        let counter = Counter::new(ProgramType::XDP, None, 2);
        let program = room.bpffs().join("program");
        counter.program.pin(&program).unwrap();
        let error = Map::open_pinned(&program).unwrap_err().to_string();
        assert!(error.contains("not a map"), "{error}");
        bpfld::Program::open_pinned(&path).unwrap_err();
        bpfld::Link::open_pinned(&path).unwrap_err();
        bpfld::Xdp::try_from(bpfld::Program::open_pinned(&program).unwrap()).unwrap();

        let missing = room.bpffs().join("missing");
        assert_eq!(
            Map::open_pinned(&missing).unwrap_err().errno(),
            Some(Errno::ENOENT)
        );
        // Elsewhere nothing can be pinned, and nothing is left of the attempt.
        let outside = std::env::temp_dir().join(format!("bpfld-outside-{}", std::process::id()));
        let error = map.map().pin(outside.join("x/map")).unwrap_err().to_string();
        assert!(error.contains("BPF file system"), "{error}");
        assert!(!outside.exists());
    });
}

#[test]
fn exclusive_maps() {
    require!(Need::Root, Need::Linux(6, 18));
    let map = Map::builder(MapType::ARRAY, "exclusive")
        .key_size(4)
        .value_size(8)
        .max_entries(1);
    let map = map.exclusive(&[7; 32]).create().unwrap();
    map.update(&[0; 4], &[1; 8], ElemFlags::empty()).unwrap();
    // No program has that hash.
    let mut code = Vec::from(crate::counter::map_fd(1, &map));
    code.extend([crate::counter::mov(0, 0), crate::counter::exit()]);
    let error = bpfld::Program::builder(ProgramType::SOCKET_FILTER, "other", &code)
        .load()
        .unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EACCES), "{error:#}");

    // SHA-256 of the same instructions on a little-endian machine, with zero for the map's descriptor.
    let hash = [
        0x0b, 0xd0, 0x16, 0x86, 0x76, 0xc7, 0xc7, 0x79, 0xbf, 0x91, 0x3a, 0x19, 0x98, 0xc8, 0x2d, 0x13, 0xdd,
        0xa4, 0x6d, 0x60, 0x13, 0x63, 0xc5, 0xa5, 0x19, 0xf4, 0x63, 0x25, 0x7f, 0x0a, 0x5a, 0x4b,
    ];
    if cfg!(target_endian = "little") {
        let map = Map::builder(MapType::ARRAY, "exclusive")
            .key_size(4)
            .value_size(8)
            .max_entries(1);
        let map = map.exclusive(&hash).create().unwrap();
        let mut code = Vec::from(crate::counter::map_fd(1, &map));
        code.extend([crate::counter::mov(0, 0), crate::counter::exit()]);
        bpfld::Program::builder(ProgramType::SOCKET_FILTER, "own", &code)
            .load()
            .unwrap();
    }
}
