//! What a struct consists of in Rust, and how Rust lays types out.

use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::{
    Btf, DeclareError, Error, ErrorKind, Kind, Member, Type, TypeId,
    bit_field::{bit_start, bit_width},
};

/// How deeply types may contain each other. What is derived takes rustc two steps a level, of which it makes 128.
const MAX_DEPTH: usize = 48;

/// Size and alignment of a declaration, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) size: u32,
    pub(super) align: u32,
}

/// A struct or union in Rust.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    pub(super) shape: Shape,
    pub(super) is_packed: bool,
    pub(super) parts: Vec<Part<'a>>,
}

/// What stands in a struct, in order.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// A member that has bytes of its own.
    Field { member: Member<'a>, offset: u32 },
    /// Nothing.
    Gap { len: u32 },
    /// Bytes that bit fields share.
    Bits { len: u32, fields: Vec<BitField<'a>> },
}

/// A bit field in its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitField<'a> {
    pub(super) member: Member<'a>,
    /// Where it begins in the bytes, in bits.
    pub(super) start: u32,
    pub(super) bits: u32,
}

/// Lays types out, each once.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    btf: &'a Btf,
    shapes: HashMap<TypeId, Shape>,
    depth: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Self {
            btf,
            shapes: HashMap::new(),
            depth: 0,
        }
    }

    /// How the declaration of a type is laid out.
    pub(super) fn shape(&mut self, id: TypeId) -> Result<Shape, DeclareError> {
        let ty = self.btf.resolve(id)?;
        if let Some(shape) = self.shapes.get(&ty.id()) {
            return Ok(*shape);
        }
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(ErrorKind::Depth(id), 0).into());
        }
        self.depth += 1;
        let shape = self.fresh(&ty);
        self.depth -= 1;
        self.shapes.insert(ty.id(), shape.clone()?);
        shape
    }

    fn fresh(&mut self, ty: &Type<'a>) -> Result<Shape, DeclareError> {
        if let Some(array) = ty.array() {
            let element = self.shape(array.element)?;
            let size = self.btf.resolve_size(ty.id())?;
            return Ok(Shape { size, ..element });
        }
        match ty.kind() {
            Kind::STRUCT | Kind::UNION => Ok(self.plan(ty)?.shape),
            kind => {
                let size = self.btf.resolve_size(ty.id())?;
                if kind.is_enumeration() && !matches!(size, 1 | 2 | 4 | 8) {
                    let kind = ErrorKind::UnexpectedKind {
                        id: ty.id(),
                        kind,
                        expected: "an enumeration of 1, 2, 4 or 8 bytes",
                    };
                    return Err(Error::new(kind, 0).into());
                }
                Ok(Shape {
                    size,
                    align: scalar_align(ty, size),
                })
            }
        }
    }

    /// What a struct or union consists of.
    pub(super) fn plan(&mut self, ty: &Type<'a>) -> Result<Plan<'a>, DeclareError> {
        let size = ty.size_bytes().unwrap_or(0);
        if ty.kind() == Kind::UNION {
            let mut align = 1;
            for member in ty.members().filter(|member| bit_width(self.btf, member) == 0) {
                align = align.max(self.shape(member.type_id)?.align);
            }
            let align = if size.is_multiple_of(align) { align } else { 1 };
            return Ok(Plan {
                shape: Shape { size, align },
                is_packed: false,
                parts: Vec::new(),
            });
        }
        self.plan_struct(ty, size)
    }

    fn plan_struct(&mut self, ty: &Type<'a>, size: u32) -> Result<Plan<'a>, DeclareError> {
        let overlap = |id| {
            let kind = ErrorKind::UnexpectedKind {
                id,
                kind: Kind::STRUCT,
                expected: "a struct whose members do not overlap",
            };
            Error::new(kind, 0)
        };
        let mut parts = Vec::new();
        let (mut at, mut align, mut is_packed) = (0u32, 1, false);
        let mut members = ty.members().peekable();
        while let Some(member) = members.next() {
            let bits = bit_width(self.btf, &member);
            if bits == 0 {
                let Some(offset) = member.byte_offset() else {
                    return Err(overlap(ty.id()).into());
                };
                let shape = self.shape(member.type_id)?;
                let end = offset.checked_add(shape.size).filter(|_| offset >= at);
                let end = end.filter(|end| *end <= size).ok_or_else(|| overlap(ty.id()))?;
                gap(&mut parts, offset - at);
                align = align.max(shape.align);
                is_packed |= !offset.is_multiple_of(shape.align);
                parts.push(Part::Field { member, offset });
                at = end;
                continue;
            }
            // All bit fields up to the next member with bytes of its own share theirs.
            let start = bit_start(self.btf, &member) / 8;
            gap(&mut parts, start.checked_sub(at).ok_or_else(|| overlap(ty.id()))?);
            let (mut fields, mut next, mut member, mut bits) = (Vec::new(), start * 8, member, bits);
            loop {
                let from = bit_start(self.btf, &member);
                let offset = from.checked_sub(start * 8).filter(|_| from >= next);
                fields.push(BitField {
                    member,
                    start: offset.ok_or_else(|| overlap(ty.id()))?,
                    bits,
                });
                next = from.saturating_add(bits);
                match members.next_if(|next| bit_width(self.btf, next) != 0) {
                    Some(another) => (member, bits) = (another, bit_width(self.btf, &another)),
                    None => break,
                }
            }
            let end = next.div_ceil(8);
            if end > size {
                return Err(overlap(ty.id()).into());
            }
            parts.push(Part::Bits {
                len: end - start,
                fields,
            });
            at = end;
        }
        gap(&mut parts, size - at);
        is_packed |= !size.is_multiple_of(align);
        let align = if is_packed { 1 } else { align };
        Ok(Plan {
            shape: Shape { size, align },
            is_packed,
            parts,
        })
    }
}

fn gap(parts: &mut Vec<Part<'_>>, len: u32) {
    if len > 0 {
        parts.push(Part::Gap { len });
    }
}

/// The alignment of Rust's type for a number or pointer; what Rust has no type for becomes bytes.
fn scalar_align(ty: &Type<'_>, size: u32) -> u32 {
    match (ty.kind(), size) {
        (Kind::FLOAT, 2 | 4 | 8) | (_, 1 | 2 | 4 | 8) => size,
        (Kind::INT, 16) => 16,
        _ => 1,
    }
}
