//! Plain steps: those that need registers and memory, and nothing else. Nearly all are, so this is where the time goes.

use crate::code::{Do, Step, match_accesses, operations};
use crate::memory::Memory;

/// How far a function is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// The step that comes next.
    pub(super) pc: usize,
    /// The step at which the budget would be used up, if everything went straight on.
    pub(super) end: i64,
}

impl Cursor {
    /// At a step, with so much of the budget left.
    pub(super) fn new(pc: usize, left: i64) -> Self {
        Self {
            pc,
            end: left.saturating_add(pc as i64),
        }
    }

    /// How much of the budget is left.
    pub(super) fn left(self) -> i64 {
        self.end.wrapping_sub(self.pc as i64)
    }

    /// Goes on elsewhere.
    pub(super) fn go(&mut self, pc: usize) {
        *self = Self::new(pc, self.left());
    }
}

macro_rules! dispatch {
    (
        { $regs:ident $step:ident $what:expr; $jump:ident $dst:ident $src:ident $load:ident $store:ident; $($rest:tt)* }
        alu { $($alu:ident $ai64:ident $ar64:ident $ai32:ident $ar32:ident: $a64:expr, $a32:expr;)* }
        jump { $($cond:ident $ji64:ident $jr64:ident $ji32:ident $jr32:ident: $j64:expr, $j32:expr;)* }
    ) => {
        match_accesses! {
            $what; $step $dst $src $load $store;
            $(
                Do::$ai64 => {
                    let dst = $regs[$step.dst()];
                    $regs[$step.dst()] = ($a64)(dst, $step.imm);
                }
                Do::$ar64 => {
                    let dst = $regs[$step.dst()];
                    $regs[$step.dst()] = ($a64)(dst, $regs[$step.src()]);
                }
                Do::$ai32 => {
                    let dst = $regs[$step.dst()] as u32;
                    $regs[$step.dst()] = u64::from(($a32)(dst, $step.imm as u32));
                }
                Do::$ar32 => {
                    let dst = $regs[$step.dst()] as u32;
                    let src = $regs[$step.src()] as u32;
                    $regs[$step.dst()] = u64::from(($a32)(dst, src));
                }
            )*
            $(
                Do::$ji64 => if ($j64)($regs[$step.dst()], $step.imm) { $jump!($step) }
                Do::$jr64 => if ($j64)($regs[$step.dst()], $regs[$step.src()]) { $jump!($step) }
                Do::$ji32 => if ($j32)($regs[$step.dst()] as u32, $step.imm as u32) { $jump!($step) }
                Do::$jr32 => if ($j32)($regs[$step.dst()] as u32, $regs[$step.src()] as u32) { $jump!($step) }
            )*
            $($rest)*
        }
    };
}

