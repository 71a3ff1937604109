//! LLVM's C-like dialect: what `llvm-objdump -d` and `clang -S` print.

use core::fmt::{self, Write};

use super::text::{Refer, Style, address, distance, helper, kfunc, named, r, reg, signed, spaced, unsigned};
use crate::insn::{Insn, Operand};
use crate::isa::{AluOp, AtomicOp, Reg, Size, Width};

/// The width of the register that LLVM names in an access of this size.
pub(super) const fn access(size: Size) -> Width {
    match size {
        Size::B | Size::H | Size::W => Width::W32,
        Size::Dw => Width::W64,
    }
}

/// Several pieces of text.
macro_rules! put {
    ($out:expr, $($text:expr),+) => {{ $( $out.write_str($text)?; )+ }};
}
pub(super) use put;

pub(super) fn operand<W: Write + ?Sized>(
    out: &mut W,
    width: Width,
    operand: Operand,
    style: Style,
) -> fmt::Result {
    match operand {
        Operand::Reg(src) => out.write_str(reg(width, src)),
        Operand::Imm(imm) => signed(out, imm.into(), style.hex),
    }
}

/// `(r1 + 4)` with a cast before it.
fn memory<W: Write + ?Sized>(out: &mut W, symbol: &str, base: Reg, offset: i16, style: Style) -> fmt::Result {
    put!(out, "(", symbol, " *)(", r(base));
    spaced(out, offset.into(), style.hex)?;
    out.write_char(')')
}

fn target<W: Write + ?Sized>(out: &mut W, refer: Refer<'_>, offset: i32, style: Style) -> fmt::Result {
    if !named(out, refer)? {
        distance(out, offset.into(), style.hex)?;
    }
    Ok(())
}

fn atomic<W: Write + ?Sized>(
    out: &mut W,
    width: Width,
    op: AtomicOp,
    base: Reg,
    offset: i16,
    src: Reg,
    style: Style,
) -> fmt::Result {
    let (src, symbol) = (reg(width, src), width.size().symbol());
    let suffix = match width {
        Width::W64 => "_64(",
        Width::W32 => "32_32(",
    };
    match op {
        AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {
            out.write_str("lock *")?;
            memory(out, symbol, base, offset, style)?;
            put!(out, " ", op.symbol(), " ", src);
        }
        AtomicOp::FetchAdd | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => {
            put!(out, src, " = atomic_", op.symbol(), "(");
            memory(out, symbol, base, offset, style)?;
            put!(out, ", ", src, ")");
        }
        AtomicOp::Xchg => {
            put!(out, src, " = xchg", suffix, r(base));
            spaced(out, offset.into(), style.hex)?;
            put!(out, ", ", src, ")");
        }
        AtomicOp::CmpXchg => {
            let r0 = reg(width, Reg::R0);
            put!(out, r0, " = cmpxchg", suffix, r(base));
            spaced(out, offset.into(), style.hex)?;
            put!(out, ", ", r0, ", ", src, ")");
        }
    }
    Ok(())
}

