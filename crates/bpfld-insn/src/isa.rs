//! The table, part one: the words an instruction is made of, each with its code, its spelling and its age.
//! Part two, [`op`](crate::op), composes them into operations.

mod register;
mod vocabulary;

pub use self::register::Reg;
use self::vocabulary::{field, vocabulary};
use crate::release::{
    Cpu::{self, V1, V2, V3, V4},
    Release,
};

const V3_18: Release = Release::FIRST;
const V4_14: Release = Release::new(4, 14);
const V5_2: Release = Release::new(5, 2);
const V5_10: Release = Release::new(5, 10);
const V5_12: Release = Release::new(5, 12);
const V5_13: Release = Release::new(5, 13);
const V5_14: Release = Release::new(5, 14);
const V6_6: Release = Release::new(6, 6);

field! {
    /// The instruction class: bits 0 to 2 of the opcode.
    Class: mask 0x07 {
        /// Loads that are not from memory through a register: 64-bit immediates, packet access.
        Ld = 0x00, "ld";
        /// Loads from memory into a register.
        Ldx = 0x01, "ldx";
        /// Stores of an immediate.
        St = 0x02, "st";
        /// Stores of a register, and atomic operations.
        Stx = 0x03, "stx";
        /// 32-bit arithmetic; the upper half of the destination becomes zero.
        Alu = 0x04, "alu";
        /// 64-bit jumps, calls, exit.
        Jmp = 0x05, "jmp";
        /// Jumps that compare the lower 32 bits.
        Jmp32 = 0x06, "jmp32";
        /// 64-bit arithmetic.
        Alu64 = 0x07, "alu64";
    }
}

field! {
    /// How a load or store reaches its operand: bits 5 to 7 of the opcode in the classes LD, LDX, ST and STX.
    Mode: mask 0xe0 {
        /// The 64-bit immediate of a two-slot load.
        Imm = 0x00, "imm";
        /// Packet bytes at a fixed position.
        Abs = 0x20, "abs";
        /// Packet bytes at a position in a register.
        Ind = 0x40, "ind";
        /// Plain memory access.
        Mem = 0x60, "mem";
        /// Load with sign extension.
        MemSx = 0x80, "memsx";
        /// Not assigned for programs; the kernel uses it for arena accesses in rewritten ones.
        Mode5 = 0xa0, "mode5";
        /// Atomic operation.
        Atomic = 0xc0, "atomic";
        /// Not assigned for programs; the kernel uses it for atomics on arenas in rewritten ones.
        Mode7 = 0xe0, "mode7";
    }
}

vocabulary! {
    /// The width of a memory access. The mnemonic is the GNU suffix.
    Size: u8 {
        /// 1 byte.
        B = 0x10, "u8", "b", V3_18, V1;
        /// 2 bytes.
        H = 0x08, "u16", "h", V3_18, V1;
        /// 4 bytes.
        W = 0x00, "u32", "w", V3_18, V1;
        /// 8 bytes.
        Dw = 0x18, "u64", "dw", V3_18, V1;
    }
}

impl Size {
    /// Bytes of such an access: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::Dw => 8,
        }
    }

    /// Bits of such an access: 8, 16, 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bytes() as u32 * 8
    }

    /// The size in this opcode of a load or store.
    #[must_use]
    pub const fn of(opcode: u8) -> Self {
        match opcode & 0x18 {
            0x10 => Self::B,
            0x08 => Self::H,
            0x00 => Self::W,
            _ => Self::Dw,
        }
    }

    /// The size of this many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: usize) -> Option<Self> {
        match bytes {
            1 => Some(Self::B),
            2 => Some(Self::H),
            4 => Some(Self::W),
            8 => Some(Self::Dw),
            _ => None,
        }
    }

    /// The C-like name of the sign-extending form: `s8` to `s64`.
    #[must_use]
    pub const fn signed_symbol(self) -> &'static str {
        match self {
            Self::B => "s8",
            Self::H => "s16",
            Self::W => "s32",
            Self::Dw => "s64",
        }
    }
}

/// Whether an operation works on whole registers or on their lower halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// The lower 32 bits; written `w3`. An arithmetic result clears the upper half.
    W32,
    /// All 64 bits; written `r3`.
    W64,
}

impl Width {
    /// Both, in the order of the table.
    pub const ALL: &'static [Self] = &[Self::W64, Self::W32];

    /// 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }

