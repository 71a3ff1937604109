//! Packets that grow and shrink, and lie in several buffers, in both.

use bpfld::Object;
use bpfld_tests::{Need, require};

use super::compare::check;

/// Room is made and taken after the headers; sizes that do not fit are refused alike.
#[test]
fn room_between_headers() {
    // the youngest of the flags
    require!(Need::Root, Need::Linux(6, 3));
    for mode in [0, 1, 2] {
        for difference in [20, 8, 900, 5000, -4, -20, -60, 0] {
            for flags in [0u64, 2, 4, 6, 1 << 5, 1 << 7, 1 << 8, 1 << 40] {
                check(&format!(
                    r#"
                    .section tc
                    adjust:
                        r6 = r1
                        r2 = {difference}
                        r3 = {mode}
                        r4 = {flags} ll
                        call bpf_skb_adjust_room
                        r7 = r0
                        r0 = *(u32 *)(r6 + 0)
                        w1 = *(u32 *)(r6 + 16)
                        r0 ^= r1
                        r0 ^= r7
                        exit
                    "#
                ));
            }
        }
    }
    for protocol in [0xdd86, 0x0008, 7] {
        check(&format!(
            r#"
            .section tc
            change:
                r6 = r1
                r2 = {protocol}
                r3 = 0
                call bpf_skb_change_proto
                r7 = r0
                w0 = *(u32 *)(r6 + 16)
                r0 ^= r7
                exit
            "#
        ));
    }
}

/// Packets in several buffers: what helpers read, write and cut across the border.
#[test]
fn fragments_are_read_written_and_cut_alike() {
    require!(Need::Root, Need::Linux(5, 18));
    // Where test runs of the kernel begin another buffer: what comes after a packet in the first one is in whole cache lines. The
    // second is a page.
    const FIRST: usize = 4096 - 256 - if cfg!(target_arch = "s390x") { 512 } else { 320 };
    const LENGTH: usize = 5000;
    const SECOND: i32 = (LENGTH - FIRST) as i32;
    let packet: Vec<u8> = (0..LENGTH).map(|number| (number % 251) as u8).collect();
    for (at, cut) in [
        (FIRST - 2, 0),
        (FIRST - 2, -100),
        (10, -SECOND),
        (10, -SECOND - 220),
        (4990, -4986),
        (4998, -5000),
        (3, 5),
        (3, 4096 - SECOND),
        (3, 4096 - SECOND + 1),
    ] {
        let text = format!(
            r#"
            .license "GPL"
            .section xdp.frags
            frags:
                r6 = r1
                r2 = {at}
                r3 = r10
                r3 += -8
                r4 = 4
                call bpf_xdp_load_bytes
                r7 = r0
                if r7 != 0 goto cut
                r8 = *(u8 *)(r10 - 7)
                *(u8 *)(r10 - 7) = 0xee
                r1 = r6
                r2 = {at}
                r3 = r10
                r3 += -8
                r4 = 4
                call bpf_xdp_store_bytes
                r7 += r0
                r7 += r8
            cut:
                r1 = r6
                r2 = {cut}
                call bpf_xdp_adjust_tail
                r7 <<= 8
                r7 += r0
                r1 = r6
                call bpf_xdp_get_buff_len
                r7 <<= 8
                r0 += r7
                exit
            "#
        );
        let object = Object::parse(text.into_bytes()).unwrap();
        let loaded = bpfld::Loader::new().load(&object).unwrap();
        let program = loaded.program("frags").unwrap();
        let theirs = program.test_run().data(&packet).data_room(8192).run().unwrap();
        let mut vm = bpfld_vm::Vm::load(&object).unwrap();
        let (first, rest) = packet.split_at(FIRST);
        let outcome = vm
            .program("frags")
            .unwrap()
            .run(bpfld_vm::Xdp::with_fragments(first, rest))
            .unwrap();
        let context = &outcome.context;
        assert_eq!(outcome.return_value(), theirs.return_value, "{at} {cut}");
        assert_eq!(
            [context.packet(), context.fragments()].concat(),
            theirs.data,
            "{at} {cut}"
        );
    }
}

/// Keys that point out of the packet are put back to its end; fields of IPv4 headers come out as they went in.
#[test]
fn flows_have_the_same_keys() {
    // Older kernels only tell whether a program returned BPF_OK.
    require!(Need::Root, Need::Linux(6, 1));
    for transport in [0, 14, 34, 60, 61, 64, 0xffff] {
        check(&format!(
            "
            .section flow_dissector
            .globl dissect
        dissect:
            r6 = *(u64 *)(r1 + 144)
            w2 = *(u32 *)(r1 + 76)
            w3 = *(u32 *)(r1 + 80)
            w4 = {transport}
            *(u16 *)(r6 + 2) = r4
            w4 = *(u16 *)(r6 + 0)
            if r4 != 14 goto out
            r4 = r2
            r4 += 34
            if r4 > r3 goto out
            w0 = *(u16 *)(r6 + 10)
            if r0 != 8 goto out
            w4 = *(u32 *)(r2 + 26)
            *(u32 *)(r6 + 16) = r4
            w4 = *(u8 *)(r2 + 23)
            *(u8 *)(r6 + 9) = r4
            w0 = 0
            exit
        out:
            w0 = 2
            exit
            "
        ));
    }
}
