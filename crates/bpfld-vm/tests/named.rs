//! What machines have beside maps by key: redirects, storage, locks, exceptions, functions of the host's, verdicts by helper.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{
    FaultKind, MapSpec, MapType, ProgramType, Redirect, Registers, Skb, Socket, Structure, Transport, Vm, Xdp,
};
use support::assembled;

#[test]
fn redirects_into_maps_are_in_the_outcome() {
    for (kind, map_type) in [
        ("devmap", MapType::DEVMAP),
        ("devmap_hash", MapType::DEVMAP_HASH),
        ("cpumap", MapType::CPUMAP),
        ("xskmap", MapType::XSKMAP),
    ] {
        let mut vm = assembled(&format!(
            ".map targets {kind} key=u32 value=u32 max_entries=4
            .section xdp
            away:
                r1 = targets ll
                r2 = 3
                r3 = 2
                call bpf_redirect_map
                exit"
        ));
        let run = |vm: &mut Vm| {
            let outcome = vm.program("away").unwrap().run(Xdp::new(&[0; 60])).unwrap();
            (outcome.r0, outcome.redirect)
        };
        // the flags are what is returned where nothing is
        assert_eq!(run(&mut vm), (2, None), "{kind}");
        vm.map("targets").unwrap().insert(&3u32.to_le(), &7u32).unwrap();
        let expected = Redirect::Map {
            map: 0,
            map_type,
            key: 3,
            flags: 2,
        };
        assert_eq!(run(&mut vm), (4, Some(expected)), "{kind}");
    }
}

#[test]
fn devices_neighbours_and_copies() {
    for (call, returned, expected) in [
        (
            "r1 = 5\n r2 = 1\n call bpf_redirect",
            7,
            Redirect::Device { ifindex: 5, flags: 1 },
        ),
        (
            "r1 = 5\n r2 = 0\n call bpf_redirect_peer",
            7,
            Redirect::Peer { ifindex: 5 },
        ),
        (
            "r1 = 5\n r2 = 0\n r3 = 0\n r4 = 0\n call bpf_redirect_neigh",
            7,
            Redirect::Neighbour { ifindex: 5 },
        ),
        (
            "r2 = 5\n r3 = 1\n call bpf_clone_redirect",
            0,
            Redirect::Clone { ifindex: 5, flags: 1 },
        ),
    ] {
        let mut vm = assembled(&format!(".section tc\n away:\n {call}\n exit"));
        let outcome = vm.program("away").unwrap().run(Skb::new(&[0; 60])).unwrap();
        assert_eq!(
            (outcome.r0, outcome.redirect),
            (returned, Some(expected)),
            "{call}"
        );
    }
}

/// Counts in the storage of the current task; `flags` 1 makes it.
fn in_storage(flags: u32) -> Vm {
    let mut vm = Vm::builder().empty(Endian::Little);
    vm.add_map(MapSpec::new("storage", MapType::TASK_STORAGE, 4, 8, 0))
        .unwrap();
    let text = format!(
        "call bpf_get_current_task_btf
        r6 = r0
        r1 = map[fd:0] ll
        r2 = r6
        r3 = 0
        r4 = {flags}
        call bpf_task_storage_get
        if r0 == 0 goto none
        r1 = *(u64 *)(r0 + 0)
        r1 += 1
        *(u64 *)(r0 + 0) = r1
        r0 = r1
        exit
    none:
        exit"
    );
    let count = assemble(&text).unwrap();
    vm.add_program("count", ProgramType::TRACING, count.slots())
        .unwrap();
    let text =
        "call bpf_get_current_task_btf\n r2 = r0\n r1 = map[fd:0] ll\n call bpf_task_storage_delete\n exit";
    let delete = assemble(text).unwrap();
    vm.add_program("delete", ProgramType::TRACING, delete.slots())
        .unwrap();
    vm
}

#[test]
fn each_task_has_its_own_storage() {
    let run = |vm: &mut Vm, name: &str| vm.program(name).unwrap().run_on(&mut ()).unwrap() as i64;
    assert_eq!(run(&mut in_storage(0), "count"), 0);
    let mut vm = in_storage(1);
    assert_eq!([run(&mut vm, "count"), run(&mut vm, "count")], [1, 2]);
    vm.scenario_mut().task.pid += 1;
    assert_eq!(run(&mut vm, "count"), 1);
    assert_eq!(run(&mut vm, "delete"), 0);
    assert_eq!(run(&mut vm, "delete"), -2); // ENOENT
    vm.scenario_mut().task.pid -= 1;
    assert_eq!(run(&mut vm, "count"), 3);
}

#[test]
fn locks_are_held_once() {
    let locked = |calls: &str| {
        let mut vm = assembled(&format!(
            ".map values array key=u32 value=u64 max_entries=2
            .section tc
            locked:
                *(u32 *)(r10 - 4) = 1
                r2 = r10
                r2 += -4
                r1 = values ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r6 = r0
                {calls}
                r0 = *(u64 *)(r6 + 0)
            out:
                exit"
        ));
        let result = vm.program("locked").unwrap().run_on(&mut Skb::new(&[0; 60]));
        result.map_err(|fault| fault.to_string())
    };
    let (lock, unlock) = (
        "r1 = r6\n call bpf_spin_lock\n",
        "r1 = r6\n call bpf_spin_unlock\n",
    );
    assert_eq!(locked(&[lock, unlock, lock, unlock].concat()), Ok(0));
    let twice = locked(&[lock, lock].concat()).unwrap_err();
    assert!(twice.contains("held already"), "{twice}");
    let never = locked(unlock).unwrap_err();
    assert!(never.contains("not held"), "{never}");
}

