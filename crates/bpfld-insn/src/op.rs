//! The table, part two: every operation there is, and how it is encoded. Decoder, encoder, documentation and tests read
//! this one; a new operation is a variant of [`Op`], a row in [`Op::pattern`], and a loop in `all`.

mod mnemonic;

use core::fmt;

use crate::isa::{
    AddressKind, AluOp, AtomicOp, Class, JmpOp, LOAD_ACQUIRE, Mode, STORE_RELEASE, Size, SwapOp, Width,
    pseudo,
};
use crate::release::{
    Cpu::{self, V1, V3, V4},
    Release,
};

/// An operation without its operands: what the opcode and the discriminating fields say. [`Insn`](crate::Insn) has the
/// operands too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `dst op= src`, and moves.
    Alu(Width, AluOp, Source),
    /// `dst = -dst`.
    Neg(Width),
    /// Byte order; not for single bytes.
    Swap(SwapOp, Size),
    /// Move with sign extension from the size; smaller than the width.
    MovSx(Width, Size),
    /// Conversion of a pointer between address spaces.
    CastAddrSpace,
    /// Address of a per-CPU variable on this CPU; only in dumps.
    PercpuAddr,
    /// 64-bit constant, two slots.
    LoadImm64,
    /// Address that the kernel fills in, two slots.
    LoadAddr(AddressKind),
    /// Packet bytes at a fixed position, in network order; not of 8 bytes.
    LoadAbs(Size),
    /// Packet bytes at a register plus a constant, in network order; not of 8 bytes.
    LoadInd(Size),
    /// Load from memory, zero-extended.
    Load(Size),
    /// Load from memory, sign-extended; not of 8 bytes.
    LoadSx(Size),
    /// Store of a constant or a register.
    Store(Size, Source),
    /// Atomic operation on memory.
    Atomic(Width, AtomicOp),
    /// Load that later accesses cannot overtake.
    LoadAcquire(Size),
    /// Store that cannot overtake earlier accesses.
    StoreRelease(Size),
    /// Barrier against speculation; only in dumps.
    SpeculationBarrier,
    /// Jump with a 16-bit distance.
    Jump,
    /// Jump with a 32-bit distance.
    JumpLong,
    /// Jump to an address in a register.
    JumpIndirect,
    /// Conditional jump.
    JumpIf(Width, JmpOp, Source),
    /// Jump once the loop budget is used up.
    MayGoto,
    /// Call of a helper by id.
    CallHelper,
    /// Call of a subprogram by distance.
    CallSubprog,
    /// Call of a kernel function by BTF id.
    CallKfunc,
    /// Call of the address in a register.
    CallReg,
    /// End of the function.
    Exit,
}

/// Where the second operand comes from: bit 3 of arithmetic and jump opcodes, the class of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The immediate.
    Imm,
    /// The source register.
    Reg,
}

impl Source {
    /// Both, in the order of the table.
    pub const ALL: &'static [Self] = &[Self::Imm, Self::Reg];
}

/// What a field of an encoded instruction may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Only this value; 0 where the field is not used.
    Exactly(i32),
    /// The number of a register.
    Register,
    /// Anything.
    Any,
}

impl Field {
    /// May the field hold this value?
    #[must_use]
    pub const fn admits(self, value: i32) -> bool {
        match self {
            Self::Exactly(only) => only == value,
            Self::Register => 0 <= value && value <= 11,
            Self::Any => true,
        }
    }
}

/// Who takes an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Kernels from this release on.
    Since(Release),
    /// Nobody: kernels put it into programs themselves, and show it in dumps.
    Internal,
    /// No kernel; compilers can emit it, and other machines may run it.
    Never,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(release) => write!(f, "{release}"),
            Self::Internal => f.write_str("internal"),
            Self::Never => f.write_str("never"),
        }
    }
}

