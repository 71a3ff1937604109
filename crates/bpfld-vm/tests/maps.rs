//! Maps and helpers on them: what programs are answered, and what the host sees.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use bpfld_insn::{Endian, Slot, assemble};
use bpfld_vm::{ElemFlags, Errno, MapError, MapSpec, MapType, Object, ProgramType, Skb, Trap, Vm};

fn machine(map_type: MapType, key: u32, value: u32, entries: u32) -> Vm {
    let mut vm = Vm::builder().cpus(2).empty(Endian::NATIVE);
    vm.add_map(MapSpec::new("map", map_type, key, value, entries))
        .unwrap();
    vm
}

/// Runs a program in which `r1 = 0 ll` is the address of map 0.
fn run(vm: &mut Vm, text: &str) -> u64 {
    let mut slots: Vec<Slot> = assemble(text).unwrap().slots().to_vec();
    for slot in slots
        .iter_mut()
        .filter(|slot| slot.opcode == 0x18 && slot.dst() == 1)
    {
        *slot = slot.with_src(1);
    }
    let name = format!("program {}", vm.program_names().count());
    let mut program = vm.add_program(&name, ProgramType::SCHED_CLS, &slots).unwrap();
    program
        .run_on(&mut Skb::new(&[0; 60]))
        .unwrap_or_else(|fault| panic!("{fault:#}"))
}

/// A call of an update with key and value 7 and these flags.
fn update(key: u32, flags: u32) -> String {
    format!(
        "*(u32 *)(r10 - 4) = {key}
         *(u64 *)(r10 - 16) = 7
         r1 = 0 ll
         r2 = r10
         r2 += -4
         r3 = r10
         r3 += -16
         r4 = {flags}
         call 2
         exit"
    )
}

fn negative(errno: Errno) -> u64 {
    -i64::from(errno.0) as u64
}

#[test]
fn flags_of_hash_maps() {
    let mut vm = machine(MapType::HASH, 4, 8, 2);
    assert_eq!(run(&mut vm, &update(1, 2)), negative(Errno::ENOENT));
    assert_eq!(run(&mut vm, &update(1, 1)), 0);
    assert_eq!(run(&mut vm, &update(1, 1)), negative(Errno::EEXIST));
    assert_eq!(run(&mut vm, &update(1, 2)), 0);
    assert_eq!(run(&mut vm, &update(1, 3)), negative(Errno::EINVAL));
    assert_eq!(run(&mut vm, &update(2, 0)), 0);
    assert_eq!(run(&mut vm, &update(3, 0)), negative(Errno::E2BIG));
    let delete = "*(u32 *)(r10 - 4) = 1\n r1 = 0 ll\n r2 = r10\n r2 += -4\n call 3\n exit";
    assert_eq!(run(&mut vm, delete), 0);
    assert_eq!(run(&mut vm, delete), negative(Errno::ENOENT));
    let mut map = vm.map("map").unwrap();
    assert_eq!(map.entries::<u32, u64>().unwrap(), [(2, 7)]);
    let exists = map.update(&2u32, &1u64, ElemFlags::NOEXIST);
    assert_eq!(exists, Err(MapError::Errno(Errno::EEXIST)));
    assert!(
        map.insert(&2u64, &1u64)
            .unwrap_err()
            .to_string()
            .contains("4 bytes")
    );
    assert!(map.remove(&2u32).unwrap() && !map.remove(&2u32).unwrap());
}

#[test]
fn flags_of_arrays() {
    let mut vm = machine(MapType::ARRAY, 4, 8, 2);
    assert_eq!(run(&mut vm, &update(1, 0)), 0);
    assert_eq!(run(&mut vm, &update(1, 1)), negative(Errno::EEXIST));
    assert_eq!(run(&mut vm, &update(2, 0)), negative(Errno::E2BIG));
    let mut map = vm.map("map").unwrap();
    assert_eq!(map.remove(&1u32), Err(MapError::Errno(Errno::EINVAL)));
    assert_eq!(
        (map.get::<u64>(&1u32), map.get::<u64>(&2u32)),
        (Ok(Some(7)), Ok(None))
    );
}

