//! Programs made by a program: instructions as methods of registers, and a builder with labels.
//!
//! ```
//! use bpfld_insn::build::{Builder, call, exit};
//! use bpfld_insn::{Helper, Reg::*, Size, print};
//!
//! let mut program = Builder::new();
//! let out = program.label();
//! program.push(R6.mov(R1));
//! program.push(R0.mov(1));
//! program.jump_if(R6.jeq(0), out);
//! program.push(R2.load(Size::W, R6, 4));
//! program.push(R10.store(Size::Dw, -8, R2));
//! program.push(call(Helper::KTIME_GET_NS));
//! program.bind(out);
//! program.push(exit());
//! let slots = program.finish()?;
//! assert_eq!(
//!     print(&slots).to_string(),
//!     "    r6 = r1
//!     r0 = 1
//!     if r6 == 0 goto L1
//!     w2 = *(u32 *)(r6 + 4)
//!     *(u64 *)(r10 - 8) = r2
//!     call bpf_ktime_get_ns
//! L1:
//!     exit
//! "
//! );
//! # Ok::<(), bpfld_insn::build::BuildError>(())
//! ```

#[cfg(feature = "alloc")]
mod labels;

#[cfg(feature = "alloc")]
pub use labels::{BuildError, Builder, Label};

use crate::helper::Helper;
use crate::insn::{Address, Insn, Operand};
use crate::isa::{AluOp, AtomicOp, JmpOp, Reg, Size, SwapOp, Width};

/// The lower half of a register: `R1.w()`. Has the same arithmetic and conditions as the whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Half(pub Reg);

/// When a conditional jump is made: `R1.jeq(0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whole registers, or the lower halves.
    pub width: Width,
    /// The comparison.
    pub op: JmpOp,
    /// First operand.
    pub dst: Reg,
    /// Second operand.
    pub src: Operand,
}

impl Condition {
    /// The jump itself, with a distance in slots.
    #[must_use]
    pub const fn jump(self, offset: i16) -> Insn {
        let Self { width, op, dst, src } = self;
        Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset,
        }
    }
}

/// Methods named like the mnemonics, for whole registers and halves.
macro_rules! operations {
    ($type:ty, $width:expr, |$this:ident| $reg:expr; alu $( $alu:ident $alu_op:ident $alu_doc:literal )*; jmp $( $jmp:ident $jmp_op:ident $jmp_doc:literal )*) => {
        #[expect(clippy::should_implement_trait, reason = "these make instructions, named as assemblers name them")]
        impl $type {
            $(
                #[doc = $alu_doc]
                #[must_use]
                pub fn $alu(self, src: impl Into<Operand>) -> Insn {
                    let $this = self;
                    Insn::Alu { width: $width, op: AluOp::$alu_op, dst: $reg, src: src.into() }
                }
            )*
            $(
                #[doc = $jmp_doc]
                #[must_use]
                pub fn $jmp(self, src: impl Into<Operand>) -> Condition {
                    let $this = self;
                    Condition { width: $width, op: JmpOp::$jmp_op, dst: $reg, src: src.into() }
                }
            )*

            /// `r = -r`
            #[must_use]
            pub const fn neg(self) -> Insn {
                let $this = self;
                Insn::Neg { width: $width, dst: $reg }
            }

            /// `r = (s8)src`: the lower bits of another register, with their sign.
            #[must_use]
            pub const fn movs(self, size: Size, src: Reg) -> Insn {
                let $this = self;
                Insn::MovSx { width: $width, size, dst: $reg, src }
            }
        }
    };
    ($type:ty, $width:expr, |$this:ident| $reg:expr) => {
        operations! {
            $type, $width, |$this| $reg;
            alu
                mov Mov "`r = src`"
                add Add "`r += src`"
                sub Sub "`r -= src`"
                mul Mul "`r *= src`"
                div Div "`r /= src`, unsigned"
                or Or "`r |= src`"
                and And "`r &= src`"
                lsh Lsh "`r <<= src`"
                rsh Rsh "`r >>= src`, zeroes move in"
                rem Mod "`r %= src`, unsigned"
                xor Xor "`r ^= src`"
                arsh Arsh "`r s>>= src`, the sign moves in"
                sdiv Sdiv "`r s/= src`, signed"
                srem Smod "`r s%= src`, signed";
            jmp
                jeq Eq "`r == src`"
                jne Ne "`r != src`"
                jgt Gt "`r > src`, unsigned"
                jge Ge "`r >= src`, unsigned"
                jlt Lt "`r < src`, unsigned"
                jle Le "`r <= src`, unsigned"
                jset Set "`r & src`: some bit is set in both"
                jsgt Sgt "`r s> src`, signed"
                jsge Sge "`r s>= src`, signed"
                jslt Slt "`r s< src`, signed"
                jsle Sle "`r s<= src`, signed"
        }
    };
}

