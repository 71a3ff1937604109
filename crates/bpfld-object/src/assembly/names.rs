//! Names for what the symbols of an object name, each once: static variables and functions may share theirs.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{MapKind, Object, Variable};

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
