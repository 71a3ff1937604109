//! What types are made of.

use crate::TypeId;

/// A member for [`Builder::structure`](crate::Builder::structure) and [`Builder::union`](crate::Builder::union).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name; empty for an anonymous struct or union.
    pub name: &'a str,
    /// The type.
    pub type_id: TypeId,
    /// The offset from the start of the struct, in bits.
    pub bit_offset: u32,
    /// The width in bits if this is a bit field, else zero.
    pub bitfield_size: u8,
}

impl<'a> Field<'a> {
    /// A member at an offset in bytes. An offset that does not fit in 32 bits as bits is refused by the builder.
    pub fn new(name: &'a str, type_id: TypeId, byte_offset: u32) -> Self {
        let bit_offset = byte_offset.saturating_mul(8);
        Self {
            name,
            type_id,
            bit_offset,
            bitfield_size: 0,
        }
    }

    /// A bit field at an offset in bits.
    pub fn bits(name: &'a str, type_id: TypeId, bit_offset: u32, bitfield_size: u8) -> Self {
        Self {
            name,
            type_id,
            bit_offset,
            bitfield_size,
        }
    }
}

/// Whether the values of an enumeration are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Zero and above.
    Unsigned,
    /// Either sign.
    Signed,
}

/// A variable for [`Builder::section`](crate::Builder::section).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// The variable or function.
    pub type_id: TypeId,
    /// Its offset in the section, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}
