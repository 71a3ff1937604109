//! The walk through a text along a type.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{
    InputError, InputErrorKind,
    lexer::{Lexer, Token, TokenKind, expected},
    number::{self, Integer},
};
use crate::{
    Btf, Endian, Error, ErrorKind, Kind, Type, TypeId,
    bit_field::{bit_start, bit_width},
    resolve::MAX_DEPTH,
};

/// Most names that an error lists.
const MOST_NAMES: usize = 20;

pub(super) struct Walk<'a> {
    btf: &'a Btf,
    bytes: Vec<u8>,
    endian: Endian,
    depth: usize,
}

/// A part of a value: a member of a struct, or a variable of a section.
struct Part {
    type_id: TypeId,
    /// Bits from the start of the whole value.
    start: u64,
    /// Bits of a bit field; else zero.
    bits: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(btf: &'a Btf, size: usize, endian: Endian) -> Self {
        Self {
            btf,
            bytes: alloc::vec![0; size],
            endian,
            depth: 0,
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A value of this type at a byte offset.
    pub(super) fn value(
        &mut self,
        lexer: &mut Lexer<'_>,
        id: TypeId,
        offset: usize,
    ) -> Result<(), InputError> {
        let at = lexer.peek()?.at;
        let failed = |error: Error| InputError::new(InputErrorKind::Btf(error), at);
        let mut ty = self.btf.resolve(id).map_err(failed)?;
        if let (Kind::VAR, Some(target)) = (ty.kind(), ty.target()) {
            ty = self.btf.resolve(target).map_err(failed)?;
        }
        if self.depth >= MAX_DEPTH {
            return Err(InputError::new(InputErrorKind::TooLarge, at));
        }
        self.depth += 1;
        match ty.kind() {
            Kind::INT | Kind::ENUM | Kind::ENUM64 | Kind::PTR => {
                let size = self.btf.resolve_size(ty.id()).map_err(failed)?;
                match ty
                    .int()
                    .filter(|int| u32::from(int.bits) < size.saturating_mul(8))
                {
                    Some(int) => {
                        let start = (offset as u64) * 8 + u64::from(int.bit_offset);
                        self.bit_field(lexer, ty, start, int.bits.into())?;
                    }
                    None => {
                        let number = self.number(lexer, ty, size.saturating_mul(8))?;
                        self.put(ty, offset, size, number).map_err(failed)?;
                    }
                }
            }
            Kind::FLOAT => self.float(lexer, ty, offset)?,
            Kind::STRUCT | Kind::UNION | Kind::DATASEC => self.parts(lexer, ty, offset)?,
            Kind::ARRAY => self.array(lexer, ty, offset)?,
            _ => return Err(failed(Error::new(ErrorKind::Unsized(ty.id()), 0))),
        }
        self.depth -= 1;
        Ok(())
    }

    /// An integer, enumerator or pointer of so many bits.
    fn number(&self, lexer: &mut Lexer<'_>, ty: Type<'_>, bits: u32) -> Result<u128, InputError> {
        let Token { kind, at } = lexer.next()?;
        let word = match &kind {
            TokenKind::Word(word) => *word,
            // JSON has no other way for numbers that are too large, and for enumerators.
            TokenKind::Text(text) => text.as_ref(),
            TokenKind::Character(character) => {
                let number = Integer::of(u32::from(*character).into());
                return fit(number, bits, false, at);
            }
            _ => return Err(expected("a number", at)),
        };
        let is_signed = ty.int().map_or(ty.is_signed_enum(), |int| int.is_signed());
        if let Some(number) = Integer::parse(word) {
            return fit(number, bits, is_signed, at);
        }
        match (ty.kind(), word) {
            (Kind::INT, "true") => Ok(1),
            (Kind::INT, "false") => Ok(0),
            (Kind::PTR, "NULL") => Ok(0),
            (Kind::ENUM | Kind::ENUM64, _) => {
                let mut values = ty.enum_values();
                let found = values.find(|value| value.name() == Ok(word));
                let unknown = || {
                    let names = ty
                        .enum_values()
                        .filter_map(|value| value.name().ok().map(ToString::to_string));
                    unknown(word, names, at)
                };
                fit(Integer::of(found.ok_or_else(unknown)?.value()), bits, true, at)
            }
            _ => Err(expected("a number", at)),
        }
    }

    fn bit_field(
        &mut self,
        lexer: &mut Lexer<'_>,
        ty: Type<'_>,
        start: u64,
        bits: u32,
    ) -> Result<(), InputError> {
        let at = lexer.peek()?.at;
        let number = self.number(lexer, ty, bits)?;
        let written = number::write_bits(&mut self.bytes, start, bits, number, self.endian);
        written.ok_or_else(|| InputError::new(InputErrorKind::Btf(overflow(ty)), at))
    }

    fn float(&mut self, lexer: &mut Lexer<'_>, ty: Type<'_>, offset: usize) -> Result<(), InputError> {
        let Token { kind, at } = lexer.next()?;
        let word = match &kind {
            TokenKind::Word(word) => *word,
            TokenKind::Text(text) => text.as_ref(),
            _ => return Err(expected("a number", at)),
        };
        let size = ty.size_bytes().unwrap_or(0);
        let bits = match size {
            4 => word.parse::<f32>().ok().map(|number| number.to_bits().into()),
            8 => word.parse::<f64>().ok().map(|number| number.to_bits().into()),
            // Others as their bits.
            _ => Integer::parse(word).and_then(|number| number.bits(size.saturating_mul(8), false)),
        };
        let bits = bits.ok_or_else(|| expected("a number", at))?;
        self.put(ty, offset, size, bits)
            .map_err(|error| InputError::new(InputErrorKind::Btf(error), at))
    }

    /// Writes a number of `size` bytes.
    fn put(&mut self, ty: Type<'_>, offset: usize, size: u32, number: u128) -> Result<(), Error> {
        let end = offset.checked_add(size as usize);
        let bytes = end.and_then(|end| self.bytes.get_mut(offset..end));
        let bytes = bytes
            .filter(|bytes| bytes.len() <= 16)
            .ok_or_else(|| overflow(ty))?;
        number::write(bytes, number, self.endian);
        Ok(())
    }

    /// `{name: value, …}`
    fn parts(&mut self, lexer: &mut Lexer<'_>, ty: Type<'_>, offset: usize) -> Result<(), InputError> {
        lexer.mark('{', "{")?;
        loop {
            let Token { kind, at } = lexer.next()?;
            let name = match &kind {
                TokenKind::Mark('}') => return Ok(()),
                TokenKind::Word(word) => *word,
                TokenKind::Text(text) => text.as_ref(),
                _ => return Err(expected("the name of a member", at)),
            };
            lexer.mark(':', ": and a value")?;
            let start = (offset as u64).saturating_mul(8);
            let failed = |error: Error| InputError::new(InputErrorKind::Btf(error), at);
            let part = self.find(ty, name, start).map_err(failed)?;
            let Some(part) = part else {
                let names = self.names(ty).map_err(failed)?;
                return Err(unknown(name, names.into_iter(), at));
            };
            if part.bits == 0 {
                let offset = usize::try_from(part.start / 8).unwrap_or(usize::MAX);
                self.value(lexer, part.type_id, offset)?;
            } else {
                let ty = self.btf.resolve(part.type_id).map_err(failed)?;
                self.bit_field(lexer, ty, part.start, part.bits)?;
            }
            let Token { kind, at } = lexer.next()?;
            match kind {
                TokenKind::Mark(',') => {}
                TokenKind::Mark('}') => return Ok(()),
                _ => return Err(expected(", or }", at)),
            }
        }
    }

    /// The member or variable of a name, also in anonymous structs and unions.
    fn find(&self, ty: Type<'_>, name: &str, start: u64) -> Result<Option<Part>, Error> {
        for variable in ty.variables() {
            if self.btf.ty(variable.type_id)?.name()? == name {
                return Ok(Some(Part {
                    type_id: variable.type_id,
                    start: start.saturating_add(u64::from(variable.offset) * 8),
                    bits: 0,
                }));
            }
        }
        Ok(ty.member(name)?.map(|member| Part {
            type_id: member.type_id,
            start: start.saturating_add(bit_start(self.btf, &member).into()),
            bits: bit_width(self.btf, &member),
        }))
    }

    /// The names that could stand in a struct, for an error.
    fn names(&self, ty: Type<'_>) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for variable in ty.variables().take(MOST_NAMES) {
            names.push(self.btf.ty(variable.type_id)?.name()?.to_string());
        }
        for member in ty.named_members().take(MOST_NAMES) {
            names.push(String::from_utf8_lossy(member?.name_bytes()?).into_owned());
        }
        Ok(names)
    }

    /// `[value, …]`, or for single bytes text.
    fn array(&mut self, lexer: &mut Lexer<'_>, ty: Type<'_>, offset: usize) -> Result<(), InputError> {
        let Token { kind, at } = lexer.next()?;
        let failed = |error: Error| InputError::new(InputErrorKind::Btf(error), at);
        let Some(array) = ty.array() else { return Ok(()) };
        let size = self.btf.resolve_size(array.element).map_err(failed)? as usize;
        let too_many = |at| InputError::new(InputErrorKind::TooMany { len: array.len }, at);
        if let TokenKind::Text(text) = &kind {
            let element = self.btf.resolve(array.element).map_err(failed)?;
            if element.kind() != Kind::INT || size != 1 {
                return Err(expected("[", at));
            }
            if text.len() > array.len as usize {
                return Err(too_many(at));
            }
            let end = offset.checked_add(text.len());
            let bytes = end.and_then(|end| self.bytes.get_mut(offset..end));
            bytes
                .ok_or_else(|| failed(overflow(ty)))?
                .copy_from_slice(text.as_bytes());
            return Ok(());
        }
        if kind != TokenKind::Mark('[') {
            return Err(expected("[", at));
        }
        for index in 0.. {
            let Token { kind, at } = lexer.peek()?;
            if kind == TokenKind::Mark(']') {
                break;
            }
            if index >= array.len as usize {
                return Err(too_many(at));
            }
            let place = size
                .checked_mul(index)
                .and_then(|place| place.checked_add(offset));
            self.value(lexer, array.element, place.ok_or_else(|| failed(overflow(ty)))?)?;
            let Token { kind, at } = lexer.peek()?;
            match kind {
                TokenKind::Mark(',') => lexer.mark(',', ",")?,
                TokenKind::Mark(']') => {}
                _ => return Err(expected(", or ]", at)),
            }
        }
        lexer.mark(']', "]")
    }
}

fn fit(number: Integer, bits: u32, signed: bool, at: usize) -> Result<u128, InputError> {
    let fits = number.bits(bits, signed);
    fits.ok_or_else(|| InputError::new(InputErrorKind::OutOfRange { bits, signed }, at))
}

fn unknown(name: &str, names: impl Iterator<Item = String>, at: usize) -> InputError {
    InputError::new(
        InputErrorKind::Unknown {
            name: name.to_string(),
            names: names.take(MOST_NAMES).collect(),
        },
        at,
    )
}

fn overflow(ty: Type<'_>) -> Error {
    Error::new(ErrorKind::Overflow(ty.id()), 0)
}
