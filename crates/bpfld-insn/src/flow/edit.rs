//! Removing and inserting instructions, with every target kept right.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::scan::insn_at;
use crate::insn::Insn;
use crate::slot::Slot;

/// Changes to a program. They are collected with the indices of the original, and made all at once.
///
/// ```
/// use bpfld_insn::{assemble, flow::Edit, print};
///
/// let program = assemble("if r1 == 0 goto out; r0 = 1; r0 = 2; out: exit")?;
/// let mut edit = Edit::new(program.slots());
/// edit.remove(1..2);
/// edit.insert(3, assemble("r0 += 1; r0 += 2")?.slots());
/// let edited = edit.finish()?;
/// assert_eq!(print(&edited.slots).labels(false).to_string(), "if r1 == 0 goto +1\nr0 = 2\nr0 += 1\nr0 += 2\nexit\n");
/// assert_eq!(edited.positions.of(3), Some(4)); // where a relocation of the exit goes
/// assert_eq!(edited.positions.of_target(3), Some(2)); // where it is jumped to
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    slots: &'a [Slot],
    removed: Vec<bool>,
    inserted: Vec<Insertion>,
}

#[derive(Clone, Debug)]
struct Insertion {
    at: usize,
    slots: Vec<Slot>,
    /// Do jumps to `at` skip it?
    between: bool,
}

/// A changed program.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Its slots.
    pub slots: Vec<Slot>,
    /// Where everything went.
    pub positions: Positions,
}

/// Where the slots of a program are after a change.
#[derive(Clone, Debug)]
pub struct Positions {
    /// For each old slot, and the end: its new place, or that of the next one left.
    places: Vec<usize>,
    /// For each old slot, and the end: where jumps to it lead, which may be code that was inserted before it.
    targets: Vec<usize>,
    /// For each old slot: is it left?
    kept: Vec<bool>,
}

impl Positions {
    /// The new place of an instruction, for relocations; `None` if it was removed.
    #[must_use]
    pub fn of(&self, slot: usize) -> Option<usize> {
        self.kept
            .get(slot)
            .copied()
            .unwrap_or(false)
            .then(|| self.places.get(slot).copied())
            .flatten()
    }

    /// Where jumps to a slot lead now: the code inserted before it, itself, or the next one that is left. For the starts of
    /// functions and for line info. The end of the program has one, too.
    #[must_use]
    pub fn of_target(&self, slot: usize) -> Option<usize> {
        self.targets.get(slot).copied()
    }
}

/// A change that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// The place is not in the program.
    OutOfRange {
        /// The slot.
        at: usize,
    },
    /// The change would cut a 64-bit load in two.
    SplitsWideLoad {
        /// The second slot of the load.
        at: usize,
    },
    /// The target of a jump is now too far away for it.
    TooFar {
        /// The slot of the jump in the original.
        at: usize,
        /// The distance in slots that it would need.
        distance: i64,
    },
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { at } => write!(f, "slot {at} is not in the program"),
            Self::SplitsWideLoad { at } => write!(f, "slot {at} is the second half of a 64-bit load"),
            Self::TooFar { at, distance } => write!(
                f,
                "the jump at slot {at} cannot reach its target {distance} slots away"
            ),
        }
    }
}

impl core::error::Error for EditError {}

impl<'a> Edit<'a> {
    /// No changes yet.
    #[must_use]
    pub fn new(slots: &'a [Slot]) -> Self {
        Self {
            slots,
            removed: vec![false; slots.len()],
            inserted: Vec::new(),
        }
    }

    /// Removes these slots. Jumps to them lead to what follows them.
    pub fn remove(&mut self, slots: Range<usize>) -> &mut Self {
        if slots.end > self.slots.len() {
            // remembered until the end, where it is an error
            self.inserted.push(Insertion {
                at: slots.end,
                slots: Vec::new(),
                between: false,
            });
        }
        let end = slots.end.min(self.slots.len());
        if let Some(removed) = self.removed.get_mut(slots.start..end) {
            removed.fill(true);
        }
        self
    }

