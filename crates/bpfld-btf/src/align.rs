//! At which addresses values may lie.

use hashbrown::HashMap;

use crate::{
    Btf, Error, ErrorKind, Kind, Type, TypeId,
    resolve::{MAX_CHAIN, MAX_DEPTH},
};

impl Btf {
    /// The alignment of a type in bytes: its size, but no more than a pointer's; 16 for a number of 128 bits where pointers have
    /// 64. A struct with a member that is not aligned as its type demands is packed, and so has alignment 1.
    ///
    /// # Errors
    ///
    /// When the type has no alignment (void, functions, forward declarations), or types are nested without end or
    /// beyond reason.
    pub fn align_of(&self, id: TypeId) -> Result<u32, Error> {
        Alignments::default().of(self, id)
    }
}

/// Alignments of structs and unions, each found once: many are members of many others, or of one many times over.
#[derive(Debug, Default)]
pub(crate) struct Alignments(HashMap<TypeId, u32>);

impl Alignments {
    /// The alignment of a type of this BTF; see [`Btf::align_of`].
    pub(crate) fn of(&mut self, btf: &Btf, id: TypeId) -> Result<u32, Error> {
        self.within(btf, id, MAX_DEPTH)
    }

    fn within(&mut self, btf: &Btf, id: TypeId, depth: usize) -> Result<u32, Error> {
        let too_deep = || Error::new(ErrorKind::Depth(id), 0);
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        let mut at = id;
        for _ in 0..MAX_CHAIN {
            let ty = btf.ty(at)?;
            match (ty.kind(), ty.target()) {
                (Kind::PTR, _) => return Ok(btf.pointer_size()),
                (Kind::STRUCT | Kind::UNION, _) => {
                    if let Some(align) = self.0.get(&at) {
                        return Ok(*align);
                    }
                    let align = self.of_composite(btf, ty, depth)?;
                    self.0.insert(at, align);
                    return Ok(align);
                }
                (Kind::INT | Kind::ENUM | Kind::ENUM64 | Kind::FLOAT, _) => {
                    return Ok(
                        match (ty.kind(), ty.size_bytes().unwrap_or(0), btf.pointer_size()) {
                            (Kind::INT | Kind::FLOAT, 16, 8) => 16,
                            (_, size, most) => size.min(most).max(1),
                        },
                    );
                }
                (Kind::ARRAY, _) => at = ty.array().map_or(TypeId::VOID, |array| array.element),
                (kind, Some(target)) if kind.is_modifier() || matches!(kind, Kind::TYPEDEF | Kind::VAR) => {
                    at = target;
                }
                _ => return Err(Error::new(ErrorKind::Unsized(at), 0)),
            }
        }
        Err(too_deep())
    }

    fn of_composite(&mut self, btf: &Btf, ty: Type<'_>, depth: usize) -> Result<u32, Error> {
        let mut largest = 1;
        for member in ty.members() {
            let align = self.within(btf, member.type_id, depth)?;
            largest = largest.max(align);
            let bits = u64::from(align) * 8;
            if member.bitfield_size == 0 && !u64::from(member.bit_offset).is_multiple_of(bits) {
                return Ok(1);
            }
        }
        let size = ty.size_bytes().unwrap_or(0);
        Ok(if size.is_multiple_of(largest) { largest } else { 1 })
    }
}
