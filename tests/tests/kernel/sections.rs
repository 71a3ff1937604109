//! Attaching compiled programs by what their section names say, and their global variables.

use std::{
    io::Read,
    os::unix::process::parent_id,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use bpfld::{
    Error, Hash, Iter, IterTarget, Link, Loaded, Loader, Object, SchedCls, TcxDirection, Uprobe, Xdp, XdpMode,
};
use bpfld_features::{Config, Feature};
use bpfld_tests::{Need, fixture, require, sandbox};

use crate::counter::since;

/// One getppid(2), through the C library.
fn ask_for_parent() {
    std::hint::black_box(parent_id());
}

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

/// A function that the sections of the fixture name.
#[expect(
    unsafe_code,
    reason = "a symbol that others find by name must not be there twice; this one is not"
)]
#[unsafe(export_name = "bpfld_probe_target")]
#[inline(never)]
extern "C" fn probe_target(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

/// Who counts calls of that function is alone: they come from all threads.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads one program of an object, attaches it by its section name and tells how often it ran meanwhile.
#[track_caller]
fn runs_of(object: &Object, program: &str, index: usize, work: impl FnOnce()) -> Result<u64, Error> {
    let mut loader = Loader::new();
    for other in object.programs() {
        loader.autoload(&*other.name, *other.name == *program);
    }
    let loaded = loader.load(object)?;
    let program = loaded.program(program)?;
    assert!(program.attaches_itself());
    let _turn = turn();
    let link = program.attach()?;
    let hits = loaded.global::<[u64; 32]>("hits")?;
    let before = hits.get()?[index];
    work();
    let runs = hits.get()?[index] - before;
    drop(link);
    probe_target(1);
    ask_for_parent();
    assert_eq!(hits.get()?[index], before + runs, "still attached");
    Ok(runs)
}

#[test]
fn user_probes_by_section() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Feature::AttachCookie,
    );
    let object = object("probes");
    for (program, index) in [
        ("user_entry", 10),
        ("user_return", 11),
        ("user_offset", 12),
        ("user_sleepable", 14),
        ("user_many", 15),
        ("user_many_return", 16),
    ] {
        if program.contains("many") && !since(6, 6) {
            continue;
        }
        let runs = runs_of(&object, program, index, || {
            probe_target(1);
            probe_target(2);
        });
        assert_eq!(
            runs.unwrap_or_else(|error| panic!("{program}: {error:#}")),
            2,
            "{program}"
        );
    }
    match runs_of(&object, "library", 13, ask_for_parent) {
        Ok(runs) => assert!(runs > 0),
        // Not every system has it: static test binaries run without.
        Err(error) => assert!(error.to_string().contains("not among the libraries"), "{error}"),
    }
    if since(6, 13) {
        let session = runs_of(&object, "user_session", 17, || assert_eq!(probe_target(1), 2));
        assert_eq!(session.unwrap(), 2);
    }
}

#[test]
fn kernel_probes_by_section() {
    require!(
        Need::Root,
        Need::Config("CONFIG_KPROBE_EVENTS"),
        Feature::AttachCookie
    );
    let object = object("probes");
    let many = Config::current().is_some_and(|config| config.is_on("CONFIG_FPROBE"));
    // What is probed is the kernel's side of sleeping.
    let nap = || std::thread::sleep(std::time::Duration::from_micros(1));
    for (program, index) in [
        ("kernel_entry", 0),
        ("kernel_return", 1),
        ("kernel_many", 3),
        ("kernel_many_return", 4),
    ] {
        if program.contains("many") && !many {
            continue;
        }
        assert!(runs_of(&object, program, index, nap).unwrap() > 0, "{program}");
    }
    if many && since(6, 10) {
        // At entry and return.
        assert!(runs_of(&object, "kernel_session", 5, nap).unwrap() >= 2);
    }
    for (program, index) in [("system_call", 6), ("system_call_return", 7)] {
        assert!(
            runs_of(&object, program, index, ask_for_parent).unwrap() > 0,
            "{program}"
        );
    }
}

#[test]
fn what_no_section_says_the_user_does() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Feature::AttachCookie
    );
    let object = object("probes");
    let mut loader = Loader::new();
    for other in object.programs() {
        loader.autoload(&*other.name, &*other.name == "user_anywhere");
    }
    let loaded = loader.load(&object).unwrap();
    let program = loaded.program("user_anywhere").unwrap();
    assert!(!program.attaches_itself());
    let error = program.attach().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("section 'uprobe' does not say where to attach"),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert_eq!(loaded.attach_all().unwrap().len(), 0);

    let hits = loaded.global::<[u64; 32]>("hits").unwrap();
    let probe: Uprobe = program.try_into().unwrap();
    let options = bpfld::UprobeOptions::new().cookie(42);
    let _turn = turn();
    let link = probe
        .attach_with("/proc/self/exe", "bpfld_probe_target", options)
        .unwrap();
    probe_target(1);
    drop(link);
    assert_eq!(hits.get().unwrap()[8], 1);
    // The program saw its cookie.
    assert_eq!(
        loaded.global::<[u64; 32]>("cookies").unwrap().get().unwrap()[8],
        42
    );
}