    /// Its part in the mnemonics of the GNU assembler: `32` for the lower halves.
    #[must_use]
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Self::W32 => "32",
            Self::W64 => "",
        }
    }

    /// The class of arithmetic of this width.
    #[must_use]
    pub const fn alu(self) -> Class {
        match self {
            Self::W32 => Class::Alu,
            Self::W64 => Class::Alu64,
        }
    }

    /// The class of conditional jumps of this width.
    #[must_use]
    pub const fn jmp(self) -> Class {
        match self {
            Self::W32 => Class::Jmp32,
            Self::W64 => Class::Jmp,
        }
    }

    /// The size of an atomic operation of this width.
    #[must_use]
    pub const fn size(self) -> Size {
        match self {
            Self::W32 => Size::W,
            Self::W64 => Size::Dw,
        }
    }
}

vocabulary! {
    /// What an arithmetic instruction with two operands computes.
    AluOp: u8 {
        /// The value of the source.
        Mov = 0xb0, "=", "mov", V3_18, V1;
        /// Addition.
        Add = 0x00, "+=", "add", V3_18, V1;
        /// Subtraction.
        Sub = 0x10, "-=", "sub", V3_18, V1;
        /// Multiplication.
        Mul = 0x20, "*=", "mul", V3_18, V1;
        /// Unsigned division; by zero gives zero.
        Div = 0x30, "/=", "div", V3_18, V1;
        /// Bitwise or.
        Or = 0x40, "|=", "or", V3_18, V1;
        /// Bitwise and.
        And = 0x50, "&=", "and", V3_18, V1;
        /// Shift to the left; only the lower 5 or 6 bits of the distance count.
        Lsh = 0x60, "<<=", "lsh", V3_18, V1;
        /// Shift to the right, zeroes move in.
        Rsh = 0x70, ">>=", "rsh", V3_18, V1;
        /// Unsigned remainder; by zero leaves the destination.
        Mod = 0x90, "%=", "mod", V3_18, V1;
        /// Bitwise exclusive or.
        Xor = 0xa0, "^=", "xor", V3_18, V1;
        /// Shift to the right, copies of the sign move in.
        Arsh = 0xc0, "s>>=", "arsh", V3_18, V1;
        /// Signed division, towards zero; by zero gives zero. Distinguished from [`Div`](Self::Div) by offset 1.
        Sdiv = 0x30, "s/=", "sdiv", V6_6, V4;
        /// Signed remainder, with the sign of the dividend. Distinguished from [`Mod`](Self::Mod) by offset 1.
        Smod = 0x90, "s%=", "smod", V6_6, V4;
    }
}

impl AluOp {
    /// What the offset field must hold: 1 for the signed forms of division, otherwise 0.
    #[must_use]
    pub const fn offset(self) -> i16 {
        match self {
            Self::Sdiv | Self::Smod => 1,
            _ => 0,
        }
    }
}

vocabulary! {
    /// The condition of a jump.
    JmpOp: u8 {
        /// Equal.
        Eq = 0x10, "==", "jeq", V3_18, V1;
        /// Not equal.
        Ne = 0x50, "!=", "jne", V3_18, V1;
        /// Greater, unsigned.
        Gt = 0x20, ">", "jgt", V3_18, V1;
        /// Greater or equal, unsigned.
        Ge = 0x30, ">=", "jge", V3_18, V1;
        /// Less, unsigned.
        Lt = 0xa0, "<", "jlt", V4_14, V2;
        /// Less or equal, unsigned.
        Le = 0xb0, "<=", "jle", V4_14, V2;
        /// Some bit is set in both.
        Set = 0x40, "&", "jset", V3_18, V1;
        /// Greater, signed.
        Sgt = 0x60, "s>", "jsgt", V3_18, V1;
        /// Greater or equal, signed.
        Sge = 0x70, "s>=", "jsge", V3_18, V1;
        /// Less, signed.
        Slt = 0xc0, "s<", "jslt", V4_14, V2;
        /// Less or equal, signed.
        Sle = 0xd0, "s<=", "jsle", V4_14, V2;
    }
}

vocabulary! {
    /// What an atomic instruction does to memory. The code is the immediate.
    AtomicOp: i32 {
        /// Addition, the old value is not kept.
        Add = 0x00, "+=", "aadd", V3_18, V1;
        /// Bitwise or, the old value is not kept.
        Or = 0x40, "|=", "aor", V5_12, V3;
        /// Bitwise and, the old value is not kept.
        And = 0x50, "&=", "aand", V5_12, V3;
        /// Bitwise exclusive or, the old value is not kept.
        Xor = 0xa0, "^=", "axor", V5_12, V3;
        /// Addition, the source register receives the old value.
        FetchAdd = 0x01, "fetch_add", "afadd", V5_12, V3;
        /// Bitwise or, the source register receives the old value.
        FetchOr = 0x41, "fetch_or", "afor", V5_12, V3;
        /// Bitwise and, the source register receives the old value.
        FetchAnd = 0x51, "fetch_and", "afand", V5_12, V3;
        /// Bitwise exclusive or, the source register receives the old value.
        FetchXor = 0xa1, "fetch_xor", "afxor", V5_12, V3;
        /// Exchange, the source register receives the old value.
        Xchg = 0xe1, "xchg", "axchg", V5_12, V3;
        /// Stores the source if memory equals r0; r0 receives the old value either way.
        CmpXchg = 0xf1, "cmpxchg", "acmp", V5_12, V3;
    }
}

