//! The instruction set of eBPF: decode, encode, print, assemble.
//!
//! ```
//! use bpfld_insn::{AluOp, Insn, Operand, Reg, Slot, Width, decode};
//!
//! let program = [Slot::new(0xb7, 0, 0, 0, 2), Slot::new(0x95, 0, 0, 0, 0)];
//! let insns: Vec<_> = decode(&program).collect();
//! let mov = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Operand::Imm(2) };
//! assert_eq!(insns, [(0, Ok(mov)), (1, Ok(Insn::Exit))]);
//! assert_eq!(mov.encode()[0], program[0]);
//! ```
//!
//! One table drives everything: the words of the instruction set are in [`isa`], the operations made of them and their
//! encoding in [`op`]. Decoding and encoding allocate nothing; text needs the feature `alloc`.
//!
//! What this crate does not do: system calls, ELF, BTF.
#![no_std]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;

#[cfg(feature = "alloc")]
pub mod asm;
pub mod build;
pub mod decode;
mod distance;
pub mod encode;
#[cfg(feature = "alloc")]
pub mod flow;
pub mod helper;
pub mod insn;
pub mod isa;
pub mod op;
pub mod print;
pub mod release;
pub mod slot;
pub mod tag;

#[cfg(feature = "alloc")]
pub use asm::{Assembler, Assembly, assemble};
pub use decode::{Decode, DecodeError, Part, Reason, decode};
pub use encode::Encoded;
#[cfg(feature = "alloc")]
pub use encode::encode;
pub use helper::Helper;
pub use insn::{Address, Insn, Operand};
pub use isa::{AddressKind, AluOp, AtomicOp, Class, JmpOp, Mode, Reg, Size, SwapOp, Width, pseudo};
pub use op::{Op, Source, Support};
pub use print::Dialect;
#[cfg(feature = "alloc")]
pub use print::{Annotate, Notes, Printer, SourceLine, Symbol, print};
pub use release::{Cpu, Release};
pub use slot::{Endian, SLOT_BYTES, Slot, slots_from_bytes};
