//! Dynamic pointers, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

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

/// Within a pointer and between two, over each other, and beyond their ends; packets that must not be written are not.
#[test]
fn bytes_go_between_dynamic_pointers_alike() {
    require!(
        Need::Root,
        Need::Linux(6, 17),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    let mut calls = String::new();
    for (to, to_offset, from, from_offset, len) in [
        (-16, 0, -32, 0, 10),
        (-32, 3, -32, 0, 8),
        (-32, 0, -16, 4, 20),
        (-32, 60, -16, 0, 10),
        (-16, 60, -32, 0, 10),
        (-16, 0, -32, 60, 10),
        (-16, 60, -32, 60, 10),
        (-32, 0, -32, 0, 0),
    ] {
        calls += &format!(
            "r1 = r10\n r1 += {to}\n r2 = {to_offset}\n r3 = r10\n r3 += {from}\n r4 = {from_offset}\n r5 = {len}
            call bpf_dynptr_copy\n r0 <<= 32\n r0 s>>= 32\n r7 *= 131\n r7 += r0\n"
        );
    }
    for (at, offset, len, byte) in [
        (-16, 5, 3, 0x77),
        (-32, 60, 4, 0x155),
        (-32, 61, 4, 1),
        (-16, 0, 100, 2),
    ] {
        calls += &format!(
            "r1 = r10\n r1 += {at}\n r2 = {offset}\n r3 = {len}\n r4 = {byte}
            call bpf_dynptr_memset\n r0 <<= 32\n r0 s>>= 32\n r7 *= 131\n r7 += r0\n"
        );
    }
    for section in ["tc", "cgroup_skb/ingress"] {
        check(&format!(
            r#"
            .map values array key=u32 value=64 max_entries=1
            .kfunc bpf_dynptr_from_skb, "int (struct __sk_buff *, u64, struct bpf_dynptr *)"
            .kfunc bpf_dynptr_copy, "int (struct bpf_dynptr *, u32, struct bpf_dynptr *, u32, u32)"
            .kfunc bpf_dynptr_memset, "int (struct bpf_dynptr *, u32, u32, u8)"
            .section {section}
            between:
                r6 = r1
                r7 = 0
                r2 = 0
                r3 = r10
                r3 += -16
                call bpf_dynptr_from_skb
                *(u32 *)(r10 - 36) = 0
                r2 = r10
                r2 += -36
                r1 = values ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out
                r1 = 0x0102030405060708 ll
                *(u64 *)(r0 + 0) = r1
                *(u64 *)(r0 + 24) = r1
                r9 = r0
                r1 = r0
                r2 = 64
                r3 = 0
                r4 = r10
                r4 += -32
                call bpf_dynptr_from_mem
                {calls}
                *(u64 *)(r9 + 56) = r7
            out:
                r0 = 1
                exit
            "#
        ));
    }
}
