//! Contexts that are structures: fields, rights, data.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Fault, ProgramType, Structure, Vm, Xdp};

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
