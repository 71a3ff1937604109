//! The 8-byte slot that every BPF instruction occupies one or two of.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::isa::{Class, Mode, Reg, Size, pseudo};

/// The order of bytes, and of the two register numbers, in an encoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first: x86-64, arm64, riscv64; ELF `ELFDATA2LSB`.
    Little,
    /// Most significant byte first: s390x; ELF `ELFDATA2MSB`.
    Big,
}

impl Endian {
    /// The order of the machine this was compiled for.
    pub const NATIVE: Self = if cfg!(target_endian = "big") {
        Self::Big
    } else {
        Self::Little
    };
}

/// One instruction slot, in the memory layout of the host: what its kernel takes in `BPF_PROG_LOAD`.
///
/// A slot is only bytes with names: any 8 bytes are a slot, and each survives unchanged. [`Insn`](crate::Insn) is the
/// typed form. Programs of the other byte order are converted when they are read ([`Slot::from_bytes`]), so everything
/// above works on host-layout slots.
///
/// ```
/// use bpfld_insn::{Endian, Slot};
///
/// let slot = Slot::from_bytes([0xb7, 0x03, 0, 0, 7, 0, 0, 0], Endian::Little); // r3 = 7
/// assert_eq!((slot.opcode, slot.dst(), slot.imm), (0xb7, 3, 7));
/// assert_eq!(slot.to_bytes(Endian::Big), [0xb7, 0x30, 0, 0, 0, 0, 0, 7]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
#[doc(alias = "bpf_insn")]
pub struct Slot {
    /// Class in the low three bits; the rest depends on it.
    pub opcode: u8,
    /// The two register numbers, in the host's order; [`Slot::dst`] and [`Slot::src`] take them apart.
    pub regs: u8,
    /// Signed offset of a memory access or jump, or what else the instruction keeps here.
    pub offset: i16,
    /// Signed immediate.
    pub imm: i32,
}

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 8;

impl Slot {
    /// A slot from its five fields. Register numbers above 15 lose their upper bits.
    #[must_use]
    pub const fn new(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Self {
        let (dst, src) = (dst & 0xf, src & 0xf);
        let regs = match Endian::NATIVE {
            Endian::Little => src << 4 | dst,
            Endian::Big => dst << 4 | src,
        };
        Self {
            opcode,
            regs,
            offset,
            imm,
        }
    }

    /// A slot from 8 bytes in the given order.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SLOT_BYTES], endian: Endian) -> Self {
        let [opcode, regs, o0, o1, i0, i1, i2, i3] = bytes;
        match endian {
            Endian::Little => Self::new(
                opcode,
                regs & 0xf,
                regs >> 4,
                i16::from_le_bytes([o0, o1]),
                i32::from_le_bytes([i0, i1, i2, i3]),
            ),
            Endian::Big => Self::new(
                opcode,
                regs >> 4,
                regs & 0xf,
                i16::from_be_bytes([o0, o1]),
                i32::from_be_bytes([i0, i1, i2, i3]),
            ),
        }
    }

    /// The 8 bytes of this slot in the given order.
    #[must_use]
    pub const fn to_bytes(self, endian: Endian) -> [u8; SLOT_BYTES] {
        let (dst, src) = (self.dst(), self.src());
        let (regs, [o0, o1], [i0, i1, i2, i3]) = match endian {
            Endian::Little => (src << 4 | dst, self.offset.to_le_bytes(), self.imm.to_le_bytes()),
            Endian::Big => (dst << 4 | src, self.offset.to_be_bytes(), self.imm.to_be_bytes()),
        };
        [self.opcode, regs, o0, o1, i0, i1, i2, i3]
    }

    /// The number in the destination register field, 0 to 15.
    #[must_use]
    pub const fn dst(self) -> u8 {
        match Endian::NATIVE {
            Endian::Little => self.regs & 0xf,
            Endian::Big => self.regs >> 4,
        }
    }

