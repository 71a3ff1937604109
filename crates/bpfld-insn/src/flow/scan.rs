//! What single slots say of the flow of control, before blocks are made of them.

use alloc::vec;
use alloc::vec::Vec;

use super::problem::{Problem, ProblemKind};
use crate::distance::Lead;
use crate::insn::Insn;
use crate::slot::Slot;

/// What the slots say, before blocks are made of it.
pub(super) struct Scan<'a> {
    slots: &'a [Slot],
    /// Slots that begin an instruction.
    starts: Vec<bool>,
    /// Slots that begin a block.
    pub(super) leaders: Vec<bool>,
    /// Slots that begin a function, in order.
    pub(super) entries: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(slots: &'a [Slot], functions: &[usize]) -> Self {
        let mut scan = Self {
            slots,
            starts: vec![false; slots.len()],
            leaders: vec![false; slots.len()],
            entries: Vec::new(),
            problems: Vec::new(),
        };
        let mut at = 0;
        while let Some(start) = scan.starts.get_mut(at) {
            *start = true;
            let insn = insn_at(slots, at);
            if insn.is_none() {
                scan.problems.push(Problem {
                    at,
                    kind: ProblemKind::Undecodable,
                });
            }
            at += insn.map_or(1, Insn::width);
        }
        let given = functions
            .iter()
            .copied()
            .chain([0])
            .filter(|at| scan.starts.get(*at) == Some(&true))
            .collect();
        scan.entries = given;
        for at in 0..slots.len() {
            if scan.starts.get(at) == Some(&true)
                && let Some(insn) = insn_at(slots, at)
            {
                scan.targets(at, insn);
            }
        }
        scan.entries.sort_unstable();
        scan.entries.dedup();
        for entry in &scan.entries {
            mark(&mut scan.leaders, *entry);
        }
        scan
    }

    /// Marks where an instruction leads.
    fn targets(&mut self, at: usize, insn: Insn) {
        if let Some(lead) = insn.lead() {
            let target = self.target(at, lead);
            if lead.to_function {
                self.entries.extend(target);
                return;
            }
            if let Some(target) = target {
                mark(&mut self.leaders, target);
            }
            mark(&mut self.leaders, at + 1);
        }
        if matches!(insn, Insn::Exit | Insn::JumpIndirect { .. }) {
            mark(&mut self.leaders, at + 1);
        }
    }

    /// The slot that an instruction leads to, if one begins there.
    fn target(&mut self, at: usize, lead: Lead) -> Option<usize> {
        let target = lead.slot(at).filter(|target| *target < self.slots.len());
        let kind = match target {
            Some(target) if self.starts.get(target) == Some(&true) => return Some(target),
            Some(_) => ProblemKind::IntoWideLoad,
            None => ProblemKind::OutOfRange,
        };
        self.problems.push(Problem { at, kind });
        None
    }
}

fn mark(marks: &mut [bool], at: usize) {
    if let Some(mark) = marks.get_mut(at) {
        *mark = true;
    }
}

pub(super) fn insn_at(slots: &[Slot], at: usize) -> Option<Insn> {
    Insn::decode_dump(slots.get(at..)?).ok()
}
