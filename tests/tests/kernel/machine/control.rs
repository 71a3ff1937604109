//! Loops, and programs that change to others, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

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
    require!(Need::Root, Need::Linux(6, 13), Need::Config("CONFIG_BPF_JIT"));
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

/// Loops by callback: how often they go round, where they are ended, and what is too much for them.
#[test]
fn callbacks_are_called_as_often() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    for (rounds, end, flags) in [
        (0, 100, 0),
        (5, 100, 0),
        (5, 3, 0),
        (5, 0, 0),
        (5, 100, 1),
        (1 << 23, 7, 0),
        ((1 << 23) + 1, 7, 0),
        (-1, 7, 0),
    ] {
        check(&format!(
            "
            .map seen array key=u32 value=u64 max_entries=4
            .section tc
            .globl main, each
    main:
            *(u64 *)(r10 - 8) = 0
            r1 = {rounds}
            r2 = round ll
            r3 = r10
            r3 += -8
            r4 = {flags}
            call bpf_loop
            r6 = r0
            r0 = *(u64 *)(r10 - 8)
            r0 *= 1000
            r0 += r6
            exit
    each:
            *(u64 *)(r10 - 8) = 0
            r1 = seen ll
            r2 = element ll
            r3 = r10
            r3 += -8
            r4 = {flags}
            call bpf_for_each_map_elem
            r6 = r0
            r0 = *(u64 *)(r10 - 8)
            r0 *= 1000
            r0 += r6
            exit
            .text
            .type round, @function
    round:
            r3 = *(u64 *)(r2 + 0)
            r3 *= 3
            r3 += r1
            *(u64 *)(r2 + 0) = r3
            r0 = 0
            if r1 != {end} goto on
            r0 = 1
    on:
            exit
            .type element, @function
    element:
            w1 = *(u32 *)(r2 + 0)
            r5 = *(u64 *)(r4 + 0)
            r5 *= 3
            r5 += r1
            *(u64 *)(r4 + 0) = r5
            *(u64 *)(r3 + 0) = r5
            r0 = 0
            if r1 != {end} goto more
            r0 = 1
    more:
            exit
            "
        ));
    }
}