impl AtomicOp {
    /// Does a register receive the old value? The source; for compare-and-exchange r0.
    #[must_use]
    pub const fn fetches(self) -> bool {
        self.code() & 1 != 0
    }
}

/// The immediate of a load-acquire (opcode of an atomic operation).
pub(crate) const LOAD_ACQUIRE: i32 = 0x100;
/// The immediate of a store-release (opcode of an atomic operation).
pub(crate) const STORE_RELEASE: i32 = 0x110;

vocabulary! {
    /// How bytes of a register are put in order.
    SwapOp: u8 {
        /// To little-endian: swaps on big-endian machines; clears above.
        Le = 0xd4, "le", "endle", V3_18, V1;
        /// To big-endian: swaps on little-endian machines; clears above.
        Be = 0xdc, "be", "endbe", V3_18, V1;
        /// Swaps on every machine; clears above.
        Swap = 0xd7, "bswap", "bswap", V6_6, V4;
    }
}

vocabulary! {
    /// What the number in a 64-bit load stands for: its source register field. The kernel replaces it by an address.
    AddressKind: u8 {
        /// A map by file descriptor.
        Map = 1, "map fd", "map_fd", V3_18, V1;
        /// A byte in the value of an array map by file descriptor.
        MapValue = 2, "map value", "map_value", V5_2, V1;
        /// A kernel variable by BTF id.
        Variable = 3, "variable", "variable", V5_10, V1;
        /// A subprogram by distance.
        Func = 4, "func", "func", V5_13, V1;
        /// A map by index into the descriptor array of the load.
        MapIndex = 5, "map idx", "map_idx", V5_14, V1;
        /// A byte in the value of an array map by index into the descriptor array of the load.
        MapIndexValue = 6, "map idx value", "map_idx_value", V5_14, V1;
    }
}

/// The numbers in the source register field of 64-bit loads and of calls.
pub mod pseudo {
    use super::AddressKind;

    /// 64-bit load: the number itself.
    pub const LOAD_VALUE: u8 = 0;
    /// 64-bit load: a map by file descriptor.
    #[doc(alias = "BPF_PSEUDO_MAP_FD")]
    pub const LOAD_MAP: u8 = AddressKind::Map.code();
    /// 64-bit load: a map value by file descriptor, and the offset in the second slot.
    #[doc(alias = "BPF_PSEUDO_MAP_VALUE")]
    pub const LOAD_MAP_VALUE: u8 = AddressKind::MapValue.code();
    /// 64-bit load: a kernel variable by BTF id, and the descriptor of a module's BTF (or 0) in the second slot.
    #[doc(alias = "BPF_PSEUDO_BTF_ID")]
    pub const LOAD_VARIABLE: u8 = AddressKind::Variable.code();
    /// 64-bit load: a subprogram, by its distance in slots from the slot after the first one.
    #[doc(alias = "BPF_PSEUDO_FUNC")]
    pub const LOAD_FUNC: u8 = AddressKind::Func.code();
    /// 64-bit load: a map by index into `fd_array`.
    #[doc(alias = "BPF_PSEUDO_MAP_IDX")]
    pub const LOAD_MAP_INDEX: u8 = AddressKind::MapIndex.code();
    /// 64-bit load: a map value by index into `fd_array`, and the offset in the second slot.
    #[doc(alias = "BPF_PSEUDO_MAP_IDX_VALUE")]
    pub const LOAD_MAP_INDEX_VALUE: u8 = AddressKind::MapIndexValue.code();
    /// Call: a helper by id.
    pub const CALL_HELPER: u8 = 0;
    /// Call: a subprogram by distance in slots from the next one.
    #[doc(alias = "BPF_PSEUDO_CALL")]
    pub const CALL_SUBPROG: u8 = 1;
    /// Call: a kernel function by BTF id; the offset is an index into `fd_array` for modules, or 0.
    #[doc(alias = "BPF_PSEUDO_KFUNC_CALL")]
    pub const CALL_KFUNC: u8 = 2;
}
