//! What programs ask about the world: the answers are those of the scenario.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use core::net::{Ipv4Addr, SocketAddr};

mod support;

use bpfld_vm::{Arguments, Device, Neighbour, Rights, Route, RouteKind, Skb, Socket, Transport, Vm, Xdp};
use support::assembled;

/// Looks 10.1.2.3 up from device 2, and leaves the parameters in a map.
const ROUTE: &str = r#"
    .map parameters array key=u32 value=64 max_entries=1
    .section xdp
route:  r6 = r1
        *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r1 = parameters ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = 2
        *(u8 *)(r0 + 0) = r1
        *(u32 *)(r0 + 8) = r1
        *(u32 *)(r0 + 32) = 0x0302010a
        r1 = r6
        r2 = r0
        r3 = 64
        r4 = 0
        call bpf_fib_lookup
out:    exit
"#;

fn looked_up(vm: &mut Vm) -> (u64, Vec<u8>) {
    let r0 = vm.program("route").unwrap().run(Xdp::new(&[0; 60])).unwrap().r0;
    let parameters = vm.map("parameters").unwrap().get_bytes(&[0; 4]).unwrap();
    (r0, parameters.concat())
}

#[test]
fn routes_are_those_of_the_scenario() {
    let mut vm = assembled(ROUTE);
    let error = (-19i64) as u64; // ENODEV
    assert_eq!(looked_up(&mut vm).0, error);
    let network = &mut vm.scenario_mut().network;
    network.devices.push(Device::new(2));
    let mut out = Device::new(3);
    out.address = [2, 0, 0, 0, 0, 3];
    network.devices.push(out);
    assert_eq!(looked_up(&mut vm).0, 4); // not forwarded
    let network = &mut vm.scenario_mut().network;
    let host = |d| Ipv4Addr::new(10, 1, 2, d).into();
    let mut far = Route::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8, 9);
    far.kind = RouteKind::Blackhole;
    network.routes.push(far);
    assert_eq!(looked_up(&mut vm).0, 1);
    let network = &mut vm.scenario_mut().network;
    network.routes.push(Route::new(host(0), 24, 3).via(host(1)));
    assert_eq!(looked_up(&mut vm).0, 7); // no neighbour
    let network = &mut vm.scenario_mut().network;
    network.neighbours.push(Neighbour {
        ifindex: 3,
        address: host(1),
        link: [2, 0, 0, 0, 0, 1],
    });
    let (r0, parameters) = looked_up(&mut vm);
    assert_eq!(r0, 0);
    assert_eq!(parameters[8], 3);
    assert_eq!(parameters[32..36], [10, 1, 2, 1]);
    assert_eq!(parameters[52..64], [2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 1]);
}

#[test]
fn sockets_are_those_of_the_scenario() {
    let mut vm = assembled(
        r#"
        .section tc
socket: r2 = 0x0a00000209000001 ll
        *(u64 *)(r10 - 16) = r2
        *(u32 *)(r10 - 8) = 0x5000d204
        r2 = r10
        r2 += -16
        *(u32 *)(r10 - 16) = 0x0100007f
        *(u32 *)(r10 - 12) = 0x0200007f
        r3 = 12
        r4 = -1
        r5 = 0
        call bpf_sk_lookup_tcp
        if r0 == 0 goto none
        r6 = *(u32 *)(r0 + 44)
        r7 = *(u32 *)(r0 + 72)
        r7 *= 1000
        r6 += r7
        r1 = r0
        call bpf_sk_release
        r0 = r6
none:   exit
        "#,
    );
    let run = |vm: &mut Vm| vm.program("socket").unwrap().run(Skb::new(&[0; 60])).unwrap().r0;
    assert_eq!(run(&mut vm), 0);
    let at = |address: [u8; 4], port| SocketAddr::from((address, port));
    let sockets = &mut vm.scenario_mut().network.sockets;
    sockets.push(Socket::listening(Transport::Udp, at([0; 4], 80)));
    sockets.push(Socket::listening(Transport::Tcp, at([0; 4], 81)));
    assert_eq!(run(&mut vm), 0);
    let sockets = &mut vm.scenario_mut().network.sockets;
    sockets.push(Socket::listening(Transport::Tcp, at([0; 4], 80)));
    assert_eq!(run(&mut vm), 10_080);
    let sockets = &mut vm.scenario_mut().network.sockets;
    sockets.push(Socket::connected(
        Transport::Tcp,
        at([127, 0, 0, 2], 80),
        at([127, 0, 0, 1], 1234),
    ));
    assert_eq!(run(&mut vm), 1_080);
}

