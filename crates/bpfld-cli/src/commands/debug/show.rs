//! What the debugger shows.

use std::fmt::Debug;
use std::io::{self, Write};

use bpfld_object::Object;
use bpfld_vm::{Breakpoint, GuestAddr, Observed, Points, Reason, Watchpoint};

use crate::bytes::{dump, hex};
use crate::contents::{MapContents, Raw};
use crate::output::Output;

/// Instructions before and after the current one.
const AROUND: u32 = 5;
/// Bytes that are shown at most.
const MOST: usize = 4096;

/// Why it stopped, unless that is a step that was asked for.
pub(super) fn reason(output: &mut Output, points: &Points, reason: &Reason) -> io::Result<()> {
    match reason {
        Reason::Start | Reason::Step => Ok(()),
        Reason::Breakpoint(number) => writeln!(output, "at breakpoint {}", number + 1),
        Reason::Watchpoint { number, before, now } => {
            let is_register = matches!(
                points.watchpoints.get(*number),
                Some(Some(Watchpoint::Register(_)))
            );
            let value = |bytes: &Option<Vec<u8>>| match bytes.as_deref() {
                Some(bytes) if is_register => {
                    let number = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                    format!("{:#x}", number.unwrap_or_default())
                }
                Some(bytes) => hex(bytes),
                None => "nothing".to_owned(),
            };
            writeln!(
                output,
                "watchpoint {} changed from {} to {}",
                number + 1,
                value(before),
                value(now)
            )
        }
    }
}

/// The line and the instruction.
pub(super) fn place(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    let place = observed.place();
    if let Some(source) = &place.source {
        write!(output, "{}:{}", source.file, source.line)?;
        match source.text.trim() {
            "" => writeln!(output)?,
            text => writeln!(output, ": {text}")?,
        }
    }
    instruction(output, observed, observed.slot())
}

fn instruction(output: &mut Output, observed: &Observed<'_>, slot: u32) -> io::Result<()> {
    let mark = if slot == observed.slot() { "=>" } else { "  " };
    match observed.insn_at(slot) {
        Some(insn) => writeln!(output, "{mark} {slot:>4}: {insn}"),
        None => Ok(()),
    }
}

pub(super) fn listing(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    let at = observed.slot();
    (at.saturating_sub(AROUND)..=at.saturating_add(AROUND))
        .try_for_each(|slot| instruction(output, observed, slot))
}

pub(super) fn registers(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    for (number, value) in observed.registers().iter().enumerate() {
        writeln!(output, "r{number:<2} {value:#018x} {}", value.cast_signed())?;
    }
    Ok(())
}

/// The stack from the lowest word that is not zero.
pub(super) fn stack(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    let words = observed.stack();
    let untouched = words
        .iter()
        .take_while(|(_, bytes)| bytes.iter().all(|byte| *byte == 0));
    let start = untouched.count();
    for (below, bytes) in words.iter().skip(start) {
        writeln!(output, "r10-{below:<3} {}", hex(bytes))?;
    }
    Ok(())
}

pub(super) fn callers(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    writeln!(output, "{}", observed.place())?;
    for caller in observed.callers() {
        writeln!(output, "called from {caller}")?;
    }
    Ok(())
}

pub(super) fn memory(
    output: &mut Output,
    observed: &Observed<'_>,
    address: GuestAddr,
    len: usize,
) -> io::Result<()> {
    match observed.read_memory(address, len.min(MOST)) {
        Ok(bytes) => output.write_all(dump(bytes).as_bytes()),
        Err(trap) => writeln!(output, "{}", trap.kind()),
    }
}

pub(super) fn maps(output: &mut Output, observed: &Observed<'_>) -> io::Result<()> {
    for map in observed.maps() {
        writeln!(
            output,
            "{}: {}, {} entries",
            map.name, map.map_type, map.max_entries
        )?;
    }
    Ok(())
}

pub(super) fn map(
    output: &mut Output,
    object: &Object,
    observed: &Observed<'_>,
    name: &str,
) -> io::Result<()> {
    let Some(spec) = observed.maps().find(|map| map.name == name) else {
        return writeln!(output, "there is no map '{name}'");
    };
    let records = observed.map_records(name);
    if !records.is_empty() {
        let raw = Raw::records(name, spec.map_type, spec.max_entries, records);
        return MapContents::new(object, raw).print(output);
    }
    let elements = observed.map_entries(name).into_iter().map(Ok::<_, io::Error>);
    let raw = Raw::collect(name, spec.map_type, spec.max_entries, elements);
    MapContents::new(object, raw).print(output)
}

pub(super) fn points(output: &mut Output, points: &Points) -> io::Result<()> {
    for (number, point) in points.breakpoints.iter().enumerate() {
        let place = match point {
            Some(Breakpoint::Slot(slot)) => format!("slot {slot}"),
            Some(Breakpoint::Line { file, line }) => format!("{file}:{line}"),
            Some(Breakpoint::Function(name)) => name.clone(),
            None => continue,
        };
        writeln!(output, "breakpoint {}: {place}", number + 1)?;
    }
    for (number, point) in points.watchpoints.iter().enumerate() {
        let what = match point {
            Some(Watchpoint::Register(register)) => format!("r{register}"),
            Some(Watchpoint::Memory { address, len }) => format!("{len} bytes at {address}"),
            None => continue,
        };
        writeln!(output, "watchpoint {}: {what}", number + 1)?;
    }
    Ok(())
}

/// Takes a point out.
pub(super) fn deleted<P: Debug>(
    output: &mut Output,
    points: &mut [Option<P>],
    number: usize,
) -> io::Result<()> {
    let place = number.checked_sub(1).and_then(|number| points.get_mut(number));
    match place.and_then(Option::take) {
        Some(_) => Ok(()),
        None => writeln!(output, "there is none of number {number}"),
    }
}
