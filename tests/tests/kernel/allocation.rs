//! What is done for every element or record takes no memory.

use bpfld::{Array, ElemFlags, Hash, Map, MapFlags, MapType, PerCpuHash, PerCpuValues, PerfBuf, RingBuf};
use bpfld_tests::{Need, measure, require};

use crate::{fixtures::load, ring::Producer};

/// Runs something, and holds that it asks for no memory.
#[track_caller]
fn none<R>(work: impl FnOnce() -> R) -> R {
    let (result, usage) = measure(1 << 20, work);
    assert_eq!(usage.calls, 0);
    result
}

#[test]
fn the_allocator_counts() {
    let (_, usage) = measure(1 << 20, || vec![0u8; 10]);
    assert_eq!(usage.calls, 1);
}

#[test]
fn elements() {
    require!(Need::Root, Need::Linux(5, 14));
    let hash = Hash::<u32, u64>::create("hash", 4).unwrap();
    none(|| {
        hash.insert(&1, &10).unwrap();
        assert!(!hash.insert_new(&1, &11).unwrap_or(true));
        assert_eq!(hash.get(&1).unwrap(), Some(10));
        assert_eq!(hash.get(&2).unwrap(), None);
        let mut value = 0;
        assert!(hash.get_into(&1, &mut value, ElemFlags::empty()).unwrap());
        assert_eq!(hash.take(&1).unwrap(), Some(10));
        assert!(!hash.remove(&1).unwrap());
    });
    let per_cpu = PerCpuHash::<u32, u64>::create("per_cpu", 4).unwrap();
    let mut values = PerCpuValues::repeat(per_cpu.map().cpus(), &7);
    none(|| {
        per_cpu.insert(&1, &values).unwrap();
        assert!(per_cpu.get_into(&1, &mut values, ElemFlags::empty()).unwrap());
    });
    let map = Map::builder(MapType::ARRAY, "array")
        .key_size(4)
        .value_size(8)
        .max_entries(4);
    let array: Array<u64> = map
        .flags(MapFlags::MMAPABLE)
        .create()
        .unwrap()
        .try_into()
        .unwrap();
    let mapped = array.mapped().unwrap();
    none(|| {
        array.set(1, &3).unwrap();
        mapped.set(2, &4).unwrap();
        assert_eq!((mapped.get(1), array.get(2).unwrap()), (Some(3), Some(4)));
        assert_eq!(mapped.iter().sum::<u64>(), 7);
    });
    let loaded = load("globals");
    let counter = loaded.global::<u64>("counter").unwrap();
    none(|| {
        counter.set(&5).unwrap();
        assert_eq!(counter.get().unwrap(), 5);
    });
}

/// However many elements there are, a walk takes its buffers once.
#[test]
fn walks() {
    require!(Need::Root, Need::Linux(5, 6));
    let keys: Vec<u32> = (0..50_000).collect();
    let hash = Hash::<u32, u32>::create("hash", 50_000).unwrap();
    hash.insert_batch(&keys, &keys, ElemFlags::empty()).unwrap();
    let (sum, usage) = measure(1 << 20, || {
        hash.iter()
            .map(|element| u64::from(element.unwrap().1))
            .sum::<u64>()
    });
    assert_eq!(sum, keys.iter().map(|key| u64::from(*key)).sum::<u64>());
    assert!(usage.calls < 10 && usage.peak < 300 << 10, "{usage:?}");
}

#[test]
fn records() {
    require!(Need::Root, Need::Linux(6, 1));
    let mut ring = RingBuf::create("ring", 64 << 10).unwrap();
    let producer = Producer::new(ring.map(), 40);
    producer.run_often(1000);
    let count = none(|| {
        let (mut count, mut drain) = (0, ring.drain());
        while let Some(record) = drain.read().unwrap() {
            assert_eq!(record.len(), 40);
            count += 1;
        }
        count
    });
    assert_eq!(count, 750);

    let loaded = load("ringbuf");
    let mut events = PerfBuf::builder().open(loaded.map("samples").unwrap()).unwrap();
    bpfld_tests::pin_to_one_cpu();
    let copy = loaded.program("copy").unwrap();
    copy.test_run().data(&[0; 64]).repeat(500).run().unwrap();
    let count = none(|| {
        let (mut count, mut drain) = (0, events.drain());
        while drain.read().unwrap().is_some() {
            count += 1;
        }
        count
    });
    assert_eq!(count, 500);
}