#[test]
fn a_looked_up_value_is_the_maps_own() {
    let mut vm = machine(MapType::ARRAY, 4, 8, 2);
    let add = "
        *(u32 *)(r10 - 4) = 1
        r1 = 0 ll
        r2 = r10
        r2 += -4
        call 1
        if r0 == 0 goto out
        r1 = 5
        lock *(u64 *)(r0 + 0) += r1
    out:
        r0 = 0
        exit";
    run(&mut vm, add);
    run(&mut vm, add);
    assert_eq!(vm.map("map").unwrap().get::<u64>(&1u32), Ok(Some(10)));
}

#[test]
fn every_processor_has_its_value() {
    let mut vm = machine(MapType::PERCPU_HASH, 4, 8, 2);
    vm.scenario_mut().cpu = 1;
    assert_eq!(run(&mut vm, &update(1, 0)), 0);
    let mut map = vm.map("map").unwrap();
    assert_eq!(map.get_per_cpu::<u64>(&1u32).unwrap(), [0, 7]);
    map.insert_per_cpu(&1u32, &[3u64, 4]).unwrap();
    assert_eq!(map.get_per_cpu::<u64>(&1u32).unwrap(), [3, 4]);
}

#[test]
fn the_least_recently_used_is_forgotten() {
    let mut vm = machine(MapType::LRU_HASH, 4, 8, 2);
    let mut map = vm.map("map").unwrap();
    map.insert(&1u32, &1u64).unwrap();
    map.insert(&2u32, &2u64).unwrap();
    assert_eq!(map.get::<u64>(&1u32), Ok(Some(1))); // used: now 2 is the oldest
    map.insert(&3u32, &3u64).unwrap();
    assert_eq!(map.get::<u64>(&2u32), Ok(None));
    assert_eq!(map.get::<u64>(&1u32), Ok(Some(1)));
}

#[test]
fn the_longest_prefix_is_found() {
    let mut vm = machine(MapType::LPM_TRIE, 8, 8, 3);
    let mut map = vm.map("map").unwrap();
    let key = |len: u32, address: [u8; 4]| [&len.to_ne_bytes()[..], &address].concat();
    map.insert(&key(8, [10, 0, 0, 0])[..], &8u64).unwrap();
    map.insert(&key(16, [10, 1, 0, 0])[..], &16u64).unwrap();
    // what is behind the prefix does not count
    map.insert(&key(16, [10, 1, 99, 99])[..], &17u64).unwrap();
    map.insert(&key(0, [0; 4])[..], &0u64).unwrap();
    assert_eq!(
        map.insert(&key(24, [1; 4])[..], &1u64),
        Err(MapError::Errno(Errno::ENOSPC))
    );
    assert_eq!(
        map.insert(&key(33, [1; 4])[..], &1u64),
        Err(MapError::Errno(Errno::EINVAL))
    );
    let mut get = |address| map.get::<u64>(&key(32, address)[..]).unwrap();
    assert_eq!(get([10, 1, 2, 3]), Some(17));
    assert_eq!(get([10, 2, 2, 3]), Some(8));
    assert_eq!(get([192, 168, 0, 1]), Some(0));
}

