//! Any bytes as a program in the userspace machine: it ends, and nothing it does is felt outside.

use std::sync::OnceLock;

use bpfld_insn::{Address, Endian, Helper, Insn, Slot, decode, encode, slots_from_bytes};
use bpfld_vm::{Bytes, MapSpec, MapType, ProgramType, Skb, Vm, Xdp};

/// Kernel functions that calls are made to lead to.
const KFUNCS: &[&str] = &[
    "bpf_iter_num_new",
    "bpf_iter_num_next",
    "bpf_iter_num_destroy",
    "bpf_iter_bits_new",
    "bpf_iter_bits_next",
    "bpf_iter_bits_destroy",
    "bpf_dynptr_from_skb",
    "bpf_dynptr_slice",
    "bpf_dynptr_slice_rdwr",
    "bpf_dynptr_adjust",
    "bpf_dynptr_clone",
    "bpf_obj_new_impl",
    "bpf_obj_drop_impl",
    "bpf_refcount_acquire_impl",
    "bpf_list_push_front_impl",
    "bpf_list_push_back_impl",
    "bpf_list_pop_front",
    "bpf_list_pop_back",
    "bpf_rbtree_add_impl",
    "bpf_rbtree_remove",
    "bpf_rbtree_first",
    "bpf_throw",
    "bpf_dynptr_copy",
    "bpf_dynptr_memset",
    "bpf_iter_task_new",
    "bpf_iter_task_next",
    "bpf_cpumask_create",
    "bpf_cpumask_release",
    "bpf_cpumask_set_cpu",
    "bpf_cpumask_and",
    "bpf_cpumask_first",
    "bpf_strcmp",
    "bpf_strrchr",
    "bpf_strspn",
    "bpf_strnstr",
    "bpf_wq_init",
    "bpf_wq_set_callback_impl",
    "bpf_wq_start",
];

/// A packet with the beginning of a header of IPv4 or IPv6.
fn packet(protocol: u8, version: u8) -> [u8; 60] {
    let mut packet = [7; 60];
    packet[12..15].copy_from_slice(&[protocol, if protocol == 0x08 { 0 } else { 0xdd }, version]);
    packet
}

/// Maps at hand: kind, sizes of key and value, entries.
const MAPS: &[(MapType, u32, u32, u32)] = &[
    (MapType::HASH, 4, 8, 4),
    (MapType::ARRAY, 4, 16, 4),
    (MapType::RINGBUF, 0, 0, 1024),
    (MapType::USER_RINGBUF, 0, 0, 1024),
];

/// A machine with functions and maps, and no program yet. Made once: a copy is cheaper.
fn empty(endian: Endian) -> Vm {
    static LITTLE: OnceLock<Vm> = OnceLock::new();
    static BIG: OnceLock<Vm> = OnceLock::new();
    let made = match endian {
        Endian::Little => &LITTLE,
        Endian::Big => &BIG,
    };
    let make = || {
        let mut vm = Vm::builder().budget(2000).memory_limit(4096).empty(endian);
        for (number, name) in KFUNCS.iter().enumerate() {
            assert_eq!(vm.kfunc_number(name), number);
        }
        for (kind, key, value, entries) in MAPS {
            vm.add_map(MapSpec::new("map", *kind, *key, *value, *entries))
                .unwrap();
        }
        vm
    };
    made.get_or_init(make).clone()
}

/// The same slots, with maps in loads that a linker would complete, and kernel functions that there are.
fn completed(slots: &[Slot]) -> Vec<Slot> {
    let complete = |slot: &Slot| match *slot {
        slot if slot.is_ldimm64() && slot.imm == 0 => slot
            .with_src(1)
            .with_imm(i32::from(slot.dst()) % MAPS.len() as i32),
        slot if slot.is_kfunc_call() => slot
            .with_imm(slot.imm.rem_euclid(KFUNCS.len() as i32))
            .with_offset(0),
        slot => slot,
    };
    slots.iter().map(complete).collect()
}

/// Those of the slots that are instructions, leading to each other and calling what there is.
fn mended(slots: &[Slot]) -> Vec<Slot> {
    /// A little more than there are helpers.
    const HELPERS: u32 = 220;
    let slots = completed(slots);
    let insns: Vec<Insn> = decode(&slots).filter_map(|(_, insn)| insn.ok()).collect();
    let starts: Vec<usize> = insns
        .iter()
        .scan(0, |next, insn| {
            Some(std::mem::replace(next, *next + insn.width()))
        })
        .collect();
    let mend = |(insn, start): (&Insn, &usize)| match *insn {
        Insn::CallHelper { helper } => Insn::CallHelper {
            helper: Helper(helper.0 % HELPERS),
        },
        Insn::LoadAddr {
            dst,
            address: Address::Map { fd },
        } => Insn::LoadAddr {
            dst,
            address: Address::Map {
                fd: fd.rem_euclid(MAPS.len() as i32),
            },
        },
        insn => {
            let to = insn.distance().unwrap_or(0).rem_euclid(starts.len() as i32);
            insn.with_distance(starts[to as usize] as i64 - *start as i64 - 1)
                .unwrap_or(insn)
        }
    };
    encode(insns.iter().zip(&starts).map(mend))
}

/// Runs bytes as a program, with some maps at hand: in both orders and on all kinds of contexts.
pub fn machine(bytes: &[u8]) {
    (0..8).for_each(|how| machine_as(bytes, how));
}

/// The same in one order and on one context: for those who have no time to lose. Of `how`, the last bit is the order, the two
/// before are the context; the fourth says that it is to become a program, whatever it is.
pub fn machine_as(code: &[u8], how: u8) {
    let endian = match how & 1 {
        0 => Endian::Little,
        _ => Endian::Big,
    };
    let slots: Vec<Slot> = slots_from_bytes(code, endian).0.collect();
    let slots = match how & 8 {
        0 => completed(&slots),
        _ => mended(&slots),
    };
    if decode(&slots).any(|(_, insn)| insn.is_err()) {
        return;
    }
    let mut vm = empty(endian);
    let mut program = match vm.add_program("bytes", ProgramType::SCHED_CLS, &slots) {
        Ok(program) => program,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let result = match how >> 1 & 3 {
        0 => program.run_on(&mut Xdp::new(&[7; 60])),
        1 => program.run_on(&mut Skb::new(&packet(0x08, 0x45))),
        2 => program.run_on(&mut Skb::new(&packet(0x86, 0x60))),
        _ => program.run_on(&mut Bytes::new([7; 64])),
    };
    if let Err(fault) = result {
        let _ = format!("{fault} {fault:#} {fault:?}");
    }
    // what was started goes off, too
    let _ = vm.advance(u64::MAX);
}