/// A row of the table: how an operation is encoded, since when, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The first byte.
    pub opcode: u8,
    /// The destination register field.
    pub dst: Field,
    /// The source register field.
    pub src: Field,
    /// The offset field.
    pub offset: Field,
    /// The immediate field.
    pub imm: Field,
    /// The immediate of the second slot, whose other fields are zero; `None` where there is one slot.
    pub high: Option<Field>,
    /// Which kernels take it.
    pub support: Support,
    /// The lowest compiler level that emits it.
    pub cpu: Cpu,
    /// One line about it.
    pub doc: &'static str,
}

const ZERO: Field = Field::Exactly(0);
const REG: Field = Field::Register;
const ANY: Field = Field::Any;

/// A row with one slot.
#[inline(always)]
const fn row(
    opcode: u8,
    [dst, src, offset, imm]: [Field; 4],
    support: Support,
    cpu: Cpu,
    doc: &'static str,
) -> Pattern {
    Pattern {
        opcode,
        dst,
        src,
        offset,
        imm,
        high: None,
        support,
        cpu,
        doc,
    }
}

const fn exactly(value: i32) -> Field {
    Field::Exactly(value)
}

const fn since(major: u8, minor: u8) -> Support {
    Support::Since(Release::new(major, minor))
}

const fn memory(class: Class, mode: Mode, size: Size) -> u8 {
    class.code() | mode.code() | size.code()
}

impl Op {
    /// The row of the table for this operation.
    ///
    /// The columns are: opcode, then what the fields destination, source, offset and immediate may hold, the first
    /// kernel, the compiler level, and a line of documentation.
    #[must_use]
    pub const fn pattern(self) -> Pattern {
        self.row()
    }

