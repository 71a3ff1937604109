//! Contexts that are structures: fields, rights, data.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Fault, Flow, ProgramType, Structure, Vm, Xdp};

/// Runs a program on a structure, in both orders of bytes.
fn run(
    context: &Structure,
    program_type: ProgramType,
    text: &str,
    endian: Endian,
) -> Result<(u64, Structure), Fault> {
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(endian);
    let mut program = vm.add_program("p", program_type, assembly.slots()).unwrap();
    let outcome = program.run(context.clone())?;
    Ok((outcome.r0, outcome.context))
}

#[test]
fn fields_are_read_and_written_in_both_orders() {
    let kind = ProgramType::CGROUP_SOCK_ADDR;
    let mut connect = Structure::new(kind).unwrap();
    connect.set("user_family", 2).unwrap();
    connect.set("user_ip4", 0x0102_0304).unwrap();
    connect.set_at("user_ip6", 3, 0xaabb_ccdd).unwrap();
    connect.set("protocol", 6).unwrap();
    for endian in [Endian::Little, Endian::Big] {
        let lowest = if endian == Endian::Little { 4 } else { 7 };
        let text = format!(
            "r6 = r1
            w0 = *(u32 *)(r6 + 4)
            r2 = *(u8 *)(r6 + {lowest})
            r0 += r2
            r2 = *(u64 *)(r6 + 16)
            *(u64 *)(r6 + 48) = r2
            *(u32 *)(r6 + 24) = 77
            r2 = *(u64 *)(r6 + 64)
            w2 = *(u32 *)(r2 + 12)
            r0 += r2
            exit"
        );
        let (r0, after) = run(&connect, kind, &text, endian).unwrap();
        assert_eq!(r0, 0x0102_0304 + 4 + 6);
        assert_eq!(after.get("user_port"), Some(77));
        assert_eq!(after.get_at("msg_src_ip6", 1), Some(0));
        assert_eq!(after.get_at("msg_src_ip6", 2), Some(0xaabb_ccdd));
        for refused in [
            "*(u32 *)(r1 + 0) = 1\n r0 = 0\n exit",
            "*(u8 *)(r1 + 4) = 1\n r0 = 0\n exit",
            "r0 = *(u64 *)(r1 + 20)\n exit",
            "r0 = *(u32 *)(r1 + 64)\n exit",
            "r0 = *(u32 *)(r1 + 72)\n exit",
            "r0 = *(u32 *)(r1 + 6)\n exit",
        ] {
            let fault = run(&connect, kind, refused, endian).unwrap_err();
            assert!(fault.to_string().contains("no field"), "{refused}: {fault}");
        }
    }
    assert!(connect.set("sk", 1).is_err());
    let same = Structure::from_bytes(kind, connect.bytes()).unwrap();
    assert_eq!(same.get_at("user_ip6", 3), Some(0xaabb_ccdd));
    assert_eq!(Structure::from_bytes(kind, &[2]).unwrap().bytes().len(), 72);
    assert!(Structure::new(ProgramType::XDP).is_none());
}

#[test]
fn data_is_between_its_two_addresses() {
    let kind = ProgramType::CGROUP_SOCKOPT;
    let mut option = Structure::new(kind).unwrap();
    option.set_data(&[1, 2, 3, 4]);
    option.set("optlen", 4).unwrap();
    let text = "r2 = *(u64 *)(r1 + 8)
        r3 = *(u64 *)(r1 + 16)
        r0 = r3
        r0 -= r2
        r4 = *(u8 *)(r2 + 3)
        r0 += r4
        *(u8 *)(r2 + 0) = 9
        *(u32 *)(r1 + 36) = -1
        exit";
    let (r0, after) = run(&option, kind, text, Endian::Little).unwrap();
    assert_eq!(r0, 8);
    assert_eq!(after.data(), [9, 2, 3, 4]);
    assert_eq!(after.get("retval"), Some(0xffff_ffff));
    let beyond = "r2 = *(u64 *)(r1 + 8)\n r0 = *(u8 *)(r2 + 4)\n exit";
    assert!(run(&option, kind, beyond, Endian::Little).is_err());
}

#[test]
fn settings_have_names_and_values() {
    let kind = ProgramType::CGROUP_SYSCTL;
    let mut setting = Structure::new(kind).unwrap();
    setting.set("write", 1).unwrap();
    setting.set_sysctl("net/ipv4/ip_forward", b"0", Some(b"1"));
    // the last part of the name, then another value in place of the new one
    let text = "r6 = r1
        r2 = r10
        r2 += -16
        r3 = 16
        r4 = 1
        call bpf_sysctl_get_name
        r7 = r0
        r1 = r6
        r2 = r10
        r2 += -24
        r3 = 1
        call bpf_sysctl_get_new_value
        r7 <<= 8
        r0 = -r0
        r7 += r0
        *(u8 *)(r10 - 24) = 0x32
        r1 = r6
        r2 = r10
        r2 += -24
        r3 = 1
        call bpf_sysctl_set_new_value
        r0 += r7
        exit";
    let (r0, after) = run(&setting, kind, text, Endian::Little).unwrap();
    // "ip_forward" has 10 letters; one byte has no room for "1" and its end: E2BIG
    assert_eq!(r0, 10 << 8 | 7);
    assert_eq!(after.sysctl_new(), Some(&b"2"[..]));
}

