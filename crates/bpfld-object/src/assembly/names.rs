//! Names for what the symbols of an object name, each once: static variables and functions may share theirs.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{Function, MapIndex, MapKind, Object, SectionIndex, Variable};

/// The names in a text, in the order of the object.
pub(super) struct Names<'a> {
    pub(super) variables: Vec<Cow<'a, str>>,
    pub(super) functions: Vec<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(object: &'a Object) -> Self {
        let mut unique = Unique::default();
        for map in &object.maps {
            unique.taken.insert(map.name.to_string());
        }
        for item in &object.externs {
            unique.taken.insert(item.name.to_string());
        }
        let functions = object.functions.iter();
        let functions = functions.map(|function| unique.name(&function.name)).collect();
        let is_extern = |variable: &Variable| {
            let map = object.maps.get(variable.map.index());
            map.is_some_and(|map| map.kind == MapKind::Kconfig)
        };
        let variables = object.variables.iter().map(|variable| {
            if is_extern(variable) {
                Cow::Borrowed(&*variable.name)
            } else {
                unique.name(&variable.name)
            }
        });
        Self {
            variables: variables.collect(),
            functions,
        }
    }
}

/// The functions of a section, with their names here.
pub(super) fn functions_of<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    section: SectionIndex,
) -> impl Iterator<Item = (&'a Function, &'a str)> {
    let functions = &object.functions;
    let from = functions.partition_point(|function| function.section < section);
    let named = functions.iter().zip(&names.functions).skip(from);
    named
        .take_while(move |(function, _)| function.section == section)
        .map(|(function, name)| (function, &**name))
}

/// The variables of a map, with their names here, by place.
pub(super) fn variables_of<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    map: MapIndex,
) -> impl Iterator<Item = (&'a Variable, &'a str)> {
    let variables = &object.variables;
    let from = variables.partition_point(|variable| variable.map < map);
    let named = variables.iter().zip(&names.variables).skip(from);
    named
        .take_while(move |(variable, _)| variable.map == map)
        .map(|(variable, name)| (variable, &**name))
}

/// Makes names unique by numbers behind them.
#[derive(Default)]
struct Unique<'a> {
    taken: BTreeSet<String>,
    /// The last number that was tried for a name.
    numbers: BTreeMap<&'a str, u32>,
}

impl<'a> Unique<'a> {
    fn name(&mut self, name: &'a str) -> Cow<'a, str> {
        if self.taken.insert(name.to_string()) {
            return Cow::Borrowed(name);
        }
        let number = self.numbers.entry(name).or_default();
        loop {
            *number += 1;
            let own = format!("{name}.{number}");
            if self.taken.insert(own.clone()) {
                return Cow::Owned(own);
            }
        }
    }
}
