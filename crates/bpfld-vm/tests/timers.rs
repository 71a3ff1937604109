//! Timers and work in map values.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use bpfld_vm::{Skb, Vm};
use support::assembled;

const EINVAL: i64 = -22;
const EBUSY: i64 = -16;

/// Programs that make and start the timer of the only element of a map; what goes off counts in the value, at 24. The first 16 bytes
/// of the value are the timer's.
fn machine(map: &str, each: &str) -> Vm {
    let text = |name: &str, calls: &str| {
        format!(
            "{name}:
                *(u32 *)(r10 - 4) = 7
                r2 = r10
                r2 += -4
                r1 = values ll
                call bpf_map_lookup_elem
                if r0 == 0 goto out_{name}
                r6 = r0
                r1 = r6
                {calls}
            out_{name}:
                exit
            "
        )
    };
    assembled(&format!(
        r#"
        .map values {map} key=u32 value=32 max_entries=1
        .kfunc bpf_wq_init, "int (struct bpf_wq *, void *, u32)"
        .kfunc bpf_wq_set_callback_impl, "int (struct bpf_wq *, void *, u32, void *)"
        .kfunc bpf_wq_start, "int (struct bpf_wq *, u32)"
        .section tc
        .globl make, odd, start, later, by_date, work, cancel
        {}{}{}{}{}{}{}
        .text
        .type each, @function
        each:
            r6 = r3
            r7 = r2
            r4 = *(u64 *)(r3 + 24)
            r4 += 1
            *(u64 *)(r3 + 24) = r4
            w4 = *(u32 *)(r2 + 0)
            *(u32 *)(r3 + 16) = r4
            {each}
            r0 = 0
            exit
        "#,
        text(
            "make",
            "r2 = values ll\n r3 = 1\n call bpf_timer_init\n r7 = r0
            r1 = r6\n r2 = each ll\n call bpf_timer_set_callback\n r0 += r7"
        ),
        text("odd", "r2 = values ll\n r3 = 2\n call bpf_timer_init"),
        text("start", "r2 = 50\n r3 = 0\n call bpf_timer_start"),
        text("later", "r2 = 50\n r3 = 4\n call bpf_timer_start"),
        text(
            "by_date",
            "r2 = values ll\n r3 = 0\n call bpf_timer_init
            r1 = r6\n r2 = each ll\n call bpf_timer_set_callback
            r1 = r6\n r2 = 1000100 ll\n r3 = 1\n call bpf_timer_start"
        ),
        text(
            "work",
            "r2 = values ll\n r3 = 0\n call bpf_wq_init
            r1 = r6\n r2 = each ll\n r3 = 0\n r4 = 0\n call bpf_wq_set_callback_impl
            r1 = r6\n r2 = 0\n call bpf_wq_start"
        ),
        text("cancel", "call bpf_timer_cancel"),
    ))
}

fn run(vm: &mut Vm, name: &str) -> i64 {
    vm.program(name).unwrap().run_on(&mut Skb::new(&[0; 60])).unwrap() as i64
}

fn put(vm: &mut Vm, key: u32) {
    vm.map("values")
        .unwrap()
        .insert(&key.to_le(), &[0u64; 4])
        .unwrap();
}

/// How often it went off, and the key that it saw last.
fn went_off(vm: &mut Vm) -> (u64, u32) {
    let value = vm
        .map("values")
        .unwrap()
        .get::<[u64; 4]>(&7u32.to_le())
        .unwrap()
        .unwrap();
    (u64::from_le(value[3]), u64::from_le(value[2]) as u32)
}

#[test]
fn timers_are_made_once_and_started_by_flags_that_exist() {
    let mut vm = machine("hash", "");
    put(&mut vm, 7);
    assert_eq!(run(&mut vm, "start"), EINVAL); // there is none
    assert_eq!(run(&mut vm, "odd"), EINVAL); // no such clock
    assert_eq!(run(&mut vm, "make"), 0);
    assert_eq!(run(&mut vm, "make"), EBUSY);
    assert_eq!(run(&mut vm, "later"), EINVAL); // no such flag
    assert_eq!(run(&mut vm, "start"), 0);
    assert_eq!(vm.advance(49), Ok(0));
    assert_eq!(vm.advance(1), Ok(1));
    assert_eq!(went_off(&mut vm), (1, 7));
    assert_eq!(run(&mut vm, "cancel"), 0);
    assert_eq!(run(&mut vm, "start"), EINVAL); // its function is gone
}

/// What was of a value that is gone does not go off, and does not stand in the way of a new one.
#[test]
fn timers_end_with_their_values() {
    for (map, end) in [
        (
            "hash",
            (|vm| assert!(vm.map("values").unwrap().remove(&7u32.to_le()).unwrap())) as fn(&mut Vm),
        ),
        ("hash", |vm| put(vm, 7)),
        ("lru_hash", |vm| put(vm, 8)),
    ] {
        let mut vm = machine(map, "");
        put(&mut vm, 7);
        assert_eq!(run(&mut vm, "make"), 0);
        assert_eq!(run(&mut vm, "start"), 0);
        end(&mut vm);
        assert_eq!(vm.advance(100), Ok(0), "{map}");
        put(&mut vm, 7);
        assert_eq!(run(&mut vm, "make"), 0, "{map}");
        assert_eq!(run(&mut vm, "start"), 0);
        assert_eq!(vm.advance(100), Ok(1), "{map}");
        assert_eq!(went_off(&mut vm), (1, 7), "{map}");
    }
}

#[test]
fn a_timer_cannot_wait_for_itself() {
    let cancel = "r1 = r6\n call bpf_timer_cancel\n *(u64 *)(r6 + 24) = r0";
    let mut vm = machine("hash", cancel);
    put(&mut vm, 7);
    assert_eq!(run(&mut vm, "make") + run(&mut vm, "start"), 0);
    assert_eq!(vm.advance(50), Ok(1));
    assert_eq!(went_off(&mut vm).0 as i64, -35); // EDEADLK
}

#[test]
fn some_timers_go_by_the_date() {
    let mut vm = machine("hash", "");
    put(&mut vm, 7);
    vm.scenario_mut().time = 50;
    vm.scenario_mut().boot = 1_000_000;
    assert_eq!(run(&mut vm, "by_date"), 0);
    assert_eq!(vm.advance(49), Ok(0));
    assert_eq!(vm.advance(1), Ok(1));
}

#[test]
fn work_is_done_when_the_clock_is_looked_at() {
    let mut vm = machine("hash", "");
    put(&mut vm, 7);
    assert_eq!(run(&mut vm, "work"), 0);
    assert_eq!(went_off(&mut vm).0, 0);
    assert_eq!(vm.advance(0), Ok(1));
    assert_eq!(went_off(&mut vm), (1, 7));
    assert_eq!(vm.advance(0), Ok(0));
}