/// An exception ends all functions, and its cookie is what the program returns.
#[test]
fn exceptions_end_all_functions() {
    let mut vm = assembled(
        r#"
        .kfunc bpf_throw, "void (u64)"
        .section tc
        .globl main
        main:
            call inner
            r0 = 1
            exit
        .text
        .type inner, @function
        inner:
            r1 = 55
            call bpf_throw
            exit
        "#,
    );
    let outcome = vm.program("main").unwrap().run(Skb::new(&[0; 60])).unwrap();
    assert_eq!(outcome.r0, 55);
}

#[test]
fn kernel_functions_are_given_or_replaced_by_name() {
    let mut vm = assembled(
        r#"
        .kfunc no_such_function, "u64 (u64)"
        .kfunc bpf_rdonly_cast, "void *(void *, u32)"
        .section tc
        .globl calls, casts
        calls:
            r1 = 20
            call no_such_function
            exit
        casts:
            r1 = 20
            r2 = 1
            call bpf_rdonly_cast
            exit
        "#,
    );
    let run = |vm: &mut Vm, name: &str| {
        let result = vm.program(name).unwrap().run_on(&mut Skb::new(&[0; 60]));
        result.map_err(|fault| fault.kind.clone())
    };
    assert!(matches!(run(&mut vm, "calls"), Err(FaultKind::UnknownKfunc(_))));
    assert_eq!(run(&mut vm, "casts"), Ok(20));
    vm.register_kfunc("no_such_function", |call| Ok(call.args()[0] + 1));
    vm.register_kfunc("bpf_rdonly_cast", |call| Ok(call.args()[0] * 2));
    assert_eq!(run(&mut vm, "calls"), Ok(21));
    assert_eq!(run(&mut vm, "casts"), Ok(40));
}

#[test]
fn results_of_calls_are_set_by_helpers() {
    let text = ".section cgroup/getsockopt
        option:
            r6 = r1
            call bpf_get_retval
            r7 = r0
            r1 = -13
            call bpf_set_retval
            w0 = *(u32 *)(r6 + 36)
            r0 += r7
            exit
        .section kprobe/any
        replaced:
            r2 = -12
            call bpf_override_return
            r0 = 0
            exit";
    let mut vm = assembled(text);
    let mut option = Structure::new(ProgramType::CGROUP_SOCKOPT).unwrap();
    option.set("retval", 3).unwrap();
    let outcome = vm.program("option").unwrap().run(option).unwrap();
    assert_eq!((outcome.retval, outcome.return_value()), (-13, -10i32 as u32));
    assert_eq!(outcome.context.get("retval"), Some(-13i32 as u32 as u64));
    let outcome = vm.program("replaced").unwrap().run(Registers::new()).unwrap();
    assert_eq!(outcome.retval, -12);
}

/// What is known of a connection is what the host gave, and nothing else is made up.
#[test]
fn connections_are_told_as_far_as_they_are_given() {
    let mut vm = assembled(
        ".section tc
        window:
            r2 = 0
            *(u64 *)(r10 - 16) = r2
            *(u32 *)(r10 - 8) = 0x5000d204
            r2 = r10
            r2 += -16
            r3 = 12
            r4 = -1
            r5 = 0
            call bpf_sk_lookup_tcp
            if r0 == 0 goto none
            r1 = r0
            call bpf_tcp_sock
            if r0 == 0 goto none
            r0 = *(u32 *)(r0 + 0)
        none:
            exit",
    );
    let address = core::net::SocketAddr::from(([0; 4], 80));
    let sockets = &mut vm.scenario_mut().network.sockets;
    sockets.push(Socket::listening(Transport::Tcp, address));
    let run = |mut vm: Vm| vm.program("window").unwrap().run_on(&mut Skb::new(&[0; 60]));
    let fault = run(vm.clone()).unwrap_err().to_string();
    assert!(
        fault.contains("connection of a socket, as far as it was given"),
        "{fault}"
    );
    vm.scenario_mut().network.sockets[0].connection = 10u32.to_le_bytes().to_vec();
    assert_eq!(run(vm), Ok(10));
}

/// Numbers in network order are the same bytes for programs of both orders.
#[test]
fn network_order_is_that_of_the_program() {
    let mut packet = [0; 60];
    packet[12..15].copy_from_slice(&[0x08, 0, 0x45]);
    packet[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    for (endian, protocol, address) in [
        (Endian::Little, 0x0008, 0x0102_00c0),
        (Endian::Big, 0x0800, 0xc000_0201),
    ] {
        for (text, expected) in [
            ("w0 = *(u32 *)(r1 + 16)\n exit", protocol),
            ("w0 = *(u32 *)(r1 + 96)\n exit", address),
            ("r1 = *(u64 *)(r1 + 168)\n w0 = *(u32 *)(r1 + 24)\n exit", address),
        ] {
            let mut vm = Vm::builder().empty(endian);
            let code = assemble(text).unwrap();
            let mut program = vm.add_program("p", ProgramType::SCHED_CLS, code.slots()).unwrap();
            assert_eq!(
                program.run_on(&mut Skb::new(&packet)),
                Ok(expected),
                "{endian:?} {text}"
            );
        }
    }
}
