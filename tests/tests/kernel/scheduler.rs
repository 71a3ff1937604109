//! A scheduler given to the kernel as a table of functions.

use std::{fs, hint, thread};

use bpfld::{Errno, LinkDetails, LinkType, Loader, Object};
use bpfld_tests::{Need, fixture, require};

use crate::counter::eventually;

fn told(file: &str) -> String {
    let path = format!("/sys/kernel/sched_ext/{file}");
    fs::read_to_string(&path).map_or_else(|error| format!("{path}: {error}"), |text| text.trim().to_owned())
}

/// More threads than there are processors, so that some must wait in the queue.
fn work() {
    let threads = 2 * thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for number in 0..50 {
                    hint::black_box((0..20_000).fold(number, |sum, n| hint::black_box(sum ^ n)));
                    thread::yield_now();
                }
            });
        }
    });
}

#[test]
fn a_scheduler_takes_over_and_gives_back() {
    require!(
        Need::Root,
        Need::Linux(6, 12),
        Need::Config("CONFIG_SCHED_CLASS_EXT")
    );
    let load = |timeout: u32| {
        let mut loader = Loader::new();
        loader.global("in_turn.timeout_ms", &timeout);
        let loaded = loader.load(&Object::open(fixture("scheduler")).unwrap());
        loaded.unwrap_or_else(|error| panic!("{error:#}"))
    };
    // No task may wait longer than 30 seconds, says the kernel.
    let error = load(30_001).attach_struct_ops("in_turn").unwrap_err();
    assert_eq!(error.errno(), Some(Errno::E2BIG), "{error}");

    let loaded = load(10_000);
    let count = |name| loaded.global::<u64>(name).unwrap().get().unwrap();
    assert_eq!(told("state"), "disabled");
    let link = loaded
        .attach_struct_ops("in_turn")
        .unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(count("begun"), 1);
    assert_eq!(told("state"), "enabled");
    assert_eq!(told("root/ops"), "bpfld_in_turn");
    let info = link.info().unwrap();
    let map = loaded.map("in_turn").unwrap().info().unwrap().id();
    assert_eq!(info.link_type(), LinkType::STRUCT_OPS);
    assert!(matches!(info.details(), LinkDetails::StructOps(ops) if ops.map_id == map));

    let (queued, ran) = (count("queued"), count("ran"));
    eventually(|| {
        work();
        count("queued") > queued && count("ran") > ran
    });
    drop(link);
    eventually(|| told("state") == "disabled");
    assert_eq!((count("begun"), count("ended")), (1, 1));
    let ran = count("ran");
    work();
    assert_eq!(count("ran"), ran, "it is asked no more");
}

/// The functions are programs; the rest of a table is data, which can be set before it is loaded. What it says of itself needs no kernel.
#[test]
fn members_of_tables_are_set_by_name() {
    require!(Need::Root);
    let object = Object::open(fixture("scheduler")).unwrap();
    for (name, size, complaint) in [
        ("in_turn.timeout_ms", 8, "it has 4 bytes, but the value has 8"),
        ("in_turn.enqueue", 8, "it is a pointer"),
        ("in_turn.nosuch", 8, "no such member of the struct_ops table"),
        ("nosuch.timeout_ms", 4, "no such global variable"),
    ] {
        let mut loader = Loader::new();
        loader.global(name, &[0u8; 8][..size]);
        let told = loader.load(&object).unwrap_err().to_string();
        assert!(told.contains(complaint) && told.contains(name), "{told}");
    }
}