#[test]
fn samples_of_the_host_are_drained() {
    let mut vm = assembled(
        r#"
        .map samples user_ringbuf max_entries=4096
        .section tc
        .globl drain
drain:  *(u64 *)(r10 - 8) = 0
        r1 = samples ll
        r2 = each ll
        r3 = r10
        r3 += -8
        r4 = 0
        call bpf_user_ringbuf_drain
        r0 *= 1000
        r1 = *(u64 *)(r10 - 8)
        r0 += r1
        exit
        .text
        .type each, @function
each:   r6 = r2
        r3 = r1
        r1 = r10
        r1 += -4
        r2 = 4
        r4 = 0
        r5 = 0
        call bpf_dynptr_read
        if r0 != 0 goto stop
        w1 = *(u32 *)(r10 - 4)
        r2 = *(u64 *)(r6 + 0)
        r2 += r1
        *(u64 *)(r6 + 0) = r2
        r0 = 0
        exit
stop:   r0 = 1
        exit
        "#,
    );
    let run = |vm: &mut Vm| vm.program("drain").unwrap().run(Skb::new(&[0; 60])).unwrap().r0;
    assert_eq!(run(&mut vm), 0);
    let mut samples = vm.map("samples").unwrap();
    for number in [5u32, 6, 7] {
        samples.put_sample(&number.to_le_bytes()).unwrap();
    }
    // too short for the function: it stops there, and the rest is for the next time
    samples.put_sample(&[1]).unwrap();
    samples.put_sample(&9u32.to_le_bytes()).unwrap();
    assert!(samples.put_sample(&[0; 5000]).is_err());
    assert_eq!(run(&mut vm), 4018);
    assert_eq!(run(&mut vm), 1009);
    assert_eq!(run(&mut vm), 0);
}

#[test]
fn objects_are_made_dropped_and_missed_afterwards() {
    let text = |last: &str| {
        format!(
            r#"
        .kfunc bpf_obj_new_impl, "void *(u64, void *)"
        .kfunc bpf_obj_drop_impl, "void (void *, void *)"
        .map typed array key=u32 value=u64 max_entries=1
        .section tc
object: r1 = 1
        r2 = 0
        call bpf_obj_new_impl
        if r0 == 0 goto none
        r6 = r0
        *(u32 *)(r6 + 0) = 7
        r7 = *(u32 *)(r6 + 0)
        r1 = r6
        r2 = 0
        call bpf_obj_drop_impl
        {last}
        r0 = r7
none:   exit
        "#
        )
    };
    let run = |text: &str| {
        let mut vm = assembled(text);
        let mut program = vm.program("object").unwrap();
        let first = program.run(Skb::new(&[0; 60])).map(|outcome| outcome.r0);
        first.map_err(|fault| fault.to_string())
    };
    assert_eq!(run(&text("")), Ok(7));
    let fault = run(&text("r7 = *(u32 *)(r6 + 0)")).unwrap_err();
    assert!(fault.contains("object, which was dropped"), "{fault}");
    let fault = run(&text("r1 = r6\n r2 = 0\n call bpf_obj_drop_impl")).unwrap_err();
    assert!(fault.contains("no object that is alive"), "{fault}");
}

