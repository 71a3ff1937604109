//! The walk through a value along its type.

use alloc::string::String;
use core::fmt::Write;

use super::{Output, RenderError, Zeroes, scalar};
use crate::{
    Btf, Endian, Error, ErrorKind, IntEncoding, Kind, Member, Type, TypeId,
    bit_field::{bit_start, bit_width},
    resolve::MAX_DEPTH,
};

pub(super) struct Walk<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
    endian: Endian,
    zeroes: Zeroes,
    depth: usize,
    /// How many more parts may be printed.
    budget: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(btf: &'a Btf, bytes: &'a [u8], endian: Endian, zeroes: Zeroes) -> Self {
        // Unions show the same bytes several times over; arrays of empty structs show no bytes at all.
        let budget = bytes.len().saturating_mul(16).saturating_add(1 << 16);
        Self {
            btf,
            bytes,
            endian,
            zeroes,
            depth: 0,
            budget,
        }
    }

    /// The bytes of a part.
    fn part(&self, type_id: TypeId, offset: usize, size: u32) -> Result<&'a [u8], RenderError> {
        let end = offset.checked_add(size as usize);
        let part = end.and_then(|end| self.bytes.get(offset..end));
        part.ok_or(RenderError::Short { type_id, offset })
    }

    /// Counts a part.
    fn spend(&mut self) -> Result<(), RenderError> {
        self.budget = self.budget.checked_sub(1).ok_or(RenderError::TooLarge)?;
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        if self.depth >= MAX_DEPTH {
            return Err(RenderError::TooLarge);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The value of this type at a byte offset.
    pub(super) fn value<W: Write>(
        &mut self,
        out: &mut Output<'_, W>,
        id: TypeId,
        offset: usize,
    ) -> Result<(), RenderError> {
        self.spend()?;
        let mut ty = self.btf.resolve(id)?;
        if let (Kind::VAR, Some(target)) = (ty.kind(), ty.target()) {
            ty = self.btf.resolve(target)?;
        }
        match ty.kind() {
            Kind::INT | Kind::ENUM | Kind::ENUM64 | Kind::PTR => {
                let size = self.btf.resolve_size(ty.id())?;
                let bytes = self.part(id, offset, size)?;
                let unsized_type = || Error::new(ErrorKind::Overflow(ty.id()), 0);
                let number = scalar::unsigned(bytes, self.endian).ok_or_else(unsized_type)?;
                match ty
                    .int()
                    .filter(|int| u32::from(int.bits) < size.saturating_mul(8))
                {
                    // The old encoding of bit fields: an integer type of fewer bits than its size.
                    Some(int) => {
                        let start = offset as u64 * 8 + u64::from(int.bit_offset);
                        self.bit_field(out, ty, start, u32::from(int.bits))
                    }
                    None => self.number(out, ty, number, size * 8),
                }
            }
            Kind::FLOAT => self.float(out, ty, offset),
            Kind::STRUCT | Kind::UNION => self.deeper(|walk| {
                out.open('{')?;
                walk.members(out, ty, offset)?;
                Ok(out.close('}')?)
            }),
            Kind::ARRAY => self.deeper(|walk| walk.array(out, ty, offset)),
            Kind::DATASEC => self.deeper(|walk| walk.section(out, ty, offset)),
            _ => Err(Error::new(ErrorKind::Unsized(ty.id()), 0).into()),
        }
    }

    /// An integer, enumeration or pointer.
    fn number<W: Write>(
        &self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        number: u128,
        bits: u32,
    ) -> Result<(), RenderError> {
        let is_signed = ty.int().map_or(ty.is_signed_enum(), |int| int.is_signed());
        let value = if is_signed {
            scalar::extend_sign(number, bits)
        } else {
            number as i128
        };
        let encoding = ty.int().map_or(IntEncoding::UNSIGNED, |int| int.encoding);
        match ty.kind() {
            Kind::PTR => out.word(format_args!("{number:#x}"))?,
            Kind::ENUM | Kind::ENUM64 => {
                let name = ty.enum_values().find(|candidate| candidate.value() == value);
                match name.and_then(|value| value.name().ok()) {
                    Some(name) => out.name(name)?,
                    None => out.bare(value)?,
                }
            }
            _ if encoding.contains(IntEncoding::BOOL) && number <= 1 => out.bare(number == 1)?,
            _ if bits <= 64 => out.bare(value)?,
            _ if is_signed => out.word(value)?,
            _ => out.word(number)?,
        }
        Ok(())
    }

    fn float<W: Write>(
        &self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        offset: usize,
    ) -> Result<(), RenderError> {
        let size = ty.size_bytes().unwrap_or(0);
        let bytes = self.part(ty.id(), offset, size)?;
        let too_large = || Error::new(ErrorKind::Overflow(ty.id()), 0);
        let bits = scalar::unsigned(bytes, self.endian).ok_or_else(too_large)?;
        // `Debug` is the shortest text that reads back as the same number.
        let (single, double) = (f32::from_bits(bits as u32), f64::from_bits(bits as u64));
        match size {
            4 if single.is_finite() => out.bare(format_args!("{single:?}"))?,
            4 => out.word(single)?,
            8 if double.is_finite() => out.bare(format_args!("{double:?}"))?,
            8 => out.word(double)?,
            _ => out.word(format_args!("{bits:#x}"))?,
        }
        Ok(())
    }

    /// The members of a struct or union, those of anonymous ones among them included.
    fn members<W: Write>(
        &mut self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        offset: usize,
    ) -> Result<(), RenderError> {
        for member in ty.members() {
            self.spend()?;
            let bits = (offset as u64)
                .saturating_mul(8)
                .saturating_add(u64::from(member.bit_offset));
            if self.zeroes == Zeroes::Hidden && self.is_zero(member, bits)? {
                continue;
            }
            let name = member.name_bytes()?;
            let place = usize::try_from(bits / 8).unwrap_or(usize::MAX);
            if name.is_empty() {
                let inner = self.btf.resolve(member.type_id)?;
                if inner.kind().is_composite() {
                    self.deeper(|walk| walk.members(out, inner, place))?;
                }
                // What else has no name is padding.
                continue;
            }
            out.key(&String::from_utf8_lossy(name))?;
            match bit_width(self.btf, &member) {
                0 => self.value(out, member.type_id, place)?,
                width => {
                    let start = bits + u64::from(bit_start(self.btf, &member) - member.bit_offset);
                    self.bit_field(out, self.btf.resolve(member.type_id)?, start, width)?;
                }
            }
        }
        Ok(())
    }

    fn bit_field<W: Write>(
        &self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        start: u64,
        width: u32,
    ) -> Result<(), RenderError> {
        let number = scalar::bit_field(self.bytes, start, width, self.endian);
        let number = number.ok_or(RenderError::Short {
            type_id: ty.id(),
            offset: usize::try_from(start / 8).unwrap_or(usize::MAX),
        })?;
        self.number(out, ty, number, width)
    }

    fn is_zero(&self, member: Member<'_>, bits: u64) -> Result<bool, RenderError> {
        let width = bit_width(self.btf, &member);
        if width != 0 {
            let start = bits + u64::from(bit_start(self.btf, &member) - member.bit_offset);
            return Ok(scalar::bit_field(self.bytes, start, width, self.endian) == Some(0));
        }
        let offset = usize::try_from(bits / 8).unwrap_or(usize::MAX);
        let bytes = self.part(member.type_id, offset, self.btf.resolve_size(member.type_id)?)?;
        Ok(bytes.iter().all(|byte| *byte == 0))
    }

    fn array<W: Write>(
        &mut self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        offset: usize,
    ) -> Result<(), RenderError> {
        let Some(array) = ty.array() else { return Ok(()) };
        let size = self.btf.resolve_size(array.element)?;
        let bytes = self.part(ty.id(), offset, size.saturating_mul(array.len))?;
        let element = self.btf.resolve(array.element)?;
        if element
            .int()
            .is_some_and(|int| int.size == 1 && is_character(element, int.encoding))
            && let Some(text) = as_text(bytes)
        {
            return Ok(out.string(text)?);
        }
        out.open('[')?;
        for index in 0..array.len {
            out.next()?;
            // Within the bytes, as checked above.
            self.value(out, array.element, offset + index as usize * size as usize)?;
        }
        Ok(out.close(']')?)
    }

    fn section<W: Write>(
        &mut self,
        out: &mut Output<'_, W>,
        ty: Type<'_>,
        offset: usize,
    ) -> Result<(), RenderError> {
        out.open('{')?;
        for variable in ty.variables() {
            self.spend()?;
            out.key(&String::from_utf8_lossy(
                self.btf.ty(variable.type_id)?.name_bytes()?,
            ))?;
            self.value(
                out,
                variable.type_id,
                offset.saturating_add(variable.offset as usize),
            )?;
        }
        Ok(out.close('}')?)
    }
}

/// Whether an integer is a C `char`: compilers say so by encoding (old pahole) or by name (clang, gcc).
fn is_character(ty: Type<'_>, encoding: IntEncoding) -> bool {
    encoding.contains(IntEncoding::CHAR) || ty.name() == Ok("char")
}

/// The bytes as text: printable up to the first zero, and nothing but zeros after it.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at_checked(len)?;
    let is_printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    let text = core::str::from_utf8(text)
        .ok()
        .filter(|text| text.chars().all(is_printable))?;
    rest.iter().all(|byte| *byte == 0).then_some(text)
}