/// Runs a program on a packet in two buffers: a hundred bytes of 1, then as many of 2.
fn on_fragments(text: &str) -> (u64, Xdp) {
    let assembly = assemble(text).unwrap();
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut program = vm.add_program("p", ProgramType::XDP, assembly.slots()).unwrap();
    let outcome = program.run(Xdp::with_fragments(&[1; 100], &[2; 100])).unwrap();
    (outcome.r0, outcome.context)
}

#[test]
fn packets_in_several_buffers() {
    // the addresses are of the first buffer, the length is of all
    let text = "r6 = *(u32 *)(r1 + 0)\n r7 = *(u32 *)(r1 + 4)\n r7 -= r6\n call bpf_xdp_get_buff_len\n r0 *= 1000\n r0 += r7\n exit";
    assert_eq!(on_fragments(text).0, 200_100);
    // reading and writing goes over the border
    let (r0, after) = on_fragments(
        "r6 = r1
        r2 = 98
        r3 = r10
        r3 += -8
        r4 = 4
        call bpf_xdp_load_bytes
        w7 = *(u32 *)(r10 - 8)
        *(u32 *)(r10 - 8) = 0x09080706
        r1 = r6
        r2 = 98
        r3 = r10
        r3 += -8
        r4 = 4
        call bpf_xdp_store_bytes
        r1 = r6
        r2 = 198
        r3 = r10
        r3 += -8
        r4 = 4
        call bpf_xdp_load_bytes
        r0 = -r0
        r7 <<= 8
        r0 += r7
        exit",
    );
    assert_eq!(r0, 0x0202_0101 << 8 | 22);
    assert_eq!(after.packet()[97..], [1, 6, 7]);
    assert_eq!(after.fragments()[..3], [8, 9, 2]);
    // the end can be cut, also beyond the border
    for (cut, left) in [
        (-10, (100, 90)),
        (-100, (100, 0)),
        (-130, (70, 0)),
        (-190, (100, 100)),
        (4000, (100, 100)),
        (7, (100, 107)),
    ] {
        let (r0, after) = on_fragments(&format!("r2 = {cut}\n call bpf_xdp_adjust_tail\n exit"));
        assert_eq!((after.packet().len(), after.fragments().len()), left, "{cut}");
        let refused = left == (100, 100);
        assert_eq!(r0 != 0, refused, "{cut}");
    }
}