operations!(Reg, Width::W64, |this| this);
operations!(Half, Width::W32, |this| this.0);

impl Reg {
    /// The lower half of this register.
    #[must_use]
    pub const fn w(self) -> Half {
        Half(self)
    }

    /// `r = value ll`, two slots.
    #[must_use]
    pub const fn imm64(self, value: u64) -> Insn {
        Insn::LoadImm64 { dst: self, value }
    }

    /// `r = ` an address that the kernel fills in, two slots.
    #[must_use]
    pub const fn address(self, address: Address) -> Insn {
        Insn::LoadAddr { dst: self, address }
    }

    /// `r = map[fd:…] ll`, two slots.
    #[must_use]
    pub const fn map(self, fd: i32) -> Insn {
        self.address(Address::Map { fd })
    }

    /// `r = *(u32 *)(base + offset)`
    #[must_use]
    pub const fn load(self, size: Size, base: Self, offset: i16) -> Insn {
        Insn::Load {
            size,
            dst: self,
            base,
            offset,
        }
    }

    /// `r = *(s32 *)(base + offset)`
    #[must_use]
    pub const fn load_signed(self, size: Size, base: Self, offset: i16) -> Insn {
        Insn::LoadSx {
            size,
            dst: self,
            base,
            offset,
        }
    }

    /// `*(u32 *)(r + offset) = src`; a register or a constant.
    #[must_use]
    pub fn store(self, size: Size, offset: i16, src: impl Into<Operand>) -> Insn {
        Insn::Store {
            size,
            base: self,
            offset,
            src: src.into(),
        }
    }

    /// `lock *(u64 *)(r + offset) += src`, and what else can be done atomically.
    #[must_use]
    pub const fn atomic(self, op: AtomicOp, width: Width, offset: i16, src: Self) -> Insn {
        Insn::Atomic {
            width,
            op,
            base: self,
            offset,
            src,
        }
    }

    /// `r = load_acquire((u32 *)(base + offset))`
    #[must_use]
    pub const fn load_acquire(self, size: Size, base: Self, offset: i16) -> Insn {
        Insn::LoadAcquire {
            size,
            dst: self,
            base,
            offset,
        }
    }

    /// `store_release((u32 *)(r + offset), src)`
    #[must_use]
    pub const fn store_release(self, size: Size, offset: i16, src: Self) -> Insn {
        Insn::StoreRelease {
            size,
            base: self,
            offset,
            src,
        }
    }

    /// `r = be16 r`, and the other orders.
    #[must_use]
    pub const fn swap(self, op: SwapOp, size: Size) -> Insn {
        Insn::Swap { op, size, dst: self }
    }
}

/// `call helper`
#[must_use]
pub const fn call(helper: Helper) -> Insn {
    Insn::CallHelper { helper }
}

/// `call kfunc`: a function of the kernel by its BTF id.
#[must_use]
pub const fn call_kfunc(btf_id: u32) -> Insn {
    Insn::CallKfunc { btf_id, module: 0 }
}

/// `exit`
#[must_use]
pub const fn exit() -> Insn {
    Insn::Exit
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::isa::Reg::*;
    use crate::print::print;

    #[test]
    fn all_kinds_of_references() {
        let mut program = Builder::new();
        let (top, end, function) = (program.label(), program.label(), program.label());
        program
            .bind(top)
            .goto(end)
            .goto_long(end)
            .may_goto(top)
            .jump_if(R1.w().jsle(R2), top);
        program
            .function(R2, function)
            .call(function)
            .bind(end)
            .push(exit())
            .bind(function)
            .push(R0.w().mov(1))
            .push(exit());
        let slots = program.finish().expect("all labels are bound");
        let expected = "goto +6\ngotol +5\nmay_goto -3\nif w1 s<= w2 goto -4\nr2 = subprog[+3] ll\ncall +1\nexit\nw0 = 1\nexit\n";
        assert_eq!(print(&slots).labels(false).to_string(), expected);
    }

    #[test]
    fn errors() {
        let mut program = Builder::new();
        let label = program.label();
        program.push(exit()).goto(label);
        assert_eq!(
            program.clone().finish(),
            Err(BuildError::Unbound { at: 1, label })
        );
        program.bind(label);
        assert!(program.clone().finish().is_ok());
        let mut far = program.clone();
        let end = far.label();
        far.goto(end);
        for _ in 0..40_000 {
            far.push(exit());
        }
        assert_eq!(
            far.bind(end).clone().finish(),
            Err(BuildError::TooFar {
                at: 2,
                distance: 40_000
            })
        );
        program.bind(label);
        assert_eq!(program.finish(), Err(BuildError::BoundTwice { label }));
    }
}
