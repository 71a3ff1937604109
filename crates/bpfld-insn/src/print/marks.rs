//! Labels of a listing.

use alloc::vec;
use alloc::vec::Vec;

use crate::decode::DecodeError;
use crate::insn::Insn;
use crate::slot::Slot;

/// Which slots begin an instruction, and which have a label.
#[derive(Default)]
pub(super) struct Marks {
    slots: Vec<u32>,
}

impl Marks {
    /// In the lower bits: no instruction begins here.
    const INSIDE: u32 = 1;
    /// A jump leads here.
    const JUMP: u32 = 2;
    /// A call leads here.
    const FUNCTION: u32 = 4;
    /// Above the other bits: the number of the label.
    const NUMBER: u32 = 3;

    /// Labels are numbered from `labelled + 1`. They stand where an instruction leads, if it `leads` anywhere.
    pub(super) fn of(
        slots: &[Slot],
        decode: impl Fn(&[Slot]) -> Result<Insn, DecodeError>,
        leads: impl Fn(usize) -> bool,
        labelled: u32,
    ) -> Self {
        let mut marks = vec![0_u32; slots.len() + 1];
        let mut at = 0;
        while let Some(rest) = slots.get(at..).filter(|rest| !rest.is_empty()) {
            let insn = decode(rest);
            let width = insn.map_or(1, Insn::width);
            let lead = insn.ok().and_then(Insn::lead).filter(|_| leads(at));
            if let Some(lead) = lead
                && let Some(mark) = lead.slot(at).and_then(|target| marks.get_mut(target))
            {
                *mark |= if lead.to_function {
                    Self::FUNCTION
                } else {
                    Self::JUMP
                };
            }
            if width == 2
                && let Some(mark) = marks.get_mut(at + 1)
            {
                *mark |= Self::INSIDE;
            }
            at += width;
        }
        let (mut jumps, mut functions) = (labelled, labelled);
        for mark in &mut marks {
            let number = match *mark {
                mark if mark & Self::INSIDE != 0 => continue,
                mark if mark & Self::FUNCTION != 0 => &mut functions,
                mark if mark & Self::JUMP != 0 => &mut jumps,
                _ => continue,
            };
            *number += 1;
            *mark |= *number << Self::NUMBER;
        }
        Self { slots: marks }
    }

    pub(super) fn starts(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|mark| mark & Self::INSIDE == 0)
    }

    pub(super) fn label(&self, at: usize) -> Option<(char, usize)> {
        let mark = *self.slots.get(at)?;
        let kind = if mark & Self::FUNCTION != 0 { 'F' } else { 'L' };
        let number = mark >> Self::NUMBER;
        (number != 0).then_some((kind, number as usize))
    }
}
