//! Operands: names, registers, numbers, addresses in memory, targets.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::constants;
use super::error::{Diagnostic, nearest};
use super::lexer::{Kind, unescape};
use super::parser::{Parse, Parser, Target, no_register, register_number};
use super::span::Span;
use crate::insn::Operand;
use crate::isa::{Reg, Size, Width};

/// Deeper parentheses than anybody writes.
const DEEPEST: u32 = 64;

/// A number and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) value: i128,
    pub(super) span: Span,
}

impl<'a> Parser<'a> {
    /// A name, plain or quoted.
    pub(super) fn name(&mut self, what: &str) -> Parse<Cow<'a, str>> {
        let text = self.text();
        let name = match self.token.kind {
            Kind::Name => Cow::Borrowed(text),
            Kind::Quoted => self.unquote(text)?,
            _ => return Err(self.expected(what)),
        };
        self.advance();
        Ok(name)
    }

    /// The text of a quoted token, with its escapes resolved.
    pub(super) fn unquote(&self, text: &'a str) -> Parse<Cow<'a, str>> {
        let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        let mut name = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(char) = chars.next() {
            let char = match char {
                '\\' => {
                    let escape = chars.next().and_then(|escape| u8::try_from(escape).ok());
                    match escape.and_then(unescape) {
                        Some(byte) => byte.into(),
                        None => return Err(Diagnostic::new(self.token.span, "unknown escape in this name")),
                    }
                }
                other => other,
            };
            name.push(char);
        }
        Ok(Cow::Owned(name))
    }

    // registers

    /// A register, if one stands here.
    pub(super) fn try_register(&mut self) -> Parse<Option<(Width, Reg)>> {
        let percent = self.is("%");
        let (token, word) = if percent {
            self.peek()
        } else {
            (self.token, self.text())
        };
        if token.kind != Kind::Name {
            return if percent {
                Err(self.expected("a register"))
            } else {
                Ok(None)
            };
        }
        let Some((width, number)) = register_number(word) else {
            return if percent {
                Err(Diagnostic::new(
                    token.span,
                    format!("there is no register `{word}`"),
                ))
            } else {
                Ok(None)
            };
        };
        let limit = if self.options.internal { 11 } else { 10 };
        let reg = u8::try_from(number)
            .ok()
            .filter(|number| *number <= limit)
            .and_then(Reg::new);
        let Some(reg) = reg else {
            return Err(no_register(token.span, number));
        };
        if percent {
            self.advance();
        }
        self.advance();
        Ok(Some((width, reg)))
    }

    /// A register of either width.
    pub(super) fn any_register(&mut self) -> Parse<(Width, Reg)> {
        match self.try_register()? {
            Some(register) => Ok(register),
            None => Err(self.expected("a register")),
        }
    }

    /// A whole register.
    pub(super) fn register(&mut self) -> Parse<Reg> {
        self.register_of(Width::W64)
    }

    /// A register of this width.
    pub(super) fn register_of(&mut self, width: Width) -> Parse<Reg> {
        let span = self.token.span;
        let (found, reg) = self.any_register()?;
        if found == width {
            Ok(reg)
        } else {
            Err(wrong_width(span, found, reg))
        }
    }

    /// A register as source or result of an access of this size: LLVM writes lower halves for all but 8 bytes, the
    /// kernel whole registers for all.
    pub(super) fn access_register(&mut self, size: Size) -> Parse<Reg> {
        let span = self.token.span;
        let (width, reg) = self.any_register()?;
        self.check_access(width, reg, size, span)?;
        Ok(reg)
    }

    pub(super) fn check_access(&self, width: Width, reg: Reg, size: Size, span: Span) -> Parse<()> {
        match (width, size) {
            (Width::W32, Size::Dw) => Err(wrong_width(span, width, reg)),
            _ => Ok(()),
        }
    }

    /// A register that the notation repeats and that must be the same again.
    pub(super) fn same_register(&mut self, width: Width, first: Reg) -> Parse<()> {
        let span = self.token.span;
        let again = self.register_of(width)?;
        if again == first {
            return Ok(());
        }
        let letter = if width == Width::W32 { 'w' } else { 'r' };
        Err(
            Diagnostic::new(span, format!("this must be {letter}{} again", first.number()))
                .help("the instruction has only one register; move the value first"),
        )
    }

    // numbers

    /// A number: literals, constants and arithmetic with them.
    pub(super) fn expression(&mut self) -> Parse<Number> {
        self.binary(0)
    }

    fn binary(&mut self, least: u8) -> Parse<Number> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.token.kind {
                Kind::Punct(_) => self.text(),
                _ => return Ok(left),
            };
            let strength = match operator {
                "|" => 1,
                "^" => 2,
                "&" => 3,
                "<<" | ">>" => 4,
                "+" | "-" => 5,
                "*" | "/" | "%" => 6,
                _ => return Ok(left),
            };
            if strength <= least {
                return Ok(left);
            }
            self.advance();
            let right = self.binary(strength)?;
            let span = left.span.to(right.span);
            let shift = || u32::try_from(right.value).ok().filter(|bits| *bits < 64);
            let value = match operator {
                "|" => Some(left.value | right.value),
                "^" => Some(left.value ^ right.value),
                "&" => Some(left.value & right.value),
                "<<" => shift().map(|bits| left.value << bits),
                ">>" => shift().map(|bits| left.value >> bits),
                "+" => Some(left.value + right.value),
                "-" => Some(left.value - right.value),
                "*" => left.value.checked_mul(right.value),
                "/" => left.value.checked_div(right.value),
                _ => left.value.checked_rem(right.value),
            };
            // every step stays within 65 bits, so that none of the above overflows
            let Some(value) = value.filter(|value| (-(1 << 64)..1 << 64).contains(value)) else {
                return Err(Diagnostic::new(span, "this cannot be computed in 64 bits"));
            };
            left = Number { value, span };
        }
    }

    fn unary(&mut self) -> Parse<Number> {
        let start = self.token.span;
        let operator = match self.token.kind {
            Kind::Number(value) => {
                self.advance();
                return Ok(Number {
                    value: value.into(),
                    span: start,
                });
            }
            Kind::Name => {
                let value = self.constant()?;
                self.advance();
                return Ok(Number {
                    value: value.into(),
                    span: start,
                });
            }
            Kind::Punct(_) => self.text(),
            _ => return Err(self.expected("a number or a constant")),
        };
        if !matches!(operator, "-" | "+" | "~" | "(") {
            return Err(self.expected("a number or a constant"));
        }
        if self.depth >= DEEPEST {
            return Err(Diagnostic::new(start, "this is nested too deeply"));
        }
        self.advance();
        self.depth += 1;
        let inner = if operator == "(" {
            self.binary(0)
        } else {
            self.unary()
        };
        self.depth -= 1;
        let mut inner = inner?;
        match operator {
            "-" => inner.value = -inner.value,
            "~" => inner.value = !inner.value,
            "(" => self.expect(")")?,
            _ => {}
        }
        inner.span = start.to(inner.span);
        Ok(inner)
    }

    /// The value of the constant named here.
    fn constant(&self) -> Parse<i64> {
        let name = self.text();
        if let Some(value) = self.known_constant(name) {
            return Ok(value);
        }
        if let Some((_, number)) = register_number(name) {
            let error = Diagnostic::new(self.token.span, "expected a number or a constant");
            return Err(if number > 10 {
                no_register(self.token.span, number)
            } else {
                error
            });
        }
        Err(
            Diagnostic::new(self.token.span, format!("there is no constant `{name}`"))
                .help("symbols can be loaded by 64-bit loads only: `r1 = name ll`")
                .maybe_help(self.near_constant(name)),
        )
    }

    /// The suggestion of a constant that is spelled alike.
    pub(super) fn near_constant(&self, name: &str) -> Option<String> {
        let mut names: Vec<&str> = self.constants.keys().map(|name| &**name).collect();
        for name in constants::names() {
            names.push(name);
        }
        nearest(name, names).map(|near| format!("did you mean `{near}`?"))
    }

    pub(super) fn known_constant(&self, name: &str) -> Option<i64> {
        self.constants
            .get(name)
            .copied()
            .or_else(|| constants::value(name))
    }

    /// A number within these bounds.
    fn within(&mut self, bounds: Range<i128>, what: &str) -> Parse<i128> {
        let Number { value, span } = self.expression()?;
        if bounds.contains(&value) {
            return Ok(value);
        }
        Err(Diagnostic::new(
            span,
            format!("{value} is no {what}: {} to {}", bounds.start, bounds.end - 1),
        ))
    }

    /// An immediate of 32 bits, signed or unsigned, for an instruction that works on this width.
    pub(super) fn immediate(&mut self, width: Width) -> Parse<i32> {
        let number = self.expression()?;
        self.immediate_of(number, width)
    }

    pub(super) fn immediate_of(&mut self, number: Number, width: Width) -> Parse<i32> {
        let Number { value, span } = number;
        if let Ok(imm) = i32::try_from(value) {
            return Ok(imm);
        }
        let Ok(unsigned) = u32::try_from(value) else {
            return Err(
                Diagnostic::new(span, format!("{value} does not fit the 32 bits of an immediate"))
                    .help("load it into a register first: `r1 = … ll`"),
            );
        };
        let imm = unsigned as i32;
        if width == Width::W64 {
            self.warn(
                *Diagnostic::new(
                    span,
                    format!("this becomes {:#x}: immediates are sign-extended", i64::from(imm)),
                )
                .help(format!(
                    "write {imm}, or load it into a register first: `r1 = {value} ll`"
                )),
            );
        }
        Ok(imm)
    }

    /// A 64-bit number, signed or unsigned.
    pub(super) fn wide(number: Number) -> Parse<u64> {
        let Number { value, span } = number;
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => Ok(value),
            (_, Ok(value)) => Ok(value as u64),
            _ => Err(Diagnostic::new(span, format!("{value} does not fit 64 bits"))),
        }
    }

    /// A number for a field of 16 bits.
    pub(super) fn offset(&mut self) -> Parse<i16> {
        let value = self.within(i16::MIN.into()..i128::from(i16::MAX) + 1, "16-bit offset")?;
        Ok(value as i16)
    }

    /// An unsigned number of 16 bits.
    pub(super) fn half(&mut self) -> Parse<u16> {
        self.within(0..1 << 16, "16-bit number").map(|value| value as u16)
    }

    /// A byte.
    pub(super) fn byte(&mut self) -> Parse<u8> {
        self.within(0..1 << 8, "byte").map(|value| value as u8)
    }

    /// A number for a field of 32 bits, signed or not.
    pub(super) fn word(&mut self) -> Parse<i32> {
        self.within(i32::MIN.into()..1 << 32, "32-bit number")
            .map(|value| value as i32)
    }

    /// A register of this width, or an immediate; an unsigned one needs no warning if `quiet` says so of its text.
    pub(super) fn operand(&mut self, width: Width, quiet: impl Fn(&str) -> bool) -> Parse<Operand> {
        let span = self.token.span;
        match self.try_register()? {
            Some((found, reg)) if found == width => Ok(Operand::Reg(reg)),
            Some((found, reg)) => Err(wrong_width(span, found, reg)),
            None => {
                let width = if quiet(self.text()) { Width::W32 } else { width };
                self.immediate(width).map(Operand::Imm)
            }
        }
    }

    // places

    /// `r1 + 4`, `r1 +4`, `r1`: a base and an offset.
    pub(super) fn base_offset(&mut self) -> Parse<(Reg, i16)> {
        let base = self.register()?;
        let offset = if self.is("+") || self.is("-") {
            self.offset()?
        } else {
            0
        };
        Ok((base, offset))
    }

    /// Where a jump or call goes: a distance, a label, `1f`, or `pc+5`.
    pub(super) fn target(&mut self) -> Parse<(Target<'a>, Span)> {
        let start = self.token.span;
        let target = match self.token.kind {
            Kind::Local { number, forward } => {
                self.advance();
                Target::Local { number, forward }
            }
            Kind::Quoted => Target::Name(self.name("a label")?),
            Kind::Name if self.text() == "pc" && matches!(self.peek().1, "+" | "-") => {
                self.advance();
                Target::Distance(self.expression()?.value)
            }
            Kind::Name => Target::Name(self.name("a label")?),
            Kind::Number(_) => Target::Distance(self.expression()?.value),
            Kind::Punct(_) if self.is("+") || self.is("-") => Target::Distance(self.expression()?.value),
            _ => return Err(self.expected("a label or a distance")),
        };
        let span = start.to(Span {
            start: start.end,
            end: self.token.span.start,
        });
        let span = Span {
            start: span.start,
            end: span.start + self.lexer.text(span).trim_end().len() as u32,
        };
        self.skip_annotation();
        Ok((target, span))
    }

    /// What listings say behind a target: `<main+0x28>`.
    fn skip_annotation(&mut self) {
        if !self.is("<") {
            return;
        }
        while !self.at_end() && !self.is(">") {
            self.advance();
        }
        self.eat(">");
    }
}

/// The error that a register has the wrong width.
fn wrong_width(span: Span, found: Width, reg: Reg) -> Box<Diagnostic> {
    let number = reg.number();
    match found {
        Width::W32 => Diagnostic::new(
            span,
            format!("w{number} is a half register, a whole one is needed here"),
        )
        .help(format!("write r{number}")),
        Width::W64 => Diagnostic::new(
            span,
            format!("r{number} is a whole register, a half one is needed here"),
        )
        .help(format!("write w{number}, or use r registers throughout")),
    }
}