    #[rustfmt::skip]
    #[inline(always)]
    const fn row(self) -> Pattern {
        match self {
            Self::Alu(width, op, Source::Imm) => {
                row(width.alu().code() | op.code(), [REG, ZERO, exactly(op.offset() as i32), ANY], alu_since(width, op), op.cpu(), "dst op= imm")
            }
            Self::Alu(width, op, Source::Reg) => {
                row(width.alu().code() | op.code() | 0x08, [REG, REG, exactly(op.offset() as i32), ZERO], alu_since(width, op), op.cpu(), "dst op= src")
            }
            Self::Neg(width) => row(width.alu().code() | 0x80, [REG, ZERO, ZERO, ZERO], since(3, 18), V1, "dst = -dst"),
            Self::Swap(op, size) => {
                row(op.code(), [REG, ZERO, ZERO, exactly(size.bits() as i32)], Support::Since(op.since()), op.cpu(), "dst = the lower bytes of dst in another order, zero-extended")
            }
            Self::MovSx(width, size) => {
                row(width.alu().code() | 0xb8, [REG, REG, exactly(size.bits() as i32), ZERO], since(6, 6), V4, "dst = the lower bits of src, sign-extended")
            }
            Self::CastAddrSpace => row(0xbf, [REG, REG, exactly(1), ANY], since(6, 9), V1, "dst = src as a pointer into another address space; imm = to << 16 | from"),
            Self::PercpuAddr => row(0xbf, [REG, REG, exactly(-1), ZERO], Support::Internal, V1, "dst = the address on this CPU of the per-CPU variable src"),

            Self::LoadImm64 => Pattern { high: Some(ANY), ..row(0x18, [REG, exactly(pseudo::LOAD_VALUE as i32), ZERO, ANY], since(3, 18), V1, "dst = a 64-bit constant, its upper half in the second slot") },
            Self::LoadAddr(kind) => Pattern {
                high: Some(match kind {
                    AddressKind::MapValue | AddressKind::MapIndexValue | AddressKind::Variable => ANY,
                    AddressKind::Map | AddressKind::Func | AddressKind::MapIndex => ZERO,
                }),
                ..row(0x18, [REG, exactly(kind.code() as i32), ZERO, ANY], Support::Since(kind.since()), V1, "dst = an address the kernel fills in")
            },
            Self::LoadAbs(size) => row(memory(Class::Ld, Mode::Abs, size), [ZERO, ZERO, ZERO, ANY], since(3, 18), V1, "r0 = packet bytes at imm, in host order; ends the program beyond the packet; r6 is the context"),
            Self::LoadInd(size) => row(memory(Class::Ld, Mode::Ind, size), [ZERO, REG, ZERO, ANY], since(3, 18), V1, "r0 = packet bytes at src + imm, in host order; ends the program beyond the packet; r6 is the context"),
            Self::Load(size) => row(memory(Class::Ldx, Mode::Mem, size), [REG, REG, ANY, ZERO], since(3, 18), V1, "dst = memory at src + offset, zero-extended"),
            Self::LoadSx(size) => row(memory(Class::Ldx, Mode::MemSx, size), [REG, REG, ANY, ZERO], since(6, 6), V4, "dst = memory at src + offset, sign-extended"),
            Self::Store(size, Source::Imm) => row(memory(Class::St, Mode::Mem, size), [REG, ZERO, ANY, ANY], since(3, 18), V1, "memory at dst + offset = imm"),
            Self::Store(size, Source::Reg) => row(memory(Class::Stx, Mode::Mem, size), [REG, REG, ANY, ZERO], since(3, 18), V1, "memory at dst + offset = src"),
            Self::Atomic(width, op) => {
                row(memory(Class::Stx, Mode::Atomic, width.size()), [REG, REG, ANY, exactly(op.code())], Support::Since(op.since()), op.cpu(), "memory at dst + offset op= src, as one step")
            }
            Self::LoadAcquire(size) => row(memory(Class::Stx, Mode::Atomic, size), [REG, REG, ANY, exactly(LOAD_ACQUIRE)], since(6, 15), V4, "dst = memory at src + offset; later accesses stay later"),
            Self::StoreRelease(size) => row(memory(Class::Stx, Mode::Atomic, size), [REG, REG, ANY, exactly(STORE_RELEASE)], since(6, 15), V4, "memory at dst + offset = src; earlier accesses stay earlier"),
            Self::SpeculationBarrier => row(0xc2, [ZERO, ZERO, ZERO, ZERO], Support::Internal, V1, "nothing below runs before everything above is certain"),

            Self::Jump => row(0x05, [ZERO, ZERO, ANY, ZERO], since(3, 18), V1, "go on at offset"),
            Self::JumpLong => row(0x06, [ZERO, ZERO, ZERO, ANY], since(6, 6), V4, "go on at imm"),
            Self::JumpIndirect => row(0x0d, [REG, ZERO, ZERO, ZERO], since(6, 19), V4, "go on at the address in dst, which comes from an instruction array map"),
            Self::JumpIf(width, op, Source::Imm) => row(width.jmp().code() | op.code(), [REG, ZERO, ANY, ANY], jmp_since(width, op), jmp_cpu(width, op), "if dst op imm, go on at offset"),
            Self::JumpIf(width, op, Source::Reg) => row(width.jmp().code() | op.code() | 0x08, [REG, REG, ANY, ZERO], jmp_since(width, op), jmp_cpu(width, op), "if dst op src, go on at offset"),
            Self::MayGoto => row(0xe5, [ZERO, ZERO, ANY, ZERO], since(6, 9), V1, "if the budget for loops is used up, go on at offset"),
            Self::CallHelper => row(0x85, [ZERO, exactly(pseudo::CALL_HELPER as i32), ZERO, ANY], since(3, 18), V1, "r0 = helper imm of r1 to r5"),
            Self::CallSubprog => row(0x85, [ZERO, exactly(pseudo::CALL_SUBPROG as i32), ZERO, ANY], since(4, 16), V1, "r0 = the function at imm of r1 to r5"),
            Self::CallKfunc => row(0x85, [ZERO, exactly(pseudo::CALL_KFUNC as i32), ANY, ANY], since(5, 13), V1, "r0 = the kernel function of BTF id imm of r1 to r5; offset is 0 or an index into fd_array"),
            Self::CallReg => row(0x8d, [REG, ZERO, ZERO, ZERO], Support::Never, V1, "r0 = the function at the address in dst of r1 to r5"),
            Self::Exit => row(0x95, [ZERO, ZERO, ZERO, ZERO], since(3, 18), V1, "return r0"),
        }
    }

