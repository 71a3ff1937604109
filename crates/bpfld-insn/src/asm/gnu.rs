//! Instructions as the GNU assembler writes them: `ldxw %r0,[%r1+4]`. The mnemonics come from the table; `%` may be
//! missing, and `64` may stand behind those of arithmetic, as other assemblers have it.

use alloc::format;
use alloc::string::String;

use super::c_assign::swap;
use super::error::Diagnostic;
use super::lexer::Kind;
use super::parser::{FixupKind, Parse, Parser, Target};
use crate::insn::Insn;
use crate::isa::{AtomicOp, Reg, Size, Width};
use crate::op::{Op, Source};

/// Every mnemonic.
pub(super) fn mnemonics() -> impl Iterator<Item = String> {
    Op::ALL.iter().map(|op| {
        let (stem, suffix) = op.mnemonic();
        format!("{stem}{suffix}")
    })
}

/// The operation of a mnemonic, with other spellings than the table's.
fn op_of(word: &str) -> Option<Op> {
    Op::from_mnemonic(word).or_else(|| match word {
        "xadddw" => Some(Op::Atomic(Width::W64, AtomicOp::Add)),
        "xaddw" => Some(Op::Atomic(Width::W32, AtomicOp::Add)),
        _ => match Op::from_mnemonic(word.strip_suffix("64")?)? {
            op @ (Op::Alu(Width::W64, ..)
            | Op::Neg(Width::W64)
            | Op::MovSx(Width::W64, _)
            | Op::Atomic(Width::W64, _)
            | Op::JumpIf(Width::W64, ..)) => Some(op),
            _ => None,
        },
    })
}