/// Runs steps as long as they are plain, or only one, and tells whether the cursor is at one that is left to others: one that is
/// not plain, or needs a closer look, or would jump with the budget used up. Nothing of it has been done.
///
/// A function of its own, which calls nothing: what it works on stays in the processor's registers.
#[inline(never)]
pub(super) fn plain<const BIG: bool, const ONE: bool>(
    steps: &[Step],
    memory: &mut Memory,
    regs: &mut [u64; 16],
    cursor: &mut Cursor,
) -> bool {
    let Cursor { mut pc, mut end } = *cursor;
    macro_rules! jump {
        ($step:ident) => {{
            let left = end - pc as i64;
            if left < 0 {
                break;
            }
            pc = $step.target();
            end = pc as i64 + left;
        }};
    }
    macro_rules! dst {
        ($step:ident) => {
            regs[$step.dst()]
        };
    }
    macro_rules! src {
        ($step:ident) => {
            regs[$step.src()]
        };
    }
    macro_rules! load {
        ($step:ident, $size:literal) => {{
            let address = src!($step).wrapping_add(i64::from($step.offset) as u64);
            let loaded = memory.load::<$size, BIG>(address);
            match loaded.or_else(|| memory.load_value::<$size, BIG>(address)) {
                Some(value) if !ONE || memory.may_access::<$size>(address) => value,
                _ => break,
            }
        }};
    }
    macro_rules! store {
        ($step:ident, $size:literal, $value:expr) => {{
            let address = dst!($step).wrapping_add(i64::from($step.offset) as u64);
            let may = !ONE || memory.may_access::<$size>(address);
            if !may {
                break;
            }
            let value = $value;
            if !memory.store::<$size, BIG>(address, value)
                && !memory.store_value::<$size, BIG>(address, value)
            {
                break;
            }
        }};
    }
    // who looks at each instruction is to see the second, too
    macro_rules! joined {
        ($step:ident, |$next:ident| $other:expr) => {{
            dst!($step) = dst!($step).wrapping_add($step.imm);
            if !ONE && let Some($next) = steps.get(pc) {
                pc += 1;
                if dst!($next) != $other {
                    jump!($next)
                }
            }
        }};
    }

    loop {
        // by reference: copied, its parts would be read from where it was just written, which takes time
        let Some(step) = steps.get(pc) else {
            *cursor = Cursor { pc, end };
            return true;
        };
        pc += 1;
        operations! { dispatch! {
            regs step step.what; jump dst src load store;
            Do::Const => {
                dst!(step) = step.imm;
                pc += 1; // the hole
            }
            Do::Neg64 => dst!(step) = dst!(step).wrapping_neg(),
            Do::Neg32 => dst!(step) = u64::from((dst!(step) as u32).wrapping_neg()),
            Do::Le16 => dst!(step) = u64::from(order16::<BIG>(dst!(step) as u16)),
            Do::Le32 => dst!(step) = u64::from(order32::<BIG>(dst!(step) as u32)),
            Do::Le64 => dst!(step) = if BIG { dst!(step).swap_bytes() } else { dst!(step) },
            Do::Be16 => dst!(step) = u64::from(if BIG { dst!(step) as u16 } else { (dst!(step) as u16).swap_bytes() }),
            Do::Be32 => dst!(step) = u64::from(if BIG { dst!(step) as u32 } else { (dst!(step) as u32).swap_bytes() }),
            Do::Be64 => dst!(step) = if BIG { dst!(step) } else { dst!(step).swap_bytes() },
            Do::Swap16 => dst!(step) = u64::from((dst!(step) as u16).swap_bytes()),
            Do::Swap32 => dst!(step) = u64::from((dst!(step) as u32).swap_bytes()),
            Do::Swap64 => dst!(step) = dst!(step).swap_bytes(),
            Do::MovSx8To64 => dst!(step) = src!(step) as i8 as u64,
            Do::MovSx16To64 => dst!(step) = src!(step) as i16 as u64,
            Do::MovSx32To64 => dst!(step) = src!(step) as i32 as u64,
            Do::MovSx8To32 => dst!(step) = u64::from(src!(step) as i8 as u32),
            Do::MovSx16To32 => dst!(step) = u64::from(src!(step) as i16 as u32),
            Do::CastToProgram => dst!(step) = step.imm | u64::from(src!(step) as u32),
            Do::CastToUser => dst!(step) = u64::from(src!(step) as u32),
            Do::AddThenNeImm64 => joined!(step, |next| next.imm),
            Do::AddThenNeReg64 => joined!(step, |next| src!(next)),
            Do::MovThenAdd64 if ONE => dst!(step) = src!(step),
            Do::MovThenAdd64 => {
                dst!(step) = src!(step).wrapping_add(step.imm);
                pc += 1;
            }
            Do::Nothing => {}
            Do::Jump => jump!(step),
            Do::Hole
            | Do::LoadAbs8 | Do::LoadAbs16 | Do::LoadAbs32
            | Do::LoadInd8 | Do::LoadInd16 | Do::LoadInd32
            | Do::Atomic32 | Do::Atomic64
            | Do::JumpIndirect | Do::MayGoto
            | Do::CallHelper | Do::CallFunction | Do::CallKfunc | Do::CallReg
            | Do::Exit | Do::Missing | Do::FramePointer | Do::Invalid => break,
        } }
        if ONE {
            *cursor = Cursor { pc, end };
            return false;
        }
    }
    *cursor = Cursor { pc: pc - 1, end };
    true
}

#[inline(always)]
fn order16<const BIG: bool>(value: u16) -> u16 {
    if BIG { value.swap_bytes() } else { value }
}

#[inline(always)]
fn order32<const BIG: bool>(value: u32) -> u32 {
    if BIG { value.swap_bytes() } else { value }
}
