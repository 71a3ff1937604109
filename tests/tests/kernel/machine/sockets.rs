//! Routes, devices and sockets, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

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
