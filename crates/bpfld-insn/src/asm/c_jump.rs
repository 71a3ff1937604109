//! Jumps and calls in C's manner: `if r1 == 5 goto +3`, `call bpf_map_lookup_elem`.

use alloc::format;

use super::error::Diagnostic;
use super::lexer::Kind;
use super::parser::{FixupKind, Parse, Parser, Target};
use super::span::Span;
use crate::helper::Helper;
use crate::insn::Insn;
use crate::isa::{JmpOp, Width};

impl<'a> Parser<'a> {
    /// Emits an instruction that contains a distance, or arranges that it will.
    pub(super) fn emit_jump(
        &mut self,
        kind: FixupKind,
        target: (Target<'a>, Span),
        insn: impl Fn(i32) -> Insn,
    ) -> Parse<()> {
        let (target, span) = target;
        let Target::Distance(distance) = target else {
            self.fix(kind, target, 0, span);
            return self.emit(insn(0));
        };
        let distance = match kind {
            FixupKind::Jump => i16::try_from(distance).map(i32::from).ok(),
            _ => i32::try_from(distance).ok(),
        };
        match distance {
            Some(distance) => self.emit(insn(distance)),
            None => Err(Diagnostic::new(span, "the distance does not fit the instruction")),
        }
    }

    pub(super) fn jump(&mut self, kind: FixupKind, insn: impl Fn(i32) -> Insn) -> Parse<()> {
        self.advance();
        let target = self.target()?;
        self.emit_jump(kind, target, insn)
    }

    /// `if r1 == 5 goto +3`
    pub(super) fn jump_if(&mut self) -> Parse<()> {
        self.advance();
        let (width, dst) = self.any_register()?;
        let Some(op) = self.operator().and_then(JmpOp::from_symbol) else {
            return Err(self.expected("a comparison"));
        };
        self.skip_operator();
        let src = self.operand(width, is_hex)?;
        self.expect_name("goto")?;
        let target = self.target()?;
        self.emit_jump(FixupKind::Jump, target, |offset| Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset: offset as i16,
        })
    }

    /// `call 1`, `call bpf_map_lookup_elem`, `call 6#bpf_trace_printk`, `call function`, `call +5`, `call pc+5`,
    /// `call kfunc 1234`, `call name#1234`, `call %r1`
    pub(super) fn call(&mut self) -> Parse<()> {
        self.advance();
        if let Some((width, dst)) = self.try_register()? {
            if width == Width::W32 {
                return Err(Diagnostic::new(self.start, "calls need a whole register"));
            }
            return self.emit(Insn::CallReg { dst });
        }
        match self.token.kind {
            Kind::Number(_) => self.call_number(),
            Kind::Name if self.text() == "kfunc" && matches!(self.peek().0.kind, Kind::Number(_)) => {
                self.advance();
                let btf_id = self.word()? as u32;
                let module = if self.eat(",") { self.offset()? } else { 0 };
                self.emit(Insn::CallKfunc { btf_id, module })
            }
            Kind::Name if self.text() == "kernel" && self.peek().1 == "-" => {
                self.advance();
                self.advance();
                self.expect_name("function")?;
                self.hash_call(None)
            }
            Kind::Name | Kind::Quoted if self.text() != "pc" && self.peek().0.kind == Kind::Hash => {
                let name = self.name("a function")?;
                self.hash_call(Some(&name))
            }
            _ => {
                let target = self.target()?;
                self.skip_hash()?;
                self.emit_jump(FixupKind::Call, target, |offset| Insn::CallSubprog { offset })
            }
        }
    }

    /// `call 6`, or with the name behind it.
    fn call_number(&mut self) -> Parse<()> {
        let helper = Helper(self.word()? as u32);
        if self.token.kind == Kind::Hash {
            self.advance();
            let span = self.token.span;
            let name = self.name("the name of a helper")?;
            if let Some(known) = helper.name()
                && Helper::from_name(&name) != Some(helper)
            {
                return Err(Diagnostic::new(
                    span,
                    format!("helper {} is bpf_{known}", helper.0),
                ));
            }
        }
        self.emit(Insn::CallHelper { helper })
    }

    /// The number behind a name in the kernel's dialect: `#1`, `#1234@2`. It is a helper's if the name is.
    fn hash_call(&mut self, name: Option<&str>) -> Parse<()> {
        self.advance();
        let id = self.word()? as u32;
        let helper = match name {
            Some("unknown") => Some(Helper(id)),
            Some(name) => Helper::from_name(name).filter(|helper| helper.0 == id && name.starts_with("bpf_")),
            None => None,
        };
        if let Some(helper) = helper {
            return self.emit(Insn::CallHelper { helper });
        }
        let module = if self.eat("@") { self.offset()? } else { 0 };
        self.emit(Insn::CallKfunc { btf_id: id, module })
    }

    /// What bpftool says of a called subprogram: `#bpf_prog_1234_name`.
    fn skip_hash(&mut self) -> Parse<()> {
        if self.token.kind == Kind::Hash {
            self.advance();
            self.advance();
        }
        Ok(())
    }
}

/// The kernel prints comparands as unsigned numbers in base 16, so there they are as they should be.
fn is_hex(text: &str) -> bool {
    text.starts_with("0x")
}
