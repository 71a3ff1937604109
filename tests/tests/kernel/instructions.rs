//! The table of instructions against this kernel: what it takes, and what it refuses.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::Arc,
};

use bpfld_btf::{Btf, Kind};
use bpfld_features::{Config, Feature, Release};
use bpfld_insn::{
    AddressKind, Insn, Op, Slot, Support, assemble,
    op::{Field, Pattern},
};
use bpfld_sys::{Log, MapCreate, MapFd, MapFlags, MapType, ProgLoad, ProgramType, map_create, prog_load};
use bpfld_tests::{Need, require};
use zerocopy::IntoBytes as _;

/// What instructions refer to.
struct Room {
    array: MapFd,
    /// An arena, where the kernel has them.
    arena: Option<MapFd>,
    /// Ids of a variable and of two functions in the kernel's BTF.
    variable: i32,
    lock: i32,
    unlock: i32,
}

impl Room {
    fn new() -> Room {
        let btf = Arc::new(Btf::parse(std::fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap());
        let id = |name: &str, kind| btf.find(name, kind).map_or(0, |id| id.0 as i32);
        let mut arena = MapCreate::new(MapType::ARENA, 0, 0, 1);
        arena.flags = MapFlags::MMAPABLE;
        arena.map_extra = 1 << 44;
        Room {
            array: map_create(&MapCreate::new(MapType::ARRAY, 4, 8, 1)).unwrap(),
            arena: map_create(&arena).ok(),
            variable: id("runqueues", Kind::VAR),
            lock: id("bpf_rcu_read_lock", Kind::FUNC),
            unlock: id("bpf_rcu_read_unlock", Kind::FUNC),
        }
    }

    /// Loads slots in the middle of a program that makes them as harmless as can be: what the kernel says if it refuses.
    fn load(&self, middle: &[Slot]) -> Result<OwnedFd, String> {
        let text = "r6 = r1
            *(u64 *)(r10 - 8) = 0
            *(u64 *)(r10 - 16) = 0
            r8 = 1
            r9 = 2
            r0 = 0";
        let mut slots = assemble(text).unwrap().slots().to_vec();
        let first = middle.first().copied().unwrap_or_default();
        if first.opcode == 0xbf
            && first.offset == 1
            && let Some(arena) = &self.arena
        {
            slots.extend([
                Slot::new(0x18, 9, 1, 0, arena.as_fd().as_raw_fd()),
                Slot::default(),
            ]);
        }
        slots.extend(middle);
        if first.is_kfunc_call() {
            slots.push(Slot::new(0x85, 0, 2, 0, self.unlock));
        }
        // behind an exit nothing is reached, which old kernels refuse
        if first.opcode != 0x95 {
            slots.extend([Slot::new(0xb7, 0, 0, 0, 0), Slot::new(0x95, 0, 0, 0, 0)]);
        }
        if first.is_subprog_call() || first.is_func_ref() {
            slots.extend([Slot::new(0xb7, 0, 0, 0, 0), Slot::new(0x95, 0, 0, 0, 0)]);
        }
        let maps = [self.array.as_fd().as_raw_fd()];
        let mut wanted = ProgLoad::new(ProgramType::SCHED_CLS, slots.as_bytes(), c"GPL");
        if first.is_ldimm64() && matches!(first.src(), 5 | 6) {
            wanted.fd_array = &maps;
        }
        let mut buffer = vec![0; 1 << 16];
        let mut log = Log::new(1, &mut buffer);
        prog_load(&wanted, Some(&mut log)).map_err(|error| {
            let text = String::from_utf8_lossy(log.text());
            let last = text.lines().rfind(|line| !line.starts_with("processed "));
            format!("{:?}: {}", error.errno(), last.unwrap_or("nothing in the log"))
        })
    }

    /// Is there nothing on this kernel that the operation could refer to?
    fn lacks(&self, op: Op) -> bool {
        match op {
            Op::CallKfunc => self.lock == 0 || self.unlock == 0,
            Op::CastAddrSpace => self.arena.is_none(),
            Op::LoadAddr(AddressKind::Variable) => self.variable == 0,
            _ => false,
        }
    }

    /// The operation with harmless operands.
    fn slots(&self, op: Op) -> Vec<Slot> {
        let Pattern {
            opcode,
            dst,
            src,
            offset,
            imm,
            high,
            ..
        } = op.pattern();
        // r8 and r9 are numbers, r10 - 8 is memory
        let (mut a, mut b, mut distance, mut number) = (8, 9, -8, 1);
        match op {
            Op::Load(_) | Op::LoadSx(_) | Op::LoadAcquire(_) => b = 10,
            Op::Store(..) | Op::Atomic(..) | Op::StoreRelease(_) => a = 10,
            Op::LoadAddr(AddressKind::Map | AddressKind::MapValue) => number = self.array.as_fd().as_raw_fd(),
            Op::LoadAddr(AddressKind::MapIndex | AddressKind::MapIndexValue) => number = 0,
            Op::LoadAddr(AddressKind::Variable) => number = self.variable,
            Op::LoadAddr(AddressKind::Func) => number = 3,
            Op::CallHelper => number = 5,
            Op::CallSubprog => number = 2,
            Op::CallKfunc => (number, distance) = (self.lock, 0),
            Op::Jump | Op::JumpIf(..) | Op::MayGoto => distance = 0,
            Op::JumpLong => number = 0,
            _ => {}
        }
        let pick = |field, value| match field {
            Field::Exactly(only) => only,
            Field::Register | Field::Any => value,
        };
        let first = Slot::new(
            opcode,
            pick(dst, a) as u8,
            pick(src, b) as u8,
            pick(offset, distance) as i16,
            pick(imm, number),
        );
        let mut slots = vec![first];
        if high.is_some() {
            slots.push(Slot::default());
        }
        slots
    }
}

/// Operations that need more than a program of this kind has, and what the kernel then says: it knows them.
fn known(op: Op) -> Option<&'static str> {
    Some(match op {
        // the callback programs among the fixtures load it
        Op::LoadAddr(AddressKind::Func) => "missing btf func_info",
        // few kernels list variables among their symbols
        Op::LoadAddr(AddressKind::Variable) => "for kernel symbol",
        // The kernel works with either only as machine code.
        Op::CastAddrSpace | Op::CallKfunc if !has_jit() => "JIT is required",
        // there is no table of targets, which 7.3 refuses without a word
        Op::JumpIndirect if release() >= bpfld_insn::Release::new(7, 3) => "EINVAL",
        Op::JumpIndirect => "expected PTR_TO_INSN",
        // until 6.13 a jump to the next instruction is none
        Op::MayGoto => "invalid may_goto off 0",
        _ => return None,
    })
}

