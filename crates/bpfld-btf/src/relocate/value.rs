//! The number that a relocation puts into the instruction, for one side.

use super::{CoreError, Spec};
use crate::{Btf, CoreKind, Endian, Error, ErrorKind, IntEncoding, Kind, Type, TypeId};

/// The answer for one side, the object's or the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) value: u64,
    /// Whether the object's answer must be what the compiler has put into the instruction.
    pub(super) is_certain: bool,
    /// The size and type of what a load at this offset reads; void where nothing is to be compared.
    pub(super) load: (u32, TypeId),
}

impl Answer {
    fn certain(value: impl Into<u64>) -> Self {
        Self {
            value: value.into(),
            is_certain: true,
            load: (0, TypeId::VOID),
        }
    }

    /// The answer where the thing is there.
    pub(super) fn present(spec: &Spec<'_>) -> Result<Self, CoreError> {
        match spec.kind {
            CoreKind::FIELD_EXISTS
            | CoreKind::TYPE_EXISTS
            | CoreKind::TYPE_MATCHES
            | CoreKind::ENUMVAL_EXISTS => Ok(Self::certain(1u32)),
            // Ids change when objects are linked, without the instruction following.
            CoreKind::TYPE_ID_LOCAL | CoreKind::TYPE_ID_TARGET => Ok(Self {
                is_certain: false,
                ..Self::certain(spec.root.0)
            }),
            CoreKind::TYPE_SIZE => Ok(Self::certain(spec.btf.resolve_size(spec.root)?)),
            CoreKind::ENUMVAL_VALUE => enum_value(spec),
            kind if kind.is_field() => field(spec),
            kind => Err(CoreError::UnknownKind(kind)),
        }
    }

    /// The answer where the thing is not there; `None` if then the instruction must not be reached.
    pub(super) fn absent(kind: CoreKind) -> Option<Self> {
        let has_answer = kind.is_type() || matches!(kind, CoreKind::FIELD_EXISTS | CoreKind::ENUMVAL_EXISTS);
        has_answer.then(|| Self::certain(0u32))
    }
}

fn enum_value(spec: &Spec<'_>) -> Result<Answer, CoreError> {
    let accessor = spec.accessors.first();
    let value = match accessor {
        Some(accessor) => spec
            .btf
            .ty(accessor.type_id)?
            .enum_values()
            .get(accessor.index as usize),
        None => None,
    };
    match value {
        Some(value) => Ok(Answer::certain(value_bits(spec, value.bits)?)),
        None => Err(Error::new(ErrorKind::TypeId(spec.root), 0).into()),
    }
}

/// Values of 32-bit enumerations are always extended with their sign, as libbpf does: an unsigned value above
/// 0x7fffffff is compared with, and put into, a 32-bit immediate.
fn value_bits(spec: &Spec<'_>, bits: u64) -> Result<u64, CoreError> {
    let ty = spec.btf.resolve(spec.root)?;
    Ok(if ty.kind() == Kind::ENUM {
        i64::from(bits as u32 as i32) as u64
    } else {
        bits
    })
}

