//! Instructions as LLVM, the kernel and gobpfld write them: `r0 = *(u32 *)(r1 + 4)`.

use super::lexer::Kind;
use super::operand::is_register;
use super::parser::{FixupKind, Parse, Parser};
use crate::insn::Insn;
use crate::isa::Reg;

/// The words that instructions begin with.
pub(super) const KEYWORDS: &[&str] = &[
    "call",
    "callx",
    "exit",
    "goto",
    "gotol",
    "gotox",
    "if",
    "ld_pseudo",
    "lock",
    "may_goto",
    "nop",
    "nospec",
    "store_release",
];

impl<'a> Parser<'a> {
    /// Reads an instruction that begins with this word; `false` if it is none of this family.
    pub(super) fn c_like(&mut self, word: &str) -> Parse<bool> {
        if is_register(word) {
            let span = self.token.span;
            if let Some((width, dst)) = self.try_register()? {
                self.assign(width, dst, span)?;
            }
            return Ok(true);
        }
        match word {
            "*" => self.store()?,
            "if" => self.jump_if()?,
            "goto" => self.jump(FixupKind::Jump, |offset| Insn::Jump {
                offset: offset as i16,
            })?,
            "gotol" => self.jump(FixupKind::JumpLong, |offset| Insn::JumpLong { offset })?,
            "may_goto" => self.jump(FixupKind::Jump, |offset| Insn::MayGoto {
                offset: offset as i16,
            })?,
            "gotox" => self.one_register(|dst| Insn::JumpIndirect { dst })?,
            "callx" => self.one_register(|dst| Insn::CallReg { dst })?,
            "call" => self.call()?,
            "exit" => self.alone(Insn::Exit)?,
            "nospec" => self.alone(Insn::SpeculationBarrier)?,
            "nop" => self.nop()?,
            "lock" => self.lock()?,
            "store_release" => self.store_release()?,
            "ld_pseudo" => self.load_pseudo()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn alone(&mut self, insn: Insn) -> Parse<()> {
        self.advance();
        self.emit(insn)
    }

    fn one_register(&mut self, insn: impl Fn(Reg) -> Insn) -> Parse<()> {
        self.advance();
        let dst = self.register()?;
        self.emit(insn(dst))
    }

    /// `nop`: what gobpfld prints for the second half of a 64-bit load; elsewhere a jump to the next instruction.
    fn nop(&mut self) -> Parse<()> {
        self.advance();
        let slots = self
            .sections
            .get(self.section)
            .map_or(&[][..], |section| &section.slots);
        match slots {
            [.., first, _] if first.is_ldimm64() => Ok(()),
            _ => self.emit(Insn::Jump { offset: 0 }),
        }
    }

    /// The operator that stands here, together with an `s` before it.
    pub(super) fn operator(&self) -> Option<&'a str> {
        match self.token.kind {
            Kind::Punct(_) => Some(self.text()),
            Kind::Name if self.text() == "s" => {
                let (next, _) = self.peek();
                let joined = matches!(next.kind, Kind::Punct(_)) && next.span.start == self.token.span.end;
                joined.then(|| self.lexer.text(self.token.span.to(next.span)))
            }
            _ => None,
        }
    }

    pub(super) fn skip_operator(&mut self) {
        if self.token.kind == Kind::Name {
            self.advance();
        }
        self.advance();
    }
}
