//! What is said beside and instead of the operands of instructions: names, comments, source lines.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpfld_insn::{Notes, Slot, SourceLine};

use super::names::{Names, functions_of};
use crate::map_data::ARENA;
use crate::program::{Code, SLOT, function_at};
use crate::relocation::CodeTarget;
use crate::{Function, Object, Variable};

/// How many variables before a place are asked whether they reach it.
const MOST_OVERLAPPING: usize = 16;

/// What is known about the code at a place in the object, with source lines or without.
pub(super) fn notes<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    place: usize,
    code: &Code,
    with_lines: bool,
) -> Notes<'a> {
    let mut notes = Notes::default();
    let mut last = None;
    for (function, name) in functions_of(object, names, code.section) {
        let start = function.start as usize;
        if last.replace(function.start) == Some(function.start) {
            notes.add_comment(start, format!("also {name}"));
        } else {
            notes.add_function(start, name);
        }
        if with_lines {
            add_sources(&mut notes, object, function);
        }
        let Some(btf) = object.btf.as_deref() else {
            continue;
        };
        for (slot, record) in object.info.core_relocations(function) {
            let spec = record
                .spec(btf)
                .map_or_else(|error| error.to_string(), |spec| spec.to_string());
            notes.add_comment(start + slot as usize, format!("CO-RE: {spec}"));
        }
    }
    for relocation in object.relocations.get(place).map_or(&[][..], Vec::as_slice) {
        let at = relocation.slot as usize;
        let Some(slot) = code.slots.get(at) else {
            continue;
        };
        match symbol(object, names, relocation.target, *slot) {
            Ok((name, offset)) => notes.add_symbol(at, name, offset),
            Err(lost) => notes.add_comment(at, lost),
        }
    }
    notes
}

fn add_sources<'a>(notes: &mut Notes<'a>, object: &'a Object, function: &Function) {
    let string = |offset| {
        let btf = object.btf.as_deref();
        btf.and_then(|btf| btf.string(offset).ok()).unwrap_or("")
    };
    let mut before = None;
    for line in object.info.source_lines(function, function.start) {
        let source = SourceLine {
            file: string(line.file),
            line: line.line(),
            text: string(line.text).trim(),
        };
        if before != Some(source) {
            notes.add_source(line.slot as usize, source);
        }
        before = Some(source);
    }
}

/// The name of what an instruction refers to, and the bytes from its start; or what cannot be said.
fn symbol<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    target: CodeTarget,
    slot: Slot,
) -> Result<(&'a str, i64), String> {
    match target {
        CodeTarget::Map(map) => {
            let map = object.maps.get(map.index());
            map.map(|map| (&*map.name, 0)).ok_or_else(String::new)
        }
        CodeTarget::Extern(index) => {
            let item = object.extern_at(index);
            item.map(|item| (&*item.name, 0)).ok_or_else(String::new)
        }
        CodeTarget::MapValue(map, offset) => {
            let offset = offset.wrapping_add(slot.imm as u32);
            let variables: &[Variable] = &object.variables;
            let after =
                variables.partition_point(|variable| (variable.map, variable.offset) <= (map, offset));
            let before = variables
                .get(..after)
                .unwrap_or_default()
                .iter()
                .zip(&names.variables);
            let holds =
                |variable: &Variable| variable.map == map && offset - variable.offset < variable.size.max(1);
            // of several, the one that begins last; few overlap
            let mut holders = before
                .rev()
                .take(MOST_OVERLAPPING)
                .filter(|(variable, _)| holds(variable));
            if let Some((variable, name)) = holders.next() {
                return Ok((name, i64::from(offset - variable.offset)));
            }
            match object.maps.get(map.index()) {
                Some(map) if map.is_global_data() => Ok((&map.name, offset.into())),
                Some(_) => Ok((ARENA, offset.into())),
                None => Err(String::new()),
            }
        }
        CodeTarget::Function(section, value) => {
            let (start, imm) = ((value / SLOT) as i64, i64::from(slot.imm));
            let at = match slot.is_call() {
                true => start + imm + 1,
                false => start + imm / SLOT as i64,
            };
            let index = u32::try_from(at)
                .ok()
                .and_then(|at| function_at(&object.functions, section, at));
            let function = index.and_then(|index| object.function(index));
            match (
                function,
                index.and_then(|index| names.functions.get(index.index())),
            ) {
                (Some(function), Some(name)) => Ok((name, (at - i64::from(function.start)) * SLOT as i64)),
                _ => Err(format!("refers to slot {at} of {}", object.section_name(section))),
            }
        }
        CodeTarget::JumpTable(offset, _) => Err(format!("refers to the jump table at {offset}")),
    }
}
