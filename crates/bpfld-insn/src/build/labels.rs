//! A program that is being built, with labels for what is not known yet.

use alloc::vec::Vec;
use core::fmt;

use super::Condition;
use crate::insn::{Address, Insn};
use crate::isa::Reg;
use crate::slot::Slot;

/// A place in a program that is being built. Made by [`Builder::label`], put somewhere by [`Builder::bind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u32);

/// A program that is being built.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    slots: Vec<Slot>,
    places: Vec<Option<usize>>,
    jumps: Vec<(usize, Insn, Label)>,
    bound_twice: Option<Label>,
}

/// A program that cannot be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The label is used, but was never bound; or it is another builder's.
    Unbound {
        /// The slot that refers to it.
        at: usize,
        /// The label.
        label: Label,
    },
    /// The label was bound to two places.
    BoundTwice {
        /// The label.
        label: Label,
    },
    /// The label is too far away for this jump; [`Builder::goto_long`] reaches everything.
    TooFar {
        /// The slot of the jump.
        at: usize,
        /// The distance in slots.
        distance: i64,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound {
                at,
                label: Label(label),
            } => write!(f, "slot {at} refers to label {label}, which is not bound"),
            Self::BoundTwice { label: Label(label) } => write!(f, "label {label} is bound twice"),
            Self::TooFar { at, distance } => {
                write!(f, "the target of slot {at} is {distance} slots away")
            }
        }
    }
}

impl core::error::Error for BuildError {}

impl Builder {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new label, which has no place yet.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX))
    }

    /// Puts a label before the next instruction.
    pub fn bind(&mut self, label: Label) -> &mut Self {
        let here = self.slots.len();
        if let Some(place) = self.places.get_mut(label.0 as usize)
            && place.replace(here).is_some()
        {
            self.bound_twice.get_or_insert(label);
        }
        self
    }

    /// The number of slots so far: the place of the next instruction.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Is there no instruction yet?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Appends an instruction.
    pub fn push(&mut self, insn: Insn) -> &mut Self {
        self.slots.extend_from_slice(&insn.encode());
        self
    }

    /// Appends slots as they are.
    pub fn push_slots(&mut self, slots: &[Slot]) -> &mut Self {
        self.slots.extend_from_slice(slots);
        self
    }

    fn refer(&mut self, insn: Insn, label: Label) -> &mut Self {
        self.jumps.push((self.slots.len(), insn, label));
        self.push(insn)
    }

    /// `goto label`
    pub fn goto(&mut self, label: Label) -> &mut Self {
        self.refer(Insn::Jump { offset: 0 }, label)
    }

    /// `gotol label`
    pub fn goto_long(&mut self, label: Label) -> &mut Self {
        self.refer(Insn::JumpLong { offset: 0 }, label)
    }

    /// `may_goto label`
    pub fn may_goto(&mut self, label: Label) -> &mut Self {
        self.refer(Insn::MayGoto { offset: 0 }, label)
    }

    /// `if condition goto label`
    pub fn jump_if(&mut self, condition: Condition, label: Label) -> &mut Self {
        self.refer(condition.jump(0), label)
    }

    /// `call label`
    pub fn call(&mut self, label: Label) -> &mut Self {
        self.refer(Insn::CallSubprog { offset: 0 }, label)
    }

    /// `dst = label ll`: the address of a function, for callbacks.
    pub fn function(&mut self, dst: Reg, label: Label) -> &mut Self {
        self.refer(dst.address(Address::Func { offset: 0 }), label)
    }

    /// Fills in all distances.
    ///
    /// # Errors
    ///
    /// If a label that is used has no place or two, or is too far away.
    pub fn finish(self) -> Result<Vec<Slot>, BuildError> {
        let Self {
            mut slots,
            places,
            jumps,
            bound_twice,
        } = self;
        if let Some(label) = bound_twice {
            return Err(BuildError::BoundTwice { label });
        }
        for (at, insn, label) in jumps {
            let Some(place) = places.get(label.0 as usize).copied().flatten() else {
                return Err(BuildError::Unbound { at, label });
            };
            let distance = place as i64 - at as i64 - 1;
            let encoded = insn
                .with_distance(distance)
                .ok_or(BuildError::TooFar { at, distance })?
                .encode();
            if let Some(slots) = slots.get_mut(at..at + encoded.len()) {
                slots.copy_from_slice(&encoded);
            }
        }
        Ok(slots)
    }
}
