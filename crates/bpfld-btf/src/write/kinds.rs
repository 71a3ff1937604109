//! One method for each kind of type.

use alloc::vec::Vec;

use super::{Builder, Field, SectionEntry, Sign};
use crate::{
    Error, ErrorKind, IntEncoding, Kind, Linkage, TypeId,
    record::{self, MAX_VLEN},
};

impl Builder {
    fn add(&mut self, name: &str, info: u32, size_or_target: u32, body: &[u32]) -> Result<TypeId, Error> {
        let name = self.string(name)?;
        let mut words = Vec::with_capacity(record::HEAD_WORDS + body.len());
        words.extend([name, info, size_or_target]);
        words.extend_from_slice(body);
        self.push(&words)
    }

    fn reference(&mut self, kind: Kind, name: &str, target: TypeId) -> Result<TypeId, Error> {
        self.add(name, record::info(kind, 0, false), target.0, &[])
    }

    /// An integer of `size` bytes.
    ///
    /// # Errors
    ///
    /// As all methods that add a type: when the name contains a zero byte, or something does not fit the format.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> Result<TypeId, Error> {
        let Ok(bits) = u8::try_from(size.saturating_mul(8)) else {
            return Err(Error::new(ErrorKind::Overflow(self.next_id()), 0));
        };
        self.int_bits(name, size, encoding, 0, bits)
    }

    /// An integer of `size` bytes of which only some bits hold the value.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn int_bits(
        &mut self,
        name: &str,
        size: u32,
        encoding: IntEncoding,
        bit_offset: u8,
        bits: u8,
    ) -> Result<TypeId, Error> {
        let word = u32::from(encoding.0 & 0xf) << 24 | u32::from(bit_offset) << 16 | u32::from(bits);
        self.add(name, record::info(Kind::INT, 0, false), size, &[word])
    }

    /// A floating-point number of `size` bytes (kernel 5.13).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn float(&mut self, name: &str, size: u32) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::FLOAT, 0, false), size, &[])
    }

    /// A pointer.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn pointer(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::PTR, "", target)
    }

    /// An array of `len` elements.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> Result<TypeId, Error> {
        self.add(
            "",
            record::info(Kind::ARRAY, 0, false),
            0,
            &[element.0, index.0, len],
        )
    }

    /// A struct of `size` bytes.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn structure(&mut self, name: &str, size: u32, fields: &[Field<'_>]) -> Result<TypeId, Error> {
        self.composite(Kind::STRUCT, name, size, fields)
    }

    /// A union of `size` bytes.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn union(&mut self, name: &str, size: u32, fields: &[Field<'_>]) -> Result<TypeId, Error> {
        self.composite(Kind::UNION, name, size, fields)
    }

    fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        fields: &[Field<'_>],
    ) -> Result<TypeId, Error> {
        let overflow = Error::new(ErrorKind::Overflow(self.next_id()), 0);
        let has_bitfields = fields.iter().any(|field| field.bitfield_size != 0);
        let mut body = Vec::with_capacity(fields.len() * 3);
        for Field {
            name,
            type_id,
            bit_offset,
            bitfield_size,
        } in fields
        {
            let limit = if has_bitfields { 0x00ff_ffff } else { u32::MAX - 1 };
            if *bit_offset > limit {
                return Err(overflow);
            }
            let name = self.string(name)?;
            body.extend([name, type_id.0, u32::from(*bitfield_size) << 24 | bit_offset]);
        }
        let vlen = vlen(fields.len(), "members")?;
        self.add(name, record::info(kind, vlen, has_bitfields), size, &body)
    }

    /// An enumeration of `size` bytes whose values fit in 32 bits.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when a value does not fit.
    pub fn enumeration(
        &mut self,
        name: &str,
        size: u32,
        sign: Sign,
        values: &[(&str, i64)],
    ) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(values.len() * 2);
        for (name, value) in values {
            let bits = match sign {
                Sign::Signed => i32::try_from(*value).ok().map(|value| value as u32),
                Sign::Unsigned => u32::try_from(*value).ok(),
            };
            let bits = bits.ok_or_else(|| Error::new(ErrorKind::Overflow(self.next_id()), 0))?;
            body.extend([self.string(name)?, bits]);
        }
        let vlen = vlen(values.len(), "enumeration values")?;
        self.add(
            name,
            record::info(Kind::ENUM, vlen, sign == Sign::Signed),
            size,
            &body,
        )
    }

    /// An enumeration with 64-bit values (kernel 6.0).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when a value does not fit.
    pub fn enumeration64(
        &mut self,
        name: &str,
        size: u32,
        sign: Sign,
        values: &[(&str, i128)],
    ) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(values.len() * 3);
        for (name, value) in values {
            let bits = match sign {
                Sign::Signed => i64::try_from(*value).ok().map(|value| value as u64),
                Sign::Unsigned => u64::try_from(*value).ok(),
            };
            let bits = bits.ok_or_else(|| Error::new(ErrorKind::Overflow(self.next_id()), 0))?;
            body.extend([self.string(name)?, bits as u32, (bits >> 32) as u32]);
        }
        let vlen = vlen(values.len(), "enumeration values")?;
        self.add(
            name,
            record::info(Kind::ENUM64, vlen, sign == Sign::Signed),
            size,
            &body,
        )
    }

    /// A struct or union that is declared but not defined; `kind` says which.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`], and when `kind` is neither.
    pub fn forward(&mut self, name: &str, kind: Kind) -> Result<TypeId, Error> {
        if !kind.is_composite() {
            let id = self.next_id();
            let kind = ErrorKind::UnexpectedKind {
                id,
                kind,
                expected: "STRUCT or UNION",
            };
            return Err(Error::new(kind, 0));
        }
        self.add(name, record::info(Kind::FWD, 0, kind == Kind::UNION), 0, &[])
    }

    /// A typedef.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn typedef(&mut self, name: &str, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::TYPEDEF, name, target)
    }

    /// A `const` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn constant(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::CONST, "", target)
    }

    /// A `volatile` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn volatile(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::VOLATILE, "", target)
    }

    /// A `restrict` type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn restrict(&mut self, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::RESTRICT, "", target)
    }

    /// A type with a tag (kernel 5.18).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn type_tag(&mut self, tag: &str, target: TypeId) -> Result<TypeId, Error> {
        self.reference(Kind::TYPE_TAG, tag, target)
    }

    /// A type with a GNU attribute: a tag with the kind flag set (kernel 6.15).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn type_attribute(&mut self, attribute: &str, target: TypeId) -> Result<TypeId, Error> {
        self.add(attribute, record::info(Kind::TYPE_TAG, 0, true), target.0, &[])
    }

    /// A function (kernel 5.0).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn function(&mut self, name: &str, linkage: Linkage, prototype: TypeId) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::FUNC, linkage.0, false), prototype.0, &[])
    }

    /// A function prototype (kernel 5.0). A variadic one ends in a parameter without name and type.
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn prototype(&mut self, returns: TypeId, params: &[(&str, TypeId)]) -> Result<TypeId, Error> {
        let mut body = Vec::with_capacity(params.len() * 2);
        for (name, ty) in params {
            body.extend([self.string(name)?, ty.0]);
        }
        let vlen = vlen(params.len(), "parameters")?;
        self.add("", record::info(Kind::FUNC_PROTO, vlen, false), returns.0, &body)
    }

    /// A global variable (kernel 5.2).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn variable(&mut self, name: &str, ty: TypeId, linkage: Linkage) -> Result<TypeId, Error> {
        self.add(name, record::info(Kind::VAR, 0, false), ty.0, &[linkage.0])
    }

    /// A section of variables (kernel 5.2).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn section(&mut self, name: &str, size: u32, entries: &[SectionEntry]) -> Result<TypeId, Error> {
        let words = |entry: &SectionEntry| [entry.type_id.0, entry.offset, entry.size];
        let body: Vec<u32> = entries.iter().flat_map(words).collect();
        let vlen = vlen(entries.len(), "variables")?;
        self.add(name, record::info(Kind::DATASEC, vlen, false), size, &body)
    }

    /// A tag on a declaration; `component` is the member or parameter it is about (kernel 5.16).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn decl_tag(&mut self, tag: &str, target: TypeId, component: Option<u32>) -> Result<TypeId, Error> {
        let component = component.unwrap_or(u32::MAX);
        self.add(
            tag,
            record::info(Kind::DECL_TAG, 0, false),
            target.0,
            &[component],
        )
    }

    /// A GNU attribute on a declaration: a tag with the kind flag set (kernel 6.15).
    ///
    /// # Errors
    ///
    /// As for [`Builder::int`].
    pub fn decl_attribute(
        &mut self,
        attribute: &str,
        target: TypeId,
        component: Option<u32>,
    ) -> Result<TypeId, Error> {
        let component = component.unwrap_or(u32::MAX);
        self.add(
            attribute,
            record::info(Kind::DECL_TAG, 0, true),
            target.0,
            &[component],
        )
    }
}

fn vlen(len: usize, what: &'static str) -> Result<u32, Error> {
    let vlen = u32::try_from(len).ok().filter(|len| *len <= MAX_VLEN);
    vlen.ok_or_else(|| Error::new(ErrorKind::TooMany(what), 0))
}
