//! The run in the userspace machine.

use std::io::Write;
use std::time::Instant;

use anyhow::{Result, anyhow};
use bpfld::{KernelBtf, ProgramType};
use bpfld_features::{Config, ConfigValue, Release};
use bpfld_object::{ExternKind, Object};
use bpfld_vm::{Bytes, Context, Control, Observed, Setting, Skb, Uninitialised, Vm, Xdp};

use super::contents::Raw;
use super::{Ran, input};
use crate::output::Output;

/// What to do beside running.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Nothing.
    Off,
    /// Print every instruction before it is run, with the registers that changed.
    On,
}

pub(super) fn run(
    object: &Object,
    program: &str,
    data: Option<&[u8]>,
    repeat: u32,
    trace: Trace,
    output: &mut Output,
) -> Result<Ran> {
    let mut vm = load(object)?;
    let kind = vm.program(program)?.program_type();
    let mut go =
        |vm: &mut Vm, context: &mut dyn FnMut(&mut Vm, &mut Output) -> Result<u64>| -> Result<(u32, _)> {
            let start = Instant::now();
            let mut r0 = 0;
            for _ in 0..repeat {
                r0 = context(vm, output)?;
            }
            Ok((r0 as u32, start.elapsed() / repeat.max(1)))
        };
    let (packet, mut after) = (data.unwrap_or(&[0; 64]), (Vec::new(), Vec::new()));
    let (return_value, duration) = match (input::Takes::of(kind), kind) {
        (input::Takes::Packet, ProgramType::XDP) => {
            let mut context = Xdp::new(packet);
            let ran = go(&mut vm, &mut |vm, output| {
                one(vm, program, &mut context, trace, output)
            })?;
            after.0 = context.packet().to_vec();
            ran
        }
        (input::Takes::Packet, _) => {
            let mut context = Skb::new(packet);
            let ran = go(&mut vm, &mut |vm, output| {
                one(vm, program, &mut context, trace, output)
            })?;
            after.0 = context.packet().to_vec();
            ran
        }
        (input::Takes::Context, _) => {
            let mut context = Bytes::new(data.unwrap_or_default());
            let ran = go(&mut vm, &mut |vm, output| {
                one(vm, program, &mut context, trace, output)
            })?;
            after.1 = context.bytes().to_vec();
            ran
        }
    };
    for line in vm.take_printed() {
        writeln!(output, "printed       {line}")?;
    }
    let count = vm.maps().count();
    Ok(Ran {
        return_value,
        duration,
        data: after.0,
        context: after.1,
        maps: (0..count).filter_map(|number| raw(&mut vm, number)).collect(),
    })
}

/// The object with the types and the configuration of the running kernel, as far as they can be read.
fn load(object: &Object) -> Result<Vm> {
    let mut builder = Vm::builder();
    builder.cpus(bpfld_sys::possible_cpus().unwrap_or(1));
    builder.uninitialised(Uninitialised::Stale);
    if let Ok(kernel) = KernelBtf::shared() {
        builder.core_btf(kernel.vmlinux().clone());
    }
    let config = Config::current();
    for item in object.externs() {
        let ExternKind::Kconfig { .. } = item.kind else {
            continue;
        };
        let setting = match config.and_then(|config| config.get(&item.name)) {
            Some(ConfigValue::Yes) => Setting::Yes,
            Some(ConfigValue::Module) => Setting::Module,
            Some(ConfigValue::No) => Setting::No,
            Some(ConfigValue::Number(number)) => Setting::Number(number),
            Some(ConfigValue::Text(text)) => Setting::Text(text.to_owned()),
            Some(ConfigValue::Other(_)) | None => match (&*item.name, Release::current()) {
                ("LINUX_KERNEL_VERSION", Some(release)) => Setting::Number(release.version_code().into()),
                _ => continue,
            },
        };
        builder.kconfig(&*item.name, setting);
    }
    Ok(builder.load(object)?)
}

fn one(
    vm: &mut Vm,
    program: &str,
    context: &mut impl Context,
    trace: Trace,
    output: &mut Output,
) -> Result<u64> {
    let mut program = vm.program(program)?;
    let result = match trace {
        Trace::Off => program.run_on(context),
        Trace::On => {
            let mut tracer = Tracer::new(output);
            let result = program.observe(context, &mut |step: &Observed<'_>| tracer.step(step));
            if let Some(error) = tracer.failed {
                return Err(error.into());
            }
            result
        }
    };
    // the long form, with the line, the instruction and the registers
    result.map_err(|fault| anyhow!("{fault:#}"))
}

/// Prints instructions.
struct Tracer<'o> {
    output: &'o mut Output,
    before: [u64; 11],
    failed: Option<std::io::Error>,
}

impl<'o> Tracer<'o> {
    fn new(output: &'o mut Output) -> Self {
        Tracer {
            output,
            before: [0; 11],
            failed: None,
        }
    }

    fn step(&mut self, step: &Observed<'_>) -> Control {
        match self.print(step) {
            Ok(()) => Control::Continue,
            Err(error) => {
                self.failed = Some(error);
                Control::Stop
            }
        }
    }

    fn print(&mut self, step: &Observed<'_>) -> std::io::Result<()> {
        let registers = step.registers();
        let changed = registers.iter().zip(self.before).enumerate();
        for (number, (now, _)) in changed.filter(|(_, (now, before))| **now != *before) {
            writeln!(self.output, "              r{number} = {now:#x}")?;
        }
        self.before = *registers;
        if let Some(source) = step
            .place()
            .source
            .filter(|source| !source.text.trim().is_empty())
        {
            writeln!(self.output, "; {}", source.text.trim())?;
        }
        let indent = "  ".repeat(step.depth().saturating_sub(1));
        match step.insn() {
            Some(insn) => writeln!(self.output, "{:>6}: {indent}{insn}", step.slot()),
            None => writeln!(self.output, "{:>6}: {indent}?", step.slot()),
        }
    }
}

fn raw(vm: &mut Vm, number: usize) -> Option<Raw> {
    let mut map = vm.map_at(number)?;
    let spec = map.spec().clone();
    let keys = map.keys();
    let elements = keys
        .into_iter()
        .map(|key| map.get_bytes(&key).map(|values| (key, values)));
    Some(Raw::collect(
        &spec.name,
        spec.map_type,
        spec.max_entries,
        elements,
    ))
}
