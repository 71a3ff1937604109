//! Pins (PIN).

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use bpfld::{Array, Loader, Map, Object, remove_pin};
use bpfld_tests::{Need, fixture, require, sandbox};

fn numbers() -> Map {
    Array::<u64>::create("numbers", 1).unwrap().map().clone()
}

#[test]
fn pin_a_directories_are_made_and_can_be_entered() {
    require!(Need::Root);
    sandbox(|room| {
        let numbers = numbers();
        let path = room.bpffs().join("a/b/c");
        numbers.pin(&path).unwrap();
        for directory in ["a", "a/b"] {
            let metadata = fs::metadata(room.bpffs().join(directory)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
        }
        let error = numbers.pin(room.bpffs().join("a/name.with.dots")).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("dot")), "{error}");
        // Where no BPF file system is, nothing stays behind.
        let elsewhere = std::env::temp_dir().join(format!("bpfld-acceptance-{}", std::process::id()));
        let error = numbers.pin(elsewhere.join("map")).unwrap_err();
        assert!(
            error.hint().is_some_and(|hint| hint.contains("BPF file system")),
            "{error}"
        );
        assert!(!elsewhere.exists());
    });
}

#[test]
fn pin_b_directories_that_are_empty_go_with_the_pin() {
    require!(Need::Root);
    sandbox(|room| {
        let numbers = numbers();
        let (one, two) = (room.bpffs().join("a/b/c/one"), room.bpffs().join("a/two"));
        numbers.pin(&one).unwrap();
        numbers.pin(&two).unwrap();
        remove_pin(&one).unwrap();
        assert!(!room.bpffs().join("a/b").exists() && two.exists());
        remove_pin(&two).unwrap();
        assert!(!room.bpffs().join("a").exists() && room.bpffs().exists());
        remove_pin(&two).unwrap_err();
        remove_pin(Path::new("/no/such/pin")).unwrap_err();
    });
}

#[test]
fn pin_c_a_pinned_map_of_another_form_is_refused() {
    require!(Need::Root);
    sandbox(|room| {
        let numbers = numbers();
        let path = room.bpffs().join("numbers");
        numbers.pin(&path).unwrap();
        let object = Object::open(fixture("maps")).unwrap();
        let name = object.maps()[0].name.to_string();
        let mut loader = Loader::new();
        loader.map(&*name).pin(&path);
        let error = loader.load(&object).unwrap_err();
        // The map that is there is another one: each difference has a name.
        assert!(error.to_string().contains(&name), "{error}");
        let open = || Map::open_pinned(&path).unwrap();
        let error = Array::<u32>::try_from(open()).unwrap_err().to_string();
        assert!(error.contains('8') && error.contains('4'), "{error}");
        let again: Array<u64> = open().try_into().unwrap();
        again.set(0, &7).unwrap();
        assert_eq!(
            Array::<u64>::try_from(numbers.clone()).unwrap().get(0).unwrap(),
            Some(7)
        );
        assert_eq!(
            Map::open_pinned(&path).unwrap().info().unwrap().id(),
            numbers.info().unwrap().id()
        );
    });
}
