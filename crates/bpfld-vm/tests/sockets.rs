//! Programs that hand packets, messages and connections to sockets.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use core::net::SocketAddr;

use bpfld_vm::{ProgramType, Redirect, Skb, Socket, Structure, Transport, Vm};
use support::assembled;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([0; 4], port))
}

/// Messages, streams, look-ups and packets that go to sockets of maps.
const PROGRAMS: &str = r#"
    .map by_index sockmap key=u32 value=u64 max_entries=4
    .map by_key sockhash key=u64 value=u32 max_entries=4
    .map group reuseport_sockarray key=u32 value=u64 max_entries=4
    .section sk_msg
    .globl message, message_by_key
message:
    r2 = by_index ll
    r3 = 1
    r4 = 1
    call bpf_msg_redirect_map
    exit
message_by_key:
    r2 = by_key ll
    *(u64 *)(r10 - 8) = 70
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_msg_redirect_hash
    exit
    .section sk_skb/stream_verdict
    .globl stream, stream_by_key
stream:
    r7 = *(u32 *)(r1 + 76)
    r7 = *(u8 *)(r7 + 0)
    r2 = by_index ll
    r3 = 1
    r4 = 0
    call bpf_sk_redirect_map
    r7 *= 10
    r0 += r7
    exit
stream_by_key:
    r2 = by_key ll
    *(u64 *)(r10 - 8) = 70
    r3 = r10
    r3 += -8
    r4 = 4
    call bpf_sk_redirect_hash
    exit
    .section sk_reuseport
    .globl select
select:
    w7 = *(u32 *)(r1 + 16)
    r2 = group ll
    *(u32 *)(r10 - 4) = 2
    r3 = r10
    r3 += -4
    r4 = 0
    call bpf_sk_select_reuseport
    r7 *= 1000
    r0 += r7
    exit
    .section sk_lookup
    .globl find
find:
    r6 = r1
    r8 = 2
    r9 = 0
again:
    r1 = by_index ll
    *(u32 *)(r10 - 4) = 1
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r7 = r0
    r1 = r6
    r2 = r7
    r3 = 0
    call bpf_sk_assign
    r9 *= 1000
    r9 -= r0
    r1 = r7
    call bpf_sk_release
    r8 += -1
    if r8 != 0 goto again
    r1 = r6
    r2 = 0
    r3 = 4
    call bpf_sk_assign
    r9 *= 1000
    r9 -= r0
out:
    r0 = r9
    exit
    .section tc
    .globl give
give:
    r6 = r1
    r2 = 0
    *(u64 *)(r10 - 16) = r2
    *(u32 *)(r10 - 8) = 0x5000d204
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = -1
    r5 = 0
    call bpf_sk_lookup_udp
    if r0 == 0 goto none
    r7 = r0
    r1 = r6
    r2 = r7
    r3 = 0
    call bpf_sk_assign
    r6 = r0
    r1 = r7
    call bpf_sk_release
    r0 = r6
    exit
none:
    r0 = 1
    exit
    .section sockops
    .globl keep
keep:
    r6 = r1
    r2 = 0x185
    call bpf_sock_ops_cb_flags_set
    r7 = r0
    r1 = r6
    r2 = by_key ll
    *(u64 *)(r10 - 8) = 71
    r3 = r10
    r3 += -8
    r4 = 1
    call bpf_sock_hash_update
    r0 += r7
    exit
"#;

/// What a program returns and where it sends.
fn structured(vm: &mut Vm, name: &str, context: Structure) -> (i64, Option<Redirect>) {
    let outcome = vm.program(name).unwrap().run(context).unwrap();
    (outcome.r0 as i64, outcome.redirect)
}

fn to(cookie: u64, flags: u64) -> Option<Redirect> {
    Some(Redirect::Socket { cookie, flags })
}

