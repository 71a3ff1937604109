//! Where instructions lead: the distances in them, and the slots at these.

use crate::insn::{Address, Insn};

/// Where an instruction leads.
#[derive(Clone, Copy)]
pub(crate) struct Lead {
    /// In slots, from the slot after the (first) one of the instruction.
    distance: i32,
    /// To a function that is called, or whose address is taken.
    #[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "flow and listings ask"))]
    pub(crate) to_function: bool,
}

impl Lead {
    const fn jump(distance: i32) -> Self {
        Self {
            distance,
            to_function: false,
        }
    }

    /// The slot that it leads to from `at`, unless that is before the first.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn slot(self, at: usize) -> Option<usize> {
        let next = i64::try_from(at).ok()?.checked_add(1)?;
        usize::try_from(next.checked_add(self.distance.into())?).ok()
    }
}

impl Insn {
    /// The distance that a jump, a call of a subprogram, or the load of a function's address contains: in slots, counted
    /// from the slot after the (first) one of the instruction.
    #[inline]
    #[must_use]
    pub const fn distance(self) -> Option<i32> {
        match self.lead() {
            Some(lead) => Some(lead.distance),
            None => None,
        }
    }

    #[inline]
    pub(crate) const fn lead(self) -> Option<Lead> {
        match self {
            Self::Jump { offset } | Self::JumpIf { offset, .. } | Self::MayGoto { offset } => {
                Some(Lead::jump(offset as i32))
            }
            Self::JumpLong { offset } => Some(Lead::jump(offset)),
            Self::CallSubprog { offset }
            | Self::LoadAddr {
                address: Address::Func { offset },
                ..
            } => Some(Lead {
                distance: offset,
                to_function: true,
            }),
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
}
