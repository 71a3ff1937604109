//! Numbers: literals, constants, arithmetic with them, and the fields that they must fit.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::constants;
use super::error::{Diagnostic, nearest};
use super::lexer::Kind;
use super::parser::{Parse, Parser, no_register, register_number};
use super::span::Span;
use crate::isa::Width;

/// Deeper parentheses than anybody writes.
const DEEPEST: u32 = 64;

/// A number and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) value: i128,
    pub(super) span: Span,
}

impl Parser<'_> {
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

    /// The distance from a symbol, if one stands here.
    pub(super) fn addend(&mut self) -> Parse<i64> {
        if !(self.is("+") || self.is("-")) {
            return Ok(0);
        }
        let Number { value, span } = self.expression()?;
        i64::try_from(value).map_err(|_| Diagnostic::new(span, "the distance does not fit 64 bits"))
    }
}
