//! Finding in the kernel's types what an access path of the object's types means.

use super::{
    Accessor, CoreError, Spec, Steps,
    compatible::{fields_are_compatible, types_are_compatible_within},
    shapes::types_match,
};
use crate::{Btf, CoreKind, Member, TypeId, essential_name};

/// Follows the meaning of `local` from the type `root` of another BTF; `None` if that has no such thing.
pub(super) fn matching<'t>(
    local: &Spec<'_>,
    btf: &'t Btf,
    root: TypeId,
    steps: &mut Steps,
) -> Result<Option<Spec<'t>>, CoreError> {
    let mut target = Spec::new(btf, local.kind, root);
    let matches = if local.kind == CoreKind::TYPE_MATCHES {
        types_match(local.btf, local.root, btf, root, steps)?
    } else if local.kind.is_type() {
        types_are_compatible_within(local.btf, local.root, btf, root, steps)?
    } else if local.kind.is_enum_value() {
        find_enum_value(local, &mut target)?
    } else {
        find_field(local, &mut target, steps)?
    };
    Ok(matches.then_some(target))
}

fn find_enum_value<'t>(local: &Spec<'_>, target: &mut Spec<'t>) -> Result<bool, CoreError> {
    let Some(wanted) = local.accessors.first().and_then(|accessor| accessor.name) else {
        return Ok(false);
    };
    let wanted = essential_name(wanted);
    let ty = target.btf.resolve(target.root)?;
    for (index, value) in ty.enum_values().enumerate() {
        let name = value.name_bytes()?;
        if essential_name(name) == wanted {
            let index = index as u32;
            target.accessors.push(Accessor {
                type_id: ty.id(),
                index,
                name: Some(name),
            });
            target.push_path(index)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn find_field<'t>(local: &Spec<'_>, target: &mut Spec<'t>, steps: &mut Steps) -> Result<bool, CoreError> {
    let mut at = target.root;
    for (number, accessor) in local.accessors.iter().enumerate() {
        let ty = target.btf.resolve(at)?;
        let Some(name) = accessor.name else {
            let mut element = ty.id();
            if number > 0 {
                let Some(array) = ty.array() else { return Ok(false) };
                if !target.admits(array, accessor.index)? {
                    return Ok(false);
                }
                element = target.btf.resolve(array.element)?.id();
            }
            target.push_path(accessor.index)?;
            target.enter_element(element, accessor.index)?;
            at = element;
            continue;
        };
        let owner = local.btf.ty(accessor.type_id)?;
        let Some(member) = owner.members().get(accessor.index as usize) else {
            return Ok(false);
        };
        match find_member(local.btf, member, name, target, ty.id(), steps)? {
            Some(next) => at = next,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Searches the struct or union `owner` of the target, and the anonymous ones within it, for a field of this name and
/// of a compatible type, and steps into it. Returns the type of the field.
fn find_member<'t>(
    local: &Btf,
    wanted: Member<'_>,
    name: &[u8],
    target: &mut Spec<'t>,
    owner: TypeId,
    steps: &mut Steps,
) -> Result<Option<TypeId>, CoreError> {
    let ty = target.btf.resolve(owner)?;
    let strings = ty.btf().strings();
    for (index, member) in ty.members().enumerate() {
        steps.take()?;
        let index = index as u32;
        let is_wanted = strings.is(member.name_offset, name);
        let is_anonymous = member.name_offset == 0 || !is_wanted && strings.is(member.name_offset, b"");
        if !is_wanted && !is_anonymous {
            continue;
        }
        let (bit_offset, depth) = (target.bit_offset, target.path.len());
        target.push_path(index)?;
        target.bit_offset = bit_offset.wrapping_add(member.bit_offset);
        if !is_anonymous {
            if !fields_are_compatible(local, wanted.type_id, target.btf, member.type_id, steps)? {
                return Ok(None);
            }
            let name = Some(member.name_bytes()?);
            target.accessors.push(Accessor {
                type_id: ty.id(),
                index,
                name,
            });
            return Ok(Some(member.type_id));
        }
        if let Some(next) = find_member(local, wanted, name, target, member.type_id, steps)? {
            return Ok(Some(next));
        }
        target.bit_offset = bit_offset;
        target.path.truncate(depth);
    }
    Ok(None)
}
