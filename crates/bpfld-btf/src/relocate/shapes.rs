//! Matching whole types (for "matches"): whether a type of the target has the shape of the local one.

use super::{CoreError, MAX_DEPTH, Steps, compatible::next};
use crate::{Btf, Kind, Type, TypeId, essential_name};

/// Whether a pointer has been followed on the way to a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Directly,
    ByPointer,
}

/// Whether the target type has the shape of the local one: names agree (flavours aside), integers in size and sign,
/// arrays in length, enumerations in size and every local value is there by name, structs and unions have every local
/// member with a matching type. Behind a pointer, the name and kind of a struct or union are enough, and a forward
/// declaration will do.
pub(super) fn types_match(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
    steps: &mut Steps,
) -> Result<bool, CoreError> {
    Matcher { local, target, steps }.types(local_id, target_id, Reached::Directly, MAX_DEPTH)
}

struct Matcher<'a> {
    local: &'a Btf,
    target: &'a Btf,
    steps: &'a mut Steps,
}

impl Matcher<'_> {
    fn types(
        &mut self,
        mut local_id: TypeId,
        mut target_id: TypeId,
        mut reached: Reached,
        level: usize,
    ) -> Result<bool, CoreError> {
        if level == 0 {
            return Err(CoreError::TooDeep);
        }
        let (local, target) = (self.local, self.target);
        for _ in 0..MAX_DEPTH {
            self.steps.take()?;
            let (ours, theirs) = (local.resolve(local_id)?, target.resolve(target_id)?);
            if !names_match(ours.name_bytes()?, theirs.name_bytes()?) {
                return Ok(false);
            }
            match ours.kind() {
                Kind::VOID => return Ok(theirs.kind() == Kind::VOID),
                Kind::FWD => {
                    let hidden = if reached == Reached::ByPointer {
                        Some(theirs.kind())
                    } else {
                        None
                    };
                    let kind = ours.forward_kind();
                    return Ok(theirs.forward_kind() == kind || hidden == kind);
                }
                Kind::STRUCT | Kind::UNION if reached == Reached::ByPointer => {
                    let kind = ours.kind();
                    return Ok(theirs.kind() == kind || theirs.forward_kind() == Some(kind));
                }
                Kind::ENUM | Kind::ENUM64 => return self.enums(ours, theirs),
                kind if kind != theirs.kind() => return Ok(false),
                Kind::STRUCT | Kind::UNION => return self.composites(ours, theirs, reached, level),
                Kind::INT => {
                    let is_signed = |ty: Type<'_>| ty.int().is_some_and(|int| int.is_signed());
                    return Ok(
                        ours.size_bytes() == theirs.size_bytes() && is_signed(ours) == is_signed(theirs)
                    );
                }
                Kind::PTR => reached = Reached::ByPointer,
                Kind::ARRAY => {
                    if ours.array().map(|array| array.len) != theirs.array().map(|array| array.len) {
                        return Ok(false);
                    }
                }
                Kind::FUNC_PROTO => {
                    if ours.vlen() != theirs.vlen() {
                        return Ok(false);
                    }
                    for (ours, theirs) in ours.params().zip(theirs.params()) {
                        if !self.types(ours.type_id, theirs.type_id, reached, level - 1)? {
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

    fn enums(&mut self, ours: Type<'_>, theirs: Type<'_>) -> Result<bool, CoreError> {
        if !theirs.kind().is_enumeration()
            || ours.size_bytes() != theirs.size_bytes()
            || ours.vlen() > theirs.vlen()
        {
            return Ok(false);
        }
        for value in ours.enum_values() {
            let name = value.name_bytes()?;
            let mut is_there = false;
            for value in theirs.enum_values() {
                self.steps.take()?;
                if names_match(name, value.name_bytes()?) {
                    is_there = true;
                    break;
                }
            }
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn composites(
        &mut self,
        ours: Type<'_>,
        theirs: Type<'_>,
        reached: Reached,
        level: usize,
    ) -> Result<bool, CoreError> {
        if ours.vlen() > theirs.vlen() {
            return Ok(false);
        }
        for member in ours.members() {
            let name = member.name_bytes()?;
            let mut is_there = false;
            for other in theirs.members() {
                self.steps.take()?;
                if names_match(name, other.name_bytes()?)
                    && self.types(member.type_id, other.type_id, reached, level - 1)?
                {
                    is_there = true;
                    break;
                }
            }
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether names agree, flavours aside; no name agrees only with no name.
fn names_match(ours: &[u8], theirs: &[u8]) -> bool {
    essential_name(ours) == essential_name(theirs)
}
