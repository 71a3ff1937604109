//! Loading objects: maps, global data, externs, CO-RE, programs, pins.

use std::num::NonZeroUsize;

use bpfld::features::{Feature, Probes, Release};
use bpfld::{
    Array, Error, ErrorKind, Failure, Hash, Loaded, Loader, LogLevel, MapFlags, MapType, Object, ProgArray,
    ProgramType, Subject,
};
use bpfld_tests::{Need, fit, fits, fixture, fixture_of, require, sandbox};

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

fn load(name: &str) -> Loaded {
    Loader::new().load(&object(name)).unwrap()
}

/// The return value of a program that takes packets.
fn run(loaded: &Loaded, program: &str) -> u32 {
    let program = loaded.program(program).unwrap();
    program.test_run().data(&[0; 64]).run().unwrap().return_value
}

#[test]
fn global_variables_before_and_after() {
    require!(Need::Root, Feature::GlobalData, Feature::ArrayMmap);
    let mut loader = Loader::new();
    loader
        .global("limit", &77u32)
        .global("counter", &5u64)
        .global("table", &[1u64, 43, 3, 4]);
    loader.global("in_own_rodata", &100u32);
    let loaded = loader.load(&object("globals")).unwrap();
    assert_eq!(run(&loaded, "numbers"), 77);
    let results: Array<u64> = loaded.map("results").unwrap().try_into().unwrap();
    let all: Vec<u64> = (0..13)
        .map(|index| results.get(index).unwrap().unwrap())
        .collect();
    let minus_two = (-2i64).cast_unsigned();
    let weight = 0x1111_1111_1111_1111;
    let expected = [
        77,
        43,
        1,
        0,
        5,
        minus_two,
        0xab,
        1234,
        7,
        weight,
        u64::MAX,
        105,
        1,
    ];
    assert_eq!(all, expected);

    let runs = loaded.global::<u64>("runs").unwrap();
    assert_eq!(runs.get().unwrap(), 1);
    runs.set(&40).unwrap();
    run(&loaded, "numbers");
    assert_eq!(runs.get().unwrap(), 41);
    let limit = loaded.global::<u32>("limit").unwrap();
    assert_eq!(limit.get().unwrap(), 77);
    assert!(limit.set(&1).is_err());
    assert!(loaded.global::<u32>("runs").is_err());
    assert!(matches!(
        loaded.global::<u32>("nothing").unwrap_err().kind(),
        ErrorKind::NotFound { .. }
    ));
    assert!(
        loaded
            .map(".rodata")
            .unwrap()
            .info()
            .unwrap()
            .raw()
            .map_flags
            .contains(MapFlags::RDONLY_PROG)
    );
}