#[test]
fn a_task_has_the_structure_that_was_given() {
    let mut vm = assembled(
        r#"
        .kfunc bpf_task_from_pid, "struct task_struct *(s32)"
        .section raw_tp/any
        .globl current, found
        current:
            call bpf_get_current_task_btf
            r0 = *(u64 *)(r0 + 8)
            exit
        found:
            r1 = 1000
            call bpf_task_from_pid
            if r0 == 0 goto none
            r0 = *(u64 *)(r0 + 8)
        none:
            exit
        "#,
    );
    let run = |vm: &mut Vm, name: &str| vm.program(name).unwrap().run_on(&mut Arguments::new(&[]));
    // only a handle
    let fault = run(&mut vm, "current").unwrap_err().to_string();
    assert!(fault.contains("an object of the kernel"), "{fault}");
    let bytes = [1u64, 42].map(u64::to_le_bytes).concat();
    let structure = vm.add_memory("task", bytes, Rights::Read);
    vm.scenario_mut().task.structure = Some(structure);
    assert_eq!(run(&mut vm, "current"), Ok(42));
    assert_eq!(run(&mut vm, "found"), Ok(42));
    vm.scenario_mut().task.pid += 1;
    assert_eq!(run(&mut vm, "found"), Ok(0));
}

#[test]
fn tasks_are_gone_over_once() {
    let text = |what: u32, of: &str| {
        format!(
            r#"
            .kfunc bpf_iter_task_new, "int (struct bpf_iter_task *, struct task_struct *, unsigned int)"
            .kfunc bpf_iter_task_next, "struct task_struct *(struct bpf_iter_task *)"
            .kfunc bpf_iter_task_destroy, "void (struct bpf_iter_task *)"
            .section raw_tp/any
            count:
                call bpf_get_current_task_btf
                r8 = r0
                r1 = r10
                r1 += -24
                r2 = {of}
                r3 = {what}
                call bpf_iter_task_new
                r7 = r0
            next:
                r1 = r10
                r1 += -24
                call bpf_iter_task_next
                if r0 == 0 goto end
                if r0 != r8 goto end
                r7 += 1
                goto next
            end:
                r1 = r10
                r1 += -24
                call bpf_iter_task_destroy
                r0 = r7
                exit
            "#
        )
    };
    for (what, of, expected) in [
        (0, "0", 1),
        (1, "0", 1),
        (2, "r8", 1),
        (2, "0", -22),
        (3, "0", -22),
    ] {
        let mut vm = assembled(&text(what, of));
        let count = vm.program("count").unwrap().run_on(&mut Arguments::new(&[]));
        assert_eq!(count.unwrap() as i64, expected, "{what} {of}");
    }
}

#[test]
fn devices_tell_what_they_know_of_packets() {
    let mut vm = assembled(
        r#"
        .kfunc bpf_xdp_metadata_rx_timestamp, "int (const struct xdp_md *, u64 *)"
        .kfunc bpf_xdp_metadata_rx_hash, "int (const struct xdp_md *, u32 *, u32 *)"
        .kfunc bpf_xdp_metadata_rx_vlan_tag, "int (const struct xdp_md *, u16 *, u16 *)"
        .section xdp
        .globl time, hash, vlan
        time:
            r2 = r10
            r2 += -8
            call bpf_xdp_metadata_rx_timestamp
            if r0 != 0 goto no_time
            r0 = *(u64 *)(r10 - 8)
        no_time:
            exit
        hash:
            r2 = r10
            r2 += -8
            r3 = r10
            r3 += -4
            call bpf_xdp_metadata_rx_hash
            if r0 != 0 goto no_hash
            r0 = *(u64 *)(r10 - 8)
        no_hash:
            exit
        vlan:
            r2 = r10
            r2 += -4
            r3 = r10
            r3 += -2
            call bpf_xdp_metadata_rx_vlan_tag
            if r0 != 0 goto no_vlan
            r0 = *(u32 *)(r10 - 4)
        no_vlan:
            exit
        "#,
    );
    let run = |vm: &mut Vm| {
        ["time", "hash", "vlan"].map(|name| vm.program(name).unwrap().run_on(&mut Xdp::new(&[0; 60])))
    };
    let unsupported = Ok(-95i64 as u64); // EOPNOTSUPP
    assert_eq!(
        run(&mut vm),
        [unsupported.clone(), unsupported.clone(), unsupported]
    );
    let received = &mut vm.scenario_mut().network.received;
    received.time = Some(77);
    received.hash = Some((5, 2));
    received.vlan = Some((0x8100, 3));
    assert_eq!(run(&mut vm), [Ok(77), Ok(2 << 32 | 5), Ok(3 << 16 | 0x0081)]);
}
