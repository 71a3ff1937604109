//! Pins: maps that are found again, and what is left when something goes wrong.

use bpfld::features::{Feature, Probes, Release};
use bpfld::{Array, ArrayOfMaps, ErrorKind, Hash, Loaded, Loader, MapFlags, Object};
use bpfld_tests::{Need, fixture, require, sandbox};

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

fn count(loaded: &Loaded) {
    let program = loaded.program("count").unwrap();
    program.test_run().data(&[0; 64]).run().unwrap();
}

#[test]
fn pinned_maps_are_shared_and_compared() {
    require!(Need::Root);
    sandbox(|room| {
        let object = object("pinned");
        let mut loader = Loader::new();
        loader.pin_root(room.bpffs().join("fw"));
        let first = loader.load(&object).unwrap();
        let second = loader.load(&object).unwrap();
        count(&first);
        count(&second);
        let kept: Hash<u32, u64> = second.map("kept").unwrap().try_into().unwrap();
        assert_eq!(kept.get(&0).unwrap(), Some(2));
        let id = |loaded: &Loaded, map: &str| loaded.map(map).unwrap().info().unwrap().id();
        assert_eq!(id(&first, "kept"), id(&second, "kept"));
        assert_ne!(id(&first, "private"), id(&second, "private"));
        drop((first, second));
        assert_eq!(kept.get(&0).unwrap(), Some(2));

        loader.map("kept").max_entries(5).flags(MapFlags::NO_PREALLOC);
        let error = loader.load(&object).unwrap_err();
        let ErrorKind::Differs { differences, .. } = error.kind() else {
            panic!("{error}")
        };
        let names: Vec<_> = differences
            .iter()
            .map(|difference| difference.parameter)
            .collect();
        assert_eq!(names, ["number of entries", "flags"]);
        assert!(
            error
                .to_string()
                .contains("number of entries is 32 but declared as 5"),
            "{error}"
        );

        let elsewhere = room.bpffs().join("elsewhere");
        loader.map("kept").pin(&elsewhere);
        loader.load(&object).unwrap();
        assert!(elsewhere.exists());
        std::fs::remove_file(&elsewhere).unwrap();
        loader.no_pins();
        loader.load(&object).unwrap();
        assert!(!elsewhere.exists());
    });
}

#[test]
fn a_failed_load_leaves_no_pins() {
    require!(Need::Root);
    sandbox(|room| {
        let mut loader = Loader::new();
        loader.map("values").pin(room.bpffs().join("values"));
        loader.load(&object("rejected")).unwrap_err();
        assert!(!room.bpffs().join("values").exists());
        // What was there before stays.
        let mut loader = Loader::new();
        loader
            .autoload("unchecked_pointer", false)
            .only(Vec::<String>::new());
        loader.map("values").pin(room.bpffs().join("values"));
        loader.load(&object("rejected")).unwrap();
        let mut loader = Loader::new();
        loader.map("values").pin(room.bpffs().join("values"));
        loader.load(&object("rejected")).unwrap_err();
        assert!(room.bpffs().join("values").exists());
    });
}

#[test]
fn a_pin_that_cannot_be_made_leaves_no_directories() {
    require!(Need::Root);
    sandbox(|room| {
        let map = Array::<u64>::create("values", 1).unwrap();
        let first = room.bpffs().join("first");
        // A BPF file system keeps names with a dot for itself: those of files, and those of directories.
        for path in ["second/dotted.name", "second.dotted/third/pin"] {
            let error = map.map().pin(first.join(path)).unwrap_err();
            assert_eq!(
                error.hint(),
                Some("a BPF file system keeps names with a dot for itself"),
                "{error}"
            );
            assert!(!first.exists(), "{path}");
        }
    });
}

#[test]
fn maps_of_maps_keep_what_was_put_into_them() {
    require!(Need::Root);
    sandbox(|room| {
        let object = object("map_of_maps");
        let mut loader = Loader::new();
        loader.map("array_of_maps").pin(room.bpffs().join("outer"));
        let outer =
            |loaded: &Loaded| -> ArrayOfMaps { loaded.map("array_of_maps").unwrap().try_into().unwrap() };
        let first = loader.load(&object).unwrap();
        let left = first.map("left").unwrap().info().unwrap().id();
        assert_eq!(outer(&first).id(0).unwrap(), Some(left));
        let own = Array::<u64>::create("own", 2).unwrap();
        outer(&first).set(2, &own).unwrap();

        let second = loader.load(&object).unwrap();
        assert_eq!(outer(&second).id(0).unwrap(), Some(left));
        let own = own.map().info().unwrap().id();
        assert_eq!(outer(&second).id(2).unwrap(), Some(own));
    });
}

#[test]
fn global_variables_are_shared_on_old_kernels_too() {
    require!(Need::Root, Feature::GlobalData);
    sandbox(|room| {
        let object = object("globals");
        let mut loader = Loader::new();
        loader.probes(Probes::as_of(Release::new(5, 4)));
        loader.map(".bss").pin(room.bpffs().join("bss"));
        let first = loader.load(&object).unwrap();
        first.global::<u64>("runs").unwrap().set(&7).unwrap();
        let second = loader.load(&object).unwrap();
        assert_eq!(second.global::<u64>("runs").unwrap().get().unwrap(), 7);
        // A kernel that maps arrays would have made another one.
        if Probes::live().has(Feature::ArrayMmap) {
            let error = loader.probes(Probes::live()).load(&object).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Differs { .. }), "{error}");
        }
    });
}

#[test]
fn a_name_does_not_lead_out_of_the_directory() {
    let text = |name: &str| {
        format!(
            ".map \"{name}\" array key=4 value=4 max_entries=1 pinning=by_name\n.section xdp\nmain:\nr0 = 2\nexit\n"
        )
    };
    for name in ["/sys/fs/bpf/of_others", "below/it"] {
        let object = Object::parse(text(name).into_bytes()).unwrap();
        let error = Loader::new().prepare(&object).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("map '{name}': it is to be pinned by its name, which is not the name of a file")
        );
        // Whoever says where has no need of the name.
        let mut loader = Loader::new();
        loader.map(name).pin("/sys/fs/bpf/mine");
        loader.prepare(&object).unwrap();
    }
}