#[test]
fn messages_and_streams_go_to_sockets_of_maps() {
    let mut vm = assembled(PROGRAMS);
    let message = || Structure::new(ProgramType::SK_MSG).unwrap();
    for name in ["message", "message_by_key"] {
        assert_eq!(structured(&mut vm, name, message()), (0, None), "{name}");
    }
    vm.map("by_index")
        .unwrap()
        .insert(&1u32.to_le(), &5u64.to_le())
        .unwrap();
    vm.map("by_key")
        .unwrap()
        .insert(&70u64.to_le(), &6u32.to_le())
        .unwrap();
    assert_eq!(structured(&mut vm, "message", message()), (1, to(5, 1)));
    assert_eq!(structured(&mut vm, "message_by_key", message()), (1, to(6, 0)));
    // streams have no header that is left out; flags that there are not drop
    let outcome = vm.program("stream").unwrap().run(Skb::new(b"!payload")).unwrap();
    assert_eq!((outcome.r0, outcome.redirect), (10 * 0x21 + 1, to(5, 0)));
    let outcome = vm.program("stream_by_key").unwrap().run(Skb::new(b"!")).unwrap();
    assert_eq!((outcome.r0, outcome.redirect), (0, None));
}

#[test]
fn one_of_several_sockets_on_a_port_is_selected() {
    let mut vm = assembled(PROGRAMS);
    let packet = || {
        let mut context = Structure::new(ProgramType::SK_REUSEPORT).unwrap();
        context.set_data(&[0; 9]);
        context
    };
    assert_eq!(structured(&mut vm, "select", packet()), (9000 - 2, None));
    vm.map("group")
        .unwrap()
        .insert(&2u32.to_le(), &8u64.to_le())
        .unwrap();
    assert_eq!(structured(&mut vm, "select", packet()), (9000, to(8, 0)));
}

#[test]
fn look_ups_and_packets_are_given_sockets() {
    let mut vm = assembled(PROGRAMS);
    let lookup = |family: u64, protocol: u64| {
        let mut context = Structure::new(ProgramType::SK_LOOKUP).unwrap();
        context.set("family", family).unwrap();
        context.set("protocol", protocol).unwrap();
        context
    };
    let sockets = &mut vm.scenario_mut().network.sockets;
    sockets.push(Socket::listening(Transport::Udp, at(80)));
    sockets.push(Socket::connected(Transport::Udp, at(81), at(82)));
    let put = |vm: &mut Vm, cookie: u64| {
        vm.map("by_index")
            .unwrap()
            .insert(&1u32.to_le(), &cookie.to_le())
            .unwrap();
    };
    put(&mut vm, 1);
    // the second time there is one already (EEXIST); the last flags are unknown (EINVAL)
    assert_eq!(structured(&mut vm, "find", lookup(2, 17)), (17_022, to(1, 0)));
    // EPROTOTYPE, EAFNOSUPPORT
    assert_eq!(structured(&mut vm, "find", lookup(2, 6)), (91_091_022, None));
    assert_eq!(structured(&mut vm, "find", lookup(10, 17)), (97_097_022, None));
    // ESOCKTNOSUPPORT: it is connected
    put(&mut vm, 2);
    assert_eq!(structured(&mut vm, "find", lookup(2, 17)), (94_094_022, None));
    // no such socket
    put(&mut vm, 3);
    assert_eq!(structured(&mut vm, "find", lookup(2, 17)), (0, None));

    let outcome = vm.program("give").unwrap().run(Skb::new(&[0; 60])).unwrap();
    assert_eq!((outcome.r0, outcome.redirect), (0, to(1, 0)));
}

#[test]
fn a_connection_keeps_its_own_socket() {
    let mut vm = assembled(PROGRAMS);
    vm.scenario_mut().socket_cookie = 44;
    let context = Structure::new(ProgramType::SOCK_OPS).unwrap();
    let outcome = vm.program("keep").unwrap().run(context).unwrap();
    // flags that there are not are given back
    assert_eq!(outcome.r0, 0x180);
    assert_eq!(outcome.context.get("bpf_sock_ops_cb_flags"), Some(5));
    let kept = vm.map("by_key").unwrap().get::<u32>(&71u64.to_le());
    assert_eq!(kept, Ok(Some(44u32.to_le())));
    let again = vm
        .program("keep")
        .unwrap()
        .run(Structure::new(ProgramType::SOCK_OPS).unwrap());
    assert_eq!(again.unwrap().r0 as i64, 0x180 - 17);
}

