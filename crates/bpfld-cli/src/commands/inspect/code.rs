//! The instructions of a program as text, with the names that the object knows.

use bpfld_insn::{Annotate, SourceLine, Symbol, print};
use bpfld_object::Object;
use bpfld_object::{LinkedProgram, Target};

use super::names::global_name;

/// The listing of a linked program, line by line.
pub(super) fn lines(object: &Object, linked: &LinkedProgram) -> Vec<String> {
    let notes = Notes::new(object, linked);
    let text = print(&linked.insns)
        .labels(false)
        .indices(true)
        .annotate(&notes)
        .to_string();
    text.lines().map(str::to_owned).collect()
}

/// What the object knows about each instruction.
pub(in crate::commands) struct Notes<'a> {
    functions: Vec<(u32, &'a str)>,
    symbols: Vec<(u32, String)>,
    comments: Vec<(u32, String)>,
    sources: Vec<(u32, SourceLine<'a>)>,
}

impl<'a> Notes<'a> {
    pub(in crate::commands) fn new(object: &'a Object, linked: &LinkedProgram) -> Notes<'a> {
        let mut notes = Notes {
            functions: Vec::new(),
            symbols: Vec::new(),
            comments: Vec::new(),
            sources: Vec::new(),
        };
        for placed in &linked.functions {
            if let Some(function) = object.function(placed.function) {
                notes.functions.push((placed.start, &function.name));
            }
        }
        let external = |index| object.extern_at(index).map(|item| item.name.to_string());
        for relocation in &linked.relocations {
            let symbol = match relocation.target {
                Target::Map(map) => object.maps().get(map.index()).map(|map| map.name.to_string()),
                Target::MapValue { map, offset } => Some(global_name(object, map.index(), offset)),
                Target::Ksym(index) | Target::KfuncAddress(index) | Target::Kfunc(index) => external(index),
                _ => None,
            };
            notes.symbols.extend(symbol.map(|symbol| (relocation.at, symbol)));
            if let (Target::Core(record), Some(btf)) = (relocation.target, object.btf())
                && let Ok(spec) = record.spec(btf)
            {
                notes.comments.push((relocation.at, spec.to_string()));
            }
        }
        let string = |offset| object.btf().and_then(|btf| btf.string(offset).ok()).unwrap_or("");
        for line in &linked.line_info {
            let source = SourceLine {
                file: string(line.file),
                line: line.line(),
                text: string(line.text).trim(),
            };
            if notes.sources.last().is_none_or(|(_, last)| *last != source) {
                notes.sources.push((line.slot, source));
            }
        }
        notes.functions.sort_by_key(|(at, _)| *at);
        notes.symbols.sort_by_key(|(at, _)| *at);
        notes.comments.sort_by_key(|(at, _)| *at);
        notes
    }
}

impl Notes<'_> {
    /// The functions: where each begins, and its name.
    pub(in crate::commands) fn functions(&self) -> Vec<(usize, &str)> {
        self.functions
            .iter()
            .map(|(at, name)| (*at as usize, *name))
            .collect()
    }
}

/// The entry of a slot in a list that is sorted by slot.
fn find<T>(list: &[(u32, T)], at: usize) -> Option<&T> {
    let at = u32::try_from(at).ok()?;
    let place = list.binary_search_by_key(&at, |(slot, _)| *slot).ok()?;
    list.get(place).map(|(_, value)| value)
}

impl Annotate for Notes<'_> {
    fn function(&self, at: usize) -> Option<&str> {
        find(&self.functions, at).copied()
    }

    fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
        find(&self.symbols, at).map(|name| Symbol { name, offset: 0 })
    }

    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        find(&self.sources, at).copied()
    }

    fn comment(&self, at: usize) -> Option<&str> {
        find(&self.comments, at).map(String::as_str)
    }
}