    /// Inserts code before a slot, or at the end. Jumps to that slot lead to the new code. Jumps inside of the new code
    /// keep their distances.
    pub fn insert(&mut self, at: usize, code: &[Slot]) -> &mut Self {
        self.inserted.push(Insertion {
            at,
            slots: code.to_vec(),
            between: false,
        });
        self
    }

    /// Inserts code between a slot and the one before it: only who comes from there runs it, while jumps lead past it.
    pub fn insert_between(&mut self, at: usize, code: &[Slot]) -> &mut Self {
        self.inserted.push(Insertion {
            at,
            slots: code.to_vec(),
            between: true,
        });
        self
    }

    /// Makes the changes.
    ///
    /// # Errors
    ///
    /// If a place is not in the program or inside of a 64-bit load, or a target is now too far away.
    pub fn finish(&self) -> Result<Edited, EditError> {
        let mut inserted: Vec<&Insertion> = self.inserted.iter().collect();
        inserted.sort_by_key(|insertion| insertion.at);
        self.check(&inserted)?;
        let mut slots = Vec::with_capacity(self.slots.len());
        let mut places = Vec::with_capacity(self.slots.len() + 1);
        let mut targets = Vec::with_capacity(self.slots.len() + 1);
        let mut waiting = inserted.as_slice();
        for at in 0..=self.slots.len() {
            let (here, later) = waiting.split_at(waiting.partition_point(|insertion| insertion.at <= at));
            waiting = later;
            for insertion in here.iter().filter(|insertion| insertion.between) {
                slots.extend_from_slice(&insertion.slots);
            }
            targets.push(slots.len());
            for insertion in here.iter().filter(|insertion| !insertion.between) {
                slots.extend_from_slice(&insertion.slots);
            }
            places.push(slots.len());
            if let (Some(slot), Some(false)) = (self.slots.get(at), self.removed.get(at)) {
                slots.push(*slot);
            }
        }
        let kept = self.removed.iter().map(|removed| !removed).collect();
        self.retarget(&mut slots, &places, &targets)?;
        Ok(Edited {
            slots,
            positions: Positions {
                places,
                targets,
                kept,
            },
        })
    }

    fn check(&self, inserted: &[&Insertion]) -> Result<(), EditError> {
        if let Some(last) = inserted.last().filter(|last| last.at > self.slots.len()) {
            return Err(EditError::OutOfRange { at: last.at });
        }
        let mut at = 0;
        while at < self.slots.len() {
            let width = insn_at(self.slots, at).map_or(1, Insn::width);
            if width == 2 {
                let half = self.removed.get(at) != self.removed.get(at + 1);
                let inside = inserted
                    .binary_search_by_key(&(at + 1), |insertion| insertion.at)
                    .is_ok();
                if half || inside {
                    return Err(EditError::SplitsWideLoad { at: at + 1 });
                }
            }
            at += width;
        }
        Ok(())
    }

    /// Writes new distances into all instructions that are left.
    fn retarget(&self, slots: &mut [Slot], places: &[usize], targets: &[usize]) -> Result<(), EditError> {
        let mut at = 0;
        while at < self.slots.len() {
            let Some(insn) = insn_at(self.slots, at) else {
                at += 1;
                continue;
            };
            let old_target = insn.lead().and_then(|lead| targets.get(lead.slot(at)?));
            if let (Some(new_target), Some(place), Some(false)) =
                (old_target, places.get(at), self.removed.get(at))
            {
                let distance = *new_target as i64 - *place as i64 - 1;
                let Some(moved) = insn.with_distance(distance) else {
                    return Err(EditError::TooFar { at, distance });
                };
                let encoded = moved.encode();
                if let Some(slots) = slots.get_mut(*place..place + encoded.len()) {
                    slots.copy_from_slice(&encoded);
                }
            }
            at += insn.width();
        }
        Ok(())
    }
}
