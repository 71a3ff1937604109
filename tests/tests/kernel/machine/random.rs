//! Random programs, valid for the verifier, run by the kernel and by the userspace machine.

use bpfld::{ProgFlags, Program, ProgramType};
use bpfld_insn::{
    AluOp, AtomicOp, Endian, Insn, JmpOp, Op, Operand, Reg, Size, Slot, Source, Support, Width,
};
use bpfld_tests::{Need, mutate::Random, require};
use bpfld_vm::{Bytes, Vm};

/// How many programs a plain `cargo test` tries; `BPFLD_DIFFERENTIAL` says how many otherwise.
const PROGRAMS: usize = 300;
/// Inputs for each program.
const INPUTS: usize = 4;
/// Bytes of stack that the instructions work on.
const STACK: i16 = 64;
/// Where the context is kept meanwhile.
const KEPT: i16 = -72;
/// Numbers that go in and come out: ten registers and the stack.
const NUMBERS: usize = 10 + STACK as usize / 8;
const SCALARS: [Reg; 10] = [
    Reg::R0,
    Reg::R1,
    Reg::R2,
    Reg::R3,
    Reg::R4,
    Reg::R5,
    Reg::R6,
    Reg::R7,
    Reg::R8,
    Reg::R9,
];

#[test]
fn random_programs_do_the_same_in_both() {
    require!(Need::Root, Need::Linux(6, 15));
    let count = std::env::var("BPFLD_DIFFERENTIAL").map_or(PROGRAMS, |count| count.parse().unwrap());
    let seed = std::env::var("BPFLD_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut ran, mut refused) = (0, 0);
    for number in 0..count as u64 {
        let mut random = Random::new(seed + number);
        let program = Generator::new(&mut random).program();
        match compare(&program, &mut random) {
            Ok(true) => ran += 1,
            Ok(false) => refused += 1,
            Err(difference) => panic!("seed {}: {difference}\n{}", seed + number, listing(&program)),
        }
    }
    println!("{ran} programs ran alike, {refused} were refused by the verifier");
    // the generator is to make programs that the verifier takes
    assert!(ran * 10 >= count * 9, "only {ran} of {count} programs were taken");
}

fn listing(program: &[Slot]) -> String {
    bpfld_insn::print(program).to_string()
}

fn compare(code: &[Slot], random: &mut Random) -> Result<bool, String> {
    let builder = Program::builder(ProgramType::SYSCALL, "random", code).flags(ProgFlags::SLEEPABLE);
    let Ok(kernel) = builder.load() else {
        return Ok(false);
    };
    let mut vm = Vm::builder().empty(Endian::NATIVE);
    let mut ours = vm
        .add_program("random", bpfld_vm::ProgramType::SYSCALL, code)
        .map_err(|error| error.to_string())?;
    for _ in 0..INPUTS {
        let input: Vec<u64> = (0..NUMBERS).map(|_| number(random)).collect();
        let theirs = kernel
            .test_run()
            .context(&input[..])
            .run()
            .map_err(|error| error.to_string())?;
        let bytes: Vec<u8> = input.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let outcome = ours
            .run(Bytes::new(bytes))
            .map_err(|fault| format!("{fault:#}"))?;
        let here = (outcome.return_value(), outcome.context.bytes());
        if here != (theirs.return_value, &theirs.context[..]) {
            let words = |bytes: &[u8]| -> Vec<String> {
                bytes
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|word| format!("{:#x}", u64::from_ne_bytes(*word)))
                    .collect()
            };
            let difference = format!(
                "input {input:#x?}\nkernel {:#x} {:?}\nours   {:#x} {:?}",
                theirs.return_value,
                words(&theirs.context),
                here.0,
                words(here.1)
            );
            return Err(difference);
        }
    }
    Ok(true)
}

/// Numbers that make a difference more often than others.
fn number(random: &mut Random) -> u64 {
    let bits = random.bits();
    match random.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << (bits % 64),
        3 => (1 << (bits % 64)) - 1,
        4 => bits % 16,
        5 => bits | 0xffff_ffff_0000_0000,
        6 => bits & 0xffff_ffff,
        _ => bits,
    }
}

/// An instruction before it is known where jumps lead in slots.
struct Item {
    insn: Insn,
    /// For jumps, how many items are skipped; for calls, which function is called.
    leads: Option<usize>,
}

struct Generator<'r> {
    random: &'r mut Random,
    items: Vec<Item>,
    /// Conditional jumps that may still come: each doubles what the verifier looks at.
    jumps: usize,
    /// Whether atomic operations may fetch what was there before; then there are no conditional jumps. Before 7.1 the verifier
    /// forgets where what was fetched came from, and takes branches for dead that are not.
    fetches: bool,
}

