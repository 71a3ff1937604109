//! Making maps, their elements one by one and in batches.

use std::os::fd::{AsFd as _, OwnedFd};

use bpfld_sys::{
    Command, ElemFlags, Errno, Log, MapCreate, MapFd, MapFlags, MapType, map_create, map_create_with_log,
    map_delete_batch, map_delete_elem, map_freeze, map_get_next_key, map_info, map_lookup_and_delete_batch,
    map_lookup_and_delete_elem, map_lookup_batch, map_lookup_elem, map_update_batch, map_update_elem,
    possible_cpus,
};
use bpfld_tests::{Need, require};

use super::{clone, map};

const NONE: ElemFlags = ElemFlags::empty();

#[test]
fn elements_of_a_hash_table() {
    require!(Need::Root);
    let map = map(MapType::HASH, 4, 8, 4);
    let (key, mut value) = (7u32.to_ne_bytes(), [0; 8]);
    let lookup = |value: &mut [u8]| map_lookup_elem(&map, &key, value, NONE).map_err(|error| error.errno());
    assert_eq!(lookup(&mut value), Err(Errno::ENOENT));
    map_update_elem(&map, &key, &[1; 8], ElemFlags::NOEXIST).unwrap();
    assert_eq!(lookup(&mut value), Ok(()));
    assert_eq!(value, [1; 8]);
    let error = map_update_elem(&map, &key, &[2; 8], ElemFlags::NOEXIST).unwrap_err();
    assert_eq!(
        (error.command(), error.errno()),
        (Command::MAP_UPDATE_ELEM, Errno::EEXIST)
    );
    let mut next = [0; 4];
    map_get_next_key(&map, None, &mut next).unwrap();
    assert_eq!(next, key);
    assert_eq!(
        map_get_next_key(&map, Some(&key), &mut next).unwrap_err().errno(),
        Errno::ENOENT
    );
    map_delete_elem(&map, &key).unwrap();
    assert_eq!(map_delete_elem(&map, &key).unwrap_err().errno(), Errno::ENOENT);
}

#[test]
fn wrong_lengths_never_reach_the_kernel() {
    require!(Need::Root);
    let map = map(MapType::HASH, 4, 8, 4);
    let refused = |result: Result<(), bpfld_sys::Error>| {
        let error = result.unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL);
        assert!(error.refused_argument().is_some(), "{error}");
    };
    for len in [0, 3, 5] {
        refused(map_lookup_elem(&map, &vec![0; len], &mut [0; 8], NONE));
        refused(map_update_elem(&map, &vec![0; len], &[0; 8], NONE));
        refused(map_delete_elem(&map, &vec![0; len]));
        refused(map_get_next_key(&map, Some(&vec![0; len]), &mut [0; 4]));
        refused(map_get_next_key(&map, None, &mut vec![0; len]));
    }
    for len in [0, 7, 9, 16] {
        refused(map_lookup_elem(&map, &[0; 4], &mut vec![0; len], NONE));
        refused(map_update_elem(&map, &[0; 4], &vec![0; len], NONE));
    }
    let (mut cursor, mut keys, mut values) = ([0; 4], [0; 8], [0; 16]);
    for (cursor, keys, values, mut count) in [
        (&mut cursor[..3], &mut keys[..], &mut values[..], 2),
        (&mut [0; 4][..], &mut [0; 7][..], &mut [0; 16][..], 2),
        (&mut [0; 4][..], &mut [0; 8][..], &mut [0; 15][..], 2),
        (&mut [0; 4][..], &mut [0; 8][..], &mut [0; 16][..], u32::MAX),
    ] {
        refused(map_lookup_batch(
            &map, None, cursor, keys, values, &mut count, NONE,
        ));
    }
    refused(map_update_batch(&map, &[0; 8], &[0; 15], &mut 2, NONE));
    refused(map_delete_batch(&map, &[0; 7], &mut 2, NONE));
}

