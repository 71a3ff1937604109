//! The run in the userspace machine.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bpfld_object::Object;
use bpfld_vm::{Coverage, Vm};

use super::pcap::Packets;
use super::watch::Watch;
use super::{Args, Ran, Verdict};
use crate::machine::{self, Input};
use crate::output::Output;

pub(super) fn run(args: &Args, object: &Object, data: Option<&[u8]>, output: &mut Output) -> Result<Ran> {
    let mut vm = machine::load(object)?;
    let mut coverage = (args.profile || args.coverage.is_some()).then(Coverage::new);
    if let Some(coverage) = &mut coverage {
        coverage.expect(&vm.program(&args.program)?);
    }
    let ran = match &args.pcap {
        Some(path) => packets(args, &mut vm, path, &mut coverage, output)?,
        None => repeated(args, &mut vm, data, &mut coverage, output)?,
    };
    for line in vm.take_printed() {
        writeln!(output, "printed       {line}")?;
    }
    if let Some(coverage) = coverage.as_ref().filter(|_| args.profile) {
        writeln!(output, "{:.20}\n", coverage.profile())?;
    }
    if let (Some(path), Some(coverage)) = (&args.coverage, coverage) {
        fs::write(path, coverage.lcov()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Ran {
        maps: machine::contents(&mut vm),
        ..ran
    })
}

fn repeated(
    args: &Args,
    vm: &mut Vm,
    data: Option<&[u8]>,
    coverage: &mut Option<Coverage>,
    output: &mut Output,
) -> Result<Ran> {
    let mut input = Input::new(vm.program(&args.program)?.program_type(), data);
    let start = Instant::now();
    let mut return_value = 0;
    for _ in 0..args.repeat {
        return_value = one(args, vm, &mut input, coverage, output)?;
    }
    Ok(Ran {
        return_value,
        duration: start.elapsed() / args.repeat.max(1),
        data: input.packet().to_vec(),
        context: input.context().to_vec(),
        packets: Vec::new(),
        maps: Vec::new(),
    })
}

/// Each packet of a capture, one after the other.
fn packets(
    args: &Args,
    vm: &mut Vm,
    path: &Path,
    coverage: &mut Option<Coverage>,
    output: &mut Output,
) -> Result<Ran> {
    let kind = vm.program(&args.program)?.program_type();
    let mut taken = Duration::ZERO;
    let mut packets = Vec::new();
    for packet in Packets::open(path)? {
        let packet = packet?;
        let mut input = Input::new(kind, Some(&packet));
        let start = Instant::now();
        let return_value = one(args, vm, &mut input, coverage, output)
            .with_context(|| format!("packet {} of {}", packets.len() + 1, path.display()))?;
        taken += start.elapsed();
        packets.push(Verdict {
            return_value,
            data: input.packet().to_vec(),
        });
    }
    let last = packets.last();
    Ok(Ran {
        return_value: last.map_or(0, |last| last.return_value),
        duration: taken / u32::try_from(packets.len().max(1)).unwrap_or(u32::MAX),
        data: last.map_or_else(Vec::new, |last| last.data.clone()),
        context: Vec::new(),
        packets,
        maps: Vec::new(),
    })
}

fn one(
    args: &Args,
    vm: &mut Vm,
    input: &mut Input,
    coverage: &mut Option<Coverage>,
    output: &mut Output,
) -> Result<u32> {
    if !args.trace && coverage.is_none() {
        return input.run(vm, &args.program, None);
    }
    let mut watch = Watch::new(args.trace.then_some(output), coverage.as_mut());
    let result = input.run(vm, &args.program, Some(&mut watch));
    watch.finish()?;
    result
}