impl<'r> Generator<'r> {
    fn new(random: &'r mut Random) -> Self {
        let fetches = random.below(3) == 0;
        Self {
            random,
            items: Vec::new(),
            jumps: 0,
            fetches,
        }
    }

    fn program(mut self) -> Vec<Slot> {
        let main = self.main();
        let is_called = main
            .iter()
            .any(|item| matches!(item.insn, Insn::CallSubprog { .. }));
        let function = if is_called { self.function() } else { Vec::new() };
        let starts = [0, main.len()];
        let items: Vec<Item> = main.into_iter().chain(function).collect();
        let slots: Vec<usize> = items
            .iter()
            .scan(0, |at, item| {
                let here = *at;
                *at += item.insn.width();
                Some(here)
            })
            .collect();
        let mut out = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let target = match (item.insn, item.leads) {
                (Insn::CallSubprog { .. }, Some(_)) => Some(starts[1]),
                (_, Some(skipped)) => Some(at + 1 + skipped),
                (_, None) => None,
            };
            let insn = match target {
                Some(target) => {
                    let distance = slots[target] as i64 - (slots[at] + item.insn.width()) as i64;
                    item.insn.with_distance(distance).unwrap()
                }
                None => item.insn,
            };
            out.extend_from_slice(&insn.encode());
        }
        out
    }

    fn push(&mut self, insn: Insn) {
        self.items.push(Item { insn, leads: None });
    }

    /// Numbers in from the context, the body, numbers out.
    fn main(&mut self) -> Vec<Item> {
        let store = |offset: i16, src: Reg| Insn::Store {
            size: Size::Dw,
            base: Reg::FP,
            offset,
            src: Operand::Reg(src),
        };
        let load = |dst: Reg, base: Reg, offset: i16| Insn::Load {
            size: Size::Dw,
            dst,
            base,
            offset,
        };
        self.push(store(KEPT, Reg::R1));
        for word in 0..STACK / 8 {
            self.push(load(Reg::R2, Reg::R1, 80 + word * 8));
            self.push(store(-STACK + word * 8, Reg::R2));
        }
        for reg in SCALARS.into_iter().filter(|reg| *reg != Reg::R1) {
            self.push(load(reg, Reg::R1, i16::from(reg.number()) * 8));
        }
        self.push(load(Reg::R1, Reg::R1, 8));
        self.jumps = 6;
        let len = 10 + self.random.below(40);
        self.body(len, true);
        let saved = |reg: Reg| KEPT - 8 - i16::from(reg.number()) * 8;
        for reg in SCALARS {
            self.push(store(saved(reg), reg));
        }
        self.push(load(Reg::R1, Reg::FP, KEPT));
        for reg in SCALARS {
            self.push(load(Reg::R2, Reg::FP, saved(reg)));
            self.push(Insn::Store {
                size: Size::Dw,
                base: Reg::R1,
                offset: i16::from(reg.number()) * 8,
                src: Operand::Reg(Reg::R2),
            });
        }
        for word in 0..STACK / 8 {
            self.push(load(Reg::R2, Reg::FP, -STACK + word * 8));
            self.push(Insn::Store {
                size: Size::Dw,
                base: Reg::R1,
                offset: 80 + word * 8,
                src: Operand::Reg(Reg::R2),
            });
        }
        self.push(load(Reg::R0, Reg::FP, saved(Reg::R0)));
        self.push(Insn::Exit);
        std::mem::take(&mut self.items)
    }

    /// A function of five numbers.
    fn function(&mut self) -> Vec<Item> {
        for reg in [Reg::R0, Reg::R6, Reg::R7, Reg::R8, Reg::R9] {
            let value = number(self.random);
            self.push(Insn::LoadImm64 { dst: reg, value });
        }
        for word in 0..STACK / 8 {
            self.push(Insn::Store {
                size: Size::Dw,
                base: Reg::FP,
                offset: -STACK + word * 8,
                src: Operand::Reg(SCALARS[word as usize % 10]),
            });
        }
        self.jumps = 2;
        let len = 5 + self.random.below(15);
        self.body(len, false);
        self.push(Insn::Exit);
        std::mem::take(&mut self.items)
    }

    fn body(&mut self, len: usize, calls: bool) {
        for at in 0..len {
            if calls && self.random.below(30) == 0 {
                self.call();
                continue;
            }
            let op = Op::ALL[self.random.below(Op::ALL.len())];
            if !matches!(op.pattern().support, Support::Since(_)) {
                continue;
            }
            let left = len - at;
            self.operation(op, left);
        }
        // jumps may lead up to here
        for _ in 0..8 {
            let dst = self.reg();
            self.push(Insn::Neg {
                width: Width::W64,
                dst,
            });
        }
    }

    fn call(&mut self) {
        let insn = Insn::CallSubprog { offset: 0 };
        self.items.push(Item { insn, leads: Some(0) });
        // a call leaves r1 to r5 unreadable
        for reg in &SCALARS[1..6] {
            let value = number(self.random);
            self.push(Insn::LoadImm64 { dst: *reg, value });
        }
    }

    fn reg(&mut self) -> Reg {
        SCALARS[self.random.below(10)]
    }

    fn imm(&mut self) -> i32 {
        number(self.random) as i32
    }

    /// A place on the stack for an access of this size.
    fn place(&mut self, size: Size) -> i16 {
        let bytes = size.bytes() as i16;
        -bytes * (1 + self.random.below((STACK / bytes) as usize) as i16)
    }

    fn operation(&mut self, op: Op, left: usize) {
        let (dst, src) = (self.reg(), self.reg());
        let insn = match op {
            Op::Alu(width, op, source) => {
                let src = match source {
                    Source::Reg => Operand::Reg(src),
                    Source::Imm => Operand::Imm(self.constant(width, op)),
                };
                Insn::Alu { width, op, dst, src }
            }
            Op::Neg(width) => Insn::Neg { width, dst },
            Op::Swap(op, size) => Insn::Swap { op, size, dst },
            Op::MovSx(width, size) => Insn::MovSx {
                width,
                size,
                dst,
                src,
            },
            Op::LoadImm64 => Insn::LoadImm64 {
                dst,
                value: number(self.random),
            },
            Op::Load(size) => Insn::Load {
                size,
                dst,
                base: Reg::FP,
                offset: self.place(size),
            },
            Op::LoadSx(size) => Insn::LoadSx {
                size,
                dst,
                base: Reg::FP,
                offset: self.place(size),
            },
            Op::LoadAcquire(size) => Insn::LoadAcquire {
                size,
                dst,
                base: Reg::FP,
                offset: self.place(size),
            },
            Op::StoreRelease(size) => Insn::StoreRelease {
                size,
                base: Reg::FP,
                offset: self.place(size),
                src,
            },
            Op::Store(size, source) => Insn::Store {
                size,
                base: Reg::FP,
                offset: self.place(size),
                src: match source {
                    Source::Reg => Operand::Reg(src),
                    Source::Imm => Operand::Imm(self.imm()),
                },
            },
            Op::Atomic(_, op) if op.fetches() && !self.fetches => return,
            Op::Atomic(width, op) => Insn::Atomic {
                width,
                op,
                base: Reg::FP,
                offset: self.place(width.size()),
                src: if op == AtomicOp::CmpXchg && self.random.below(2) == 0 {
                    Reg::R0
                } else {
                    src
                },
            },
            Op::JumpIf(width, op, source) => return self.jump_if(width, op, source, left),
            Op::Jump => Insn::Jump { offset: 0 },
            Op::JumpLong => Insn::JumpLong { offset: 0 },
            Op::MayGoto => Insn::MayGoto { offset: 0 },
            // what needs maps, packets, helpers or other functions is not for random programs
            Op::CastAddrSpace
            | Op::PercpuAddr
            | Op::LoadAddr(_)
            | Op::LoadAbs(_)
            | Op::LoadInd(_)
            | Op::SpeculationBarrier
            | Op::JumpIndirect
            | Op::CallHelper
            | Op::CallSubprog
            | Op::CallKfunc
            | Op::CallReg
            | Op::Exit => return,
        };
        self.push(insn);
        // RFC 9669 says that r0 is zero-extended. Where the comparison succeeds, x86 leaves its upper half alone, and Linux
        // 6.18 does not always clear it.
        if matches!(op, Op::Atomic(Width::W32, AtomicOp::CmpXchg)) {
            self.push(Insn::Alu {
                width: Width::W32,
                op: AluOp::Mov,
                dst: Reg::R0,
                src: Operand::Reg(Reg::R0),
            });
        }
    }

    /// A constant that the verifier takes: no shift that is too far, no division by zero.
    fn constant(&mut self, width: Width, op: AluOp) -> i32 {
        match op {
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => self.random.below(width.bits() as usize) as i32,
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => match self.imm() {
                0 => 1,
                other => other,
            },
            _ => self.imm(),
        }
    }

    fn jump_if(&mut self, width: Width, op: JmpOp, source: Source, left: usize) {
        if self.jumps == 0 || left < 2 || self.fetches {
            return;
        }
        self.jumps -= 1;
        let (dst, src) = (self.reg(), self.reg());
        let src = match source {
            Source::Reg => Operand::Reg(src),
            Source::Imm => Operand::Imm(self.imm()),
        };
        let insn = Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset: 0,
        };
        let leads = Some(self.random.below(8));
        self.items.push(Item { insn, leads });
    }
}
