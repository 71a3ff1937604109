//! Where instructions lead: the distances in them, and the slots at these.

use crate::insn::{Address, Insn};

impl Insn {
    /// The distance that a jump, a call of a subprogram, or the load of a function's address contains: in slots, counted
    /// from the slot after the (first) one of the instruction.
    #[must_use]
    pub const fn distance(self) -> Option<i32> {
        match self {
            Self::Jump { offset } | Self::JumpIf { offset, .. } | Self::MayGoto { offset } => {
                Some(offset as i32)
            }
            Self::JumpLong { offset }
            | Self::CallSubprog { offset }
            | Self::LoadAddr {
                address: Address::Func { offset },
                ..
            } => Some(offset),
            _ => None,
        }
    }

    /// The same instruction with another distance; `None` if it does not fit the instruction. One without a distance
    /// stays as it is.
    #[must_use]
    pub fn with_distance(self, distance: i64) -> Option<Self> {
        let short = || i16::try_from(distance).ok();
        let long = || i32::try_from(distance).ok();
        Some(match self {
            Self::Jump { .. } => Self::Jump { offset: short()? },
            Self::JumpIf {
                width, op, dst, src, ..
            } => Self::JumpIf {
                width,
                op,
                dst,
                src,
                offset: short()?,
            },
            Self::MayGoto { .. } => Self::MayGoto { offset: short()? },
            Self::JumpLong { .. } => Self::JumpLong { offset: long()? },
            Self::CallSubprog { .. } => Self::CallSubprog { offset: long()? },
            Self::LoadAddr {
                dst,
                address: Address::Func { .. },
            } => Self::LoadAddr {
                dst,
                address: Address::Func { offset: long()? },
            },
            other => other,
        })
    }

    /// Whether its distance leads to a function: one that is called, or whose address is taken.
    #[cfg(feature = "alloc")]
    pub(crate) const fn leads_to_function(self) -> bool {
        matches!(
            self,
            Self::CallSubprog { .. }
                | Self::LoadAddr {
                    address: Address::Func { .. },
                    ..
                }
        )
    }

    /// The slot that it leads to from `at`; `None` if it has no distance, or leads to before the first slot.
    #[cfg(feature = "alloc")]
    pub(crate) fn target(self, at: usize) -> Option<usize> {
        let next = i64::try_from(at).ok()?.checked_add(1)?;
        usize::try_from(next.checked_add(self.distance()?.into())?).ok()
    }
}