impl Parser<'_> {
    /// Reads an instruction that begins with this word; `false` if it is none of this family.
    pub(super) fn gnu(&mut self, word: &str) -> Parse<bool> {
        if self.token.kind != Kind::Name {
            return Ok(false);
        }
        if let Some(op) = op_of(word) {
            self.advance();
            self.operands(op)?;
            return Ok(true);
        }
        let Some((op, size)) = swap(word) else {
            return Ok(false);
        };
        self.advance();
        let dst = self.register()?;
        self.emit(Insn::Swap { op, size, dst })?;
        Ok(true)
    }

    fn operands(&mut self, op: Op) -> Parse<()> {
        match op {
            Op::Alu(width, op, _) => {
                let dst = self.register()?;
                self.expect(",")?;
                let src = self.source(width)?;
                self.emit(Insn::Alu { width, op, dst, src })
            }
            Op::Neg(width) => {
                let dst = self.register()?;
                self.emit(Insn::Neg { width, dst })
            }
            Op::Swap(op, _) => {
                let dst = self.register()?;
                self.expect(",")?;
                let span = self.token.span;
                let size = match self.half()? {
                    16 => Size::H,
                    32 => Size::W,
                    64 => Size::Dw,
                    _ => return Err(Diagnostic::new(span, "this must be 16, 32 or 64")),
                };
                self.emit(Insn::Swap { op, size, dst })
            }
            Op::MovSx(width, _) => {
                let (dst, src) = self.two_registers()?;
                self.expect(",")?;
                let span = self.token.span;
                let size = match (self.half()?, width) {
                    (8, _) => Size::B,
                    (16, _) => Size::H,
                    (32, Width::W64) => Size::W,
                    _ => {
                        return Err(Diagnostic::new(
                            span,
                            "this must be 8, 16, or for whole registers 32",
                        ));
                    }
                };
                self.emit(Insn::MovSx {
                    width,
                    size,
                    dst,
                    src,
                })
            }
            Op::CastAddrSpace => {
                let (dst, src) = self.two_registers()?;
                self.expect(",")?;
                let to = self.half()?;
                self.expect(",")?;
                let from = self.half()?;
                self.emit(Insn::CastAddrSpace { dst, src, to, from })
            }
            Op::PercpuAddr => {
                let (dst, src) = self.two_registers()?;
                self.emit(Insn::PercpuAddr { dst, src })
            }
            Op::LoadImm64 | Op::LoadAddr(_) => self.load_wide(),
            Op::LoadAbs(size) => {
                let offset = self.word()?;
                self.emit(Insn::LoadAbs { size, offset })
            }
            Op::LoadInd(size) => {
                let index = self.register()?;
                let offset = if self.eat(",") { self.word()? } else { 0 };
                self.emit(Insn::LoadInd { size, index, offset })
            }
            Op::Load(_) | Op::LoadSx(_) | Op::LoadAcquire(_) => {
                let dst = self.register()?;
                self.expect(",")?;
                let (base, offset) = self.brackets()?;
                self.emit(match op {
                    Op::LoadSx(size) => Insn::LoadSx {
                        size,
                        dst,
                        base,
                        offset,
                    },
                    Op::LoadAcquire(size) => Insn::LoadAcquire {
                        size,
                        dst,
                        base,
                        offset,
                    },
                    Op::Load(size) => Insn::Load {
                        size,
                        dst,
                        base,
                        offset,
                    },
                    _ => return Ok(()),
                })
            }
            Op::Store(size, Source::Imm) => {
                let (base, offset) = self.brackets()?;
                self.expect(",")?;
                let imm = self.immediate(Width::W32)?;
                self.emit(Insn::Store {
                    size,
                    base,
                    offset,
                    src: imm.into(),
                })
            }
            Op::Store(size, Source::Reg) => {
                let (base, offset, src) = self.brackets_register()?;
                self.emit(Insn::Store {
                    size,
                    base,
                    offset,
                    src: src.into(),
                })
            }
            Op::Atomic(width, op) => {
                let (base, offset, src) = self.brackets_register()?;
                self.emit(Insn::Atomic {
                    width,
                    op,
                    base,
                    offset,
                    src,
                })
            }
            Op::StoreRelease(size) => {
                let (base, offset, src) = self.brackets_register()?;
                self.emit(Insn::StoreRelease {
                    size,
                    base,
                    offset,
                    src,
                })
            }
            Op::Jump => {
                let target = self.target()?;
                self.emit_jump(FixupKind::Jump, target, |offset| Insn::Jump {
                    offset: offset as i16,
                })
            }
            Op::JumpLong => {
                let target = self.target()?;
                self.emit_jump(FixupKind::JumpLong, target, |offset| Insn::JumpLong { offset })
            }
            Op::JumpIndirect => {
                let dst = self.register()?;
                self.emit(Insn::JumpIndirect { dst })
            }
            Op::JumpIf(width, op, _) => {
                let dst = self.register()?;
                self.expect(",")?;
                let src = self.source(width)?;
                self.expect(",")?;
                let target = self.target()?;
                let insn = |offset| Insn::JumpIf {
                    width,
                    op,
                    dst,
                    src,
                    offset: offset as i16,
                };
                self.emit_jump(FixupKind::Jump, target, insn)
            }
            Op::MayGoto => {
                let target = self.target()?;
                self.emit_jump(FixupKind::Jump, target, |offset| Insn::MayGoto {
                    offset: offset as i16,
                })
            }
            // these words are the same in the other family, which is asked first
            Op::CallHelper
            | Op::CallSubprog
            | Op::CallKfunc
            | Op::CallReg
            | Op::Exit
            | Op::SpeculationBarrier => Ok(()),
        }
    }

    /// A register or an immediate. The mnemonic has the width; registers are always written whole.
    fn source(&mut self, width: Width) -> Parse<crate::insn::Operand> {
        match self.is("%") || super::parser::register_number(self.text()).is_some() {
            true => self.register().map(Into::into),
            false => self.immediate(width).map(Into::into),
        }
    }

    fn two_registers(&mut self) -> Parse<(Reg, Reg)> {
        let dst = self.register()?;
        self.expect(",")?;
        Ok((dst, self.register()?))
    }

    /// `[%r1+4]`
    fn brackets(&mut self) -> Parse<(Reg, i16)> {
        self.expect("[")?;
        let place = self.base_offset()?;
        self.expect("]")?;
        Ok(place)
    }

    /// `[%r1+4],%r2`
    fn brackets_register(&mut self) -> Parse<(Reg, i16, Reg)> {
        let (base, offset) = self.brackets()?;
        self.expect(",")?;
        Ok((base, offset, self.register()?))
    }

    /// `lddw %r1,5`, `lddw %r1,name+8`, `lddw %r1,map[fd:7]`
    fn load_wide(&mut self) -> Parse<()> {
        let dst = self.register()?;
        self.expect(",")?;
        let word = self.text();
        let named = match self.token.kind {
            Kind::Name => self.known_constant(word).is_none(),
            kind => kind == Kind::Quoted,
        };
        if !named {
            let number = self.expression()?;
            let value = Self::wide(number)?;
            self.eat_name("ll");
            return self.emit(Insn::LoadImm64 { dst, value });
        }
        if let Some(address) = self.address(word)? {
            return self.emit(Insn::LoadAddr { dst, address });
        }
        let start = self.token.span;
        let name = self.name("a symbol")?;
        let addend = self.addend()?;
        self.fix(FixupKind::Load, Target::Name(name), addend, start);
        self.emit(Insn::LoadImm64 {
            dst,
            value: addend as u64,
        })
    }
}