    /// The fields that this operation fixes, as in [`Slot::word`](crate::Slot); all others are zero.
    #[inline(always)]
    pub(crate) const fn fixed(self) -> u64 {
        const fn part(field: Field, mask: u64, shift: u32) -> u64 {
            match field {
                Field::Exactly(value) => (value as i64 as u64 & mask) << shift,
                Field::Register | Field::Any => 0,
            }
        }
        let Pattern {
            opcode,
            dst,
            src,
            offset,
            imm,
            ..
        } = self.row();
        opcode as u64
            | part(dst, 0xf, 8)
            | part(src, 0xf, 12)
            | part(offset, 0xffff, 16)
            | part(imm, 0xffff_ffff, 32)
    }

    /// Every operation that decodes, in the order of the table.
    pub const ALL: &'static [Self] = &all();
}

const fn alu_since(width: Width, op: AluOp) -> Support {
    match (width, op) {
        (Width::W32, AluOp::Arsh) => since(5, 0),
        _ => Support::Since(op.since()),
    }
}

const fn jmp_since(width: Width, op: JmpOp) -> Support {
    match width {
        Width::W32 => since(5, 1),
        Width::W64 => Support::Since(op.since()),
    }
}

const fn jmp_cpu(width: Width, op: JmpOp) -> Cpu {
    match width {
        Width::W32 => V3,
        Width::W64 => op.cpu(),
    }
}

/// The number of operations.
const COUNT: usize = 184;

/// Loops over the words, for constant evaluation.
macro_rules! each {
    ($word:ident in $words:expr => $body:expr) => {{
        let mut index = 0;
        while index < $words.len() {
            let $word = $words[index];
            $body;
            index += 1;
        }
    }};
}

const fn all() -> [Op; COUNT] {
    const NARROW: [Size; 3] = [Size::B, Size::H, Size::W];
    let mut ops = [Op::Exit; COUNT];
    let mut count = 0;
    macro_rules! add {
        ($op:expr) => {{
            ops[count] = $op;
            count += 1;
        }};
    }
    each!(width in Width::ALL => {
        each!(op in AluOp::ALL => each!(source in Source::ALL => add!(Op::Alu(width, op, source))));
        add!(Op::Neg(width));
    });
    each!(op in SwapOp::ALL => each!(size in [Size::H, Size::W, Size::Dw] => add!(Op::Swap(op, size))));
    each!(size in NARROW => add!(Op::MovSx(Width::W64, size)));
    each!(size in [Size::B, Size::H] => add!(Op::MovSx(Width::W32, size)));
    add!(Op::CastAddrSpace);
    add!(Op::PercpuAddr);
    add!(Op::LoadImm64);
    each!(kind in AddressKind::ALL => add!(Op::LoadAddr(kind)));
    each!(size in NARROW => add!(Op::LoadAbs(size)));
    each!(size in NARROW => add!(Op::LoadInd(size)));
    each!(size in Size::ALL => add!(Op::Load(size)));
    each!(size in NARROW => add!(Op::LoadSx(size)));
    each!(source in Source::ALL => each!(size in Size::ALL => add!(Op::Store(size, source))));
    each!(width in Width::ALL => each!(op in AtomicOp::ALL => add!(Op::Atomic(width, op))));
    each!(size in Size::ALL => add!(Op::LoadAcquire(size)));
    each!(size in Size::ALL => add!(Op::StoreRelease(size)));
    add!(Op::SpeculationBarrier);
    add!(Op::Jump);
    add!(Op::JumpLong);
    add!(Op::JumpIndirect);
    each!(width in Width::ALL => {
        each!(op in JmpOp::ALL => each!(source in Source::ALL => add!(Op::JumpIf(width, op, source))))
    });
    add!(Op::MayGoto);
    add!(Op::CallHelper);
    add!(Op::CallSubprog);
    add!(Op::CallKfunc);
    add!(Op::CallReg);
    add!(Op::Exit);
    assert!(count == COUNT);
    ops
}
