//! Machines: the same programs in ours, in rbpf's and solana-sbpf's interpreters and compilers, and in the kernel.
//!
//! All of them get memory and its address; programs for the kernel begin with the packet of a `tc` program instead. Ours
//! and the interpreters check every access, rbpf's compiler does not.

use std::{
    hint::black_box,
    ptr::NonNull,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bpfld_insn::{Endian, assemble};
use bpfld_vm::{Bytes, ProgramType, Vm};
use solana_sbpf::{
    ebpf::{MM_INPUT_START, MM_STACK_START},
    elf::Executable,
    memory_region::{MemoryMapping, MemoryRegion},
    program::{BuiltinProgram, FunctionRegistry, SBPFVersion},
    verifier::RequisiteVerifier,
    vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode},
};

/// Arithmetic in registers: 10,000 rounds of six instructions.
const ALU: &str = "
    r0 = 1
    r2 = 10000
round:
    r0 += r2
    r0 ^= 0x55
    r0 <<= 1
    r0 -= 3
    r2 -= 1
    if r2 != 0 goto round
    exit";

/// The sum of 1500 bytes, five instructions each.
const SUM: &str = "
    r0 = 0
    r4 = 1500
round:
    r3 = *(u8 *)(r1 + 0)
    r0 += r3
    r1 += 1
    r4 -= 1
    if r4 != 0 goto round
    exit";

/// The headers of a UDP packet, each field checked: 36 instructions.
const PARSE: &str = "
    r0 = 0
    r3 = r1
    r3 += 14
    if r3 > r2 goto out
    r4 = *(u16 *)(r1 + 12)
    if r4 != 8 goto out
    r3 = r1
    r3 += 34
    if r3 > r2 goto out
    r4 = *(u8 *)(r1 + 14)
    r5 = r4
    r5 >>= 4
    if r5 != 4 goto out
    r4 &= 15
    r4 <<= 2
    if r4 < 20 goto out
    r5 = *(u8 *)(r1 + 23)
    if r5 != 17 goto out
    r3 = r1
    r3 += 14
    r3 += r4
    r5 = r3
    r5 += 8
    if r5 > r2 goto out
    r0 = *(u16 *)(r3 + 0)
    r0 = be16 r0
    r4 = *(u16 *)(r3 + 2)
    r4 = be16 r4
    r0 ^= r4
    r4 = *(u32 *)(r1 + 26)
    r0 ^= r4
    r4 = *(u32 *)(r1 + 30)
    r0 ^= r4
out:
    exit";

const EMPTY: &str = "r0 = 0\n exit";

/// A program, and the memory it works on.
struct Kernel {
    body: &'static str,
    memory: Vec<u8>,
}

impl Kernel {
    fn of(case: &str) -> Option<Kernel> {
        let memory = (0..1500u32).map(|number| (number * 7) as u8).collect();
        Some(match case {
            "run-alu" => Kernel { body: ALU, memory },
            "run-sum" => Kernel { body: SUM, memory },
            "run-empty" => Kernel { body: EMPTY, memory },
            "run-parse" => {
                let mut memory = vec![0; 60];
                memory[12..15].copy_from_slice(&[8, 0, 0x45]);
                memory[23] = 17;
                memory[26..38].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 53]);
                Kernel { body: PARSE, memory }
            }
            _ => return None,
        })
    }

    /// The bytes of the program, after what finds start and end of the memory.
    fn code(&self, prologue: &str) -> Result<Vec<u8>> {
        let text = format!("{prologue}\n{}", self.body);
        let assembly = assemble(&text).map_err(|errors| anyhow!("{errors}"))?;
        let slots = assembly.slots().iter();
        Ok(slots.flat_map(|slot| slot.to_bytes(Endian::Little)).collect())
    }

    /// Of programs that get the address of the memory.
    fn flat(&self) -> Result<Vec<u8>> {
        self.code(&format!("r2 = r1\n r2 += {}", self.memory.len()))
    }
}

/// Runs a case, if it is one of this file's.
pub fn run(case: &str, implementation: &str) -> Result<bool> {
    let Some(kernel) = Kernel::of(case) else {
        return Ok(false);
    };
    let expected = ours(&kernel, |run| run())?;
    let check = |value: u64| -> Result<u64> {
        ensure!(
            value as u32 == expected as u32,
            "{implementation} says {value:#x}, not {expected:#x}"
        );
        Ok(value)
    };
    match implementation {
        "bpfld" => ours(&kernel, |run| per_run(|| check(run()?)))?,
        "rbpf" => {
            let code = kernel.flat()?;
            let vm = rbpf::EbpfVmRaw::new(Some(&code))?;
            let mut memory = kernel.memory.clone();
            per_run(|| check(vm.execute_program(reborrow(&mut memory))?))?
        }
        "rbpf-jit" => {
            let code = kernel.flat()?;
            let mut vm = rbpf::EbpfVmRaw::new(Some(&code))?;
            vm.jit_compile()?;
            let mut memory = kernel.memory.clone();
            // SAFETY: the programs above stay in the memory that they are given.
            per_run(|| check(unsafe { vm.execute_program_jit(reborrow(&mut memory)) }?))?
        }
        "sbpf" => sbpf(&kernel, ExecutionMode::Interpreted, check)?,
        "sbpf-jit" => sbpf(&kernel, ExecutionMode::Jit, check)?,
        "kernel" => in_kernel(&kernel, check)?,
        other => bail!("{other} runs no programs"),
    };
    Ok(true)
}

