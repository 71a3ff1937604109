//! Elements of maps (MAP-04 to MAP-09, MAP-12).

use std::net::{Ipv4Addr, Ipv6Addr};

use bpfld::{
    Array, ElemFlags, Errno, Hash, Ipv4Prefix, Ipv6Prefix, LpmTrie, Map, MapFlags, MapType, PerCpuArray,
    PerCpuHash, PerCpuValues, Queue, Stack,
};
use bpfld_tests::{Need, require};

/// Makes an array that can be mapped.
fn mappable<const N: usize>(flags: MapFlags) -> Array<[u8; N]> {
    let map = Map::builder(MapType::ARRAY, "mapped")
        .key_size(4)
        .value_size(N as u32)
        .max_entries(9);
    let map = map.flags(MapFlags::MMAPABLE | flags).create().unwrap();
    map.try_into().unwrap()
}

#[test]
fn map_04_sizes_of_arguments() {
    require!(Need::Root);
    let hash = Hash::<u32, u64>::create("hash", 4).unwrap();
    let error = Hash::<u16, u64>::try_from(hash.map()).unwrap_err().to_string();
    assert!(
        error.contains("4 bytes") && error.contains("u16 has 2"),
        "{error}"
    );
    // Where the map has types, the message shows the fields.
    let loaded = crate::fixtures::load("maps");
    let error = Array::<u64>::try_from(loaded.map("array").unwrap())
        .unwrap_err()
        .to_string();
    let expected = "a value has 32 bytes as struct value { 0: u64 packets; 8: u64 bytes; 16: u32[4] flags }, \
                    but u64 has 8, aligned to 8";
    assert!(error.contains(expected), "{error}");
    let loaded = crate::fixtures::load("globals");
    let error = loaded.global::<u64>("moved").unwrap_err().to_string();
    let expected = "a variable has 16 bytes as struct point { 0: s32 x; 4: s32 y; 8: u64 weight }, \
                    but u64 has 8, aligned to 8";
    assert!(error.contains(expected), "{error}");
    let error = hash.map().lookup(&[0; 3]).unwrap_err().to_string();
    assert!(error.contains("4 bytes") && error.contains("not 3"), "{error}");
    let error = hash
        .map()
        .update(&[0; 4], &[0; 9], ElemFlags::empty())
        .unwrap_err()
        .to_string();
    assert!(error.contains("8 bytes") && error.contains("not 9"), "{error}");

    // Values of four bytes of all possible CPUs, each in eight; what lies beside them stays as it is.
    let array = PerCpuArray::<u32>::create("array", 2).unwrap();
    let cpus = array.map().cpus();
    assert_eq!(cpus, bpfld_sys::possible_cpus().unwrap() as usize);
    array
        .set(1, &PerCpuValues::from_fn(cpus, |cpu| cpu as u32 + 7))
        .unwrap();
    let mut room = vec![0xaa; 8 * cpus + 16];
    let (values, beside) = room.split_at_mut(8 * cpus);
    let found = array
        .map()
        .lookup_into(&1u32.to_ne_bytes(), values, ElemFlags::empty());
    assert!(found.unwrap());
    for (cpu, value) in values.chunks(8).enumerate() {
        assert_eq!(value[..4], (cpu as u32 + 7).to_ne_bytes());
    }
    assert_eq!(beside, [0xaa; 16]);
    let mut short = vec![0; 4 * cpus];
    array
        .map()
        .lookup_into(&1u32.to_ne_bytes(), &mut short, ElemFlags::empty())
        .unwrap_err();
}

#[test]
fn map_05_single_operations() {
    require!(Need::Root);
    let hash = Hash::<u32, u64>::create("hash", 2).unwrap();
    assert_eq!(hash.get(&1).unwrap(), None);
    hash.insert(&1, &10).unwrap();
    hash.insert(&1, &11).unwrap();
    assert_eq!(hash.get(&1).unwrap(), Some(11));
    let error = |key: u32, flags| hash.update(&key, &12, flags).unwrap_err().errno();
    assert_eq!(error(1, ElemFlags::NOEXIST), Some(Errno::EEXIST));
    assert_eq!(error(2, ElemFlags::EXIST), Some(Errno::ENOENT));
    hash.update(&2, &20, ElemFlags::NOEXIST).unwrap();
    hash.update(&2, &21, ElemFlags::EXIST).unwrap();
    assert_eq!(error(3, ElemFlags::empty()), Some(Errno::E2BIG));
    assert_eq!(hash.take(&2).unwrap(), Some(21));
    assert!(hash.remove(&1).unwrap() && !hash.remove(&1).unwrap());
    // Without a lock in its values, nothing can be locked.
    assert_eq!(error(1, ElemFlags::F_LOCK), Some(Errno::EINVAL));
    let array = Array::<u64>::create("array", 2).unwrap();
    let deleted = array.map().delete(&0u32.to_ne_bytes()).unwrap_err();
    assert_eq!(deleted.errno(), Some(Errno::EINVAL));
    // For writing only.
    let map = Map::builder(MapType::HASH, "secret")
        .key_size(4)
        .value_size(8)
        .max_entries(1);
    let secret: Hash<u32, u64> = map.flags(MapFlags::WRONLY).create().unwrap().try_into().unwrap();
    secret.insert(&1, &2).unwrap();
    assert_eq!(secret.get(&1).unwrap_err().errno(), Some(Errno::EPERM));
}