#[test]
fn queues_and_stacks_end() {
    for (map_type, first) in [(MapType::QUEUE, 1), (MapType::STACK, 2)] {
        let mut vm = machine(map_type, 0, 8, 2);
        let push = |value: u32, flags: u32| {
            format!(
                "*(u64 *)(r10 - 8) = {value}\n r1 = 0 ll\n r2 = r10\n r2 += -8\n r3 = {flags}\n call 87\n exit"
            )
        };
        let take = |helper: u32| {
            format!(
                "*(u64 *)(r10 - 8) = 99\n r1 = 0 ll\n r2 = r10\n r2 += -8\n call {helper}
                 if r0 != 0 goto out\n r0 = *(u64 *)(r10 - 8)\n out: exit"
            )
        };
        assert_eq!(run(&mut vm, &take(88)), negative(Errno::ENOENT));
        assert_eq!(run(&mut vm, &push(1, 0)), 0);
        assert_eq!(run(&mut vm, &push(2, 0)), 0);
        assert_eq!(run(&mut vm, &push(3, 0)), negative(Errno::E2BIG));
        assert_eq!(run(&mut vm, &push(3, 1)), negative(Errno::EINVAL));
        assert_eq!(run(&mut vm, &take(89)), first);
        assert_eq!(run(&mut vm, &take(88)), first);
        assert_eq!(run(&mut vm, &take(88)), 3 - first);
        // where there is room, the oldest goes
        assert_eq!(run(&mut vm, &push(4, 2)), 0);
        assert_eq!(vm.map("map").unwrap().pop::<u64>(), Ok(Some(4)));
    }
}

#[test]
fn ring_buffers_fill_up() {
    let mut vm = machine(MapType::RINGBUF, 0, 0, 64);
    let output =
        "*(u64 *)(r10 - 8) = 5\n r1 = 0 ll\n r2 = r10\n r2 += -8\n r3 = 8\n r4 = 0\n call 130\n exit";
    for _ in 0..3 {
        assert_eq!(run(&mut vm, output), 0);
    }
    assert_eq!(run(&mut vm, output), negative(Errno::EAGAIN));
    assert_eq!(vm.map("map").unwrap().take_records().len(), 3);
    assert_eq!(run(&mut vm, output), 0);
    // a record that was submitted is the program's no more
    let slots = "
        r1 = 0 ll
        r2 = 8
        r3 = 0
        call 131
        r6 = r0
        *(u64 *)(r6 + 0) = 1
        r1 = r6
        r2 = 0
        call 132
        r0 = *(u64 *)(r6 + 0)
        exit";
    let mut slots: Vec<Slot> = assemble(slots).unwrap().slots().to_vec();
    slots[0] = slots[0].with_src(1);
    let fault = vm
        .add_program("late", ProgramType::XDP, &slots)
        .unwrap()
        .run_on(&mut ())
        .unwrap_err();
    assert!(fault.to_string().contains("ring buffer map"), "{fault}");
}

