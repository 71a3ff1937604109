//! What helpers do to packets and note about them, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

/// Tags of virtual networks: the outermost beside the packet, others in it.
#[test]
fn tags_go_in_and_come_out_alike() {
    // Before, a tag that was taken out could still be read.
    require!(Need::Root, Need::Linux(6, 2));
    // after each step: the protocol, the tag beside the packet, its length
    let noted = |step: &str| {
        format!(
            "{step}
            r7 *= 31
            r7 += r0
            w0 = *(u32 *)(r6 + 16)
            r7 *= 31
            r7 += r0
            w0 = *(u32 *)(r6 + 20)
            r7 *= 31
            r7 += r0
            w0 = *(u32 *)(r6 + 24)
            r7 *= 31
            r7 += r0
            w0 = *(u32 *)(r6 + 28)
            r7 *= 31
            r7 += r0
            w0 = *(u32 *)(r6 + 0)
            r7 *= 31
            r7 += r0\n"
        )
    };
    let push = |protocol: u32, tag: u32| {
        noted(&format!(
            "r1 = r6\n r2 = {protocol}\n r3 = {tag}\n call bpf_skb_vlan_push\n"
        ))
    };
    let pop = || noted("r1 = r6\n call bpf_skb_vlan_pop\n");
    let swap = noted(
        "r1 = r6\n r2 = 12\n r3 = r10\n r3 += -8\n r4 = 4\n *(u32 *)(r10 - 8) = 0x00450008\n r5 = 0\n call bpf_skb_store_bytes\n",
    );
    let (customer, provider) = (0x0081, 0xa888);
    for steps in [
        push(customer, 5),
        push(0x1234, 5),
        [push(customer, 5), pop()].concat(),
        [push(provider, 0x7005), push(customer, 6), push(customer, 7)].concat(),
        [push(customer, 5), push(customer, 6), pop()].concat(),
        [push(provider, 5), push(customer, 6), pop(), pop(), pop()].concat(),
        [
            push(customer, 5),
            push(customer, 6),
            push(provider, 7),
            pop(),
            swap,
            pop(),
            pop(),
        ]
        .concat(),
        pop(),
    ] {
        check(&format!(
            ".section tc\n tags:\n r6 = r1\n r7 = 0\n {steps} r0 = r7\n exit\n"
        ));
    }
}

#[test]
fn levels_of_checksums_and_times_are_noted_alike() {
    require!(Need::Root, Need::Linux(6, 12));
    for levels in [
        &[0][..],
        &[1, 0],
        &[1, 1, 1, 1, 1, 0],
        &[1, 1, 2, 0],
        &[1, 2, 0],
        &[2, 0],
        &[1, 3, 0],
        &[7],
    ] {
        let steps: String = levels
            .iter()
            .map(|level| format!("r1 = r6\n r2 = {level}\n call bpf_csum_level\n r7 *= 10\n r7 += r0\n"))
            .collect();
        check(&format!(
            ".section tc\n levels:\n r6 = r1\n r7 = 0\n {steps} r0 = r7\n exit\n"
        ));
    }
    for (time, clock) in [(0, 0), (5, 0), (0, 1), (5, 1), (0, 2), (5, 2), (5, 3)] {
        check(&format!(
            "
            .section tc
            time:
                r6 = r1
                r2 = {time}
                r3 = {clock}
                call bpf_skb_set_tstamp
                r7 = r0
                r0 = *(u64 *)(r6 + 152)
                r0 *= 100
                r1 = *(u8 *)(r6 + 180)
                r0 += r1
                r0 ^= r7
                exit
            "
        ));
    }
}

/// The mark of congestion, in headers of both kinds that may bear it or not.
#[test]
fn congestion_is_marked_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for service in [0, 1, 2, 3, 0x10, 0x20, 0x30, 0xfd, 0xff] {
        check(&format!(
            "
            .section tc
            mark:
                r6 = r1
                *(u8 *)(r10 - 8) = {service}
                r2 = 15
                r3 = r10
                r3 += -8
                r4 = 1
                r5 = 0
                call bpf_skb_store_bytes
                r1 = r6
                call bpf_skb_ecn_set_ce
                exit
            "
        ));
    }
}

/// Differences of checksums, and fields replaced by them.
#[test]
fn checksums_are_the_same() {
    require!(Need::Root, Need::Linux(6, 1));
    for (from, to, seed) in [(8, 8, 0), (0, 8, 1), (8, 0, -1), (4, 8, 0x1_ffff), (0, 0, 77)] {
        check(&format!(
            "
            .section tc
            difference:
                r1 = 0x123456789abcdef0 ll
                *(u64 *)(r10 - 8) = r1
                r1 = 0xfedcba98ffff0001 ll
                *(u64 *)(r10 - 16) = r1
                r1 = r10
                r1 += -8
                r2 = {from}
                r3 = r10
                r3 += -16
                r4 = {to}
                r5 = {seed}
                call bpf_csum_diff
                // Before 6.13 each architecture folds the sum as far as it likes.
                r1 = r0
                r1 &= 0xffff
                r0 >>= 16
                r0 += r1
                r1 = r0
                r1 &= 0xffff
                r0 >>= 16
                r0 += r1
                exit
            "
        ));
    }
    for (helper, flags) in [
        ("l3", 2),
        ("l3", 4),
        ("l3", 0),
        ("l3", 3),
        ("l4", 2),
        ("l4", 4),
        ("l4", 0),
        ("l4", 0x12),
        ("l4", 0x34),
        ("l4", 0x2000_0002),
    ] {
        check(&format!(
            "
            .section tc
            replace:
                r2 = 24
                r3 = 0x1234
                r4 = 0xfedc
                r5 = {flags}
                call bpf_{helper}_csum_replace
                exit
            "
        ));
    }
}

/// Redirects that test runs can be asked for: into maps that have nothing there, and to devices.
#[test]
fn redirects_answer_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for (kind, value) in [
        ("devmap", "u32"),
        ("devmap_hash", "u32"),
        ("cpumap", "u32"),
        ("xskmap", "u32"),
    ] {
        for flags in [0, 1, 2, 3, 4, 8, 16, 24] {
            check(&format!(
                "
                .map targets {kind} key=u32 value={value} max_entries=4
                .section xdp
                away:
                    r1 = targets ll
                    r2 = 2
                    r3 = {flags}
                    call bpf_redirect_map
                    if r0 != 4 goto out
                    r0 = 1
                out:
                    exit
                "
            ));
        }
    }
    for flags in [1, 2] {
        check(&format!(
            ".section tc\n clone:\n r2 = 0\n r3 = {flags}\n call bpf_clone_redirect\n exit\n"
        ));
    }
}