/// Slots that are none for us and that kernels take all the same, each with the reason.
fn tolerated(op: Op, bad: Slot) -> Option<&'static str> {
    match op {
        Op::Exit if bad.offset != 0 => Some("the verifier looks at the other fields, but not at the offset"),
        _ => None,
    }
}

fn release() -> bpfld_insn::Release {
    let release = Release::current().unwrap();
    bpfld_insn::Release::new(release.major as u8, release.minor as u8)
}

fn has_jit() -> bool {
    Config::current().is_none_or(|config| config.is_on("CONFIG_BPF_JIT"))
}

fn expected(op: Op) -> bool {
    match op.pattern().support {
        Support::Since(since) => {
            let carried_back = || Feature::Instruction(op).carried_back(Release::current().unwrap());
            since <= release() || carried_back().is_some()
        }
        Support::Internal | Support::Never => false,
    }
}

#[test]
fn each_operation_is_accepted_or_refused_as_the_table_says() {
    require!(Need::Root, Need::Linux(5, 14));
    let room = Room::new();
    let mut wrong = Vec::new();
    for op in Op::ALL.iter().filter(|op| !room.lacks(**op)) {
        let slots = room.slots(*op);
        let result = room.load(&slots);
        let right = match (&result, known(*op)) {
            (Ok(_), None) => expected(*op),
            (Err(said), Some(reason)) if expected(*op) => said.contains(reason),
            (Err(_), _) => !expected(*op),
            (Ok(_), Some(_)) => expected(*op),
        };
        if !right {
            wrong.push(format!("{op:?} {slots:?}: {:?} {result:?}", op.pattern().support));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The operation with a value in a field that its row does not admit, and that no other row does.
fn spoiled(slots: &[Slot]) -> BTreeMap<&'static str, Vec<Vec<Slot>>> {
    let first = slots[0];
    let mut spoiled: BTreeMap<&str, Vec<Vec<Slot>>> = BTreeMap::new();
    let mut add = |name, changed: Slot| {
        let mut all = slots.to_vec();
        all[0] = changed;
        if Insn::decode(&all).is_err() {
            spoiled.entry(name).or_default().push(all);
        }
    };
    for number in [1, 2, 7, 9, 11, 15] {
        add("dst", first.with_dst(number));
        add("src", first.with_src(number));
    }
    for number in [1, 2, 8, 100, -1, i32::from(i16::MIN)] {
        add("offset", first.with_offset(number as i16));
        add("imm", first.with_imm(number));
        add("imm", first.with_imm(first.imm | 1 << 30));
    }
    if let [_, second] = slots {
        for (name, changed) in [
            (
                "second opcode",
                Slot {
                    opcode: 0x95,
                    ..*second
                },
            ),
            ("second dst", second.with_dst(1)),
            ("second src", second.with_src(1)),
            ("second offset", second.with_offset(1)),
            ("second imm", second.with_imm(1)),
        ] {
            let all = vec![first, changed];
            if Insn::decode(&all).is_err() {
                spoiled.entry(name).or_default().push(all);
            }
        }
    }
    spoiled
}

#[test]
fn what_is_no_instruction_is_refused() {
    require!(Need::Root, Need::Linux(5, 14));
    let room = Room::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for op in Op::ALL
        .iter()
        .filter(|op| expected(**op) && known(**op).is_none() && !room.lacks(**op))
    {
        for (field, all) in spoiled(&room.slots(*op)) {
            for slots in all {
                count += 1;
                let taken = room.load(&slots).is_ok();
                if taken != tolerated(*op, slots[0]).is_some() {
                    wrong.push(format!("{op:?} {field}: {slots:?} taken: {taken}"));
                }
            }
        }
    }
    assert!(count > 1000, "{count}");
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Every opcode that no row has.
#[test]
fn other_opcodes_are_unknown() {
    require!(Need::Root, Need::Linux(5, 14));
    let room = Room::new();
    for opcode in 0..=255 {
        if Op::ALL.iter().any(|op| op.pattern().opcode == opcode) {
            continue;
        }
        for (dst, src, offset, imm) in [
            (0, 0, 0, 0),
            (8, 9, 0, 0),
            (8, 0, 0, 1),
            (8, 10, -8, 0),
            (10, 8, -8, 0),
        ] {
            let slot = Slot::new(opcode, dst, src, offset, imm);
            assert!(room.load(&[slot]).is_err(), "{slot:?} is taken");
        }
    }
}
