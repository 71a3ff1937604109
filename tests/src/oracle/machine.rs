//! Any bytes as a program in the userspace machine: it ends, and nothing it does is felt outside.

use bpfld_insn::{Endian, Slot, slots_from_bytes};
use bpfld_vm::{MapSpec, MapType, ProgramType, Skb, Vm, Xdp};

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
];

/// A packet with the beginning of a header of IPv4 or IPv6.
fn packet(protocol: u8, version: u8) -> [u8; 60] {
    let mut packet = [7; 60];
    packet[12..15].copy_from_slice(&[protocol, if protocol == 0x08 { 0 } else { 0xdd }, version]);
    packet
}

/// Runs the bytes as a program, on all kinds of contexts, with some maps at hand.
pub fn machine(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let (slots, _) = slots_from_bytes(bytes, endian);
        let mut slots: Vec<Slot> = slots.collect();
        // 64-bit loads that a linker would complete are of the few maps that there are
        for slot in slots.iter_mut().filter(|slot| slot.is_ldimm64() && slot.imm == 0) {
            *slot = slot.with_src(1).with_imm(i32::from(slot.dst()) % 4);
        }
        let mut vm = Vm::builder().budget(2000).memory_limit(4096).empty(endian);
        for (number, name) in KFUNCS.iter().enumerate() {
            assert_eq!(vm.kfunc_number(name), number);
        }
        for slot in slots.iter_mut().filter(|slot| slot.is_kfunc_call()) {
            *slot = slot
                .with_imm(slot.imm.rem_euclid(KFUNCS.len() as i32))
                .with_offset(0);
        }
        let kinds = [
            (MapType::HASH, 4, 8, 4),
            (MapType::ARRAY, 4, 16, 4),
            (MapType::RINGBUF, 0, 0, 1024),
            (MapType::USER_RINGBUF, 0, 0, 1024),
        ];
        for (kind, key, value, entries) in kinds {
            vm.add_map(MapSpec::new("map", kind, key, value, entries))
                .unwrap();
        }
        let mut program = match vm.add_program("bytes", ProgramType::SCHED_CLS, &slots) {
            Ok(program) => program,
            Err(error) => {
                let _ = error.to_string();
                continue;
            }
        };
        let results = [
            program.run_on(&mut Xdp::new(&[7; 60])),
            program.run_on(&mut Skb::new(&packet(0x08, 0x45))),
            program.run_on(&mut Skb::new(&packet(0x86, 0x60))),
            program.run_on(&mut bpfld_vm::Bytes::new([7; 64])),
        ];
        for fault in results.into_iter().filter_map(Result::err) {
            let _ = format!("{fault} {fault:#} {fault:?}");
        }
    }
}