fn tracing(only: &[&str]) -> Loaded {
    let object = object("tracing");
    let mut loader = Loader::new();
    for other in object.programs() {
        loader.autoload(&*other.name, only.contains(&&*other.name));
    }
    loader.global("wanted", &std::process::id());
    loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn tracepoints_by_section() {
    require!(Need::Root);
    let mut programs = vec!["on_raw_tracepoint", "on_raw_tp", "on_tp_btf"];
    let mut indices = vec![2, 3, 4];
    if Path::new("/proc/config.gz").exists()
        && Config::current().is_some_and(|config| config.is_on("CONFIG_FTRACE_SYSCALLS"))
    {
        programs.extend(["on_tracepoint", "on_tp"]);
        indices.extend([0, 1]);
    }
    let loaded = tracing(&programs);
    let links: Vec<Link> = loaded.attach_all().unwrap();
    assert_eq!(links.len(), programs.len());
    let hits = loaded.global::<[u64; 8]>("hits").unwrap();
    ask_for_parent();
    let after = hits.get().unwrap();
    for index in indices {
        assert!(after[index] > 0, "{index}: {after:?}");
    }
    drop(links);
    let still = hits.get().unwrap();
    ask_for_parent();
    assert_eq!(hits.get().unwrap(), still);
}

#[test]
fn iterators_by_section() {
    require!(Need::Root, Need::Linux(6, 1));
    let loaded = tracing(&["each_task", "each_map", "each_element"]);
    // By section name it is a link; its reader starts the program.
    let link = loaded.program("each_map").unwrap().attach().unwrap();
    let mut text = String::new();
    link.iter_reader().unwrap().read_to_string(&mut text).unwrap();
    let own = loaded.map("numbers").unwrap().info().unwrap().id().to_string();
    assert!(text.lines().any(|line| line == own), "{text}");

    let tasks: Iter = loaded.program("each_task").unwrap().try_into().unwrap();
    let mut bytes = Vec::new();
    let process = IterTarget::Process(std::process::id());
    tasks
        .attach_to(process)
        .unwrap()
        .reader()
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert!(
        bytes.len() >= 8
            && bytes
                .chunks(8)
                .all(|line| line[..4] == std::process::id().to_ne_bytes())
    );

    let numbers: Hash<u32, u64> = loaded.map("numbers").unwrap().try_into().unwrap();
    numbers.insert(&1, &77).unwrap();
    let elements: Iter = loaded.program("each_element").unwrap().try_into().unwrap();
    let link = elements.attach_to(IterTarget::Map(numbers.map())).unwrap();
    bytes.clear();
    link.reader().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, 77u64.to_ne_bytes());
    // A pinned iterator is read as a file.
    sandbox(|room| {
        let mut link = elements
            .attach_to(IterTarget::Map(numbers.map()))
            .unwrap()
            .into_link();
        link.pin(room.bpffs().join("numbers")).unwrap();
        assert_eq!(
            std::fs::read(room.bpffs().join("numbers")).unwrap(),
            77u64.to_ne_bytes()
        );
    });
}

#[test]
fn network_programs() {
    require!(Need::Root, Feature::TcxLink);
    let object = object("network");
    let mut loader = Loader::new();
    loader.autoload("lookup_pass", true);
    let loaded = loader.load(&object).unwrap();
    let hits: bpfld::Array<u64> = loaded.map("hits").unwrap().try_into().unwrap();
    let cpu_hits: bpfld::PerCpuArray<u64> = loaded.map("cpu_hits").unwrap().try_into().unwrap();
    sandbox(|room| {
        let count: Xdp = loaded.program("xdp_count").unwrap().try_into().unwrap();
        let ingress: SchedCls = loaded.program("tcx_ingress").unwrap().try_into().unwrap();
        let links = [
            count.attach("lo", XdpMode::Auto).unwrap(),
            ingress.attach_tcx("lo", TcxDirection::Ingress).unwrap(),
        ];
        room.send(9, 7, 100);
        drop(links);
    });
    assert_eq!((hits.get(0).unwrap(), hits.get(2).unwrap()), (Some(7), Some(7)));
    assert_eq!(cpu_hits.get(0).unwrap().unwrap().iter().sum::<u64>(), 7);
    let outcome = loaded
        .program("xdp_drop")
        .unwrap()
        .test_run()
        .data(&[0; 64])
        .run()
        .unwrap();
    assert_eq!(outcome.return_value, 1);
}

#[test]
fn global_variables_of_a_running_program() {
    require!(Need::Root);
    let loaded = Loader::new().load(&object("globals")).unwrap();
    let counter = loaded.global::<u64>("counter").unwrap();
    assert_eq!((counter.name(), counter.get().unwrap()), ("counter", 0xff_eeff));
    counter.set(&5).unwrap();
    assert_eq!(counter.get().unwrap(), 5);
    // Seen through the map as well, and by any other handle.
    assert_eq!(loaded.global::<u64>("counter").unwrap().get().unwrap(), 5);
    assert_eq!(counter.atomic_u64().unwrap().fetch_add(2, Ordering::Relaxed), 5);
    assert_eq!(counter.get().unwrap(), 7);
    assert!(counter.atomic_u32().is_none());
    assert_eq!(loaded.global::<i16>("small").unwrap().get().unwrap(), -2);
    assert_eq!(
        loaded.global::<[u8; 16]>("greeting").unwrap().get().unwrap(),
        *b"good morning\0\0\0\0"
    );

    let limit = loaded.global::<u32>("limit").unwrap();
    assert_eq!(limit.get().unwrap(), 10);
    let error = limit.set(&11).unwrap_err().to_string();
    assert!(error.contains("constant once the object is loaded"), "{error}");
    assert!(limit.atomic_u32().is_none());

    let error = loaded.global::<u32>("counter").unwrap_err().to_string();
    assert!(
        error.contains("counter") && error.contains('8') && error.contains("u32"),
        "{error}"
    );
    loaded.global::<u32>("no_such_variable").unwrap_err();
}