    /// The number in the source register field, 0 to 15. In wide loads and calls it tells what the immediate means:
    /// see [`pseudo`].
    #[must_use]
    pub const fn src(self) -> u8 {
        match Endian::NATIVE {
            Endian::Little => self.regs >> 4,
            Endian::Big => self.regs & 0xf,
        }
    }

    /// This slot with another destination register number (its lower four bits).
    #[must_use]
    pub const fn with_dst(self, dst: u8) -> Self {
        Self::new(self.opcode, dst, self.src(), self.offset, self.imm)
    }

    /// This slot with another source register number (its lower four bits).
    #[must_use]
    pub const fn with_src(self, src: u8) -> Self {
        Self::new(self.opcode, self.dst(), src, self.offset, self.imm)
    }

    /// This slot with another offset.
    #[must_use]
    pub const fn with_offset(self, offset: i16) -> Self {
        Self { offset, ..self }
    }

    /// This slot with another immediate.
    #[must_use]
    pub const fn with_imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }

    /// All eight bytes as one number, in the layout of a little-endian program: opcode, destination, source, offset,
    /// immediate from the lowest bit up. The decoder compares this with the patterns of the table.
    #[inline(always)]
    pub(crate) fn word(&self) -> u64 {
        match Endian::NATIVE {
            Endian::Little => {
                let bytes: &[u8; SLOT_BYTES] = zerocopy::transmute_ref!(self);
                u64::from_le_bytes(*bytes)
            }
            Endian::Big => u64::from_le_bytes(self.to_bytes(Endian::Little)),
        }
    }

    /// The inverse of [`Slot::word`].
    #[inline(always)]
    pub(crate) const fn from_word(word: u64) -> Self {
        match Endian::NATIVE {
            Endian::Little => zerocopy::transmute!(word),
            Endian::Big => Self::from_bytes(word.to_le_bytes(), Endian::Little),
        }
    }

    /// The instruction class: the low three bits of the opcode.
    #[must_use]
    pub const fn class(self) -> Class {
        Class::of(self.opcode)
    }

    /// The access mode of a load or store (for the classes LD, LDX, ST and STX; meaningless for others).
    #[must_use]
    pub const fn mode(self) -> Mode {
        Mode::of(self.opcode)
    }

    /// The access size of a load or store (for the classes LD, LDX, ST and STX; meaningless for others).
    #[must_use]
    pub const fn size(self) -> Size {
        Size::of(self.opcode)
    }

    /// Is this the first slot of a 64-bit load, whatever its source register says the value is?
    #[must_use]
    pub const fn is_ldimm64(self) -> bool {
        self.opcode == Class::Ld.code() | Mode::Imm.code() | Size::Dw.code()
    }

    /// Slots of the instruction that begins here: 2 for a 64-bit load, otherwise 1.
    #[must_use]
    pub const fn width(self) -> usize {
        if self.is_ldimm64() { 2 } else { 1 }
    }

    /// Is this a call with an immediate: of a helper, subprogram or kfunc?
    #[must_use]
    pub const fn is_call(self) -> bool {
        self.opcode == 0x85
    }

    /// Is this a call of a helper, whose id is the immediate?
    #[must_use]
    pub const fn is_helper_call(self) -> bool {
        self.is_call() && self.src() == pseudo::CALL_HELPER
    }

    /// Is this a call of a subprogram, whose distance in slots is the immediate?
    #[must_use]
    pub const fn is_subprog_call(self) -> bool {
        self.is_call() && self.src() == pseudo::CALL_SUBPROG
    }

    /// Is this a call of a kernel function, whose BTF id is the immediate?
    #[must_use]
    pub const fn is_kfunc_call(self) -> bool {
        self.is_call() && self.src() == pseudo::CALL_KFUNC
    }

    /// Is this a 64-bit load of the address of a subprogram, whose distance in slots is the immediate?
    #[must_use]
    pub const fn is_func_ref(self) -> bool {
        self.is_ldimm64() && self.src() == pseudo::LOAD_FUNC
    }

    /// The distance of the jump this slot makes, in slots, counted from the next one. `None` if it is no jump, or an
    /// indirect one; calls are no jumps.
    #[must_use]
    pub const fn jump_offset(self) -> Option<i32> {
        match (self.class(), self.opcode & 0xf8) {
            (Class::Jmp32, 0x00) => Some(self.imm),
            (Class::Jmp, 0x00 | 0xe0) => Some(self.offset as i32),
            (Class::Jmp | Class::Jmp32, 0x10..=0x7f | 0xa0..=0xdf) => Some(self.offset as i32),
            _ => None,
        }
    }

    /// The destination register, if the field holds the number of one.
    #[must_use]
    pub const fn dst_reg(self) -> Option<Reg> {
        Reg::new(self.dst())
    }

    /// The source register, if the field holds the number of one.
    #[must_use]
    pub const fn src_reg(self) -> Option<Reg> {
        Reg::new(self.src())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("opcode", &format_args!("{:#04x}", self.opcode))
            .field("dst", &self.dst())
            .field("src", &self.src())
            .field("offset", &self.offset)
            .field("imm", &self.imm)
            .finish()
    }
}

