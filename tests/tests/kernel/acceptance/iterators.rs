//! Walks over maps (ITR).

use std::sync::atomic::{AtomicBool, Ordering};

use bpfld::{Array, ElemFlags, Hash, Ipv6Prefix, LpmTrie, Map, MapFlags, MapType, PerCpuHash, Queue};
use bpfld_tests::{Need, require, sandbox};

fn filled(count: u32) -> Hash<u32, u64> {
    let hash = Hash::<u32, u64>::create("hash", count).unwrap();
    let keys: Vec<u32> = (0..count).collect();
    let values: Vec<u64> = keys.iter().map(|key| value(*key)).collect();
    hash.insert_batch(&keys, &values, ElemFlags::empty()).unwrap();
    hash
}

fn value(key: u32) -> u64 {
    u64::from(key) * 3 + 1
}

/// Holds that every key comes once, with its value.
#[track_caller]
fn check(count: u32, elements: impl IntoIterator<Item = (u32, u64)>) {
    let mut elements: Vec<_> = elements.into_iter().collect();
    elements.sort_unstable();
    assert!(elements.into_iter().eq((0..count).map(|key| (key, value(key)))));
}

#[test]
fn itr_01_every_key_once_then_the_end() {
    require!(Need::Root);
    let hash = filled(128);
    let mut iter = hash.iter();
    check(128, iter.by_ref().map(Result::unwrap));
    for _ in 0..3 {
        assert!(iter.next().is_none());
    }
}

#[test]
fn itr_02_ways_to_go_through() {
    require!(Need::Root);
    let hash = filled(50);
    // Typed, as bytes, and lent without a copy.
    check(50, (&hash).into_iter().map(Result::unwrap));
    let numbers = |key: &[u8], value: &[u8]| {
        (
            u32::from_ne_bytes(key.try_into().unwrap()),
            u64::from_ne_bytes(value.try_into().unwrap()),
        )
    };
    check(
        50,
        hash.map().entries().map(|element| {
            let (key, value) = element.unwrap();
            numbers(&key, &value)
        }),
    );
    let (mut seen, mut entries) = (Vec::new(), hash.map().entries());
    while let Some((key, value)) = entries.lend().unwrap() {
        seen.push(numbers(key, value));
    }
    check(50, seen);
    // A failed step of the caller's own ends it.
    let stopped: Result<u64, String> = hash
        .iter()
        .map(|element| match element.map_err(|error| error.to_string())? {
            (7, _) => Err("seven".to_owned()),
            (_, value) => Ok(value),
        })
        .sum();
    assert_eq!(stopped.unwrap_err(), "seven");
    // Without keys.
    let queue = Queue::<u32>::create("queue", 4).unwrap();
    queue.push(&5).unwrap();
    assert_eq!(queue.drain().map(Result::unwrap).collect::<Vec<_>>(), [5]);
}

#[test]
fn itr_03_all_ways_see_the_same() {
    require!(Need::Root, Need::Linux(5, 5));
    let hash = filled(3000);
    check(3000, hash.iter().map(Result::unwrap));
    // Key by key.
    let (mut next, mut last, mut seen) = ([0; 4], None, Vec::new());
    while hash
        .map()
        .next_key(last.as_ref().map(|key: &[u8; 4]| &key[..]), &mut next)
        .unwrap()
    {
        let key = u32::from_ne_bytes(next);
        seen.push((key, hash.get(&key).unwrap().unwrap()));
        last = Some(next);
    }
    check(3000, seen);

    let map = Map::builder(MapType::ARRAY, "array")
        .key_size(4)
        .value_size(8)
        .max_entries(3000);
    let array: Array<u64> = map
        .flags(MapFlags::MMAPABLE)
        .create()
        .unwrap()
        .try_into()
        .unwrap();
    let mapped = array.mapped().unwrap();
    for index in 0..3000 {
        mapped.set(index, &value(index)).unwrap();
    }
    check(3000, array.iter().map(Result::unwrap));
    check(3000, (0..).zip(mapped.iter()));
    check(
        3000,
        (0..3000).map(|index| (index, array.get(index).unwrap().unwrap())),
    );

    let per_cpu = PerCpuHash::<u32, u64>::create("per_cpu", 100).unwrap();
    for key in 0..100 {
        per_cpu.set_all(&key, &value(key)).unwrap();
    }
    check(
        100,
        per_cpu.iter().map(|element| {
            let (key, values) = element.unwrap();
            assert!(values.iter().all(|single| *single == value(key)));
            (key, values[0])
        }),
    );
}