#[test]
fn map_06_batches() {
    require!(Need::Root);
    let hash = Hash::<u32, u64>::create("hash", 10_000).unwrap();
    let keys: Vec<u32> = (0..10_000).collect();
    let values: Vec<u64> = keys.iter().map(|key| u64::from(*key) * 5).collect();
    for (keys, values) in keys.chunks(999).zip(values.chunks(999)) {
        hash.insert_batch(keys, values, ElemFlags::NOEXIST).unwrap();
    }
    let again = hash.insert_batch(&keys[..3], &values[..3], ElemFlags::NOEXIST);
    assert_eq!(again.unwrap_err().errno(), Some(Errno::EEXIST));
    let mut seen: Vec<(u32, u64)> = hash.iter().map(Result::unwrap).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(keys.iter().copied().zip(values)));
    for keys in keys.chunks(1001) {
        assert_eq!(hash.remove_batch(keys).unwrap(), keys.len());
    }
    // The end is the end, whether there is nothing or as much as a batch.
    assert!(hash.iter().next().is_none());
    hash.insert(&1, &1).unwrap();
    let mut one = hash.iter();
    assert!(one.next().is_some() && one.next().is_none() && one.next().is_none());
}

/// Both views of an array agree.
fn views_agree<const N: usize>() {
    let array = mappable::<N>(MapFlags::empty());
    let mapped = array.mapped().unwrap();
    let value = |seed: u32| -> [u8; N] { std::array::from_fn(|at| (at as u32 * 7 + seed) as u8) };
    for index in 0..9 {
        match index % 2 {
            0 => mapped.set(index, &value(index)).unwrap(),
            _ => array.set(index, &value(index)).unwrap(),
        }
    }
    for index in 0..9 {
        let expected = Some(value(index));
        assert_eq!(
            (mapped.get(index), array.get(index).unwrap()),
            (expected, expected)
        );
    }
    assert!(mapped.iter().eq((0..9).map(value)));
    assert!(
        array
            .iter()
            .map(Result::unwrap)
            .eq((0..9).map(|index| (index, value(index))))
    );
    assert_eq!((mapped.get(9), array.get(9).unwrap()), (None, None));
    mapped.set(9, &value(9)).unwrap_err();

    // What is frozen is mapped for reading. What was made read-only cannot be mapped by any kernel: it maps only what is open for
    // writing, and opens such maps for reading.
    let array = mappable::<N>(MapFlags::empty());
    array.set(8, &value(8)).unwrap();
    array.map().freeze().unwrap();
    let mapped = array.mapped().unwrap();
    assert!(!mapped.memory().is_writable());
    assert_eq!(mapped.get(8), Some(value(8)));
    mapped.set(8, &value(7)).unwrap_err();
    assert_eq!(array.set(8, &value(7)).unwrap_err().errno(), Some(Errno::EPERM));
    let error = mappable::<N>(MapFlags::RDONLY).mapped().unwrap_err().to_string();
    assert!(error.contains("RDONLY"), "{error}");
}

#[test]
fn map_07_arrays_as_memory_and_by_call() {
    require!(Need::Root, Need::Linux(5, 5));
    views_agree::<1>();
    views_agree::<4>();
    views_agree::<8>();
    views_agree::<12>();
    views_agree::<16>();
    views_agree::<4097>();
}

