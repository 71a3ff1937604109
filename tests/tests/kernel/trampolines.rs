//! Programs that the kernel calls through trampolines: entry and return of functions, changed returns, security hooks,
//! replaced functions.

use std::{
    fs::File,
    net::UdpSocket,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bpfld::{
    Extension, Fentry, Link, LinkDetails, LinkType, Loaded, Loader, LsmCgroup, Object, Program, TracingMulti,
};
use bpfld_features::{Feature, Settings};
use bpfld_tests::{Cgroup, Need, fits, fixture, require, skip};

/// Loads some programs of an object.
#[track_caller]
fn load(name: &str, programs: &[&str]) -> Loaded {
    let object = Object::open(fixture(name)).unwrap();
    let mut loader = Loader::new();
    loader.only(programs.iter().copied());
    loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Has the kernel call `bpf_fentry_test1` to `bpf_fentry_test8`, or `bpf_modify_return_test`.
fn trigger(program: &Program) {
    program
        .test_run()
        .run()
        .unwrap_or_else(|error| panic!("{error:#}"));
}

/// The functions that [`trigger`] has called are the kernel's, so of the tests that count their calls one runs at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Attaches by section name and tells how often each place of `hits` counted meanwhile, and that it stopped.
#[track_caller]
fn hits_of<const N: usize>(loaded: &Loaded, program: &str, work: impl Fn()) -> [u64; N] {
    let program = loaded.program(program).unwrap();
    assert!(program.attaches_itself());
    let link = program.attach().unwrap_or_else(|error| panic!("{error:#}"));
    let hits = loaded.global::<[u64; N]>("hits").unwrap();
    let before = hits.get().unwrap();
    work();
    let after = hits.get().unwrap();
    drop(link);
    work();
    assert_eq!(hits.get().unwrap(), after, "still attached");
    std::array::from_fn(|place| after[place] - before[place])
}

#[test]
fn entry_and_return_of_functions() {
    require!(Need::Root, Feature::Fentry);
    let _turn = turn();
    let programs = ["entry", "leave", "change", "entry_sleepable"];
    let programs: Vec<&str> = programs
        .into_iter()
        .filter(|program| fits("trampolines", program))
        .collect();
    let loaded = load("trampolines", &programs);
    let functions = || trigger(loaded.program("entry").unwrap());
    // The argument is 1 and the result 2: numbers of 32 bits, and what is above them in a register may be anything.
    assert_eq!(hits_of::<16>(&loaded, "entry", functions)[0] as u32, 1);
    assert_eq!(hits_of::<16>(&loaded, "leave", functions)[1] as u32, 2);
    if fits("trampolines", "entry_sleepable") {
        assert_eq!(hits_of::<16>(&loaded, "entry_sleepable", functions)[3] as u32, 1);
    }
    if fits("trampolines", "change") {
        let changed = || trigger(loaded.program("change").unwrap());
        assert!(hits_of::<16>(&loaded, "change", changed)[2] > 0);
    }
}

#[test]
fn what_links_of_trampolines_say() {
    require!(Need::Root, Feature::Fentry, Need::Linux(5, 19));
    let loaded = load("trampolines", &["entry"]);
    let entry: Fentry = loaded.program("entry").unwrap().try_into().unwrap();
    let link = entry.attach_with_cookie(0x1234).unwrap();
    let info = link.info().unwrap();
    assert_eq!(info.link_type(), LinkType::TRACING);
    assert!(matches!(info.details(), LinkDetails::Tracing(link) if link.target_btf_id != 0));
    crate::counter::check_cookie(&link, 0x1234, (6, 17));
    // Such links cannot be updated, and are detached by closing them.
    link.update(loaded.program("entry").unwrap()).unwrap_err();
    link.detach().unwrap();
    entry.attach().unwrap().detach().unwrap();
}

/// Whether the kernel was started with BPF among its security modules.
fn hooks_are_called() -> bool {
    let active = Settings::current().lsm;
    active.is_some_and(|modules| modules.iter().any(|name| name == "bpf"))
}

#[test]
fn security_hooks() {
    require!(Need::Root, Feature::Fentry, Need::Config("CONFIG_BPF_LSM"));
    let loaded = load("trampolines", &["file_open", "exec"]);
    // They are called only where the kernel was started with them.
    if !hooks_are_called() {
        loaded
            .program("file_open")
            .unwrap()
            .attach()
            .unwrap()
            .detach()
            .unwrap();
        skip(
            "trampolines::security_hooks",
            "the kernel was started without lsm=…,bpf",
        );
        return;
    }
    let hits = loaded.global::<[u64; 16]>("hits").unwrap();
    let link = loaded.program("file_open").unwrap().attach().unwrap();
    File::open("/dev/null").unwrap();
    assert!(hits.get().unwrap()[4] > 0);
    drop(link);
    let link = loaded.program("exec").unwrap().attach().unwrap();
    let this = std::env::current_exe().unwrap();
    Command::new(this).arg("--help").output().unwrap();
    assert!(hits.get().unwrap()[5] > 0);
    drop(link);
}

#[test]
fn security_hooks_of_a_cgroup() {
    require!(
        Need::Root,
        Feature::Fentry,
        Need::Config("CONFIG_BPF_LSM"),
        Need::Linux(6, 0)
    );
    let loaded = load("trampolines", &["bind"]);
    let bind: LsmCgroup = loaded.program("bind").unwrap().try_into().unwrap();
    let cgroup = Cgroup::new().unwrap();
    let link = bind.attach(File::open(cgroup.path()).unwrap()).unwrap();
    assert_eq!(link.info().unwrap().link_type(), LinkType::CGROUP);
    let hits = loaded.global::<[u64; 16]>("hits").unwrap();
    cgroup.run(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    if hooks_are_called() {
        assert_eq!(hits.get().unwrap()[6], 1);
    } else {
        skip(
            "trampolines::security_hooks_of_a_cgroup",
            "the kernel was started without lsm=…,bpf",
        );
    }
    drop(link);
}

#[test]
fn functions_of_programs_are_replaced() {
    require!(Need::Root, Feature::Fentry, Need::Linux(5, 10));
    let target = Loader::new()
        .load(&Object::open(fixture("replaceable")).unwrap())
        .unwrap();
    let choose = target.program("choose").unwrap();
    let answer = || choose.test_run().data(&[0; 64]).run().unwrap().return_value;
    assert_eq!(answer(), 1);
    let object = Object::open(fixture("trampolines")).unwrap();
    let mut loader = Loader::new();
    loader.only(["replace"]);
    loader.program("replace").attach_into(choose);
    let loaded = loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"));
    let replace: Extension = loaded.program("replace").unwrap().try_into().unwrap();
    let link: Link = replace.attach().unwrap();
    assert_eq!(answer(), 7);
    drop(link);
    assert_eq!(answer(), 1);
}

#[test]
fn functions_of_programs_are_traced() {
    require!(Need::Root, Feature::Fentry, Need::Linux(5, 10));
    let target = Loader::new()
        .load(&Object::open(fixture("replaceable")).unwrap())
        .unwrap();
    let choose = target.program("choose").unwrap();
    let mut loader = Loader::new();
    loader.only(["entry_without_target"]);
    loader
        .program("entry_without_target")
        .attach_to_program(choose, "preference");
    let loaded = loader
        .load(&Object::open(fixture("trampolines")).unwrap())
        .unwrap_or_else(|error| panic!("{error:#}"));
    let hits = loaded.global::<[u64; 16]>("hits").unwrap();
    let run = || {
        choose.test_run().data(&[0; 64]).run().unwrap();
        hits.get().unwrap()[7]
    };
    let entry: Fentry = loaded
        .program("entry_without_target")
        .unwrap()
        .try_into()
        .unwrap();
    let link = entry.attach().unwrap();
    assert_eq!(run(), 1);
    drop(link);
    assert_eq!(run(), 1);
}

/// The program deletes an element, and so calls the function that it traces: that call the kernel leaves out, and counts.
#[test]
fn runs_left_out_for_recursion_are_counted() {
    require!(Need::Root, Feature::Fentry, Need::Linux(5, 12));
    let mut loader = Loader::new();
    loader.global("wanted", &std::process::id());
    let loaded = loader
        .load(&Object::open(fixture("recursion")).unwrap())
        .unwrap_or_else(|error| panic!("{error:#}"));
    let program = loaded.program("again").unwrap();
    let counts = || {
        let runs = loaded.global::<u64>("runs").unwrap().get().unwrap();
        (runs, program.info().unwrap().recursion_misses())
    };
    assert_eq!(counts(), (0, 0));
    let link = program.attach().unwrap_or_else(|error| panic!("{error:#}"));
    let elements = loaded.map("elements").unwrap();
    let (runs, misses) = counts();
    for _ in 0..10 {
        assert!(!elements.delete(&0u32.to_ne_bytes()).unwrap());
    }
    let (runs, misses) = (counts().0 - runs, counts().1 - misses);
    // Other tests delete, too.
    assert!(
        misses >= 10 && runs + misses >= 20,
        "{runs} runs, {misses} misses"
    );
    drop(link);
}

/// The kernel calls nine functions whose names match, once each; sessions see each twice. Programs that sleep may trace the first.
#[test]
fn many_functions_through_trampolines() {
    require!(Need::Root, Feature::Fentry, Need::Linux(7, 2));
    let _turn = turn();
    let helper = load("tracing_multi", &["trigger"]);
    let work = || trigger(helper.program("trigger").unwrap());
    for (program, place, expected) in [
        ("entry", 0, 9),
        ("leave", 1, 9),
        ("session", 2, 18),
        ("entry_sleepable", 3, 1),
        ("leave_sleepable", 4, 1),
        ("session_sleepable", 5, 2),
    ] {
        let loaded = load("tracing_multi", &[program]);
        let mut hits = [0; 8];
        hits[place] = expected;
        assert_eq!(hits_of::<8>(&loaded, program, work), hits, "{program}");
    }
    let loaded = load("tracing_multi", &["anywhere"]);
    let program = loaded.program("anywhere").unwrap();
    assert!(!program.attaches_itself());
    let anywhere: TracingMulti = program.try_into().unwrap();
    let names = ["bpf_fentry_test1", "bpf_fentry_test3"];
    let link = anywhere
        .attach(&names, &[100, 1])
        .unwrap_or_else(|error| panic!("{error:#}"));
    work();
    assert_eq!(loaded.global::<[u64; 8]>("hits").unwrap().get().unwrap()[6], 2);
    assert_eq!(loaded.global::<u64>("cookies").unwrap().get().unwrap(), 101);
    let info = link.info().unwrap();
    assert_eq!(info.link_type(), LinkType::TRACING_MULTI);
    link.detach().unwrap();
    work();
    assert_eq!(loaded.global::<[u64; 8]>("hits").unwrap().get().unwrap()[6], 2);

    let error = anywhere
        .attach(&["bpf_fentry_test1"], &[1, 2])
        .unwrap_err()
        .to_string();
    assert!(error.contains("as many cookies"), "{error}");
    let error = anywhere
        .attach(&["no_such_function"], &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no kernel function 'no_such_function' to trace"),
        "{error}"
    );
    let error = anywhere
        .attach_matching("no_such_module:x*")
        .unwrap_err()
        .to_string();
    assert!(error.contains("was loaded for functions of vmlinux"), "{error}");

    let loaded = load("tracing_multi", &["entry_sleepable"]);
    let sleeps: TracingMulti = loaded.program("entry_sleepable").unwrap().try_into().unwrap();
    let error = sleeps
        .attach_matching("bpf_fentry_test?")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("EINVAL") && error.contains("programs that sleep"),
        "{error}"
    );
}
