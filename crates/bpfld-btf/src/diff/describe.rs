//! What is compared of a type.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use super::{Described, Place};
use crate::{Kind, Type};

/// How deeply structs without a name may nest.
const MAX_DEPTH: usize = 16;
/// How many members a struct may have with those of structs within; kernels have hundreds.
const MAX_MEMBERS: usize = 1 << 14;

pub(super) fn describe(ty: &Type<'_>) -> Described {
    let mut members = Vec::new();
    flatten(ty, "", 0, MAX_DEPTH, &mut members);
    let values = ty.enum_values();
    Described {
        size: ty.size_bytes(),
        type_name: ty.target().map(|id| match ty.kind() {
            Kind::FUNC => prototype(ty),
            _ => ty.btf().type_name(id),
        }),
        signed: ty.is_signed_enum(),
        members,
        values: values
            .map(|value| (value.name().unwrap_or("?").to_owned(), value.value()))
            .collect(),
    }
}

/// A function's prototype with the names of its parameters.
fn prototype(function: &Type<'_>) -> String {
    let btf = function.btf();
    let Some(prototype) = function.target().and_then(|id| btf.ty(id).ok()) else {
        return "?".to_owned();
    };
    let returns = prototype
        .target()
        .map_or_else(String::new, |id| btf.type_name(id));
    let last = (prototype.vlen() as usize).checked_sub(1);
    let params = prototype.params().enumerate().map(|(number, param)| {
        let name = param.name().unwrap_or("?");
        if param.type_id.is_void() && Some(number) == last {
            return "...".to_owned();
        }
        let ty = btf.type_name(param.type_id);
        let space = if name.is_empty() || ty.ends_with('*') {
            ""
        } else {
            " "
        };
        format!("{ty}{space}{name}")
    });
    format!("{returns} ({})", params.collect::<Vec<_>>().join(", "))
}

/// The members of a struct or union, those of structs without a name in their place.
fn flatten(ty: &Type<'_>, prefix: &str, base: u64, depth: usize, places: &mut Vec<Place>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let btf = ty.btf();
    for member in ty.members() {
        if places.len() >= MAX_MEMBERS {
            return;
        }
        let name = member.name().unwrap_or("?");
        let bit_offset = base + u64::from(member.bit_offset);
        let inner = btf.skip_modifiers(member.type_id);
        let inner = inner
            .ok()
            .filter(|ty| ty.kind().is_composite() && ty.is_anonymous());
        match inner {
            Some(inner) if name.is_empty() => flatten(&inner, prefix, bit_offset, depth, places),
            Some(inner) => flatten(&inner, &format!("{prefix}{name}."), bit_offset, depth, places),
            None => places.push(Place {
                name: format!("{prefix}{name}"),
                bit_offset,
                bits: member.bitfield_size,
                type_name: btf.type_name(member.type_id),
            }),
        }
    }
}