/// A socket is of the types that its protocol, family and state make it.
#[test]
fn sockets_are_told_to_be_of_other_types() {
    let casts = [
        "tcp_sock",
        "tcp6_sock",
        "udp6_sock",
        "tcp_timewait_sock",
        "tcp_request_sock",
        "unix_sock",
        "mptcp_sock",
    ];
    let calls: String = casts
        .iter()
        .enumerate()
        .map(|(number, cast)| {
            format!(
                "r1 = r6
                call bpf_skc_to_{cast}
                if r0 == 0 goto no{number}
                if r0 != r6 goto none
                r7 |= {}
            no{number}:\n",
                1 << number
            )
        })
        .collect();
    let text = |family: &str| {
        format!(
            ".section tc
        cast:
            r2 = 0
            *(u64 *)(r10 - 40) = r2
            *(u64 *)(r10 - 32) = r2
            *(u64 *)(r10 - 24) = r2
            *(u64 *)(r10 - 16) = r2
            *(u32 *)(r10 - 8) = 0
            {family}
            call bpf_skc_lookup_tcp
            if r0 == 0 goto none
            r6 = r0
            r7 = 0
            {calls}
            r1 = r6
            call bpf_sk_release
            r0 = r7
            exit
        none:
            r0 = -1
            exit"
        )
    };
    let v4 = "*(u32 *)(r10 - 32) = 0x5000d204
        r2 = r10\n r2 += -40\n r3 = 12\n r4 = -1\n r5 = 0";
    let v6 = "*(u32 *)(r10 - 8) = 0x5000d204
        r2 = r10\n r2 += -40\n r3 = 36\n r4 = -1\n r5 = 0";
    for (family, address, state, expected) in [
        (v4, SocketAddr::from(([0; 4], 80)), 10, 1),
        (v6, SocketAddr::from(([0u16; 8], 80)), 10, 3),
        (v4, SocketAddr::from(([0; 4], 80)), 6, 8),
        (v4, SocketAddr::from(([0; 4], 80)), 12, 16),
    ] {
        let mut vm = assembled(&text(family));
        let mut socket = Socket::listening(Transport::Tcp, address);
        socket.state = state;
        vm.scenario_mut().network.sockets.push(socket);
        let run = vm.program("cast").unwrap().run_on(&mut Skb::new(&[0; 60]));
        assert_eq!(run, Ok(expected), "{address} {state}");
    }
}

#[test]
fn a_socket_is_bound_where_the_program_says() {
    let text = |family: u16, len: u32| {
        format!(
            ".section cgroup/connect4
            bound:
                r2 = 0
                *(u64 *)(r10 - 16) = r2
                *(u64 *)(r10 - 8) = r2
                *(u16 *)(r10 - 16) = {family}
                *(u16 *)(r10 - 14) = 0x5000
                *(u32 *)(r10 - 12) = 0x0100007f
                r2 = r10
                r2 += -16
                r3 = {len}
                call bpf_bind
                exit"
        )
    };
    for (family, len, expected, bound) in [
        (2, 16, 0, Some(SocketAddr::from(([127, 0, 0, 1], 80)))),
        (2, 12, -22, None),
        (10, 16, -22, None),
        (9, 16, -97, None),
    ] {
        let mut vm = assembled(&text(family, len));
        let context = Structure::new(ProgramType::CGROUP_SOCK_ADDR).unwrap();
        let outcome = vm.program("bound").unwrap().run(context).unwrap();
        assert_eq!(
            (outcome.r0 as i64, outcome.context.bound()),
            (expected, bound),
            "{family} {len}"
        );
    }
}