/// The machines of rbpf want memory that lives as long as they do.
fn reborrow<'a>(memory: &mut [u8]) -> &'a mut [u8] {
    // SAFETY: the memory outlives the machine, and each run is over when the next begins.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr(), memory.len()) }
}

fn ours<R>(kernel: &Kernel, with: impl FnOnce(&mut dyn FnMut() -> Result<u64>) -> Result<R>) -> Result<R> {
    let mut vm = Vm::builder().empty(Endian::Little);
    let code = kernel.flat()?;
    let slots: Vec<_> = bpfld_insn::slots_from_bytes(&code, Endian::Little).0.collect();
    let mut program = vm.add_program("bench", ProgramType::SYSCALL, &slots)?;
    let mut context = Bytes::new(kernel.memory.clone());
    with(&mut || Ok(program.run_on(&mut context)?))
}

/// What a machine of solana-sbpf needs around it.
struct Surroundings {
    mapping: MemoryMapping,
    remaining: u64,
}

impl ContextObject for Surroundings {
    fn consume(&mut self, amount: u64) {
        self.remaining = self.remaining.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.remaining
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

fn sbpf(kernel: &Kernel, mode: ExecutionMode, check: impl Fn(u64) -> Result<u64>) -> Result<u64> {
    let config = Config::default();
    let loader = Arc::new(BuiltinProgram::new_loader(config.clone()));
    let version = SBPFVersion::V0;
    let code = kernel.flat()?;
    let executable = Executable::<Surroundings>::from_text_bytes(
        &code,
        loader.clone(),
        version,
        FunctionRegistry::default(),
    )
    .map_err(|error| anyhow!("{error}"))?;
    executable
        .verify::<RequisiteVerifier>()
        .map_err(|error| anyhow!("{error}"))?;
    if matches!(mode, ExecutionMode::Jit) {
        executable.jit_compile().map_err(|error| anyhow!("{error}"))?;
    }
    let mut memory = kernel.memory.clone();
    let mut stack = vec![0u8; config.stack_size()];
    let regions = vec![
        MemoryRegion::new(&raw mut *stack.as_mut_slice(), MM_STACK_START),
        MemoryRegion::new(&raw mut *memory.as_mut_slice(), MM_INPUT_START),
    ];
    // SAFETY: memory and stack outlive the machine.
    let mapping = unsafe { MemoryMapping::new(regions, &config, version) };
    let mut surroundings = Surroundings {
        mapping: mapping.map_err(|error| anyhow!("{error}"))?,
        remaining: u64::MAX,
    };
    let mut frames = vec![CallFrame::default(); config.max_call_depth];
    let mut vm = EbpfVm::new(loader, version, &mut surroundings, stack.len());
    vm.registers[1] = MM_INPUT_START;
    let registers = vm.registers;
    per_run(|| {
        vm.registers = registers;
        vm.context().remaining = 1 << 40;
        let mut mode = match mode {
            ExecutionMode::Jit => ExecutionMode::Jit,
            _ => ExecutionMode::Interpreted,
        };
        let (_, result) = vm.execute_program(&executable, &mut mode, &mut frames);
        let result: Result<u64, _> = result.into();
        check(result.map_err(|error| anyhow!("{error}"))?)
    })
}

/// The kernel takes the time itself, over many runs.
fn in_kernel(kernel: &Kernel, check: impl Fn(u64) -> Result<u64>) -> Result<u64> {
    let len = kernel.memory.len();
    let prologue = format!(
        "r2 = *(u32 *)(r1 + 80)\n r1 = *(u32 *)(r1 + 76)\n r3 = r1\n r3 += {len}\n if r3 <= r2 goto go\n r0 = 0\n exit\n go:"
    );
    let code = kernel.code(&prologue)?;
    let slots: Vec<_> = bpfld_insn::slots_from_bytes(&code, Endian::Little).0.collect();
    let program = bpfld::Program::builder(bpfld::ProgramType::SCHED_CLS, "bench", &slots).load()?;
    let run = |repeat: u32| program.test_run().data(&kernel.memory).repeat(repeat).run();
    let first = run(1)?;
    check(first.return_value.into())?;
    let mut least = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < SPAN {
        least = least.min(run(2000)?.duration);
    }
    println!("{} {}", first.duration.as_nanos(), least.as_nanos());
    Ok(0)
}

/// How long is measured.
const SPAN: Duration = Duration::from_millis(700);

/// Times runs in batches that are long enough for the clock: the first run, and the average of the fastest batch.
fn per_run(mut run: impl FnMut() -> Result<u64>) -> Result<u64> {
    const BATCH: Duration = Duration::from_micros(100);
    let mut batch = |count: u32| -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..count {
            black_box(run()?);
        }
        Ok(start.elapsed())
    };
    let first = batch(1)?;
    let mut count = 1u32;
    while batch(count)? < BATCH {
        count = count.checked_mul(2).context("nothing takes no time")?;
    }
    let (start, mut least) = (Instant::now(), Duration::MAX);
    while start.elapsed() < SPAN {
        least = least.min(batch(count)?);
    }
    println!("{} {}", first.as_nanos(), least.as_nanos() / u128::from(count));
    Ok(0)
}
