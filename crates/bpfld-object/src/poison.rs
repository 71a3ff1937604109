//! Poison: instructions that stand for what could not be had, so that the verifier refuses them only if they can be reached.
//!
//! Each is a call of a helper that no kernel has, whose number tells what is missing. The numbers are those of libbpf, so that
//! tools which know them from verifier logs know ours.

use bpfld_insn::Slot;

use crate::{ExternIndex, LinkedProgram, MapIndex};

/// The number for a fact about types that the kernel lacks.
pub const CORE: i32 = 195_896_080;
/// The number for map 0, when maps have not been created.
pub const MAP_BASE: i32 = 2_001_000_000;
/// The number for extern 0, when kernel functions are missing.
pub const KFUNC_BASE: i32 = 2_002_000_000;
/// How many maps and externs there are numbers for.
const RANGE: i32 = 1_000_000;

/// What a poisoned instruction stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// A fact about types that the kernel lacks.
    Core,
    /// A map that was not created.
    Map(MapIndex),
    /// A kernel function that was not found.
    Kfunc(ExternIndex),
}

impl Missing {
    /// What the number of a helper stands for, if it is one of poison.
    ///
    /// ```
    /// use bpfld_object::{MapIndex, poison::Missing};
    ///
    /// assert_eq!(Missing::from_helper(2_001_000_003), Some(Missing::Map(MapIndex(3))));
    /// assert_eq!(Missing::from_helper(1), None);
    /// ```
    #[must_use]
    pub fn from_helper(number: i32) -> Option<Self> {
        let within =
            |base: i32| u32::try_from(number.checked_sub(base).filter(|n| (0..RANGE).contains(n))?).ok();
        if number == CORE {
            return Some(Self::Core);
        }
        within(MAP_BASE)
            .map(|n| Self::Map(MapIndex(n)))
            .or_else(|| Some(Self::Kfunc(ExternIndex(within(KFUNC_BASE)?))))
    }

    /// The call that stands for it.
    #[must_use]
    pub fn insn(self) -> Slot {
        let number = |base: i32, index: u32| base + i32::try_from(index).unwrap_or(RANGE - 1).min(RANGE - 1);
        let number = match self {
            Self::Core => CORE,
            Self::Map(map) => number(MAP_BASE, map.0),
            Self::Kfunc(item) => number(KFUNC_BASE, item.0),
        };
        Slot::new(CALL, 0, 0, 0, number)
    }
}

const CALL: u8 = 0x85;

impl LinkedProgram {
    /// Replaces the instruction at a slot, both halves of a 64-bit load, by poison.
    pub fn poison(&mut self, at: u32, missing: Missing) {
        poison(&mut self.insns, at, missing);
    }
}

pub(crate) fn poison(insns: &mut [Slot], at: u32, missing: Missing) {
    let insns = insns.get_mut(at as usize..).unwrap_or_default();
    let width = insns.first().map_or(0, |insn| insn.width());
    for insn in insns.iter_mut().take(width) {
        *insn = missing.insn();
    }
}