#[test]
fn map_08_arrays_of_every_cpu() {
    require!(Need::Root);
    let array = PerCpuArray::<[u8; 5]>::create("array", 100).unwrap();
    let cpus = array.map().cpus();
    let value = |index: u32| PerCpuValues::from_fn(cpus, |cpu| [index as u8, cpu as u8, 3, 4, 5]);
    let keys: Vec<u8> = (0..100u32).flat_map(u32::to_ne_bytes).collect();
    let mut values = vec![0; 100 * cpus * 8];
    for (at, bytes) in values.chunks_mut(8).enumerate() {
        bytes[..5].copy_from_slice(&value((at / cpus) as u32)[at % cpus]);
    }
    array
        .map()
        .update_batch(&keys, &values, ElemFlags::empty())
        .unwrap();
    for index in 0..100 {
        assert_eq!(array.get(index).unwrap(), Some(value(index)));
    }
    assert!(
        array
            .iter()
            .map(Result::unwrap)
            .eq((0..100).map(|index| (index, value(index))))
    );
    let hash = PerCpuHash::<u32, [u8; 5]>::create("hash", 100).unwrap();
    hash.insert_batch(&[1, 2], &[value(1), value(2)], ElemFlags::empty())
        .unwrap();
    assert_eq!(hash.get(&2).unwrap(), Some(value(2)));
    assert_eq!(hash.drain().count(), 2);
}

#[test]
fn map_09_the_longest_prefix_wins() {
    require!(Need::Root);
    let v4 = LpmTrie::<Ipv4Prefix, u32>::create("v4", 8).unwrap();
    for (prefix, value) in [
        ("0.0.0.0/0", 0),
        ("10.0.0.0/8", 8),
        ("10.1.2.3", 32),
        ("10.1.0.0/16", 16),
    ] {
        v4.insert(&prefix.parse().unwrap(), &value).unwrap();
    }
    let look = |address: [u8; 4]| v4.get(&Ipv4Addr::from(address).into()).unwrap();
    assert_eq!(look([10, 1, 2, 3]), Some(32));
    assert_eq!(look([10, 1, 2, 4]), Some(16));
    assert_eq!(look([10, 2, 2, 4]), Some(8));
    assert_eq!(look([192, 0, 2, 1]), Some(0));
    // Looking up a shorter prefix finds none that is longer.
    assert_eq!(v4.get(&"10.1.0.0/12".parse().unwrap()).unwrap(), Some(8));
    assert!(v4.remove(&"0.0.0.0/0".parse().unwrap()).unwrap());
    assert_eq!(look([192, 0, 2, 1]), None);

    let v6 = LpmTrie::<Ipv6Prefix, u32>::create("v6", 8).unwrap();
    for (prefix, value) in [
        ("::/0", 0),
        ("2001:db8::/32", 32),
        ("2001:db8::1", 128),
        ("::ffff:0:0/96", 96),
    ] {
        v6.insert(&prefix.parse().unwrap(), &value).unwrap();
    }
    let look = |address: Ipv6Addr| v6.get(&address.into()).unwrap();
    assert_eq!(look("2001:db8::1".parse().unwrap()), Some(128));
    assert_eq!(look("2001:db8::2".parse().unwrap()), Some(32));
    assert_eq!(look("fe80::1".parse().unwrap()), Some(0));
    assert_eq!(look(Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped()), Some(96));
    let mut prefixes: Vec<String> = v6.keys().map(|key| key.unwrap().to_string()).collect();
    prefixes.sort();
    assert_eq!(
        prefixes,
        ["2001:db8::/32", "2001:db8::1/128", "::/0", "::ffff:0.0.0.0/96"]
    );
}

#[test]
fn map_12_queues_and_stacks() {
    require!(Need::Root, Need::Linux(4, 20));
    let queue = Queue::<u32>::create("queue", 3).unwrap();
    let stack = Stack::<u32>::create("stack", 3).unwrap();
    assert_eq!((queue.pop().unwrap(), stack.pop().unwrap()), (None, None));
    for value in 1..=3 {
        queue.push(&value).unwrap();
        stack.push(&value).unwrap();
    }
    assert_eq!(queue.push(&4).unwrap_err().errno(), Some(Errno::E2BIG));
    assert_eq!(stack.push(&4).unwrap_err().errno(), Some(Errno::E2BIG));
    assert_eq!((queue.peek().unwrap(), stack.peek().unwrap()), (Some(1), Some(3)));
    queue.push_over(&4).unwrap();
    let drained: Vec<u32> = queue.drain().map(Result::unwrap).collect();
    assert_eq!(drained, [2, 3, 4]);
    let drained: Vec<u32> = stack.drain().map(Result::unwrap).collect();
    assert_eq!(drained, [3, 2, 1]);
    assert_eq!((queue.peek().unwrap(), stack.peek().unwrap()), (None, None));
}
