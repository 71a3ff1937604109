//! What maps and places in them are called.

use bpfld_object::{Object, Variable};

/// The map of a number.
pub(super) fn map_name(object: &Object, index: usize) -> String {
    object
        .maps()
        .get(index)
        .map_or_else(|| "?".to_owned(), |map| map.name.to_string())
}

/// The variable that a byte of a map belongs to, and how far in it the byte is.
pub(super) fn global_name(object: &Object, map: usize, offset: u32) -> String {
    let inside =
        |v: &&Variable| v.map.index() == map && v.offset <= offset && offset - v.offset < v.size.max(1);
    match object.variables().iter().find(inside) {
        Some(variable) if variable.offset == offset => variable.name.to_string(),
        Some(variable) => format!("{}+{}", variable.name, offset - variable.offset),
        None => format!("{}+{offset}", map_name(object, map)),
    }
}
