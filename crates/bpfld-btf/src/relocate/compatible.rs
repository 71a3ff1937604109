//! Whether a type of the target may stand for a local one: whole types (for "exists", "size", "id"), and types of fields.

use super::{CoreError, MAX_DEPTH, Steps};
use crate::{Btf, Int, Kind, Type, TypeId, essential_name};

/// Whether two types of the same name are the same sort of thing: kinds agree, through pointers and array elements,
/// and prototypes take as many parameters, of compatible types. Names, sizes, members and lengths are not looked at.
///
/// This is what a loader asks before it lets a typed kernel symbol or a kernel function of `target` stand for the
/// declaration in `local`.
///
/// # Errors
///
/// When one of the BTFs is broken, or the types are nested without end or beyond reason.
pub fn types_are_compatible(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
) -> Result<bool, CoreError> {
    compatible(local, local_id, target, target_id, MAX_DEPTH, &mut Steps::new())
}

pub(super) fn types_are_compatible_within(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
    steps: &mut Steps,
) -> Result<bool, CoreError> {
    compatible(local, local_id, target, target_id, MAX_DEPTH, steps)
}

fn compatible(
    local: &Btf,
    mut local_id: TypeId,
    target: &Btf,
    mut target_id: TypeId,
    level: usize,
    steps: &mut Steps,
) -> Result<bool, CoreError> {
    let (ours, theirs) = (local.ty(local_id)?, target.ty(target_id)?);
    if !kinds_are_compatible(ours.kind(), theirs.kind()) {
        return Ok(false);
    }
    for _ in 0..MAX_DEPTH {
        steps.take()?;
        let (ours, theirs) = (local.resolve(local_id)?, target.resolve(target_id)?);
        if !kinds_are_compatible(ours.kind(), theirs.kind()) {
            return Ok(false);
        }
        match ours.kind() {
            Kind::VOID | Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::FWD | Kind::ENUM64 => {
                return Ok(true);
            }
            Kind::INT => return Ok(begins_at_zero(ours.int()) && begins_at_zero(theirs.int())),
            Kind::PTR => {}
            Kind::ARRAY => {}
            Kind::FUNC_PROTO => {
                if ours.vlen() != theirs.vlen() {
                    return Ok(false);
                }
                for (ours, theirs) in ours.params().zip(theirs.params()) {
                    let level = level.checked_sub(1).ok_or(CoreError::TooDeep)?;
                    let (ours, theirs) = (local.resolve(ours.type_id)?, target.resolve(theirs.type_id)?);
                    if !compatible(local, ours.id(), target, theirs.id(), level, steps)? {
                        return Ok(false);
                    }
                }
            }
            _ => return Ok(false),
        }
        (local_id, target_id) = (next(&ours), next(&theirs));
    }
    Err(CoreError::TooDeep)
}

/// What a pointer points to, an array consists of, a prototype returns.
pub(super) fn next(ty: &Type<'_>) -> TypeId {
    match ty.array() {
        Some(array) => array.element,
        None => ty.target().unwrap_or(TypeId::VOID),
    }
}

/// Whether a field of one type may stand for a field of the other:
///
/// - structs and unions for each other, pointers, floats: always;
/// - integers: unless one is of the old kind that does not begin at bit zero;
/// - enumerations (of either width) and forward declarations: of the same name, or one has none;
/// - arrays: if their elements may.
pub(super) fn fields_are_compatible(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
    steps: &mut Steps,
) -> Result<bool, CoreError> {
    let (mut local_id, mut target_id) = (local_id, target_id);
    loop {
        steps.take()?;
        let (ours, theirs) = (local.resolve(local_id)?, target.resolve(target_id)?);
        if ours.kind().is_composite() && theirs.kind().is_composite() {
            return Ok(true);
        }
        if !kinds_are_compatible(ours.kind(), theirs.kind()) {
            return Ok(false);
        }
        match ours.kind() {
            Kind::PTR | Kind::FLOAT => return Ok(true),
            Kind::FWD | Kind::ENUM | Kind::ENUM64 => {
                let (ours, theirs) = (
                    essential_name(ours.name_bytes()?),
                    essential_name(theirs.name_bytes()?),
                );
                return Ok(ours.is_empty() || theirs.is_empty() || ours == theirs);
            }
            Kind::INT => return Ok(begins_at_zero(ours.int()) && begins_at_zero(theirs.int())),
            Kind::ARRAY => match (ours.array(), theirs.array()) {
                (Some(ours), Some(theirs)) => (local_id, target_id) = (ours.element, theirs.element),
                _ => return Ok(false),
            },
            _ => return Ok(false),
        }
    }
}

fn begins_at_zero(int: Option<Int>) -> bool {
    int.is_some_and(|int| int.bit_offset == 0)
}

/// Whether the kinds are the same, enumerations of 32 and 64 bits being one.
pub(super) fn kinds_are_compatible(ours: Kind, theirs: Kind) -> bool {
    ours == theirs || ours.is_enumeration() && theirs.is_enumeration()
}