#[test]
fn one_value_for_each_cpu() {
    require!(Need::Root);
    let cpus = usize::try_from(possible_cpus().unwrap()).unwrap();
    for (map_type, key_size) in [
        (MapType::PERCPU_ARRAY, 4),
        (MapType::PERCPU_HASH, 4),
        (MapType::LRU_PERCPU_HASH, 8),
    ] {
        // A value of 12 bytes takes 16 for each CPU.
        let map = map(map_type, key_size, 12, 4);
        assert_eq!((map.value_size(), map.user_value_size()), (12, 16 * cpus));
        let key = vec![0; map.key_size()];
        let mut values = vec![9; map.user_value_size()];
        for (cpu, value) in values.chunks_mut(16).enumerate() {
            value.fill(cpu as u8 + 1);
        }
        map_update_elem(&map, &key, &values, NONE).unwrap();
        let mut back = vec![0; map.user_value_size()];
        map_lookup_elem(&map, &key, &mut back, NONE).unwrap();
        for (cpu, value) in back.chunks(16).enumerate() {
            assert_eq!(value[..12], [cpu as u8 + 1; 12], "{map_type}");
        }
        let again = MapFd::from_fd(clone(&map)).unwrap();
        assert_eq!(again.user_value_size(), map.user_value_size());
    }
}

#[test]
fn the_value_of_one_cpu() {
    require!(Need::Root);
    let map = map(MapType::PERCPU_ARRAY, 4, 8, 1);
    let (key, one) = (0u32.to_ne_bytes(), ElemFlags::F_CPU);
    match map_update_elem(&map, &key, &[5; 8], one) {
        Ok(()) => {
            let mut value = [0; 8];
            map_lookup_elem(&map, &key, &mut value, one).unwrap();
            assert_eq!(value, [5; 8]);
        }
        Err(error) => {
            // Refused by kernels that do not know the flag.
            assert_eq!(error.errno(), Errno::EINVAL);
            require!(Need::Linux(7, 0));
            panic!("{error}");
        }
    }
}

#[test]
fn queues_have_no_keys() {
    require!(Need::Root, Need::Linux(4, 20));
    let map = map(MapType::QUEUE, 0, 4, 2);
    for value in [1u32, 2] {
        map_update_elem(&map, &[], &value.to_ne_bytes(), NONE).unwrap();
    }
    assert_eq!(
        map_update_elem(&map, &[], &[0; 4], NONE).unwrap_err().errno(),
        Errno::E2BIG
    );
    let mut value = [0; 4];
    map_lookup_elem(&map, &[], &mut value, NONE).unwrap();
    assert_eq!(value, 1u32.to_ne_bytes());
    for expected in [1u32, 2] {
        map_lookup_and_delete_elem(&map, &[], &mut value, NONE).unwrap();
        assert_eq!(value, expected.to_ne_bytes());
    }
    assert_eq!(
        map_lookup_and_delete_elem(&map, &[], &mut value, NONE)
            .unwrap_err()
            .errno(),
        Errno::ENOENT
    );
}