/// Writes one instruction.
pub(super) fn insn<W: Write + ?Sized>(
    out: &mut W,
    insn: Insn,
    refer: Refer<'_>,
    style: Style,
) -> fmt::Result {
    let hex = style.hex;
    match insn {
        Insn::Alu { width, op, dst, src } => {
            put!(out, reg(width, dst), " ", op.symbol(), " ");
            match (refer, op) {
                (Refer::Symbol(..), AluOp::Mov) => named(out, refer).map(|_| ()),
                _ => operand(out, width, src, style),
            }
        }
        Insn::Neg { width, dst } => {
            put!(out, reg(width, dst), " = -", reg(width, dst));
            Ok(())
        }
        Insn::Swap { op, size, dst } => {
            put!(out, r(dst), " = ", op.symbol());
            unsigned(out, size.bits().into(), false)?;
            put!(out, " ", r(dst));
            Ok(())
        }
        Insn::MovSx {
            width,
            size,
            dst,
            src,
        } => {
            put!(
                out,
                reg(width, dst),
                " = (",
                size.signed_symbol(),
                ")",
                reg(width, src)
            );
            Ok(())
        }
        Insn::CastAddrSpace { dst, src, to, from } => {
            put!(out, r(dst), " = addr_space_cast(", r(src), ", ");
            unsigned(out, to.into(), hex)?;
            out.write_str(", ")?;
            unsigned(out, from.into(), hex)?;
            out.write_char(')')
        }
        Insn::PercpuAddr { dst, src } => {
            put!(out, r(dst), " = &(void __percpu *)(", r(src), ")");
            Ok(())
        }
        Insn::LoadImm64 { dst, value } => {
            put!(out, r(dst), " = ");
            if !named(out, refer)? {
                signed(out, value as i64, hex)?;
            }
            out.write_str(" ll")
        }
        Insn::LoadAddr { dst, address: of } => {
            put!(out, r(dst), " = ");
            if named(out, refer)? {
                return out.write_str(" ll");
            }
            address(out, of, style)?;
            out.write_str(" ll")
        }
        Insn::LoadAbs { size, offset } => {
            put!(out, "r0 = *(", size.symbol(), " *)skb[");
            signed(out, offset.into(), hex)?;
            out.write_char(']')
        }
        Insn::LoadInd { size, index, offset } => {
            put!(out, "r0 = *(", size.symbol(), " *)skb[", r(index));
            if offset != 0 {
                spaced(out, offset.into(), hex)?;
            }
            out.write_char(']')
        }
        Insn::Load {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, reg(access(size), dst), " = *");
            memory(out, size.symbol(), base, offset, style)
        }
        Insn::LoadSx {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, r(dst), " = *");
            memory(out, size.signed_symbol(), base, offset, style)
        }
        Insn::Store {
            size,
            base,
            offset,
            src,
        } => {
            out.write_char('*')?;
            memory(out, size.symbol(), base, offset, style)?;
            out.write_str(" = ")?;
            operand(out, access(size), src, style)
        }
        Insn::Atomic {
            width,
            op,
            base,
            offset,
            src,
        } => atomic(out, width, op, base, offset, src, style),
        Insn::LoadAcquire {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, reg(access(size), dst), " = load_acquire(");
            memory(out, size.symbol(), base, offset, style)?;
            out.write_char(')')
        }
        Insn::StoreRelease {
            size,
            base,
            offset,
            src,
        } => {
            out.write_str("store_release(")?;
            memory(out, size.symbol(), base, offset, style)?;
            put!(out, ", ", reg(access(size), src), ")");
            Ok(())
        }
        Insn::SpeculationBarrier => out.write_str("nospec"),
        Insn::Jump { offset } => {
            out.write_str("goto ")?;
            target(out, refer, offset.into(), style)
        }
        Insn::JumpLong { offset } => {
            out.write_str("gotol ")?;
            target(out, refer, offset, style)
        }
        Insn::JumpIndirect { dst } => {
            put!(out, "gotox ", r(dst));
            Ok(())
        }
        Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset,
        } => {
            put!(out, "if ", reg(width, dst), " ", op.symbol(), " ");
            operand(out, width, src, style)?;
            out.write_str(" goto ")?;
            target(out, refer, offset.into(), style)
        }
        Insn::MayGoto { offset } => {
            out.write_str("may_goto ")?;
            target(out, refer, offset.into(), style)
        }
        Insn::CallHelper { helper: called } => {
            out.write_str("call ")?;
            helper(out, refer, called, style)
        }
        Insn::CallSubprog { offset } => {
            out.write_str("call ")?;
            target(out, refer, offset, style)
        }
        Insn::CallKfunc { btf_id, module } => {
            out.write_str("call ")?;
            kfunc(out, refer, btf_id, module)
        }
        Insn::CallReg { dst } => {
            put!(out, "callx ", r(dst));
            Ok(())
        }
        Insn::Exit => out.write_str("exit"),
    }
}
