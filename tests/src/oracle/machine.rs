//! Any bytes as a program in the userspace machine: it ends, and nothing it does is felt outside.

use bpfld_insn::{Endian, Slot, slots_from_bytes};
use bpfld_vm::{MapSpec, MapType, ProgramType, Skb, Vm, Xdp};

/// Runs the bytes as a program, on all kinds of contexts, with some maps at hand.
pub fn machine(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let (slots, _) = slots_from_bytes(bytes, endian);
        let mut slots: Vec<Slot> = slots.collect();
        // 64-bit loads that a linker would complete are of the few maps that there are
        for slot in slots.iter_mut().filter(|slot| slot.is_ldimm64() && slot.imm == 0) {
            *slot = slot.with_src(1).with_imm(i32::from(slot.dst()) % 3);
        }
        let mut vm = Vm::builder().budget(2000).memory_limit(4096).empty(endian);
        let kinds = [
            (MapType::HASH, 4, 8, 4),
            (MapType::ARRAY, 4, 16, 4),
            (MapType::RINGBUF, 0, 0, 1024),
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
            program.run_on(&mut Skb::new(&[7; 60])),
            program.run_on(&mut bpfld_vm::Bytes::new([7; 64])),
        ];
        for fault in results.into_iter().filter_map(Result::err) {
            let _ = format!("{fault} {fault:#} {fault:?}");
        }
    }
}
