//! Tables of functions that the kernel calls: given to it, replaced, taken back, and called.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bpfld::{Loader, Object, ProgramType};
use bpfld_features::{Feature, Release};
use bpfld_tests::{Need, fit, fixture, require, sandbox};
use nix::sys::socket::{setsockopt, sockopt};

use crate::counter::since;

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

/// The kernel has one table of a name.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn struct_ops_tables_are_given_to_the_kernel() {
    require!(Need::Root, Feature::ProgramType(ProgramType::STRUCT_OPS));
    let _turn = turn();
    let mut loader = Loader::new();
    fit(&mut loader, "struct_ops");
    loader.map("extra").create(false);
    let loaded = loader.load(&object("struct_ops")).unwrap();
    let available =
        || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    for (map, name) in [("plain", "bpfld_plain"), ("linked", "bpfld_linked")] {
        if map == "linked" && Release::current().is_some_and(|release| release < Release::new(6, 4)) {
            continue;
        }
        let link = loaded.attach_struct_ops(map).unwrap();
        assert!(available().contains(name), "{}", available());
        drop(link);
        assert!(!available().contains(name), "{}", available());
    }
    assert!(loaded.attach_struct_ops("extra").is_err());
    // Another table in the place of the first, which the kernel then lets go of.
    if since(6, 4) {
        let second = loader.load(&object("struct_ops")).unwrap();
        let link = loaded.attach_struct_ops("linked").unwrap();
        second
            .update_struct_ops(&link, "linked")
            .unwrap_or_else(|error| panic!("{error:#}"));
        assert!(available().contains("bpfld_linked"));
        let map = second.map("linked").unwrap().info().unwrap().id();
        assert!(
            matches!(link.info().unwrap().details(), bpfld::LinkDetails::StructOps(ops) if ops.map_id == map)
        );
        let error = second.update_struct_ops(&link, "plain").unwrap_err().to_string();
        assert!(error.contains("not declared for links"), "{error}");
        assert!(!available().contains("bpfld_plain"), "{}", available());
        drop(link);
        assert!(!available().contains("bpfld_linked"), "{}", available());
    }
}

#[test]
fn functions_of_a_table_are_called() {
    require!(Need::Root, Feature::ProgramType(ProgramType::STRUCT_OPS));
    let _turn = turn();
    let mut loader = Loader::new();
    fit(&mut loader, "struct_ops");
    loader.map("extra").create(false);
    let loaded = loader.load(&object("struct_ops")).unwrap();
    let calls = || loaded.global::<u64>("calls").unwrap().get().unwrap();
    sandbox(|_room| {
        let link = loaded.attach_struct_ops("plain").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        setsockopt(&client, sockopt::TcpCongestion, &OsString::from("bpfld_plain")).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let sent = vec![7; 1 << 20];
        std::thread::scope(|scope| {
            scope.spawn(|| client.write_all(&sent).unwrap());
            let mut received = vec![0; sent.len()];
            server.read_exact(&mut received).unwrap();
            assert_eq!(received, sent);
        });
        assert!(calls() > 0);
        drop((client, server, link));
    });
}