/// Walks as long as somebody else deletes all elements, one after the other.
fn walk_while_deleted(map: &Map, keys: &[[u8; 4]]) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for key in keys {
                assert!(map.delete(key).unwrap());
            }
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let count = map.entries().map(Result::unwrap).count();
            assert!(count <= 2 * keys.len());
            if last {
                assert_eq!(count, 0);
                break;
            }
        }
    });
}

#[test]
fn itr_04_walks_end_while_others_delete() {
    require!(Need::Root, Need::Linux(5, 4));
    let keys: Vec<[u8; 4]> = (0..5000u32).map(u32::to_ne_bytes).collect();
    walk_while_deleted(filled(5000).map(), &keys);
    // Without batches.
    let devices = Map::builder(MapType::DEVMAP_HASH, "devices")
        .key_size(4)
        .value_size(4)
        .max_entries(5000);
    let devices = devices.create().unwrap();
    sandbox(|room| {
        let lo = room.loopback().to_ne_bytes();
        for key in &keys {
            devices.update(key, &lo, ElemFlags::empty()).unwrap();
        }
        walk_while_deleted(&devices, &keys);
    });
}

#[test]
fn itr_05_batches_of_any_size() {
    require!(Need::Root);
    check(100_000, filled(100_000).iter().map(Result::unwrap));
    // Batches of sixteen elements, and of one.
    for (count, bytes) in [(1000, 8 << 10), (1, 8 << 10), (1, 8)] {
        let map = Map::builder(MapType::HASH, "large")
            .key_size(4)
            .value_size(bytes)
            .max_entries(count);
        let map = map.create().unwrap();
        for key in 0..count {
            let mut value = vec![7; bytes as usize];
            value[..4].copy_from_slice(&key.to_ne_bytes());
            map.update(&key.to_ne_bytes(), &value, ElemFlags::empty())
                .unwrap();
        }
        let mut seen: Vec<u32> = map
            .entries()
            .map(|element| {
                let (key, value) = element.unwrap();
                assert_eq!(key, value[..4]);
                u32::from_ne_bytes(key.try_into().unwrap())
            })
            .collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..count));
    }
    // Keys of twenty bytes, longer than any counter of buckets.
    let trie = LpmTrie::<Ipv6Prefix, u32>::create("trie", 5000).unwrap();
    let prefix = |number: u32| -> Ipv6Prefix { format!("2001:db8:{number:x}::/48").parse().unwrap() };
    for number in 0..5000 {
        trie.insert(&prefix(number), &number).unwrap();
    }
    let mut seen: Vec<u32> = trie
        .iter()
        .map(|element| {
            let (key, number) = element.unwrap();
            assert_eq!(key, prefix(number));
            number
        })
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..5000));
}

#[test]
fn itr_06_mapped_arrays_need_no_system_calls() {
    require!(Need::Root, Need::Linux(5, 5));
    let map = Map::builder(MapType::ARRAY, "array")
        .key_size(4)
        .value_size(8)
        .max_entries(1000);
    let array: Array<u64> = map
        .flags(MapFlags::MMAPABLE)
        .create()
        .unwrap()
        .try_into()
        .unwrap();
    let mapped = array.mapped().unwrap();
    for index in 0..1000 {
        mapped.set(index, &value(index)).unwrap();
    }
    // Without a descriptor no system call could tell what is in the map.
    drop(array);
    check(1000, (0..).zip(mapped.iter()));
    assert_eq!(mapped.get(999), Some(value(999)));
}
