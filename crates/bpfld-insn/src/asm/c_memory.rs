//! Memory as LLVM and the kernel write it: loads, stores, packets, atomic operations.

use alloc::format;

use super::error::Diagnostic;
use super::lexer::Kind;
use super::parser::{Parse, Parser};
use super::span::Span;
use crate::insn::Insn;
use crate::isa::{AtomicOp, Reg, Size, Width};

/// The type in a cast: `u32`, `s8`.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub(super) size: Size,
    pub(super) signed: bool,
}

impl Parser<'_> {
    /// `(u32 *)`, or `(u32)` where no pointer follows.
    pub(super) fn cast(&mut self) -> Parse<Type> {
        self.expect("(")?;
        let cast = self.type_name()?;
        self.expect("*")?;
        self.expect(")")?;
        Ok(cast)
    }

    pub(super) fn type_name(&mut self) -> Parse<Type> {
        let word = if self.token.kind == Kind::Name {
            self.text()
        } else {
            ""
        };
        let unsigned = Size::from_symbol(word).map(|size| Type { size, signed: false });
        let signed = || Size::ALL.iter().find(|size| size.signed_symbol() == word);
        match unsigned.or_else(|| {
            signed().map(|size| Type {
                size: *size,
                signed: true,
            })
        }) {
            Some(found) => {
                self.advance();
                Ok(found)
            }
            None => Err(self.expected("a type: u8, u16, u32, u64, s8, s16 or s32")),
        }
    }

    /// A cast that must be to an unsigned type.
    pub(super) fn unsigned_cast(&mut self) -> Parse<Size> {
        let span = self.token.span;
        let Type { size, signed } = self.cast()?;
        if signed {
            Err(Diagnostic::new(span, "only loads into registers can sign-extend"))
        } else {
            Ok(size)
        }
    }

    /// `(r1 + 4)`
    pub(super) fn memory(&mut self) -> Parse<(Reg, i16)> {
        self.expect("(")?;
        let place = self.base_offset()?;
        self.expect(")")?;
        Ok(place)
    }

    /// `*(u32 *)(r1 + 4) = r2`; with `+=` the old form of an atomic addition.
    pub(super) fn store(&mut self) -> Parse<()> {
        self.advance();
        let size = self.unsigned_cast()?;
        let (base, offset) = self.memory()?;
        if self.is("+=") {
            return self.atomic_tail(size, base, offset);
        }
        self.expect("=")?;
        let span = self.token.span;
        let src = match self.try_register()? {
            Some((width, reg)) => {
                self.check_access(width, reg, size, span)?;
                reg.into()
            }
            None => self
                .immediate(if size == Size::Dw { Width::W64 } else { Width::W32 })?
                .into(),
        };
        self.emit(Insn::Store {
            size,
            base,
            offset,
            src,
        })
    }

    /// `lock *(u64 *)(r1 + 4) += r2`
    pub(super) fn lock(&mut self) -> Parse<()> {
        self.advance();
        self.expect("*")?;
        let size = self.unsigned_cast()?;
        let (base, offset) = self.memory()?;
        self.atomic_tail(size, base, offset)
    }

    fn atomic_tail(&mut self, size: Size, base: Reg, offset: i16) -> Parse<()> {
        let span = self.token.span;
        let Some(op) = self.operator().and_then(AtomicOp::from_symbol) else {
            let error = self.expected("`+=`, `|=`, `&=` or `^=`");
            return Err(if self.is("-=") {
                error.help("negate the register and add it")
            } else {
                error
            });
        };
        self.skip_operator();
        let src = self.access_register(size)?;
        let width = atomic_width(size, span)?;
        self.emit(Insn::Atomic {
            width,
            op,
            base,
            offset,
            src,
        })
    }

    /// `store_release((u32 *)(r1 + 4), w2)`
    pub(super) fn store_release(&mut self) -> Parse<()> {
        self.advance();
        self.expect("(")?;
        let size = self.unsigned_cast()?;
        let (base, offset) = self.memory()?;
        self.expect(",")?;
        let src = self.access_register(size)?;
        self.expect(")")?;
        self.emit(Insn::StoreRelease {
            size,
            base,
            offset,
            src,
        })
    }

    /// `r1 = *(u32 *)(r2 + 4)`, `r0 = *(u16 *)skb[r1 + 4]`
    pub(super) fn load(&mut self, width: Width, dst: Reg, span: Span) -> Parse<()> {
        self.advance();
        let cast_span = self.token.span;
        let Type { size, signed } = self.cast()?;
        if self.eat_name("skb") {
            return self.packet(size, signed, dst, span);
        }
        let (base, offset) = self.memory()?;
        match (signed, size) {
            (true, Size::Dw) => {
                Err(Diagnostic::new(cast_span, "8 bytes leave nothing to extend").help("write u64"))
            }
            (true, _) => {
                self.whole(width, span)?;
                self.emit(Insn::LoadSx {
                    size,
                    dst,
                    base,
                    offset,
                })
            }
            (false, _) => {
                self.check_access(width, dst, size, span)?;
                self.emit(Insn::Load {
                    size,
                    dst,
                    base,
                    offset,
                })
            }
        }
    }

    /// `skb[12]`, `skb[r1]`, `skb[r1 + 4]`
    fn packet(&mut self, size: Size, signed: bool, dst: Reg, span: Span) -> Parse<()> {
        self.expect("[")?;
        let insn = match self.try_register()? {
            Some((_, index)) => {
                let offset = if self.is("+") || self.is("-") {
                    self.word()?
                } else {
                    0
                };
                Insn::LoadInd { size, index, offset }
            }
            None => Insn::LoadAbs {
                size,
                offset: self.word()?,
            },
        };
        self.expect("]")?;
        self.emit_packet(insn, size, signed, dst, span)
    }

    fn emit_packet(&mut self, insn: Insn, size: Size, signed: bool, dst: Reg, span: Span) -> Parse<()> {
        if signed {
            return Err(Diagnostic::new(self.start, "packet loads do not sign-extend"));
        }
        if dst != Reg::R0 {
            return Err(Diagnostic::new(span, "packet loads always go to r0"));
        }
        if size == Size::Dw {
            return Err(Diagnostic::new(
                self.start,
                "packet loads are of 1, 2 or 4 bytes; no kernel takes 8",
            ));
        }
        self.emit(insn)
    }

    /// gobpfld's `ntohl((u16) (((struct sk_buff *) r6)->data[12]))`
    pub(super) fn packet_gobpfld(&mut self, dst: Reg, span: Span) -> Parse<()> {
        self.advance();
        self.expect("(")?;
        self.expect("(")?;
        let Type { size, signed } = self.type_name()?;
        for punct in [")", "(", "(", "("] {
            self.expect(punct)?;
        }
        self.expect_name("struct")?;
        self.expect_name("sk_buff")?;
        self.expect("*")?;
        self.expect(")")?;
        let context = self.token.span;
        if self.register()? != Reg::R6 {
            return Err(Diagnostic::new(context, "packet loads always use r6"));
        }
        self.expect(")")?;
        self.expect("->")?;
        self.expect_name("data")?;
        self.packet_close(size, signed, dst, span)
    }

    fn packet_close(&mut self, size: Size, signed: bool, dst: Reg, span: Span) -> Parse<()> {
        self.expect("[")?;
        let insn = match self.try_register()? {
            Some((_, index)) => Insn::LoadInd {
                size,
                index,
                offset: self.word()?,
            },
            None => Insn::LoadAbs {
                size,
                offset: self.word()?,
            },
        };
        for punct in ["]", ")", ")"] {
            self.expect(punct)?;
        }
        self.emit_packet(insn, size, signed, dst, span)
    }

    /// `r1 = &(void __percpu *)(r2)`
    pub(super) fn percpu(&mut self, width: Width, dst: Reg) -> Parse<()> {
        self.whole(width, self.start)?;
        self.advance();
        self.expect("(")?;
        self.expect_name("void")?;
        self.expect_name("__percpu")?;
        self.expect("*")?;
        self.expect(")")?;
        self.expect("(")?;
        let src = self.register()?;
        self.expect(")")?;
        self.emit(Insn::PercpuAddr { dst, src })
    }

    /// `r1 = atomic_fetch_add((u64 *)(r2 + 8), r1)`, `r0 = cmpxchg_64(r2 + 8, r0, r1)` and their relatives.
    pub(super) fn fetch(
        &mut self,
        op: AtomicOp,
        bits: Option<Width>,
        width: Width,
        dst: Reg,
        span: Span,
    ) -> Parse<()> {
        self.advance();
        self.expect("(")?;
        let (access, base, offset) = if self.is("(") {
            let cast_span = self.token.span;
            let size = self.unsigned_cast()?;
            let (base, offset) = self.memory()?;
            (atomic_width(size, cast_span)?, base, offset)
        } else {
            let (base, offset) = self.base_offset()?;
            (bits.unwrap_or(width), base, offset)
        };
        if bits == Some(Width::W64) && access == Width::W32 {
            return Err(Diagnostic::new(span, "the name says 64 bits, the type does not"));
        }
        self.check_access(width, dst, access.size(), span)?;
        self.expect(",")?;
        if op == AtomicOp::CmpXchg {
            if dst != Reg::R0 {
                return Err(Diagnostic::new(span, "compare-and-exchange always returns in r0"));
            }
            self.same_register(width, Reg::R0)?;
            self.expect(",")?;
        }
        let src_span = self.token.span;
        let src = self.access_register(access.size())?;
        if op != AtomicOp::CmpXchg && src != dst {
            return Err(
                Diagnostic::new(src_span, format!("this must be r{} again", dst.number()))
                    .help("the old value replaces the operand"),
            );
        }
        self.expect(")")?;
        self.emit(Insn::Atomic {
            width: access,
            op,
            base,
            offset,
            src,
        })
    }
}

/// The operation and the width in a name like `atomic64_fetch_add`, `xchg_64`, `cmpxchg32_32` or `xchg`.
pub(super) fn fetch_name(word: &str) -> Option<(AtomicOp, Option<Width>)> {
    let (name, bits) = if let Some(name) = word.strip_prefix("atomic64_") {
        (name, Some(Width::W64))
    } else if let Some(name) = word.strip_prefix("atomic_") {
        (name, None)
    } else if let Some(name) = word.strip_suffix("_64") {
        (name, Some(Width::W64))
    } else if let Some(name) = word.strip_suffix("32_32") {
        (name, Some(Width::W32))
    } else {
        (word, None)
    };
    AtomicOp::from_symbol(name)
        .filter(|op| op.fetches())
        .map(|op| (op, bits))
}

fn atomic_width(size: Size, span: Span) -> Parse<Width> {
    match size {
        Size::W => Ok(Width::W32),
        Size::Dw => Ok(Width::W64),
        Size::B | Size::H => Err(Diagnostic::new(span, "atomic operations are of 4 or 8 bytes")),
    }
}
