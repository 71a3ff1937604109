//! Assignments in C's manner: `r1 += r2`, `r1 = 5 ll`, `r1 = le16 r1`, `r1 = name ll`.

use alloc::boxed::Box;
use alloc::format;

use super::c_memory::{Type, fetch_name};
use super::error::Diagnostic;
use super::lexer::Kind;
use super::number::Number;
use super::operand::is_register;
use super::parser::{FixupKind, Parse, Parser, Target};
use super::span::Span;
use crate::insn::Insn;
use crate::isa::{AluOp, Reg, Size, SwapOp, Width};

impl Parser<'_> {
    /// What follows a register at the start of a statement.
    pub(super) fn assign(&mut self, width: Width, dst: Reg, span: Span) -> Parse<()> {
        let Some(op) = self.operator().and_then(AluOp::from_symbol) else {
            return Err(self.expected("`=` or an operator like `+=`"));
        };
        self.skip_operator();
        if op != AluOp::Mov {
            let src = self.operand(width, |_| false)?;
            return self.emit(Insn::Alu { width, op, dst, src });
        }
        let start = self.token.span;
        match self.token.kind {
            Kind::Punct(_) => match self.text() {
                "*" => return self.load(width, dst, span),
                "&" => return self.percpu(width, dst),
                "-" if is_register(self.peek().1) => {
                    self.advance();
                    self.same_register(width, dst)?;
                    return self.emit(Insn::Neg { width, dst });
                }
                "(" if Size::ALL.iter().any(|size| size.signed_symbol() == self.peek().1) => {
                    self.advance();
                    let Type { size, .. } = self.type_name()?;
                    self.expect(")")?;
                    let src = self.register_of(width)?;
                    if size.bits() >= width.bits() {
                        return Err(Diagnostic::new(
                            start,
                            "nothing to extend: the register is not wider",
                        ));
                    }
                    return self.emit(Insn::MovSx {
                        width,
                        size,
                        dst,
                        src,
                    });
                }
                _ => {}
            },
            Kind::Name if is_register(self.text()) => {}
            Kind::Name | Kind::Quoted => {
                if let Some(done) = self.assign_word(width, dst, span)? {
                    return Ok(done);
                }
            }
            _ => {}
        }
        if let Some((found, src)) = self.try_register()? {
            return if found == width {
                self.emit(Insn::Alu {
                    width,
                    op,
                    dst,
                    src: src.into(),
                })
            } else {
                Err(Diagnostic::new(start, "the two registers have different widths")
                    .help("`w1 = w2` clears the upper half; `r1 = (s32)r2` extends the sign"))
            };
        }
        let number = self.expression()?;
        self.assign_number(width, dst, number)
    }

    /// `r1 = 5`, `r1 = 5 ll`
    fn assign_number(&mut self, width: Width, dst: Reg, number: Number) -> Parse<()> {
        let wide = self.eat_name("ll") || matches!(self.hint, Some((0x18, _)));
        if !wide {
            let imm = self.immediate_of(number, width)?;
            return self.emit(Insn::Alu {
                width,
                op: AluOp::Mov,
                dst,
                src: imm.into(),
            });
        }
        self.whole(width, number.span)?;
        let value = Self::wide(number)?;
        self.emit(Insn::LoadImm64 { dst, value })
    }

    pub(super) fn whole(&self, width: Width, span: Span) -> Parse<()> {
        match width {
            Width::W64 => Ok(()),
            Width::W32 => Err(Diagnostic::new(span, "this needs a whole register on the left")),
        }
    }

    /// Words behind `=`: operations written as functions, addresses, symbols. `None` if it is something else.
    fn assign_word(&mut self, width: Width, dst: Reg, span: Span) -> Parse<Option<()>> {
        let word = self.text();
        let (next, next_text) = self.peek();
        let called = next_text == "(";
        let quoted = self.token.kind == Kind::Quoted;
        if quoted || !called {
            if let Some((op, size)) = swap(word).filter(|_| is_register(next_text)) {
                self.whole(width, span)?;
                self.advance();
                self.same_register(Width::W64, dst)?;
                return self.emit(Insn::Swap { op, size, dst }).map(Some);
            }
            if !quoted && (is_register(word) || self.known_constant(word).is_some()) {
                return Ok(None);
            }
            self.whole(width, span)?;
            let bracket = next_text == "[" || next.kind == Kind::Name;
            if let Some(address) = if bracket { self.address(word)? } else { None } {
                self.eat_name("ll");
                return self.emit(Insn::LoadAddr { dst, address }).map(Some);
            }
            return self.load_symbol(dst).map(Some);
        }
        if word == "load_acquire" {
            self.advance();
            self.advance();
            let size = self.unsigned_cast()?;
            let (base, offset) = self.memory()?;
            self.expect(")")?;
            self.check_access(width, dst, size, span)?;
            return self
                .emit(Insn::LoadAcquire {
                    size,
                    dst,
                    base,
                    offset,
                })
                .map(Some);
        }
        if word == "addr_space_cast" {
            self.whole(width, span)?;
            self.advance();
            self.advance();
            let src = self.register()?;
            self.expect(",")?;
            let to = self.half()?;
            self.expect(",")?;
            let from = self.half()?;
            self.expect(")")?;
            return self.emit(Insn::CastAddrSpace { dst, src, to, from }).map(Some);
        }
        if word == "ntohl" {
            return self.packet_gobpfld(dst, span).map(Some);
        }
        match fetch_name(word) {
            Some((op, bits)) => self.fetch(op, bits, width, dst, span).map(Some),
            None => Err(Diagnostic::new(
                self.token.span,
                format!("there is no operation `{word}`"),
            )),
        }
    }

    /// `name ll`, `name+8 ll`
    fn load_symbol(&mut self, dst: Reg) -> Parse<()> {
        let start = self.token.span;
        let name = self.name("a symbol")?;
        let addend = self.addend()?;
        if !self.eat_name("ll") && !matches!(self.hint, Some((0x18, _))) {
            return Err(self.not_a_constant(&name, start));
        }
        self.fix(FixupKind::Load, Target::Name(name), addend, start);
        self.emit(Insn::LoadImm64 {
            dst,
            value: addend as u64,
        })
    }

    fn not_a_constant(&self, name: &str, span: Span) -> Box<Diagnostic> {
        Diagnostic::new(span, format!("there is no constant `{name}`"))
            .help(format!("the address of a symbol is loaded by `{name} ll`"))
            .maybe_help(self.near_constant(name))
    }
}

/// `le16`, `be32`, `bswap64`
pub(super) fn swap(word: &str) -> Option<(SwapOp, Size)> {
    let split = word.len().checked_sub(2)?;
    let (op, bits) = word.split_at_checked(split)?;
    let size = match bits {
        "16" => Size::H,
        "32" => Size::W,
        "64" => Size::Dw,
        _ => return None,
    };
    SwapOp::from_symbol(op).map(|op| (op, size))
}
