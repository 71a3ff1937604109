//! The fixtures in the kernel: which load, and what their programs compute.

use std::collections::BTreeSet;

use bpfld::{Array, Error, Failure, Loaded, Loader, LogLevel, Map, Object, ProgramType};
use bpfld_features::{Config, ConfigValue, Feature, Release};
use bpfld_tests::{Need, all_fixtures, fit, fits, fixture, require, sandbox, skip};

fn open(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

#[track_caller]
pub(crate) fn load(name: &str) -> Loaded {
    let mut loader = Loader::new();
    fit(&mut loader, name);
    loaded(loader.load(&open(name)))
}

#[track_caller]
fn loaded(result: Result<Loaded, Error>) -> Loaded {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

/// Runs a program on an empty packet, or without one; what it returns.
#[track_caller]
fn run(loaded: &Loaded, name: &str) -> u32 {
    let program = loaded.program(name).unwrap();
    let (packet, mut run) = ([0; 64], program.test_run());
    if !matches!(
        program.program_type(),
        ProgramType::SYSCALL | ProgramType::RAW_TRACEPOINT
    ) {
        run = run.data(&packet);
    }
    run.run().unwrap_or_else(|error| panic!("{error:#}")).return_value
}

#[track_caller]
pub(crate) fn value<T: bpfld::Plain>(loaded: &Loaded, name: &str) -> T {
    loaded.global::<T>(name).unwrap().get().unwrap()
}

/// Every fixture that this kernel can take is loaded whole. The lists are what libbpf 1.7 does with them, less what it cannot.
#[test]
fn whole_objects() {
    require!(Need::Root);
    let refused = BTreeSet::from(["core_impossible", "rejected"]);
    let not_opened = BTreeSet::from(["broken_static_map", "broken_undefined"]);
    // What only some kernels can do has tests of its own.
    let elsewhere = BTreeSet::from([
        "arena",
        "hid",
        "pinned",
        "recursion",
        "scheduler",
        "struct_ops",
        "trampolines",
    ]);
    let mut wrong = Vec::new();
    for fixture in all_fixtures()
        .iter()
        .filter(|fixture| fixture.big_endian == cfg!(target_endian = "big"))
    {
        let name = fixture.name.as_str();
        if elsewhere.contains(name) {
            continue;
        }
        let result = match Object::open(&fixture.path) {
            Ok(object) => {
                let mut loader = Loader::new();
                fit(&mut loader, name);
                loader.load(&object)
            }
            Err(error) => {
                assert!(not_opened.contains(name), "{name} does not open: {error}");
                continue;
            }
        };
        assert!(!not_opened.contains(name), "{name} opens");
        match result {
            Ok(_) if refused.contains(name) => wrong.push(format!("{name} loads")),
            Err(error) if !refused.contains(name) => wrong.push(format!("{name}: {error:#}")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn none_of_the_rejected() {
    require!(Need::Root);
    let object = open("rejected");
    for program in object.programs() {
        let mut loader = Loader::new();
        loader.only([&*program.name]);
        let error = loader.load(&object).unwrap_err();
        assert_eq!(error.failure(), Failure::Rejected, "{}: {error:#}", program.name);
        let log = error.verifier_log().unwrap();
        assert!(
            !log.is_empty() && log.summary().is_some(),
            "{}: {error:#}",
            program.name
        );
        assert!(error.to_string().contains(&*program.name), "{error}");
    }
    let partial = Loader::new().load_partial(&object).unwrap();
    assert_eq!(partial.loaded.programs().count(), 0);
    assert_eq!(partial.failed.len(), object.programs().len());
}

#[test]
fn trampolines() {
    require!(Need::Root, Feature::Fentry);
    load("trampolines");
}

#[test]
fn arenas() {
    require!(
        Need::Root,
        Need::Config("CONFIG_BPF_JIT"),
        Feature::MapType(bpfld::MapType::ARENA)
    );
    let loaded = load("arena");
    assert_eq!(run(&loaded, "touch"), 5);
    assert_eq!(run(&loaded, "touch"), 10);
}

#[test]
fn pinned_maps_are_found_again() {
    require!(Need::Root);
    sandbox(|room| {
        let object = open("pinned");
        let mut loader = Loader::new();
        loader.pin_root(room.bpffs());
        let count = |loaded: &Loaded| {
            run(loaded, "count");
            let map: bpfld::Hash<u32, u64> = loaded.map("kept").unwrap().try_into().unwrap();
            map.get(&0).unwrap().unwrap()
        };
        assert_eq!(count(&loaded(loader.load(&object))), 1);
        assert!(room.bpffs().join("kept").exists() && !room.bpffs().join("private").exists());
        assert_eq!(count(&loaded(loader.load(&object))), 2);
        loader.map("kept").max_entries(64);
        let error = loader.load(&object).unwrap_err().to_string();
        assert!(
            error.contains("kept") && error.contains("32") && error.contains("64"),
            "{error}"
        );
    });
}

/// ELF-04: each kind of relocation, by what it computes.
#[test]
fn elf_04_global_data() {
    require!(Need::Root, Feature::GlobalData);
    let mut loader = Loader::new();
    loader.global("unset_limit", &77u32);
    let loaded = loaded(loader.load(&open("globals")));
    assert_eq!(run(&loaded, "numbers"), 10);
    let results: Array<u64> = loaded.map("results").unwrap().try_into().unwrap();
    let found: Vec<u64> = (0..13)
        .map(|index| results.get(index).unwrap().unwrap())
        .collect();
    let expected = [
        10,
        42,
        0,
        77,
        0xffeeff,
        -2i64 as u64,
        0xab,
        1234,
        7,
        0x1111_1111_1111_1111,
        -1i64 as u64,
        11,
        1,
    ];
    assert_eq!(found, expected);
    assert_eq!(value::<u64>(&loaded, "runs"), 1);
    loaded.global::<u64>("counter").unwrap().set(&5).unwrap();
    loaded.global::<u32>("in_own_data").unwrap().set(&100).unwrap();
    run(&loaded, "numbers");
    assert_eq!(results.get(4).unwrap(), Some(5));
    assert_eq!(results.get(11).unwrap(), Some(107));
    assert!(
        loaded.global::<u32>("limit").unwrap().set(&1).is_err(),
        "read-only data is frozen"
    );
    assert!(loaded.global::<u64>("limit").is_err(), "sizes are compared");
    run(&loaded, "strings");
    assert_eq!(&value::<[u8; 16]>(&loaded, "last_comm"), b"a text in .roda\0");
}

#[test]
fn configuration() {
    require!(Need::Root);
    let loaded = load("kconfig");
    run(&loaded, "report");
    let release = Release::current().unwrap();
    assert_eq!(value::<u32>(&loaded, "version"), release.version_code());
    let Some(config) = Config::current() else { return };
    if let Some(ConfigValue::Number(hz)) = config.get("CONFIG_HZ") {
        assert_eq!(i128::from(value::<u32>(&loaded, "hz")), i128::from(hz));
    }
    assert_eq!(value::<u32>(&loaded, "tristate"), 1);
    assert_eq!(value::<u32>(&loaded, "character"), u32::from(b'y'));
    assert_eq!(value::<u32>(&loaded, "flags") & 0b10_0111, 0b11);
}

#[test]
fn kernel_symbols() {
    require!(Need::Root);
    let loaded = load("ksyms");
    run(&loaded, "look");
    assert_ne!(value::<u64>(&loaded, "address"), 0);
    assert_eq!(value::<u64>(&loaded, "absent_address"), 0);
    assert_eq!(value::<u64>(&loaded, "present"), 1);
}

#[test]
fn kernel_functions_of_any_flavour() {
    require!(Need::Root, Need::Linux(6, 2), Need::Config("CONFIG_BPF_JIT"));
    let mut loader = Loader::new();
    let own = std::process::id();
    loader.autoload("flavour", true).global("wanted", &own);
    let loaded = loaded(loader.load(&open("kfuncs")));
    assert_eq!(run(&loaded, "flavour"), 0);
    assert_eq!(value::<u32>(&loaded, "pid"), own);
}

#[test]
fn relocated_fields() {
    require!(Need::Root);
    let loaded = load("core_fields");
    run(&loaded, "plain");
    let out: [u64; 64] = value(&loaded, "out");
    assert_eq!(out[1], u64::from(std::process::id()));
    assert_eq!(out[4], size_of::<usize>() as u64);
    assert_eq!((out[5], out[6], out[7], out[8]), (16, 8, 1, 0));
    run(&loaded, "existence");
    let out: [u64; 64] = value(&loaded, "out");
    assert_eq!((out[16], out[17], out[18]), (1, 0, 1));
    run(&loaded, "bit_fields");
    let out: [u64; 64] = value(&loaded, "out");
    assert_eq!((out[33], out[36]), (0, 0));
}

#[test]
fn relocated_types() {
    require!(Need::Root);
    let loaded = load("core_types");
    run(&loaded, "types");
    run(&loaded, "enumerators");
    let out: [u64; 64] = value(&loaded, "out");
    let exists: Vec<u64> = out[4..12].to_vec();
    assert_eq!(exists, [1, 0, 1, 0, 1, 0, 1, 0]);
    assert_eq!(out[12..15], [16, 0, 4]);
    assert_eq!(out[15..19], [1, 1, 0, 1]);
    assert_eq!(out[32..38], [1, 1, 2, 0, 0, 0]);
    assert_eq!((out[38], out[39]), (6, 3));
}

/// ELF-06: several programs in one section.
#[test]
fn elf_06_maps_in_maps_and_tail_calls() {
    require!(Need::Root);
    let loaded = load("map_of_maps");
    assert_eq!(run(&loaded, "entry"), 33);
    let right: Array<u64> = loaded.map("right").unwrap().try_into().unwrap();
    assert_eq!(right.get(0).unwrap(), Some(1));
}

/// ELF-05: each kind of call, by what it computes.
#[test]
fn elf_05_subprograms() {
    require!(Need::Root);
    let loaded = load("subprograms");
    assert_eq!(run(&loaded, "calls_static"), 2);
    assert_eq!(run(&loaded, "calls_global"), 1);
    assert_eq!(run(&loaded, "calls_all"), 2);
    let callbacks = fits("subprograms", "callbacks");
    if callbacks {
        assert_eq!(run(&loaded, "callbacks"), 2);
    }
    let slots: Array<u64> = loaded.map("slots").unwrap().try_into().unwrap();
    let found: Vec<u64> = (0..4).map(|index| slots.get(index).unwrap().unwrap()).collect();
    assert_eq!(found, [1, 3, 3, 14 + 4 + 42]);
}

#[test]
fn exceptions() {
    require!(Need::Root, Need::Linux(6, 9), Need::Config("CONFIG_BPF_JIT"));
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return skip(
            "kernel::fixtures::exceptions",
            "compilers for other machines have no exceptions",
        );
    }
    let mut loader = Loader::new();
    loader.only(["throws", "catches"]);
    let loaded = loaded(loader.load(&open("exceptions")));
    assert_eq!(run(&loaded, "throws"), 5);
    assert_eq!(
        run(&loaded, "catches"),
        1064,
        "what is thrown, as the program's own function changes it"
    );
    let short = loaded.program("catches").unwrap().test_run().data(&[0; 32]).run();
    assert_eq!(short.unwrap().return_value, 7);
}

#[test]
fn newest_instructions() {
    require!(Need::Root, Need::Linux(6, 6));
    let loaded = load("instructions");
    run(&loaded, "arithmetic");
    run(&loaded, "atomics");
    assert_eq!(value::<u64>(&loaded, "cell"), 3);
}

#[test]
fn records() {
    require!(
        Need::Root,
        Feature::MapType(bpfld::MapType::RINGBUF),
        Need::Linux(5, 12)
    );
    let loaded = load("ringbuf");
    let mut ring = bpfld::RingBuf::try_from(loaded.map("events").unwrap()).unwrap();
    for _ in 0..8 {
        run(&loaded, "emit");
    }
    let mut numbers = Vec::new();
    while let Some(record) = ring.read().unwrap() {
        numbers.push(u64::from_ne_bytes(record[8..16].try_into().unwrap()));
    }
    assert_eq!(numbers, [0, 1, 2, 4, 5, 6]);
    assert_eq!(value::<u64>(&loaded, "lost"), 0);
}

#[test]
fn sections_say_where_to_attach() {
    require!(Need::Root);
    let mut loader = Loader::new();
    loader.global("wanted", &std::process::id());
    let loaded = loaded(loader.load(&open("tracing")));
    let links = loaded.attach_all().unwrap_or_else(|error| panic!("{error:#}"));
    for _ in 0..10 {
        nix::unistd::getppid();
    }
    let hits: [u64; 8] = value(&loaded, "hits");
    assert!(hits[..5].iter().all(|hits| *hits >= 10), "{hits:?}");
    assert_eq!(hits[5], 0);
    drop(links);
    let before: [u64; 8] = value(&loaded, "hits");
    nix::unistd::getppid();
    assert_eq!(value::<[u64; 8]>(&loaded, "hits"), before);
}

#[test]
fn packets_in_a_room() {
    require!(Need::Root, Feature::Link);
    sandbox(|room| {
        let loaded = load("network");
        let hits: Array<u64> = loaded.map("hits").unwrap().try_into().unwrap();
        let count: bpfld::Xdp = loaded.program("xdp_count").unwrap().try_into().unwrap();
        let link = count.attach("lo", bpfld::XdpMode::Generic).unwrap();
        room.send(9, 7, 100);
        assert_eq!(hits.get(0).unwrap(), Some(7));
        drop(link);
        room.send(9, 7, 100);
        assert_eq!(hits.get(0).unwrap(), Some(7));
    });
}

/// All programs at once on several threads, with logs, and the same result as one after the other.
#[test]
fn in_parallel() {
    require!(Need::Root);
    let object = open("programs");
    let mut loader = Loader::new();
    fit(&mut loader, "programs");
    loader
        .parallel(std::num::NonZeroUsize::new(4).unwrap())
        .log_level(LogLevel::STATS);
    let loaded = loaded(loader.load(&object));
    let names: Vec<&str> = loaded.programs().map(|program| program.name()).collect();
    let expected: Vec<&str> = object
        .programs()
        .iter()
        .filter(|program| program.autoload && fits("programs", &program.name))
        .map(|program| &*program.name)
        .collect();
    assert_eq!(names, expected);
    assert!(names.iter().all(|name| loaded.log(name).is_some()));
    let _: Vec<&Map> = loaded.maps().collect();
}