fn field(spec: &Spec<'_>) -> Result<Answer, CoreError> {
    let Spec {
        btf,
        kind,
        bit_offset,
        ..
    } = spec;
    let no_field = || Error::new(ErrorKind::TypeId(spec.root), 0);
    let last = spec.accessors.last().ok_or_else(no_field)?;
    if last.name.is_none() {
        return match *kind {
            CoreKind::FIELD_BYTE_OFFSET => {
                let load = (element_size(btf, last.type_id)?, last.type_id);
                Ok(Answer {
                    load,
                    ..Answer::certain(bit_offset / 8)
                })
            }
            CoreKind::FIELD_BYTE_SIZE => Ok(Answer::certain(btf.resolve_size(last.type_id)?)),
            kind => Err(CoreError::ArrayElement(kind)),
        };
    }
    let owner = btf.ty(last.type_id)?;
    let member = owner.members().get(last.index as usize).ok_or_else(no_field)?;
    let ty = btf.resolve(member.type_id)?;
    let width = u32::from(member.bitfield_size);
    let is_bitfield = width > 0;
    let place = if is_bitfield {
        Place::of_bitfield(ty, *bit_offset, width)?
    } else {
        Place::of_field(btf, ty, *bit_offset)?
    };
    let answer = |value: u32| Answer {
        is_certain: !is_bitfield,
        ..Answer::certain(value)
    };
    Ok(match *kind {
        CoreKind::FIELD_BYTE_OFFSET if is_bitfield => answer(place.offset),
        CoreKind::FIELD_BYTE_OFFSET => Answer {
            load: (element_size(btf, ty.id())?, ty.id()),
            ..answer(place.offset)
        },
        CoreKind::FIELD_BYTE_SIZE => answer(place.size),
        CoreKind::FIELD_SIGNED => {
            let is_signed = match ty.int() {
                Some(int) => int.encoding.contains(IntEncoding::SIGNED),
                None => ty.is_signed_enum(),
            };
            Answer::certain(is_signed)
        }
        CoreKind::FIELD_LSHIFT_U64 => answer(place.left_shift(btf.endian())),
        CoreKind::FIELD_RSHIFT_U64 => Answer::certain(64u32.wrapping_sub(place.bits)),
        kind => return Err(CoreError::UnknownKind(kind)),
    })
}

/// Where a load for a field goes: offset and size in bytes; and the field's own place in bits.
struct Place {
    offset: u32,
    size: u32,
    bit_offset: u32,
    bits: u32,
}

impl Place {
    fn of_field(btf: &Btf, ty: Type<'_>, bit_offset: u32) -> Result<Self, CoreError> {
        let size = btf.resolve_size(ty.id())?;
        Ok(Self {
            offset: bit_offset / 8,
            size,
            bit_offset,
            bits: size.wrapping_mul(8),
        })
    }

    /// The smallest aligned load, starting with the declared type's size, that holds all bits.
    fn of_bitfield(ty: Type<'_>, bit_offset: u32, bits: u32) -> Result<Self, CoreError> {
        let mut size = ty
            .size_bytes()
            .filter(|size| matches!(size, 1..=16))
            .ok_or(CoreError::WideBitfield)?;
        loop {
            let offset = bit_offset / 8 / size * size;
            let end = u64::from(bit_offset) + u64::from(bits) - u64::from(offset) * 8;
            if end <= u64::from(size) * 8 {
                return Ok(Self {
                    offset,
                    size,
                    bit_offset,
                    bits,
                });
            }
            if size >= 8 {
                return Err(CoreError::WideBitfield);
            }
            size *= 2;
        }
    }

    /// By how much the loaded value, as 64 bits, must be shifted left so that the field's bits are the highest.
    fn left_shift(&self, endian: Endian) -> u32 {
        let start = self.bit_offset.wrapping_sub(self.offset.wrapping_mul(8));
        match endian {
            Endian::Little => 64u32.wrapping_sub(start.wrapping_add(self.bits)),
            Endian::Big => 8u32.wrapping_sub(self.size).wrapping_mul(8).wrapping_add(start),
        }
    }
}

/// The size of a type, or of its elements if it is an array (of arrays).
fn element_size(btf: &Btf, id: TypeId) -> Result<u32, Error> {
    let mut ty = btf.resolve(id)?;
    for _ in 0..super::MAX_DEPTH {
        match ty.array() {
            Some(array) => ty = btf.resolve(array.element)?,
            None => return btf.resolve_size(ty.id()),
        }
    }
    Err(Error::new(ErrorKind::Depth(id), 0))
}

/// Whether a load may be widened or narrowed from one type to the other without changing the value read: pointers, and
/// integers that are not signed.
pub(super) fn may_resize(
    local: &Btf,
    local_id: TypeId,
    target: &Btf,
    target_id: TypeId,
) -> Result<bool, Error> {
    let (ours, theirs) = (local.ty(local_id)?, target.ty(target_id)?);
    let is_unsigned = |ty: &Type<'_>| ty.int().is_some_and(|int| int.encoding != IntEncoding::SIGNED);
    Ok(ours.kind() == Kind::PTR && theirs.kind() == Kind::PTR || is_unsigned(&ours) && is_unsigned(&theirs))
}