#[test]
fn values_and_names_are_held_against_the_object() {
    let object = object("globals");
    #[track_caller]
    fn check(object: &Object, ask: impl FnOnce(&mut Loader), expected: &str) {
        let mut loader = Loader::new();
        ask(&mut loader);
        let error = loader.prepare(object).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    check(
        &object,
        |loader| {
            loader.global("limit", &7u64);
        },
        "global variable 'limit': it has 4 bytes, but the value has 8",
    );
    check(
        &object,
        |loader| {
            loader.global("limt", &7u32);
        },
        "global variable 'limt': there is no such global variable in the object",
    );
    check(
        &object,
        |loader| {
            loader.map("results2").max_entries(3);
        },
        "map 'results2': there is no such map in the object",
    );
    check(
        &object,
        |loader| {
            loader.autoload("number", true);
        },
        "program 'number': there is no such program in the object",
    );
    let foreign = Object::open(fixture_of("globals", cfg!(target_endian = "little"))).unwrap();
    let expected = "object 'globals': it is for machines of the other byte order";
    check(&foreign, |_| {}, expected);
}

#[test]
fn maps_are_made_as_declared() {
    require!(
        Need::Root,
        Feature::MapType(MapType::USER_RINGBUF),
        Feature::MapType(MapType::CGRP_STORAGE)
    );
    let mut loader = Loader::new();
    fit(&mut loader, "maps");
    let loaded = loader.load(&object("maps")).unwrap();
    let spec = |name: &str| {
        let info = loaded.map(name).unwrap().info().unwrap();
        (
            info.map_type(),
            info.key_size(),
            info.value_size(),
            info.max_entries(),
        )
    };
    assert_eq!(spec("hash"), (MapType::HASH, 8, 32, 100));
    assert_eq!(spec("ringbuf").3 as usize, bpfld_sys::mmap::page_size());
    assert_eq!(spec("perf_event_array").3, bpfld_sys::possible_cpus().unwrap());
    assert_eq!(loaded.map("bloom_filter").unwrap().info().unwrap().map_extra(), 3);
    let long = "a_map_with_a_name_longer_than_the_kernel_keeps";
    let long = loaded.map(long).unwrap();
    assert_eq!(long.info().unwrap().name(), "a_map_with_a_na");
    assert!(loaded.map("hash").unwrap().info().unwrap().btf_id().is_some());
    assert!(loaded.map("sockmap").unwrap().info().unwrap().btf_id().is_none());
}

#[test]
fn maps_are_made_as_asked_for() {
    require!(Need::Root, Feature::MapType(MapType::RINGBUF));
    let other: Hash<u32, u32> = {
        let map = bpfld::Map::builder(MapType::HASH, "other")
            .key_size(8)
            .value_size(32)
            .max_entries(9);
        let map = map.create().unwrap();
        assert!(Hash::<u32, u32>::try_from(&map).is_err());
        let mut loader = Loader::new();
        loader.map("hash").reuse(&map);
        loader.map("array").max_entries(3);
        loader.map("ringbuf").max_entries(3 << 20);
        loader.map("stack_trace").create(false);
        loader.map("lpm_trie").max_entries(7);
        fit(&mut loader, "maps");
        let loaded = loader.load(&object("maps")).unwrap();
        assert_eq!(
            loaded.map("hash").unwrap().info().unwrap().id(),
            map.info().unwrap().id()
        );
        assert_eq!(loaded.map("array").unwrap().info().unwrap().max_entries(), 3);
        assert_eq!(
            loaded.map("ringbuf").unwrap().info().unwrap().max_entries(),
            4 << 20
        );
        assert_eq!(loaded.map("lpm_trie").unwrap().max_entries(), 7);
        assert!(loaded.map("stack_trace").is_err());
        let small = loaded
            .map("a_map_with_a_name_longer_than_the_kernel_keeps")
            .unwrap();
        small.try_into().unwrap()
    };
    // The handle outlives the object.
    other.insert(&1, &2).unwrap();
}

#[test]
fn maps_of_maps_and_programs_are_filled() {
    require!(Need::Root);
    let loaded = load("map_of_maps");
    assert_eq!(run(&loaded, "entry"), 33);
    let right: Array<u64> = loaded.map("right").unwrap().try_into().unwrap();
    assert_eq!(right.get(0).unwrap(), Some(1));

    let mut loader = Loader::new();
    loader.autoload("third", false);
    let error = loader.load(&object("map_of_maps")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "map 'jumps': element 3 is program 'third', which is not loaded"
    );
    let partial = loader.load_partial(&object("map_of_maps")).unwrap();
    assert!(partial.failed.is_empty());
    assert_eq!(run(&partial.loaded, "entry"), 1);
    let _jumps: ProgArray = partial.loaded.map("jumps").unwrap().try_into().unwrap();
}

#[test]
fn a_map_that_is_not_made_is_named_in_the_log() {
    require!(Need::Root, Feature::MapType(MapType::BLOOM_FILTER));
    let mut loader = Loader::new();
    fit(&mut loader, "maps");
    loader.map("hash").create(false);
    let error = loader.load(&object("maps")).unwrap_err();
    assert_eq!(error.failure(), Failure::Rejected);
    assert_eq!(error.subject(), &Subject::Program("touches".into()));
    let text = error.to_string();
    assert!(text.contains("map 'hash' is used but was not made"), "{text}");
    if Release::current().is_none_or(|release| release >= Release::new(6, 9)) {
        assert!(text.contains("maps.bpf.c"), "{text}");
    }
    assert!(!text.contains("[]"), "{text}");
}

#[test]
fn what_the_kernel_lacks_is_named_in_the_log() {
    require!(Need::Root, Feature::ProgramType(ProgramType::RAW_TRACEPOINT));
    let error = Loader::new().load(&object("core_impossible")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("struct task_struct.surely_no_such_field"), "{text}");
    assert!(format!("{error:#}").contains("object 'core_impossible': program 'reaches': "));
    assert!(format!("{error:#}").lines().count() > 3);
}

#[test]
fn every_rejected_program_says_why() {
    require!(Need::Root);
    let object = object("rejected");
    let partial = Loader::new().load_partial(&object).unwrap();
    assert_eq!(partial.loaded.programs().count(), 0);
    assert_eq!(partial.failed.len(), object.programs().len());
    for (name, error) in &partial.failed {
        assert_eq!(error.failure(), Failure::Rejected, "{name}: {error}");
        assert!(
            error.verifier_log().unwrap().summary().is_some(),
            "{name}: {error:#}"
        );
    }
    // As a whole nothing is loaded either, and the first one is blamed.
    let error: Error = Loader::new().load(&object).unwrap_err();
    assert_eq!(
        error.subject(),
        &Subject::Program(object.programs()[0].name.to_string())
    );
}

#[test]
fn a_log_can_be_had_of_what_is_accepted() {
    require!(Need::Root);
    let mut loader = Loader::new();
    loader.log_level(LogLevel::STATS);
    loader.program("strings").log_level(LogLevel::FULL);
    let loaded = loader.load(&object("globals")).unwrap();
    let stats = loaded.log("numbers").unwrap().stats().unwrap();
    assert!(stats.processed_insns > 50, "{stats:?}");
    assert!(loaded.log("numbers").unwrap().lines().count() < 10);
    assert!(loaded.log("strings").unwrap().lines().count() > 30);
    assert!(load("globals").log("numbers").is_none());
}

#[test]
fn programs_load_alone_without_a_trace() {
    require!(Need::Root);
    sandbox(|room| {
        let object = object("pinned");
        let mut loader = Loader::new();
        loader.pin_root(room.bpffs()).log_level(LogLevel::STATS);
        let prepared = loader.prepare(&object).unwrap();
        let alone = prepared.load_alone("count").unwrap();
        assert_eq!(alone.program.name(), "count");
        assert!(alone.log.unwrap().stats().is_some());
        assert!(prepared.load_alone("nothing").is_err());
        assert!(!room.bpffs().join("kept").exists());
    });
}

#[test]
fn configuration_values_reach_programs() {
    require!(Need::Root, Feature::GlobalData);
    let mut loader = Loader::new();
    loader.kconfig(
        "CONFIG_HZ=1234\nCONFIG_LOG_BUF_SHIFT=0x21\nCONFIG_NET=m\nCONFIG_INET=y\nCONFIG_BPF=n\n\
        CONFIG_BPF_SYSCALL=y\nCONFIG_CC_VERSION_TEXT=\"zig\"\n",
    );
    let loaded = loader.load(&object("kconfig")).unwrap();
    assert_eq!(run(&loaded, "report"), 64 - 14);
    let value = |name: &str| loaded.global::<u32>(name).unwrap().get().unwrap();
    assert_eq!(value("version"), Release::current().unwrap().version_code());
    assert_eq!(
        (value("hz"), value("tristate"), value("character")),
        (1234, 2, u32::from(b'y'))
    );
    assert_eq!(loaded.global::<u64>("shift").unwrap().get().unwrap(), 0x21);
    assert_eq!(loaded.global::<u8>("compiler").unwrap().get().unwrap(), b'z');
    assert_eq!(value("flags") & 0b10_0111, 0b10);

    let mut loader = Loader::new();
    loader.kconfig("CONFIG_HZ=y\n");
    let error = loader.load(&object("kconfig")).unwrap_err();
    let expected = "extern 'CONFIG_HZ': the configured value y needs a bool, tristate or char variable";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn symbols_and_functions_of_the_kernel() {
    require!(Need::Root, Feature::ProgramType(ProgramType::RAW_TRACEPOINT));
    let loaded = load("ksyms");
    loaded.program("look").unwrap().test_run().run().unwrap();
    let value = |name: &str| loaded.global::<u64>(name).unwrap().get().unwrap();
    assert_ne!(value("address"), 0);
    assert_eq!((value("absent_address"), value("present")), (0, 1));
}

#[test]
fn core_finds_fields() {
    require!(Need::Root, Feature::ProgramType(ProgramType::RAW_TRACEPOINT));
    let mut loader = Loader::new();
    loader.only(["plain", "existence", "bit_fields"]);
    let loaded = loader.load(&object("core_fields")).unwrap();
    for program in loaded.programs() {
        program.test_run().run().unwrap();
    }
    let out = loaded.global::<[u64; 64]>("out").unwrap().get().unwrap();
    let this = u64::from(std::process::id());
    assert_eq!(out[1], this);
    assert_eq!((out[5], out[6], out[7], out[8]), (16, 8, 1, 0));
    assert_eq!((out[16], out[17], out[18]), (1, 0, 1));
}

#[test]
fn several_threads_load_the_same() {
    require!(Need::Root);
    let object = object("globals");
    let mut loader = Loader::new();
    loader.parallel(NonZeroUsize::new(4).unwrap());
    let loaded = loader.load(&object).unwrap();
    let names: Vec<_> = loaded.programs().map(bpfld::Program::name).collect();
    assert_eq!(names, ["numbers", "strings"]);
    loader.only(["unchecked_pointer", "beyond_packet", "beyond_context"]);
    let failed = loader.load_partial(&self::object("rejected")).unwrap().failed;
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["unchecked_pointer", "beyond_packet", "beyond_context"]);
    assert!(loader.load(&self::object("rejected")).is_err());
}

/// PRG-04 (f): on a kernel that is made up to be old.
#[test]
fn old_kernels_get_what_they_know() {
    require!(Need::Root);
    // As of 4.18: no functions, sections or variables in BTF, no mapped arrays. The kernel that runs takes it all the same.
    let old = Probes::as_of(Release::new(4, 18));
    for name in ["maps", "network", "subprograms"] {
        let mut loader = Loader::new();
        loader.probes(old.clone());
        fit(&mut loader, name);
        let object = object(name);
        let prepared = loader.prepare(&object).unwrap();
        let mut loaded = 0;
        for program in object
            .programs()
            .iter()
            .filter(|program| fits(name, &program.name))
        {
            match prepared.load_alone(&program.name) {
                Ok(_) => loaded += 1,
                Err(error) => assert!(error.verifier_log().is_some(), "{name}: {error:#}"),
            }
        }
        assert!(loaded > 0 || name == "maps", "{name}");
    }
}

#[test]
fn global_variables_on_old_kernels() {
    require!(Need::Root, Feature::GlobalData);
    let object = object("globals");
    // 5.4 does not map arrays into memory: variables are read and written by system calls.
    let mut loader = Loader::new();
    loader.probes(Probes::as_of(Release::new(5, 4)));
    let loaded = loader.load(&object).unwrap();
    assert_eq!(run(&loaded, "numbers"), 10);
    assert!(loaded.map(".bss").unwrap().memory().is_err());
    let runs = loaded.global::<u64>("runs").unwrap();
    runs.set(&(runs.get().unwrap() + 40)).unwrap();
    assert_eq!(runs.get().unwrap(), 41);
    // 5.1 has no global variables: whoever uses them is rejected, by name.
    loader.probes(Probes::as_of(Release::new(5, 1)));
    let text = loader.load(&object).unwrap_err().to_string();
    assert!(text.contains("is used but was not made"), "{text}");
}

#[test]
fn programs_name_what_they_attach_to() {
    require!(Need::Root, Feature::ProgramType(ProgramType::RAW_TRACEPOINT));
    #[track_caller]
    fn check(target: &str, expected: &str) {
        let object = object("kfuncs");
        let mut loader = Loader::new();
        loader.program("call").attach_target(target);
        let error = loader.prepare(&object).unwrap().load_alone("call").unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let place = "to attach to in";
    check(
        "no_such_point",
        &format!("program 'call': there is no tracepoint no_such_point {place} the kernel and its modules"),
    );
    check(
        "vmlinux:no_such_point",
        &format!("program 'call': there is no tracepoint no_such_point {place} module vmlinux"),
    );
    check(
        "no_module:sys_enter",
        &format!("program 'call': there is no tracepoint sys_enter {place} module no_module"),
    );
}

#[test]
fn arrays_at_the_end_of_a_section_are_resized() {
    require!(Need::Root, Need::Linux(5, 5));
    let object = object("cgroup");
    let of_size = |bytes| {
        let mut loader = Loader::new();
        loader.only::<&str>([]).map(".bss").value_size(bytes);
        loader
    };
    // Of 256 bytes in the object.
    let mut loader = of_size(4096 + 4);
    loader.global("hits", &[7u64; 512]);
    let loaded = loader.load(&object).unwrap();
    let hits = loaded.global::<[u64; 512]>("hits").unwrap();
    assert_eq!(hits.get().unwrap(), [7; 512]);
    hits.set(&[8; 512]).unwrap();
    assert_eq!(loaded.map(".bss").unwrap().info().unwrap().value_size(), 4100);
    let error = loaded.global::<[u64; 32]>("hits").unwrap_err().to_string();
    assert!(error.contains("4096 bytes"), "{error}");

    let loaded = of_size(8).load(&object).unwrap();
    assert_eq!(loaded.global::<u64>("hits").unwrap().get().unwrap(), 0);
    let error = of_size(7).load(&object).unwrap_err().to_string();
    assert!(error.contains("no room for the variable 'hits'"), "{error}");
}
