//! Ring buffers that fill up, are emptied and go round, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

/// What `bpf_ringbuf_query` tells, unknown questions among them, added to a sum in r7.
fn questions() -> String {
    let each = |question: u64| {
        format!("r1 = ring ll\n r2 = {question}\n call bpf_ringbuf_query\n r7 *= 131\n r7 += r0\n")
    };
    [0, 1, 2, 3, 4, 99].map(each).concat()
}

/// Records of many lengths, more than there is room for. After each run the reader takes them out, so that the next goes over the end.
#[test]
fn records_find_room_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    check(&format!(
        "
        .map ring ringbuf max_entries=4096
        .section tc
        fill:
            r1 = 0x0102030405060708 ll
            *(u64 *)(r10 - 64) = r1
            *(u64 *)(r10 - 56) = r1
            *(u64 *)(r10 - 48) = r1
            *(u64 *)(r10 - 40) = r1
            *(u64 *)(r10 - 32) = r1
            *(u64 *)(r10 - 24) = r1
            *(u64 *)(r10 - 16) = r1
            *(u64 *)(r10 - 8) = r1
            r7 = 0
            r8 = 0
        next:
            r3 = r8
            r3 *= 7
            r3 &= 63
            r3 += 1
            *(u8 *)(r10 - 64) = r8
            r2 = r10
            r2 += -64
            r1 = ring ll
            r4 = 0
            call bpf_ringbuf_output
            r7 *= 3
            r7 += r0
            r8 += 1
            if r8 != 120 goto next
            {}
            r0 = r7
            exit
        ",
        questions()
    ));
    for flags in [1, 2, 3, 4] {
        check(&format!(
            "
            .map ring ringbuf max_entries=4096
            .section tc
            wakes:
                *(u64 *)(r10 - 8) = 5
                r1 = ring ll
                r2 = r10
                r2 += -8
                r3 = 8
                r4 = {flags}
                call bpf_ringbuf_output
                exit
            "
        ));
    }
}

/// Records are given away in another order than they were taken; those that are dropped take their room all the same.
#[test]
fn records_are_ended_alike() {
    require!(Need::Root, Need::Linux(6, 1));
    for (first, second) in [("submit", "submit"), ("submit", "discard"), ("discard", "submit")] {
        check(&format!(
            "
            .map ring ringbuf max_entries=4096
            .section tc
            two:
                r7 = 0
                r1 = ring ll
                r2 = 1000
                r3 = 0
                call bpf_ringbuf_reserve
                if r0 == 0 goto out
                r6 = r0
                r9 = r0
                r1 = 125
            all_of_first:
                *(u64 *)(r9 + 0) = r1
                r9 += 8
                r1 -= 1
                if r1 != 0 goto all_of_first
                r1 = ring ll
                r2 = 2024
                r3 = 0
                call bpf_ringbuf_reserve
                if r0 == 0 goto one
                r8 = r0
                r9 = r0
                r1 = 253
            all_of_second:
                *(u64 *)(r9 + 0) = r1
                r9 += 8
                r1 -= 1
                if r1 != 0 goto all_of_second
                r1 = ring ll
                r2 = 1100
                r3 = 0
                call bpf_ringbuf_reserve
                if r0 == 0 goto full
                r1 = r0
                r2 = 0
                call bpf_ringbuf_discard
                r7 = 5
            full:
                r1 = r8
                r2 = 0
                call bpf_ringbuf_{second}
            one:
                r1 = r6
                r2 = 0
                call bpf_ringbuf_{first}
                {}
            out:
                r0 = r7
                exit
            ",
            questions()
        ));
    }
}
