//! The kernel's dialect: what the verifier logs, and what `bpftool prog dump xlated` prints.

use core::fmt::{self, Write};

use super::llvm::put;
use super::text::{Refer, Style, address, distance, name_text, named, r, reg, signed, unsigned};
use crate::insn::{Insn, Operand};
use crate::isa::{AtomicOp, Reg, Width};

/// `(r1 +4)` with a cast before it.
fn memory<W: Write + ?Sized>(out: &mut W, symbol: &str, base: Reg, offset: i16) -> fmt::Result {
    put!(out, "(", symbol, " *)(", r(base), " ");
    distance(out, offset.into(), false)?;
    out.write_char(')')
}

fn target<W: Write + ?Sized>(out: &mut W, refer: Refer<'_>, offset: i32) -> fmt::Result {
    if !named(out, refer)? {
        out.write_str("pc")?;
        distance(out, offset.into(), false)?;
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
) -> fmt::Result {
    let symbol = width.size().symbol();
    let atomic = match width {
        Width::W64 => " = atomic64_",
        Width::W32 => " = atomic_",
    };
    match op {
        AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {
            out.write_str("lock *")?;
            memory(out, symbol, base, offset)?;
            put!(out, " ", op.symbol(), " ", r(src));
        }
        AtomicOp::FetchAdd | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor | AtomicOp::Xchg => {
            put!(out, r(src), atomic, op.symbol(), "(");
            memory(out, symbol, base, offset)?;
            put!(out, ", ", r(src), ")");
        }
        AtomicOp::CmpXchg => {
            put!(out, "r0", atomic, op.symbol(), "(");
            memory(out, symbol, base, offset)?;
            put!(out, ", r0, ", r(src), ")");
        }
    }
    Ok(())
}

/// Writes one instruction, with its opcode before it: it tells 64-bit loads from moves.
pub(super) fn insn<W: Write + ?Sized>(
    out: &mut W,
    insn: Insn,
    opcode: u8,
    refer: Refer<'_>,
    style: Style,
) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value & 0xf)].into();
    out.write_char('(')?;
    out.write_char(digit(opcode >> 4))?;
    out.write_char(digit(opcode))?;
    out.write_str(") ")?;
    match insn {
        Insn::Alu { width, op, dst, src } => {
            put!(out, reg(width, dst), " ", op.symbol(), " ");
            match src {
                Operand::Reg(src) => out.write_str(reg(width, src)),
                Operand::Imm(imm) => signed(out, imm.into(), false),
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
            unsigned(out, to.into(), false)?;
            out.write_str(", ")?;
            unsigned(out, from.into(), false)?;
            out.write_char(')')
        }
        Insn::PercpuAddr { dst, src } => {
            put!(out, r(dst), " = &(void __percpu *)(", r(src), ")");
            Ok(())
        }
        Insn::LoadImm64 { dst, value } => {
            put!(out, r(dst), " = ");
            if !named(out, refer)? {
                unsigned(out, value, true)?;
            }
            Ok(())
        }
        Insn::LoadAddr { dst, address: of } => {
            put!(out, r(dst), " = ");
            if !named(out, refer)? {
                address(out, of, style)?;
            }
            Ok(())
        }
        Insn::LoadAbs { size, offset } => {
            put!(out, "r0 = *(", size.symbol(), " *)skb[");
            signed(out, offset.into(), false)?;
            out.write_char(']')
        }
        Insn::LoadInd { size, index, offset } => {
            put!(out, "r0 = *(", size.symbol(), " *)skb[", r(index), " + ");
            signed(out, offset.into(), false)?;
            out.write_char(']')
        }
        Insn::Load {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, r(dst), " = *");
            memory(out, size.symbol(), base, offset)
        }
        Insn::LoadSx {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, r(dst), " = *");
            memory(out, size.signed_symbol(), base, offset)
        }
        Insn::Store {
            size,
            base,
            offset,
            src,
        } => {
            out.write_char('*')?;
            memory(out, size.symbol(), base, offset)?;
            out.write_str(" = ")?;
            match src {
                Operand::Reg(src) => out.write_str(r(src)),
                Operand::Imm(imm) => signed(out, imm.into(), false),
            }
        }
        Insn::Atomic {
            width,
            op,
            base,
            offset,
            src,
        } => atomic(out, width, op, base, offset, src),
        Insn::LoadAcquire {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, r(dst), " = load_acquire(");
            memory(out, size.symbol(), base, offset)?;
            out.write_char(')')
        }
        Insn::StoreRelease {
            size,
            base,
            offset,
            src,
        } => {
            out.write_str("store_release(")?;
            memory(out, size.symbol(), base, offset)?;
            put!(out, ", ", r(src), ")");
            Ok(())
        }
        Insn::SpeculationBarrier => out.write_str("nospec"),
        Insn::Jump { offset } => {
            out.write_str("goto ")?;
            target(out, refer, offset.into())
        }
        Insn::JumpLong { offset } => {
            out.write_str("gotol ")?;
            target(out, refer, offset)
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
            match src {
                Operand::Reg(src) => out.write_str(reg(width, src))?,
                Operand::Imm(imm) => unsigned(out, (imm as u32).into(), true)?,
            }
            out.write_str(" goto ")?;
            target(out, refer, offset.into())
        }
        Insn::MayGoto { offset } => {
            out.write_str("may_goto ")?;
            target(out, refer, offset.into())
        }
        Insn::CallHelper { helper } => {
            match helper.name() {
                Some(name) => put!(out, "call bpf_", name, "#"),
                None => out.write_str("call unknown#")?,
            }
            signed(out, (helper.0 as i32).into(), false)
        }
        Insn::CallSubprog { offset } => {
            out.write_str("call ")?;
            target(out, refer, offset)
        }
        Insn::CallKfunc { btf_id, module } => {
            out.write_str("call ")?;
            match refer {
                Refer::Symbol(name, _) => name_text(out, name)?,
                Refer::Number | Refer::Label(..) => out.write_str("kernel-function")?,
            }
            out.write_char('#')?;
            signed(out, (btf_id as i32).into(), false)?;
            if module != 0 {
                out.write_char('@')?;
                signed(out, module.into(), false)?;
            }
            Ok(())
        }
        Insn::CallReg { dst } => {
            put!(out, "callx ", r(dst));
            Ok(())
        }
        Insn::Exit => out.write_str("exit"),
    }
}