#[test]
fn batches() {
    require!(Need::Root, Need::Linux(5, 6));
    const COUNT: u32 = 100;
    let map = map(MapType::HASH, 4, 8, COUNT);
    let keys: Vec<u8> = (0..COUNT).flat_map(u32::to_ne_bytes).collect();
    let values: Vec<u8> = (0..u64::from(COUNT)).flat_map(u64::to_ne_bytes).collect();
    let mut count = COUNT;
    map_update_batch(&map, &keys, &values, &mut count, NONE).unwrap();
    assert_eq!(count, COUNT);

    let mut seen = vec![false; COUNT as usize];
    let (mut cursor, mut next) = (None, [0; 4]);
    loop {
        let (mut keys, mut values, mut count) = ([0; 4 * 40], [0; 8 * 40], 40);
        let result = map_lookup_batch(
            &map,
            cursor.as_ref().map(|c: &[u8; 4]| &c[..]),
            &mut next,
            &mut keys,
            &mut values,
            &mut count,
            NONE,
        );
        let count = count as usize;
        for (key, value) in keys.chunks(4).zip(values.chunks(8)).take(count) {
            let key = u32::from_ne_bytes(key.try_into().unwrap());
            assert_eq!(u64::from_ne_bytes(value.try_into().unwrap()), u64::from(key));
            seen[key as usize] = true;
        }
        match result {
            Ok(()) => cursor = Some(next),
            Err(error) => {
                assert_eq!(error.errno(), Errno::ENOENT);
                break;
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen));

    let mut count = 10;
    map_delete_batch(&map, &keys[..40], &mut count, NONE).unwrap();
    assert_eq!(count, 10);
    let mut count = 1;
    assert_eq!(
        map_delete_batch(&map, &keys[..4], &mut count, NONE)
            .unwrap_err()
            .errno(),
        Errno::ENOENT
    );
    assert_eq!(count, 0);
    let (mut keys, mut values, mut count) = (vec![0; 400], vec![0; 800], COUNT);
    let result = map_lookup_and_delete_batch(&map, None, &mut next, &mut keys, &mut values, &mut count, NONE);
    assert_eq!((result.unwrap_err().errno(), count), (Errno::ENOENT, COUNT - 10));
    assert_eq!(
        map_get_next_key(&map, None, &mut next).unwrap_err().errno(),
        Errno::ENOENT
    );
}

#[test]
fn batches_of_values_for_each_cpu() {
    require!(Need::Root, Need::Linux(5, 6));
    let map = map(MapType::PERCPU_HASH, 4, 4, 8);
    let size = map.user_value_size();
    for key in 0..3u32 {
        map_update_elem(&map, &key.to_ne_bytes(), &vec![key as u8; size], NONE).unwrap();
    }
    let (mut next, mut keys, mut values, mut count) = ([0; 4], [0; 32], vec![0; 8 * size], 8);
    let result = map_lookup_batch(&map, None, &mut next, &mut keys, &mut values, &mut count, NONE);
    assert_eq!((result.unwrap_err().errno(), count), (Errno::ENOENT, 3));
    for (key, value) in keys.chunks(4).zip(values.chunks(size)).take(3) {
        assert!(
            value
                .chunks(8)
                .all(|value| value[..4] == [key[0]; 4] || cfg!(target_endian = "big"))
        );
    }
}

#[test]
fn frozen() {
    require!(Need::Root, Need::Linux(5, 2));
    let map = map(MapType::ARRAY, 4, 4, 1);
    map_freeze(&map).unwrap();
    let error = map_update_elem(&map, &[0; 4], &[0; 4], NONE).unwrap_err();
    assert_eq!(error.errno(), Errno::EPERM);
    assert_eq!(
        error.to_string(),
        "map_update_elem: EPERM (operation not permitted)"
    );
}

#[test]
fn described_as_made() {
    require!(Need::Root, Need::Linux(4, 15));
    let mut wanted = MapCreate::new(MapType::HASH, 4, 16, 33);
    wanted.name = "a_name_that_is_too_long";
    wanted.flags = MapFlags::NO_PREALLOC;
    let map = map_create(&wanted).unwrap();
    let info = map_info(&map).unwrap();
    assert_eq!(
        (info.map_type, info.key_size, info.value_size, info.max_entries),
        (MapType::HASH, 4, 16, 33)
    );
    assert_eq!(info.map_flags, MapFlags::NO_PREALLOC);
    assert_eq!(&info.name, b"a_name_that_is_\0");
    assert!(info.id > 0);
    let again = MapFd::from_fd(OwnedFd::from(map.try_clone().unwrap())).unwrap();
    assert_eq!(
        (again.key_size(), again.value_size(), again.map_type()),
        (4, 16, MapType::HASH)
    );
    assert!(again.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn maps_of_maps() {
    require!(Need::Root, Need::Linux(4, 12));
    let inner = map(MapType::ARRAY, 4, 8, 1);
    let mut wanted = MapCreate::new(MapType::HASH_OF_MAPS, 4, 4, 2);
    wanted.inner_map = Some(inner.as_fd());
    let outer = map_create(&wanted).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&inner.as_fd());
    map_update_elem(&outer, &[0; 4], &number.to_ne_bytes(), NONE).unwrap();
    let mut id = [0; 4];
    map_lookup_elem(&outer, &[0; 4], &mut id, NONE).unwrap();
    assert_eq!(u32::from_ne_bytes(id), map_info(&inner).unwrap().id);
}

#[test]
fn a_log_of_why_a_map_is_refused() {
    require!(Need::Root);
    let mut buffer = [0; 1024];
    let mut log = Log::new(1, &mut buffer);
    // An array must have keys of 4 bytes.
    let error = map_create_with_log(&MapCreate::new(MapType::ARRAY, 8, 8, 1), &mut log).unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    let map = map_create_with_log(
        &MapCreate::new(MapType::ARRAY, 4, 8, 1),
        &mut Log::new(0, &mut []),
    );
    if let Err(error) = map {
        assert_eq!(error.errno(), Errno::EINVAL);
        require!(Need::Linux(7, 2));
        panic!("{error}");
    }
}