/// Runs a program on a message of ten bytes, 0 to 9.
fn on_message(text: &str) -> (i64, Structure) {
    let kind = ProgramType::SK_MSG;
    let mut message = Structure::new(kind).unwrap();
    message.set_data(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let (r0, after) = run(&message, kind, text, Endian::Little).unwrap();
    (r0 as i64, after)
}

#[test]
fn messages_are_pulled_pushed_and_popped() {
    let call = |helper: &str, start: i32, second: i32, flags: u32| {
        format!(
            "r6 = r1
            r2 = {start}
            r3 = {second}
            r4 = {flags}
            call bpf_msg_{helper}_data
            r7 = r0
            r2 = *(u64 *)(r6 + 0)
            r3 = *(u64 *)(r6 + 8)
            r3 -= r2
            w4 = *(u32 *)(r6 + 68)
            if r7 != 0 goto out
            r7 = r3
            r7 <<= 8
            r7 += r4
        out:
            r0 = r7
            exit"
        )
    };
    // the data are what was asked for; the message stays what it is
    let (r0, after) = on_message(&call("pull", 2, 6, 0));
    assert_eq!((r0, after.data().len()), (4 << 8 | 10, 10));
    let (r0, after) = on_message(&call("push", 3, 2, 0));
    assert_eq!(r0, 12 << 8 | 12);
    assert_eq!(after.data(), [0, 1, 2, 0, 0, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(after.get("size"), Some(12));
    let (r0, after) = on_message(&call("pop", 1, 8, 0));
    assert_eq!(r0, 2 << 8 | 2);
    assert_eq!(after.data(), [0, 9]);
    // room at the end, and all of it
    assert_eq!(on_message(&call("push", 10, 1, 0)).0, 11 << 8 | 11);
    assert_eq!(on_message(&call("pop", 0, 10, 0)).0, 0);
    for (helper, start, second, flags) in [
        ("pull", 2, 2, 0),
        ("pull", 2, 11, 0),
        ("pull", 0, 1, 1),
        ("push", 11, 1, 0),
        ("pop", 3, 8, 0),
        ("pop", 10, 1, 0),
        ("push", 0, 1, 1),
    ] {
        let (r0, after) = on_message(&call(helper, start, second, flags));
        assert_eq!(r0, -22, "{helper} {start} {second} {flags}");
        assert_eq!(after.data().len(), 10);
    }
    // what was left out of the data cannot be accessed
    let beyond = "r6 = r1\n r2 = 2\n r3 = 6\n r4 = 0\n call bpf_msg_pull_data\n r2 = *(u64 *)(r6 + 0)\n r0 = *(u8 *)(r2 + 4)\n exit";
    let kind = ProgramType::SK_MSG;
    let mut message = Structure::new(kind).unwrap();
    message.set_data(&[0; 10]);
    assert!(run(&message, kind, beyond, Endian::Little).is_err());
}

#[test]
fn messages_are_told_of_in_advance() {
    let text = "r6 = r1\n r2 = 7\n call bpf_msg_apply_bytes\n r1 = r6\n r2 = 100\n call bpf_msg_cork_bytes\n r0 = 1\n exit";
    let (_, after) = on_message(text);
    assert_eq!((after.apply_bytes(), after.cork_bytes()), (7, 100));
    let wrong = run(
        &Structure::new(ProgramType::CGROUP_SOCK).unwrap(),
        ProgramType::CGROUP_SOCK,
        "r2 = 7\n call bpf_msg_apply_bytes\n exit",
        Endian::Little,
    );
    assert!(wrong.unwrap_err().to_string().contains("no context of a message"));
}

#[test]
fn options_of_sockets_are_those_of_the_scenario() {
    let kind = ProgramType::SOCK_OPS;
    let program = |helper: &str, level: u32, name: u32, value: u64, len: u32| {
        format!(
            "r2 = {value} ll
            *(u64 *)(r10 - 8) = r2
            r2 = {level}
            r3 = {name}
            r4 = r10
            r4 += -8
            r5 = {len}
            call bpf_{helper}sockopt
            if r0 != 0 goto out
            r0 = *(u64 *)(r10 - 8)
        out:
            exit"
        )
    };
    let mut vm = Vm::builder().empty(Endian::Little);
    let mut run = |text: String| {
        let assembly = assemble(&text).unwrap();
        let mut program = vm.add_program("p", kind, assembly.slots()).unwrap();
        let r0 = program.run(Structure::new(kind).unwrap()).unwrap().r0 as i64;
        (r0, vm.scenario().socket_options.clone())
    };
    // SO_MARK; nobody has set it before
    assert_eq!(
        run(program("get", 1, 36, u64::MAX, 4)).0,
        0xffff_ffff_0000_0000u64 as i64
    );
    let (r0, options) = run(program("set", 1, 36, 5, 4));
    assert_eq!((r0, &*options[&(1, 36)]), (5, &[5, 0, 0, 0][..]));
    assert_eq!(run(program("get", 1, 36, 0, 4)).0, 5);
    // TCP_CONGESTION has a name
    let name = u64::from_le_bytes(*b"dctcp\0\0\0");
    assert_eq!(run(program("set", 6, 13, name, 6)).0, name as i64);
    assert_eq!(run(program("get", 6, 13, 0, 8)).0, name as i64);
    // an option that there is not, a length that does not fit, one that cannot be read: EINVAL
    for refused in [
        program("set", 1, 3, 0, 4),
        program("set", 1, 36, 0, 8),
        program("get", 1, 25, 0, 8),
        program("get", 6, 1001, 0, 4),
        program("set", 6, 28, 0, 4),
    ] {
        assert_eq!(run(refused.clone()).0, -22, "{refused}");
    }
}

#[test]
fn flows_are_dissected_into_keys() {
    let mut packet = [0; 60];
    packet[12..14].copy_from_slice(&[8, 0]);
    for endian in [Endian::Little, Endian::Big] {
        // the length of the packet becomes the transport header, which does not go beyond; the flags the label
        let text = "w2 = *(u32 *)(r1 + 76)
            w3 = *(u32 *)(r1 + 80)
            r4 = *(u64 *)(r1 + 144)
            w0 = *(u16 *)(r4 + 0)
            w5 = *(u8 *)(r4 + 10)
            r0 += r5
            r3 -= r2
            r3 += 40
            *(u16 *)(r4 + 2) = r3
            w5 = *(u32 *)(r4 + 48)
            *(u32 *)(r4 + 52) = r5
            exit";
        let assembly = assemble(text).unwrap();
        let mut vm = Vm::builder().empty(endian);
        let kind = ProgramType::FLOW_DISSECTOR;
        let mut program = vm.add_program("p", kind, assembly.slots()).unwrap();
        let mut flow = Flow::new(&packet);
        flow.flags = 2;
        let outcome = program.run(flow).unwrap();
        assert_eq!(outcome.r0, 14 + 8);
        let keys = outcome.context.keys();
        let number = |at: usize| match endian {
            Endian::Little => u16::from_le_bytes([keys[at], keys[at + 1]]),
            Endian::Big => u16::from_be_bytes([keys[at], keys[at + 1]]),
        };
        assert_eq!((number(0), number(2)), (14, 60));
        assert_eq!(keys[48..52], keys[52..56]);
        assert_eq!(outcome.context.packet(), packet);
        let refused = assemble("w0 = *(u32 *)(r1 + 8)\n exit").unwrap();
        let mut program = vm.add_program("q", kind, refused.slots()).unwrap();
        assert!(program.run(Flow::new(&packet)).is_err());
    }
}
