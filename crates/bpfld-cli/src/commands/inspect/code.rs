//! The instructions of a program as text, with the names that the object knows.

use bpfld_insn::{Notes, SourceLine, print};
use bpfld_object::Object;
use bpfld_object::{LinkedProgram, Target};

use super::names::global_name;

/// The listing of a linked program, line by line.
pub(super) fn lines(object: &Object, linked: &LinkedProgram) -> Vec<String> {
    let notes = notes(object, linked);
    let text = print(&linked.insns)
        .labels(false)
        .indices(true)
        .annotate(&notes)
        .to_string();
    text.lines().map(str::to_owned).collect()
}

/// What the object knows about each instruction.
pub(in crate::commands) fn notes<'a>(object: &'a Object, linked: &LinkedProgram) -> Notes<'a> {
    let mut notes = Notes::default();
    for placed in &linked.functions {
        if let Some(function) = object.function(placed.function) {
            notes.add_function(placed.start as usize, &*function.name);
        }
    }
    let external = |index| object.extern_at(index).map(|item| item.name.to_string());
    for relocation in &linked.relocations {
        let at = relocation.at as usize;
        let symbol = match relocation.target {
            Target::Map(map) => object.maps().get(map.index()).map(|map| map.name.to_string()),
            Target::MapValue { map, offset } => Some(global_name(object, map.index(), offset)),
            Target::Ksym(index) | Target::KfuncAddress(index) | Target::Kfunc(index) => external(index),
            _ => None,
        };
        if let Some(symbol) = symbol {
            notes.add_symbol(at, symbol, 0);
        }
        if let (Target::Core(record), Some(btf)) = (relocation.target, object.btf())
            && let Ok(spec) = record.spec(btf)
        {
            notes.add_comment(at, spec.to_string());
        }
    }
    let string = |offset| object.btf().and_then(|btf| btf.string(offset).ok()).unwrap_or("");
    let mut before = None;
    for line in &linked.line_info {
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
    notes
}
