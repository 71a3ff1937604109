//! Operands: names, registers, addresses in memory, targets.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::error::Diagnostic;
use super::lexer::{Kind, unescape};
use super::parser::{Parse, Parser, Target, no_register, register_number};
use super::span::Span;
use crate::insn::Operand;
use crate::isa::{Reg, Size, Width};

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

/// Whether a register begins with this word.
pub(super) fn is_register(word: &str) -> bool {
    register_number(word).is_some() || word == "%"
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
