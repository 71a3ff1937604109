//! Helpers and kernel functions whose answers must be the same in both.

use bpfld::Object;
use bpfld_tests::{Need, require, sandbox};

use super::compare::{Verdict, compare};

/// All programs of a text return the same, and leave the same in packets and maps.
#[track_caller]
pub(super) fn check(text: &str) {
    let text = format!(".license \"GPL\"\n{text}");
    let object = Object::parse(text.into_bytes()).unwrap();
    let verdicts = sandbox(|_room| compare(&object));
    assert!(!verdicts.is_empty());
    for (program, verdict) in verdicts {
        assert_eq!(verdict, Verdict::Agrees, "{program}");
    }
}

#[test]
fn iterators_count_and_end_as_in_the_kernel() {
    require!(
        Need::Root,
        Need::Linux(6, 11),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    for (start, end) in [
        (0, 10),
        (5, 5),
        (7, 3),
        (-3, 4),
        (i32::MIN, i32::MAX),
        (i32::MAX - 3, i32::MAX),
    ] {
        check(&format!(
            r#"
            .kfunc bpf_iter_num_new, "int (struct bpf_iter_num *, int, int)"
            .kfunc bpf_iter_num_next, "int *(struct bpf_iter_num *)"
            .kfunc bpf_iter_num_destroy, "void (struct bpf_iter_num *)"
            .section tc
        count:
            r1 = r10
            r1 += -8
            r2 = {start}
            r3 = {end}
            call bpf_iter_num_new
            r7 = r0
            r6 = 0
        next:
            r1 = r10
            r1 += -8
            call bpf_iter_num_next
            if r0 == 0 goto end
            w1 = *(u32 *)(r0 + 0)
            w6 += w1
            w6 *= 3
            goto next
        end:
            r1 = r10
            r1 += -8
            call bpf_iter_num_destroy
            r0 = r6
            r0 += r7
            exit
            "#
        ));
    }
}

/// A tail call from a function goes back to the function's caller, however deep it was.
#[test]
fn tail_calls_of_functions_return_to_their_callers() {
    require!(Need::Root, Need::Linux(6, 13));
    check(
        r#"
        .map jumps prog_array key=4 max_entries=1 values="main"
        .map depth array key=u32 value=u64 max_entries=1
        .section tc
        .globl main
main:   r6 = r1
        call enter
        r1 = r6
        call enter
        *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r1 = depth ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = *(u64 *)(r0 + 0)
        r1 += 1
        *(u64 *)(r0 + 0) = r1
        r0 = r1
        exit
out:    r0 = 0
        exit
        .text
        .type enter, @function
enter:  r2 = jumps ll
        r3 = 0
        call bpf_tail_call
        r0 = 1
        exit
        "#,
    );
}

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

#[test]
fn routes_devices_and_sockets_that_are_not_there() {
    require!(Need::Root, Need::Linux(6, 1));
    check(
        r#"
        .section xdp
        .globl route, mtu, device
route:  r2 = r10
        r2 += -64
        r3 = 0
        *(u64 *)(r10 - 64) = r3
        *(u64 *)(r10 - 56) = r3
        *(u64 *)(r10 - 48) = r3
        *(u64 *)(r10 - 40) = r3
        *(u64 *)(r10 - 32) = r3
        *(u64 *)(r10 - 24) = r3
        *(u64 *)(r10 - 16) = r3
        *(u64 *)(r10 - 8) = r3
        w4 = *(u32 *)(r1 + 12)
        w4 += 77
        *(u32 *)(r10 - 56) = w4
        *(u8 *)(r10 - 64) = 2
        r3 = 64
        r4 = 0
        call bpf_fib_lookup
        exit
mtu:    *(u32 *)(r10 - 4) = 0
        r2 = 0
        r3 = r10
        r3 += -4
        r4 = 70000
        r5 = 0
        call bpf_check_mtu
        w1 = *(u32 *)(r10 - 4)
        w1 *= 10
        w0 += w1
        exit
device: *(u32 *)(r10 - 4) = 0
        r2 = 99
        r3 = r10
        r3 += -4
        r4 = 0
        r5 = 0
        call bpf_check_mtu
        exit
        .section tc
socket: r2 = 0
        *(u64 *)(r10 - 16) = r2
        *(u64 *)(r10 - 8) = r2
        r2 = r10
        r2 += -16
        r3 = 12
        r4 = -1
        r5 = 0
        call bpf_sk_lookup_tcp
        if r0 == 0 goto none
        r1 = r0
        call bpf_sk_release
        r0 = 1
        exit
none:   r0 = 2
        exit
        "#,
    );
}

/// Dynamic pointers to records, to map values and to packets.
#[test]
fn dynamic_pointers_are_bounded_and_cut_alike() {
    require!(
        Need::Root,
        Need::Linux(6, 5),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    check(
        r#"
        .map ring ringbuf max_entries=4096
        .map values array key=u32 value=64 max_entries=1
        .kfunc bpf_dynptr_from_skb, "int (struct __sk_buff *, u64, struct bpf_dynptr *)"
        .kfunc bpf_dynptr_from_xdp, "int (struct xdp_md *, u64, struct bpf_dynptr *)"
        .kfunc bpf_dynptr_adjust, "int (struct bpf_dynptr *, u32, u32)"
        .kfunc bpf_dynptr_size, "u32 (struct bpf_dynptr *)"
        .kfunc bpf_dynptr_is_rdonly, "_Bool (struct bpf_dynptr *)"
        .section tc
        .globl packet, record, large
packet: r6 = r1
        r2 = 0
        r3 = r10
        r3 += -16
        call bpf_dynptr_from_skb
        r7 = r0
        r1 = r10
        r1 += -16
        r2 = 4
        r3 = 30
        call bpf_dynptr_adjust
        r7 += r0
        r1 = r10
        r1 += -16
        r2 = 3
        r3 = 27
        call bpf_dynptr_adjust
        r7 += r0
        r1 = r10
        r1 += -16
        call bpf_dynptr_size
        r7 += r0
        r1 = r10
        r1 += -16
        call bpf_dynptr_is_rdonly
        r0 &= 1
        r7 += r0
        r1 = 0x1122334455667788 ll
        *(u64 *)(r10 - 24) = r1
        r1 = r10
        r1 += -16
        r2 = 5
        r3 = r10
        r3 += -24
        r4 = 8
        r5 = 0
        call bpf_dynptr_write
        r7 += r0
        r1 = r10
        r1 += -24
        r2 = 8
        r3 = r10
        r3 += -16
        r4 = 7
        r5 = 0
        call bpf_dynptr_read
        r7 += r0
        r1 = r10
        r1 += -24
        r2 = 8
        r3 = r10
        r3 += -16
        r4 = 20
        r5 = 0
        call bpf_dynptr_read
        r7 += r0
        r0 = *(u64 *)(r10 - 24)
        r0 ^= r7
        exit
record: r1 = ring ll
        r2 = 24
        r3 = 0
        r4 = r10
        r4 += -16
        call bpf_ringbuf_reserve_dynptr
        r6 = r0
        *(u64 *)(r10 - 24) = 77
        r1 = r10
        r1 += -16
        r2 = 16
        r3 = r10
        r3 += -24
        r4 = 8
        r5 = 0
        call bpf_dynptr_write
        r6 += r0
        r1 = r10
        r1 += -16
        r2 = 17
        r3 = r10
        r3 += -24
        r4 = 8
        r5 = 0
        call bpf_dynptr_write
        r6 += r0
        r1 = r10
        r1 += -16
        r2 = 0
        r3 = 16
        call bpf_dynptr_data
        if r0 == 0 goto send
        r1 = 5
        *(u64 *)(r0 + 0) = r1
        *(u64 *)(r0 + 8) = r1
send:   r1 = r10
        r1 += -16
        r2 = 0
        call bpf_ringbuf_submit_dynptr
        r0 = r6
        exit
large:  r1 = ring ll
        r2 = 5000
        r3 = 0
        r4 = r10
        r4 += -16
        call bpf_ringbuf_reserve_dynptr
        r6 = r0
        r1 = r10
        r1 += -16
        r2 = 0
        call bpf_ringbuf_discard_dynptr
        r0 = r6
        exit
        .section xdp
frame:  r2 = 0
        r3 = r10
        r3 += -16
        call bpf_dynptr_from_xdp
        r7 = r0
        r1 = r10
        r1 += -16
        call bpf_dynptr_size
        r0 += r7
        exit
        "#,
    );
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

#[test]
fn sockets_are_looked_up_by_the_same_fields() {
    require!(Need::Root, Need::Linux(5, 14));
    check(
        "
        .map seen array key=u32 value=u64 max_entries=8
        .section sk_lookup
        .globl look
    look:
        w2 = *(u32 *)(r1 + 8)
        w3 = *(u32 *)(r1 + 12)
        w4 = *(u32 *)(r1 + 16)
        r2 += r3
        r2 += r4
        w3 = *(u16 *)(r1 + 36)
        r2 += r3
        w3 = *(u32 *)(r1 + 40)
        r2 += r3
        w3 = *(u32 *)(r1 + 60)
        r2 += r3
        w3 = *(u32 *)(r1 + 64)
        r2 += r3
        w3 = *(u8 *)(r1 + 19)
        r2 += r3
        w3 = *(u32 *)(r1 + 32)
        r2 += r3
        w3 = *(u32 *)(r1 + 56)
        r2 += r3
        r6 = r2
        *(u32 *)(r10 - 4) = 3
        r2 = r10
        r2 += -4
        r1 = seen ll
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        *(u64 *)(r0 + 0) = r6
    out:
        w0 = 1
        exit
        ",
    );
}
