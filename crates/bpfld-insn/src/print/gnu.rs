//! The mnemonics of the GNU assembler: what `bpf-unknown-none-objdump -d` prints.

use core::fmt::{self, Write};

use super::llvm::put;
use super::text::{Refer, Style, address, distance, kfunc, named, r, signed, unsigned};
use crate::insn::{Insn, Operand};
use crate::isa::{Reg, Width};

/// What is appended to a mnemonic for the lower halves of registers.
const fn suffix(width: Width) -> &'static str {
    match width {
        Width::W64 => "",
        Width::W32 => "32",
    }
}

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
    match insn {
        Insn::Alu { width, op, dst, src } => {
            put!(out, op.mnemonic(), suffix(width), " %", r(dst), ",");
            operand(out, src)
        }
        Insn::Neg { width, dst } => {
            put!(out, "neg", suffix(width), " %", r(dst));
            Ok(())
        }
        Insn::Swap { op, size, dst } => {
            put!(out, op.mnemonic(), " %", r(dst), ",");
            unsigned(out, size.bits().into(), false)
        }
        Insn::MovSx {
            width,
            size,
            dst,
            src,
        } => {
            put!(out, "movs", suffix(width), " %", r(dst), ",%", r(src), ",");
            unsigned(out, size.bits().into(), false)
        }
        Insn::CastAddrSpace { dst, src, to, from } => {
            put!(out, "addr_space_cast %", r(dst), ",%", r(src), ",");
            unsigned(out, to.into(), false)?;
            out.write_char(',')?;
            unsigned(out, from.into(), false)
        }
        Insn::PercpuAddr { dst, src } => {
            put!(out, "percpu %", r(dst), ",%", r(src));
            Ok(())
        }
        Insn::LoadImm64 { dst, value } => {
            put!(out, "lddw %", r(dst), ",");
            if !named(out, refer)? {
                signed(out, value as i64, false)?;
            }
            Ok(())
        }
        Insn::LoadAddr { dst, address: of } => {
            put!(out, "lddw %", r(dst), ",");
            if !named(out, refer)? {
                address(out, of, style)?;
            }
            Ok(())
        }
        Insn::LoadAbs { size, offset } => {
            put!(out, "ldabs", size.mnemonic(), " ");
            signed(out, offset.into(), false)
        }
        Insn::LoadInd { size, index, offset } => {
            put!(out, "ldind", size.mnemonic(), " %", r(index), ",");
            signed(out, offset.into(), false)
        }
        Insn::Load {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, "ldx", size.mnemonic(), " %", r(dst), ",");
            memory(out, base, offset)
        }
        Insn::LoadSx {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, "ldxs", size.mnemonic(), " %", r(dst), ",");
            memory(out, base, offset)
        }
        Insn::Store {
            size,
            base,
            offset,
            src,
        } => {
            let class = match src {
                Operand::Reg(_) => "stx",
                Operand::Imm(_) => "st",
            };
            put!(out, class, size.mnemonic(), " ");
            memory(out, base, offset)?;
            out.write_char(',')?;
            operand(out, src)
        }
        Insn::Atomic {
            width,
            op,
            base,
            offset,
            src,
        } => {
            put!(out, op.mnemonic(), suffix(width), " ");
            memory(out, base, offset)?;
            put!(out, ",%", r(src));
            Ok(())
        }
        Insn::LoadAcquire {
            size,
            dst,
            base,
            offset,
        } => {
            put!(out, "ldacq", size.mnemonic(), " %", r(dst), ",");
            memory(out, base, offset)
        }
        Insn::StoreRelease {
            size,
            base,
            offset,
            src,
        } => {
            put!(out, "strel", size.mnemonic(), " ");
            memory(out, base, offset)?;
            put!(out, ",%", r(src));
            Ok(())
        }
        Insn::SpeculationBarrier => out.write_str("nospec"),
        Insn::Jump { offset } => {
            out.write_str("ja ")?;
            target(out, refer, offset.into())
        }
        Insn::JumpLong { offset } => {
            out.write_str("jal ")?;
            target(out, refer, offset)
        }
        Insn::JumpIndirect { dst } => {
            put!(out, "jax %", r(dst));
            Ok(())
        }
        Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset,
        } => {
            put!(out, op.mnemonic(), suffix(width), " %", r(dst), ",");
            operand(out, src)?;
            out.write_char(',')?;
            target(out, refer, offset.into())
        }
        Insn::MayGoto { offset } => {
            out.write_str("jcond ")?;
            target(out, refer, offset.into())
        }
        Insn::CallHelper { helper } => {
            out.write_str("call ")?;
            if named(out, refer)? {
                return Ok(());
            }
            match helper.name().filter(|_| style.helper_names) {
                Some(name) => {
                    put!(out, "bpf_", name);
                    Ok(())
                }
                None => unsigned(out, helper.0.into(), false),
            }
        }
        Insn::CallSubprog { offset } => {
            out.write_str("call ")?;
            if !named(out, refer)? {
                distance(out, offset.into(), false)?;
            }
            Ok(())
        }
        Insn::CallKfunc { btf_id, module } => match refer {
            Refer::Symbol(..) => {
                out.write_str("call ")?;
                named(out, refer).map(|_| ())
            }
            Refer::Number | Refer::Label(..) => kfunc(out, btf_id, module),
        },
        Insn::CallReg { dst } => {
            put!(out, "call %", r(dst));
            Ok(())
        }
        Insn::Exit => out.write_str("exit"),
    }
}
