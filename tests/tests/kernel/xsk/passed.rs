//! Sockets that other processes made.

use std::{
    io::{self, BufRead as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use bpfld::{XdpMode, XskMap};
use bpfld_tests::{Need, require, sandbox};
use bpfld_xsk::XskSocket;

use super::{expect, packet, send, umem};

const NEED: Need = Need::Config("CONFIG_XDP_SOCKETS");
const CHILD: &str = "BPFLD_TEST_XSK_CHILD";
const NAME: &str = "xsk::passed::a_process_without_rights_uses_a_passed_socket";

/// A process with rights makes the socket and the program, one without makes memory and rings, binds, and answers.
#[test]
fn a_process_without_rights_uses_a_passed_socket() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    require!(Need::Root, NEED);
    sandbox(|room| {
        room.veth_with_queues("left", "right", 1);
        let socket = bpfld_sys::xdp::socket().unwrap();
        let (output, input) = io::pipe().unwrap();
        // Users without rights may not be able to reach the directory that this program lies in.
        let copy = room.bpffs().parent().map(|directory| {
            let copy = directory.join(format!("bpfld-xsk-child-{}", std::process::id()));
            std::fs::copy("/proc/self/exe", &copy).unwrap();
            copy
        });
        let copy = copy.unwrap();
        let mut child = Command::new(&copy)
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .uid(65534)
            .gid(65534)
            .stdin(Stdio::from(socket.try_clone().unwrap()))
            .stdout(Stdio::from(OwnedFd::from(input)))
            .spawn()
            .unwrap();
        let mut lines = io::BufReader::new(output).lines();
        let bound = lines.any(|line| line.unwrap().contains("bound"));
        let map = XskMap::create("sockets", 1).unwrap();
        let code = [
            // r2 = the queue, r1 = the map, r3 = XDP_PASS; redirect
            bpfld_insn::Slot::new(0x61, 2, 1, 16, 0),
            bpfld_insn::Slot::new(0x18, 1, 1, 0, std::os::fd::AsRawFd::as_raw_fd(&map.map().as_fd())),
            bpfld_insn::Slot::new(0, 0, 0, 0, 0),
            bpfld_insn::Slot::new(0xb7, 3, 0, 0, 0),
            bpfld_insn::Slot::new(0x85, 0, 0, 0, 51),
            bpfld_insn::Slot::new(0x95, 0, 0, 0, 0),
        ];
        let program = bpfld::Program::builder(bpfld::ProgramType::XDP, "give", &code)
            .load()
            .unwrap();
        let program = bpfld::Xdp::try_from(program).unwrap();
        let _link = program.attach("right", XdpMode::Auto).unwrap();
        let mut left = XskSocket::builder(&umem(64)).bind("left", 0).unwrap();
        if bound {
            map.set(0, &socket).unwrap();
            for count in 0..5 {
                send(&mut left, &packet(count, 64));
            }
        }
        let told = lines.any(|line| line.unwrap().contains("five came"));
        assert!(child.wait().unwrap().success());
        std::fs::remove_file(copy).unwrap();
        assert!(bound && told);
    });
}

fn child() {
    let passed = io::stdin().as_fd().try_clone_to_owned().unwrap();
    bpfld_sys::xdp::socket().unwrap_err();
    // Such users may not lock much memory.
    let umem = umem(16);
    let mut socket = XskSocket::builder(&umem).passed(passed).bind("right", 0).unwrap();
    say("bound");
    for count in 0..5 {
        assert_eq!(expect(&mut socket).0, count);
    }
    drop(socket);
    // The other process may still have it open.
    let usage = umem.usage();
    assert_eq!((usage.retired, usage.free), (8, 8));
    say("five came");
}

fn say(what: &str) {
    let mut out = io::stdout();
    writeln!(out, "{what}").unwrap();
    out.flush().unwrap();
}
