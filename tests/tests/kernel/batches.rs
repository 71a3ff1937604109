//! Many elements at once, and one by one where the kernel has no batches.

use bpfld::{ElemFlags, Errno, Hash, Map, MapType, Queue};
use bpfld_tests::{Need, require, sandbox};

#[test]
fn batches() {
    require!(Need::Root);
    let map = Hash::<u32, u64>::create("batch", 200_000).unwrap();
    let keys: Vec<u32> = (0..100_000).collect();
    let values: Vec<u64> = keys.iter().map(|key| u64::from(*key) * 3).collect();
    map.insert_batch(&keys, &values, ElemFlags::empty()).unwrap();
    map.insert_batch(&keys, &values[1..], ElemFlags::empty())
        .unwrap_err();
    map.insert_batch(&[], &[], ElemFlags::empty()).unwrap();
    let mut seen = vec![false; keys.len()];
    for entry in &map {
        let (key, value) = entry.unwrap();
        assert_eq!(value, u64::from(key) * 3);
        assert!(!std::mem::replace(&mut seen[key as usize], true), "{key} twice");
    }
    assert!(seen.iter().all(|seen| *seen));

    // Every other key is gone already.
    for key in (0..1000).step_by(2) {
        assert!(map.remove(&key).unwrap());
    }
    assert_eq!(map.remove_batch(&keys[..1000]).unwrap(), 500);
    let error = map
        .insert_batch(&[1, 1], &[1, 2], ElemFlags::NOEXIST)
        .unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
    assert!(map.remove(&1).unwrap());

    assert_eq!(map.drain().map(Result::unwrap).count(), 99_000);
    assert_eq!(map.iter().count(), 0);
    assert_eq!(map.remove_batch(&[]).unwrap(), 0);
}

#[test]
fn maps_without_batches_are_walked_by_key() {
    require!(Need::Root);
    // Device maps have keys to walk and no batches.
    let map = Map::builder(MapType::DEVMAP_HASH, "devices")
        .key_size(4)
        .value_size(4)
        .max_entries(10)
        .create()
        .unwrap();
    sandbox(|room| {
        for key in 0u32..10 {
            map.update(
                &key.to_ne_bytes(),
                &room.loopback().to_ne_bytes(),
                ElemFlags::empty(),
            )
            .unwrap();
        }
        let mut keys: Vec<u32> = map
            .keys()
            .map(|key| u32::from_ne_bytes(key.unwrap().try_into().unwrap()))
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..10).collect::<Vec<_>>());
        // Whoever iterates may delete what they see.
        let mut seen = 0;
        for entry in map.entries() {
            let (key, _) = entry.unwrap();
            assert!(map.delete(&key).unwrap());
            seen += 1;
        }
        assert_eq!(seen, 10);
        assert_eq!(map.entries().count(), 0);

        for key in 0u32..10 {
            map.update(
                &key.to_ne_bytes(),
                &room.loopback().to_ne_bytes(),
                ElemFlags::empty(),
            )
            .unwrap();
        }
        assert_eq!(map.drain().map(Result::unwrap).count(), 10);
        assert_eq!(map.drain().count(), 0);
        let keys: Vec<u8> = (0u32..10).flat_map(u32::to_ne_bytes).collect();
        let values: Vec<u8> = (0..10).flat_map(|_| room.loopback().to_ne_bytes()).collect();
        map.update_batch(&keys, &values, ElemFlags::empty()).unwrap();
        assert_eq!(map.delete_batch(&keys).unwrap(), 10);
        // The text counts the elements that were set, as it does where there are batches.
        let mut wrong = values.clone();
        wrong[3 * 4..4 * 4].fill(0xff);
        let error = map.update_batch(&keys, &wrong, ElemFlags::empty()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("map 'devices': cannot update element 3 of 10: "),
            "{text}"
        );
        assert_eq!(map.delete_batch(&keys).unwrap(), 3);
    });
    let error = Queue::<u32>::create("queue", 2)
        .unwrap()
        .map()
        .entries()
        .next()
        .unwrap()
        .unwrap_err();
    assert!(error.errno().is_some(), "{error}");
}

#[test]
fn buckets_larger_than_a_batch() {
    require!(Need::Root);
    // Values so large that a batch starts with room for few elements.
    let map = Map::builder(MapType::HASH, "large")
        .key_size(4)
        .value_size(16 << 10)
        .max_entries(64)
        .create()
        .unwrap();
    for key in 0u32..64 {
        map.update(&key.to_ne_bytes(), &vec![key as u8; 16 << 10], ElemFlags::empty())
            .unwrap();
    }
    let mut count = 0;
    let mut entries = map.entries();
    while let Some((key, value)) = entries.lend().unwrap() {
        let key = u32::from_ne_bytes(key.try_into().unwrap());
        assert_eq!(value, vec![key as u8; 16 << 10]);
        count += 1;
    }
    assert_eq!(count, 64);
}