fn fixture(name: &str) -> Object {
    let order = match Endian::NATIVE {
        Endian::Little => "el",
        Endian::Big => "eb",
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    Object::open(format!("{folder}/{name}.{order}.o")).unwrap()
}

#[test]
fn tail_calls_and_maps_of_maps() {
    let mut vm = Vm::load(&fixture("map_of_maps")).unwrap();
    let run = |vm: &mut Vm| {
        vm.program("entry")
            .unwrap()
            .run(Skb::new(&[0; 60]))
            .unwrap()
            .return_value()
    };
    assert_eq!(run(&mut vm), 33);
    assert_eq!(vm.map("right").unwrap().get::<u64>(&0u32), Ok(Some(1)));
    // an element without a program is passed over
    let mut jumps = vm.map("jumps").unwrap();
    assert!(jumps.remove(&3u32).unwrap());
    assert_eq!(run(&mut vm), 1);
    vm.map("jumps").unwrap().set_program(3, "other").unwrap();
    assert_eq!(run(&mut vm), 2);
    // a program that calls itself does so 33 times
    vm.map("jumps").unwrap().set_program(3, "entry").unwrap();
    let before = vm.map("right").unwrap().get::<u64>(&0u32).unwrap().unwrap();
    assert_eq!(run(&mut vm), 1);
    let after = vm.map("right").unwrap().get::<u64>(&0u32).unwrap().unwrap();
    assert_eq!(after - before, 34);
}

#[test]
fn helpers_of_the_hosts() {
    let mut vm = machine(MapType::ARRAY, 4, 8, 1);
    assert_eq!(run(&mut vm, "call 14\n exit"), 1000 << 32 | 1000);
    vm.register_helper(bpfld_insn::Helper::GET_CURRENT_PID_TGID, |_| Ok(7));
    vm.register_helper(bpfld_insn::Helper(300), |call| Ok(call.args()[0] * 2));
    vm.register_helper(bpfld_insn::Helper(301), |_| Err(Trap::new("not today")));
    assert_eq!(run(&mut vm, "call 14\n exit"), 7);
    assert_eq!(run(&mut vm, "r1 = 21\n call 300\n exit"), 42);
    let slots = assemble("call 301\n exit").unwrap().slots().to_vec();
    let fault = vm
        .add_program("no", ProgramType::XDP, &slots)
        .unwrap()
        .run_on(&mut ())
        .unwrap_err();
    assert_eq!(fault.to_string(), "no, slot 0: not today");
}

#[test]
fn printing() {
    let mut vm = Vm::builder().empty(Endian::Little);
    // "%d %x\0" and then the arguments
    let print = "
        r1 = 0x0078252064250000 ll
        r1 >>= 16
        *(u64 *)(r10 - 8) = r1
        r1 = r10
        r1 += -8
        r2 = 8
        r3 = -5
        r4 = 255
        call 6
        exit";
    let mut slots: Vec<Slot> = assemble(print).unwrap().slots().to_vec();
    slots[0] = slots[0].with_src(0);
    let mut program = vm.add_program("print", ProgramType::XDP, &slots).unwrap();
    assert_eq!(program.run_on(&mut ()), Ok(5));
    assert_eq!(vm.take_printed(), ["-5 ff"]);
    assert!(vm.take_printed().is_empty());
}

#[test]
fn timers_go_off_when_the_clock_moves() {
    let mut vm = Vm::load(&fixture("map_values")).unwrap();
    vm.program("start_timer")
        .unwrap()
        .run(Skb::new(&[0; 60]))
        .unwrap();
    let value = |vm: &mut Vm| {
        vm.map("timers")
            .unwrap()
            .get_bytes(&0u32.to_ne_bytes())
            .unwrap()
            .remove(0)
    };
    let before = value(&mut vm);
    assert_eq!(vm.advance(1_000_000_000_000), Ok(1));
    assert_ne!(value(&mut vm), before);
    assert_eq!(vm.advance(1_000_000_000_000), Ok(0));
}

/// No update writes to what is the kernel's in a value.
#[test]
fn timers_and_locks_are_left_out_of_updates() {
    let mut vm = Vm::load(&fixture("map_values")).unwrap();
    let mut timers = vm.map("timers").unwrap();
    let size = timers.spec().value_size as usize;
    timers.insert(&0u32, &vec![0xff_u8; size][..]).unwrap();
    let value = timers.get_bytes(&[0; 4]).unwrap().remove(0);
    let zeros = value.iter().filter(|byte| **byte == 0).count();
    assert_eq!(zeros, 16, "{value:?}"); // struct bpf_timer
    assert!(value.iter().all(|byte| matches!(byte, 0 | 0xff)));
}

#[test]
fn callbacks_see_keys() {
    let text = "
        r1 = 0 ll
        r2 = 0 ll
        r3 = r10
        r3 += -8
        *(u64 *)(r10 - 8) = 0
        r4 = 0
        call 164
        r0 = *(u64 *)(r10 - 8)
        exit
        r1 = *(u32 *)(r2 + 0)
        r5 = *(u64 *)(r4 + 0)
        r5 += r1
        *(u64 *)(r4 + 0) = r5
        r0 = 0
        exit";
    let mut slots: Vec<Slot> = assemble(text).unwrap().slots().to_vec();
    slots[0] = slots[0].with_src(1);
    // the address of the function that begins at slot 11
    slots[2] = slots[2].with_src(4).with_imm(11 - 3);
    for map_type in [MapType::ARRAY, MapType::HASH] {
        let mut vm = machine(map_type, 4, 8, 4);
        let mut map = vm.map("map").unwrap();
        for key in 0..4u32 {
            map.insert(&key, &1u64).unwrap();
        }
        let mut program = vm.add_program("sum", ProgramType::XDP, &slots).unwrap();
        assert_eq!(program.run_on(&mut ()), Ok(6), "{map_type}");
    }
}