/// Reads the slots of a program from its bytes, in the given order; for any other length than a multiple of 8, the
/// rest is left over, as the second value.
///
/// ```
/// use bpfld_insn::{Endian, Slot, slots_from_bytes};
///
/// let (slots, rest) = slots_from_bytes(&[0x95, 0, 0, 0, 0, 0, 0, 0, 1], Endian::Little);
/// assert_eq!(slots.collect::<Vec<_>>(), [Slot::new(0x95, 0, 0, 0, 0)]);
/// assert_eq!(rest, [1]);
/// ```
pub fn slots_from_bytes(bytes: &[u8], endian: Endian) -> (impl ExactSizeIterator<Item = Slot> + '_, &[u8]) {
    let (chunks, rest) = bytes.as_chunks::<SLOT_BYTES>();
    (
        chunks.iter().map(move |chunk| Slot::from_bytes(*chunk, endian)),
        rest,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_in_both_orders() {
        let bytes = [0x7b, 0x1a, 0xf8, 0xff, 0x44, 0x33, 0x22, 0x11];
        let slot = Slot::from_bytes(bytes, Endian::Little);
        assert_eq!(
            (slot.dst(), slot.src(), slot.offset, slot.imm),
            (10, 1, -8, 0x1122_3344)
        );
        assert_eq!(slot.to_bytes(Endian::Little), bytes);
        assert_eq!(
            slot.to_bytes(Endian::Big),
            [0x7b, 0xa1, 0xff, 0xf8, 0x11, 0x22, 0x33, 0x44]
        );
        assert_eq!(Slot::from_bytes(slot.to_bytes(Endian::Big), Endian::Big), slot);
        assert_eq!(slot.as_bytes(), slot.to_bytes(Endian::NATIVE));
    }

    #[test]
    fn every_register_byte_survives() {
        for regs in 0..=255 {
            for endian in [Endian::Little, Endian::Big] {
                let bytes = [0, regs, 0, 0, 0, 0, 0, 0];
                let slot = Slot::from_bytes(bytes, endian);
                assert_eq!(slot.to_bytes(endian), bytes);
                assert_eq!(slot.with_dst(slot.dst()).with_src(slot.src()), slot);
            }
        }
    }

    #[test]
    fn jump_offsets() {
        let at = |opcode| Slot::new(opcode, 0, 0, 3, 9).jump_offset();
        assert_eq!(at(0x05), Some(3));
        assert_eq!(at(0x06), Some(9));
        assert_eq!(at(0x1d), Some(3));
        assert_eq!(at(0xe5), Some(3));
        for opcode in [0x85, 0x95, 0x8d, 0x0d, 0x0e, 0xb7, 0x18, 0xe6, 0xf5] {
            assert_eq!(at(opcode), None, "{opcode:#x}");
        }
    }
}
