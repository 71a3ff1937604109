//! Directives that put bytes into sections: numbers, texts, zeroes, and slots that are no instructions.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::Diagnostic;
use super::lexer::Kind;
use super::number::Number;
use super::output::Section;
use super::parser::{Fixup, FixupKind, Parse, Parser, Target};
use super::span::Span;
use crate::slot::{Endian, Slot};

/// The most that `.zero` and `.comm` reserve: more is a mistake, and would let a short text use up all memory.
const LARGEST: i128 = 1 << 26;

impl Parser<'_> {
    /// `.insn opcode, dst, src, offset, imm`: a slot that is no instruction.
    pub(super) fn raw(&mut self) -> Parse<()> {
        let opcode = self.byte()?;
        self.expect(",")?;
        let mut register = || -> Parse<u8> {
            let span = self.token.span;
            let number = self.byte()?;
            self.expect(",")?;
            if number < 16 {
                Ok(number)
            } else {
                Err(Diagnostic::new(span, "a register field holds 0 to 15"))
            }
        };
        let (dst, src) = (register()?, register()?);
        let offset = self.offset()?;
        self.expect(",")?;
        let imm = self.word()?;
        let span = self.statement_span();
        self.emit_slots(&[Slot::new(opcode, dst, src, offset, imm)], span)
    }

    /// Numbers of this many bytes; those of 4 and 8 can also be symbols.
    pub(super) fn data(&mut self, bytes: u8) -> Parse<()> {
        loop {
            let span = self.token.span;
            let symbol = match self.token.kind {
                Kind::Name => self.known_constant(self.text()).is_none(),
                kind => kind == Kind::Quoted,
            };
            if symbol {
                let name = self.name("a symbol")?;
                let addend = self.addend()?;
                if bytes < 4 {
                    return Err(Diagnostic::new(span, "an address needs 4 or 8 bytes"));
                }
                let (section, at) = (self.section, self.here());
                let target = Target::Name(name);
                self.fixups.push(Fixup {
                    span,
                    section,
                    at,
                    target,
                    addend,
                    kind: FixupKind::Data(bytes),
                });
                self.put_number(addend as u64, bytes, span)?;
            } else {
                let Number { value, span } = self.expression()?;
                let bits = u32::from(bytes) * 8;
                if !(-(1_i128 << (bits - 1))..1 << bits).contains(&value) {
                    return Err(Diagnostic::new(
                        span,
                        format!("{value} does not fit {bytes} bytes"),
                    ));
                }
                self.put_number(value as u64, bytes, span)?;
            }
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn put_number(&mut self, value: u64, bytes: u8, span: Span) -> Parse<()> {
        let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
        let bytes = usize::from(bytes);
        let text = match self.options.endian {
            Endian::Little => little.get(..bytes),
            Endian::Big => big.get(8 - bytes..),
        };
        self.put(text.unwrap_or_default(), span)
    }

    pub(super) fn strings(&mut self, terminator: &[u8]) -> Parse<()> {
        loop {
            if self.token.kind != Kind::Quoted {
                return Err(self.expected("text in quotes"));
            }
            let (text, span) = (self.text(), self.token.span);
            let mut bytes = string_bytes(text, span)?;
            bytes.extend_from_slice(terminator);
            self.put(&bytes, span)?;
            self.advance();
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    /// A number of bytes to reserve.
    pub(super) fn count(&mut self) -> Parse<usize> {
        let Number { value, span } = self.expression()?;
        match usize::try_from(value) {
            Ok(count) if value <= LARGEST => Ok(count),
            _ => Err(Diagnostic::new(
                span,
                format!("cannot reserve {value} bytes; 64 MiB is the most"),
            )),
        }
    }

    pub(super) fn zeroes(&mut self) -> Parse<()> {
        let span = self.token.span;
        let count = self.count()?;
        if self.eat(",") {
            let fill = self.byte()?;
            return self.put_filled(count, fill, span);
        }
        self.put_zeroes(count, span)
    }

    /// `.p2align 3`, `.balign 8`: zeros up to a multiple, in data. Instructions are aligned already.
    pub(super) fn align(&mut self, word: &str) -> Parse<()> {
        let Number { value, span } = self.expression()?;
        let multiple = match word {
            ".p2align" => u32::try_from(value)
                .ok()
                .and_then(|bits| 1_usize.checked_shl(bits)),
            _ => usize::try_from(value).ok(),
        };
        let multiple = multiple.filter(|multiple| multiple.is_power_of_two() && *multiple <= 4096);
        let Some(multiple) = multiple else {
            return Err(Diagnostic::new(
                span,
                "alignments are powers of 2 up to 4096 bytes",
            ));
        };
        while !self.at_end() {
            self.advance();
        }
        let length = self
            .sections
            .get(self.section)
            .map_or(0, |section| section.data.len());
        match length.next_multiple_of(multiple) - length {
            0 => Ok(()),
            gap => self.put_zeroes(gap, span),
        }
    }

    pub(super) fn put_zeroes(&mut self, count: usize, span: Span) -> Parse<()> {
        self.put_filled(count, 0, span)
    }

    fn put_filled(&mut self, count: usize, fill: u8, span: Span) -> Parse<()> {
        self.reserved = self.reserved.saturating_add(count);
        if self.reserved as i128 > LARGEST {
            return Err(Diagnostic::new(span, "this reserves more than 64 MiB altogether"));
        }
        let section = self.data_section(span)?;
        section.data.resize(section.data.len() + count, fill);
        Ok(())
    }

    pub(super) fn put(&mut self, bytes: &[u8], span: Span) -> Parse<()> {
        self.data_section(span)?.data.extend_from_slice(bytes);
        Ok(())
    }

    fn data_section(&mut self, span: Span) -> Parse<&mut Section> {
        match self.sections.get_mut(self.section) {
            Some(section) if section.slots.is_empty() => Ok(section),
            _ => Err(Diagnostic::new(span, "data in a section of instructions")
                .help("begin another with `.section .data`")),
        }
    }
}

/// The bytes of a quoted text, with the escapes of assemblers: octal numbers too.
fn string_bytes(text: &str, span: Span) -> Parse<Vec<u8>> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let mut octal = String::new();
        while octal.len() < 3
            && let Some(digit @ b'0'..=b'7') = rest.peek().copied()
        {
            octal.push(digit.into());
            rest.next();
        }
        if let Ok(value) = u16::from_str_radix(&octal, 8) {
            bytes.push(value as u8);
            continue;
        }
        match rest.next().and_then(super::lexer::unescape) {
            Some(byte) => bytes.push(byte),
            None => return Err(Diagnostic::new(span, "unknown escape in this text")),
        }
    }
    Ok(bytes)
}
