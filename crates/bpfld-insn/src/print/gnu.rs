//! The mnemonics of the GNU assembler: what `bpf-unknown-none-objdump -d` prints.

use core::fmt::{self, Write};

use super::llvm::put;
use super::text::{Refer, Style, address, distance, helper, kfunc, named, r, signed, unsigned};
use crate::insn::{Insn, Operand};
use crate::isa::Reg;

fn operand<W: Write + ?Sized>(out: &mut W, operand: Operand) -> fmt::Result {
    match operand {
        Operand::Reg(src) => {
            put!(out, "%", r(src));
            Ok(())
        }
        Operand::Imm(imm) => signed(out, imm.into(), false),
    }
}

/// `[%r1+4]`.
fn memory<W: Write + ?Sized>(out: &mut W, base: Reg, offset: i16) -> fmt::Result {
    put!(out, "[%", r(base));
    distance(out, offset.into(), false)?;
    out.write_char(']')
}

fn target<W: Write + ?Sized>(out: &mut W, refer: Refer<'_>, offset: i32) -> fmt::Result {
    if !named(out, refer)? {
        signed(out, offset.into(), false)?;
    }
    Ok(())
}

/// Writes one instruction. Where GNU's disassembler has no form, the mnemonic is our own.
pub(super) fn insn<W: Write + ?Sized>(
    out: &mut W,
    insn: Insn,
    refer: Refer<'_>,
    style: Style,
) -> fmt::Result {
    let (stem, suffix) = insn.op().mnemonic();
    put!(out, stem, suffix);
    if matches!(insn, Insn::Exit | Insn::SpeculationBarrier) {
        return Ok(());
    }
    out.write_char(' ')?;
    match insn {
        Insn::Exit | Insn::SpeculationBarrier => Ok(()),
        Insn::Alu { dst, src, .. } => {
            put!(out, "%", r(dst), ",");
            operand(out, src)
        }
        Insn::Neg { dst, .. } | Insn::JumpIndirect { dst } | Insn::CallReg { dst } => {
            operand(out, dst.into())
        }
        Insn::Swap { size, dst, .. } => {
            put!(out, "%", r(dst), ",");
            unsigned(out, size.bits().into(), false)
        }
        Insn::MovSx { size, dst, src, .. } => {
            put!(out, "%", r(dst), ",%", r(src), ",");
            unsigned(out, size.bits().into(), false)
        }
        Insn::CastAddrSpace { dst, src, to, from } => {
            put!(out, "%", r(dst), ",%", r(src), ",");
            unsigned(out, to.into(), false)?;
            out.write_char(',')?;
            unsigned(out, from.into(), false)
        }
        Insn::PercpuAddr { dst, src } => {
            put!(out, "%", r(dst), ",%", r(src));
            Ok(())
        }
        Insn::LoadImm64 { dst, value } => {
            put!(out, "%", r(dst), ",");
            if !named(out, refer)? {
                signed(out, value as i64, false)?;
            }
            Ok(())
        }
        Insn::LoadAddr { dst, address: of } => {
            put!(out, "%", r(dst), ",");
            if !named(out, refer)? {
                address(out, of, style)?;
            }
            Ok(())
        }
        Insn::LoadAbs { offset, .. } => signed(out, offset.into(), false),
        Insn::LoadInd { index, offset, .. } => {
            put!(out, "%", r(index), ",");
            signed(out, offset.into(), false)
        }
        Insn::Load {
            dst, base, offset, ..
        }
        | Insn::LoadSx {
            dst, base, offset, ..
        }
        | Insn::LoadAcquire {
            dst, base, offset, ..
        } => {
            put!(out, "%", r(dst), ",");
            memory(out, base, offset)
        }
        Insn::Store {
            base, offset, src, ..
        } => {
            memory(out, base, offset)?;
            out.write_char(',')?;
            operand(out, src)
        }
        Insn::Atomic {
            base, offset, src, ..
        }
        | Insn::StoreRelease {
            base, offset, src, ..
        } => {
            memory(out, base, offset)?;
            put!(out, ",%", r(src));
            Ok(())
        }
        Insn::Jump { offset } | Insn::MayGoto { offset } => target(out, refer, offset.into()),
        Insn::JumpLong { offset } => target(out, refer, offset),
        Insn::JumpIf { dst, src, offset, .. } => {
            put!(out, "%", r(dst), ",");
            operand(out, src)?;
            out.write_char(',')?;
            target(out, refer, offset.into())
        }
        Insn::CallHelper { helper: called } => helper(out, refer, called, Style { hex: false, ..style }),
        Insn::CallSubprog { offset } => {
            if !named(out, refer)? {
                distance(out, offset.into(), false)?;
            }
            Ok(())
        }
        Insn::CallKfunc { btf_id, module } => kfunc(out, refer, btf_id, module),
    }
}
