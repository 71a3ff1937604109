//! Stack traces: where kernel and process were, by address or by file.

use std::collections::BTreeSet;

use bpfld::{
    FrameLocation, KernelSymbols, Map, MapFlags, MapType, ProcessMemory, Program, ProgramType, StackTraces,
};
use bpfld_object::Executable;
use bpfld_tests::{Need, require};

use crate::counter::{call, exit, map_fd, mov};

const USER: i32 = 1 << 8;
const REPLACE: i32 = 1 << 10;

/// Records where this process is now.
fn record(traces: &StackTraces, flags: i32) -> u32 {
    let mut code = Vec::new();
    code.extend(map_fd(2, traces.map()));
    code.extend([mov(3, flags), call(27), exit()]);
    let program = Program::builder(ProgramType::RAW_TRACEPOINT, "trace", &code)
        .load()
        .unwrap();
    let id = program.test_run().run().unwrap().return_value;
    assert!((id as i32) >= 0, "{}", id as i32);
    id
}

#[test]
fn stack_traces_have_names() {
    require!(Need::Root, Need::Linux(5, 10));
    let traces = StackTraces::create("traces", 32, 64).unwrap();
    let kernel = record(&traces, 0);
    let addresses = traces.get(kernel).unwrap().unwrap();
    let symbols = KernelSymbols::read().unwrap();
    let names: Vec<&str> = addresses
        .iter()
        .map(|address| symbols.resolve(*address).unwrap().name)
        .collect();
    assert!(names.iter().any(|name| name.contains("sys_bpf")), "{names:?}");

    assert!(traces.remove(kernel).unwrap() && !traces.remove(kernel).unwrap());
    assert_eq!(traces.get(kernel).unwrap(), None);

    let user = record(&traces, USER);
    let addresses = traces.get(user).unwrap().unwrap();
    let memory = ProcessMemory::of(std::process::id()).unwrap();
    assert!(memory.resolve(addresses[0]).is_some(), "{addresses:x?}");
    assert!(!traces.has_build_ids());
    assert!(traces.build_ids(user).is_err());

    // A trace has the number of its hash, which another one may have already: that one goes.
    let skipping = |frames| record(&traces, REPLACE | frames);
    let expected: BTreeSet<u32> = [user].into_iter().chain((0..4).map(skipping)).collect();
    let ids: Vec<u32> = traces.ids().map(Result::unwrap).collect();
    assert_eq!(ids, Vec::from_iter(expected));
}

#[test]
fn frames_are_known_by_the_build_of_their_file() {
    require!(Need::Root, Need::Linux(5, 10));
    let addresses = StackTraces::create("addresses", 32, 64).unwrap();
    let map = Map::builder(MapType::STACK_TRACE, "builds")
        .key_size(4)
        .value_size(32 * 32);
    let map = map
        .max_entries(64)
        .flags(MapFlags::STACK_BUILD_ID)
        .create()
        .unwrap();
    let builds: StackTraces = map.try_into().unwrap();
    assert!(builds.has_build_ids() && !addresses.has_build_ids());
    let by_address = addresses.get(record(&addresses, USER)).unwrap().unwrap();
    let id = record(&builds, USER);
    builds.get(id).unwrap_err();
    let by_build = builds.build_ids(id).unwrap().unwrap();
    assert_eq!(builds.build_ids(id + 64).unwrap(), None);

    // The innermost frame is the system call, in the C library.
    let memory = ProcessMemory::of(std::process::id()).unwrap();
    let place = memory.resolve(by_address[0]).unwrap();
    let bytes = std::fs::read(place.path).unwrap();
    let own = Executable::parse(&bytes).unwrap();
    match by_build[0] {
        FrameLocation::File { build_id, offset } => {
            let expected = own.build_id().unwrap();
            assert_eq!(build_id[..expected.len()], *expected);
            assert_eq!(offset, place.offset);
        }
        // The kernel does without where it would have to wait.
        FrameLocation::Address(address) => assert_eq!(address, by_address[0]),
    }
}
