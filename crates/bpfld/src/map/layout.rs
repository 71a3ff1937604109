//! What a Rust type must look like to stand for a key, a value or a variable.

use std::fmt::Write as _;

use bpfld_btf::{Btf, TypeId};

use super::Map;
use crate::{Error, ErrorKind, Subject};

/// More than anybody would compare by eye.
const MAX_MEMBERS: usize = 40;

/// Fails unless a Rust type has the size of keys.
pub(super) fn check_key<T>(map: &Map) -> Result<(), Error> {
    check::<T>(map, Part::Key, map.key_size())
}

/// Fails unless a Rust type has the size of values, of a per-CPU map of one CPU's.
pub(super) fn check_value<T>(map: &Map) -> Result<(), Error> {
    check::<T>(map, Part::Value, map.map_fd().value_size())
}

/// Fails unless a Rust type has the size of a variable in the only value of a map.
pub(super) fn check_variable<T>(map: &Map, name: &str, size: usize) -> Result<(), Error> {
    check::<T>(map, Part::Variable(name), size)
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Key,
    Value,
    Variable(&'a str),
}

/// The message shows the fields of what a type stands for, where they are known.
fn check<T>(map: &Map, part: Part<'_>, expected: usize) -> Result<(), Error> {
    let given = size_of::<T>();
    if expected == given {
        return Ok(());
    }
    let (subject, name) = match part {
        Part::Key => (map.subject(), "key"),
        Part::Value => (map.subject(), "value"),
        Part::Variable(name) => (Subject::Global(name.to_owned()), "variable"),
    };
    Err(Error::new(
        subject,
        ErrorKind::Layout {
            part: name,
            expected,
            declared: declared(map, part),
            rust_type: std::any::type_name::<T>(),
            given,
            align: align_of::<T>(),
        },
    ))
}

/// How the map's BTF describes a part. Nothing where it does not, or the kernel does not tell.
fn declared(map: &Map, part: Part<'_>) -> Option<String> {
    let types = map.types().ok()??;
    let id = match part {
        Part::Key => types.key(),
        Part::Value => types.value(),
        Part::Variable(name) => {
            let section = types.btf().ty(types.value()?).ok()?;
            section.variables().find_map(|place| {
                let variable = types.btf().ty(place.type_id).ok()?;
                (variable.name().ok()? == name).then(|| variable.target())?
            })
        }
    };
    Some(describe(types.btf(), id?))
}

/// A type as C spells it; of a struct also the members with their offsets.
fn describe(btf: &Btf, id: TypeId) -> String {
    let mut text = btf.type_name(id);
    let Ok(ty) = btf.resolve(id) else { return text };
    let mut members = ty.members().peekable();
    if members.peek().is_none() {
        return text;
    }
    let mut separator = " {";
    for (count, member) in members.enumerate() {
        if count == MAX_MEMBERS {
            text.push_str("; …");
            break;
        }
        let spelt = btf.type_name(member.type_id);
        let name = member.name().unwrap_or_default();
        let (byte, bit) = (member.bit_offset / 8, member.bit_offset % 8);
        // Writing to a string does not fail.
        let _ = write!(text, "{separator} {byte}: {spelt} {name}");
        if bit != 0 || member.bitfield_size != 0 {
            let _ = write!(text, " (bit {bit}, {} wide)", member.bitfield_size);
        }
        separator = ";";
    }
    text.push_str(" }");
    text
}
