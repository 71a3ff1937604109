//! What is compared of a type.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use super::{Described, Place};
use crate::{Btf, Kind, Type, TypeId};

/// How deeply structs without a name may nest.
const MAX_DEPTH: usize = 16;
/// How many characters count as much as a member.
const UNIT: usize = 16;

/// Describes types, as long as there is room.
pub(super) struct Describer {
    /// How many more members, values and types may be described: what compilers write needs less than there are bytes, but types
    /// that contain others many times over would take without end.
    room: usize,
}

impl Describer {
    /// For the types of these.
    pub(super) fn new(old: &Btf, new: &Btf) -> Self {
        let len = |btf: &Btf| btf.bytes().as_slice().len();
        Self {
            room: len(old).saturating_add(len(new)).saturating_add(1 << 16),
        }
    }

    /// Takes room for one thing with so many characters; false if there is none.
    fn take(&mut self, characters: usize) -> bool {
        let much = 1 + characters / UNIT;
        let has_room = self.room >= much;
        self.room = self.room.saturating_sub(much);
        has_room
    }

    pub(super) fn describe(&mut self, ty: &Type<'_>) -> Described {
        let mut members = Vec::new();
        self.flatten(ty, "", 0, MAX_DEPTH, &mut members);
        let values = ty.enum_values();
        let values = values.map(|value| (value.name().unwrap_or("?"), value.value()));
        let values = values.take_while(|(name, _)| self.take(name.len()));
        Described {
            size: ty.size_bytes(),
            values: values.map(|(name, value)| (name.to_owned(), value)).collect(),
            type_name: ty.target().map(|id| match ty.kind() {
                Kind::FUNC => self.prototype(ty),
                _ => self.type_name(ty.btf(), id),
            }),
            signed: ty.is_signed_enum(),
            members,
        }
    }

    fn type_name(&mut self, btf: &Btf, id: TypeId) -> String {
        if self.room == 0 {
            return "?".to_owned();
        }
        let name = btf.type_name(id);
        self.take(name.len());
        name
    }

    /// A function's prototype with the names of its parameters.
    fn prototype(&mut self, function: &Type<'_>) -> String {
        let btf = function.btf();
        let Some(prototype) = function.target().and_then(|id| btf.ty(id).ok()) else {
            return "?".to_owned();
        };
        let returns = prototype
            .target()
            .map_or_else(String::new, |id| self.type_name(btf, id));
        let params = prototype.typed_params().map(|param| {
            let name = param.name().unwrap_or("?");
            let ty = self.type_name(btf, param.type_id);
            let space = if name.is_empty() || ty.ends_with('*') {
                ""
            } else {
                " "
            };
            format!("{ty}{space}{name}")
        });
        let dots = prototype.is_variadic().then(|| "...".to_owned());
        format!(
            "{returns} ({})",
            params.chain(dots).collect::<Vec<_>>().join(", ")
        )
    }

    /// The members of a struct or union, those of structs without a name in their place.
    fn flatten(&mut self, ty: &Type<'_>, prefix: &str, base: u64, depth: usize, places: &mut Vec<Place>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let btf = ty.btf();
        for member in ty.members() {
            let name = member.name().unwrap_or("?");
            if !self.take(prefix.len() + name.len()) {
                return;
            }
            let bit_offset = base + u64::from(member.bit_offset);
            // Members without a name may have a type with one (`-fms-extensions`).
            let inner = match name {
                "" => btf.resolve(member.type_id),
                _ => btf.skip_modifiers(member.type_id),
            };
            let is_within = |ty: &Type<'_>| name.is_empty() || ty.is_anonymous();
            let inner = inner.ok().filter(|ty| ty.kind().is_composite() && is_within(ty));
            match inner {
                Some(inner) if name.is_empty() => self.flatten(&inner, prefix, bit_offset, depth, places),
                Some(inner) => self.flatten(&inner, &format!("{prefix}{name}."), bit_offset, depth, places),
                None => places.push(Place {
                    name: format!("{prefix}{name}"),
                    bit_offset,
                    bits: member.bitfield_size,
                    type_name: self.type_name(btf, member.type_id),
                }),
            }
        }
    }
}
