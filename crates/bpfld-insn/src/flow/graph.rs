//! The control-flow graph of a program.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::problem::{Problem, ProblemKind};
use super::scan::{Scan, insn_at};
use crate::insn::Insn;
use crate::slot::Slot;

/// The index of a block in [`Flow::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

impl BlockId {
    pub(super) fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The index as `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The control flow of a program: its functions, their basic blocks, and how control goes from one to the next.
///
/// Any slots have one: what is wrong with them is in [`Flow::problems`].
///
/// ```
/// use bpfld_insn::{assemble, flow::Flow};
///
/// let program = assemble("
///     if r1 == 0 goto out
/// again:
///     r1 += -1
///     if r1 != 0 goto again
/// out:
///     exit
/// ")?;
/// let flow = Flow::new(program.slots());
/// assert_eq!(flow.blocks().len(), 3);
/// assert!(flow.problems().is_empty());
/// let loops = flow.loops();
/// assert_eq!(flow.block(loops[0].header).slots, 1..3);
/// # Ok::<(), bpfld_insn::asm::Errors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Flow {
    blocks: Vec<Block>,
    functions: Vec<Function>,
    calls: Vec<Call>,
    problems: Vec<Problem>,
    predecessors: Vec<Vec<BlockId>>,
    slots: usize,
}

/// Instructions that run one after the other: control enters at the first and leaves after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its slots.
    pub slots: Range<usize>,
    /// Index of the function it belongs to.
    pub function: usize,
    /// Where control goes from it. None after `exit`, and after an indirect jump, whose targets are in a map.
    pub edges: Vec<Edge>,
    /// Does it end with an indirect jump?
    pub indirect: bool,
}

/// A way from a block to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The block that follows.
    pub to: BlockId,
    /// What takes control there.
    pub kind: EdgeKind,
}

/// What takes control from one block to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// The next block simply comes next.
    Next,
    /// An unconditional jump.
    Jump,
    /// A conditional jump whose condition holds.
    Taken,
    /// A conditional jump whose condition does not hold.
    NotTaken,
}

/// A function: from its entry to the next function's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its slots.
    pub slots: Range<usize>,
    /// Its blocks, in order; the first is the entry.
    pub blocks: Range<usize>,
}

/// A reference from one function to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The slot of the call, or of the load of the address.
    pub at: usize,
    /// Index of the function that has it.
    pub caller: usize,
    /// Index of the function that it leads to.
    pub callee: usize,
    /// Is only the address taken, as for callbacks?
    pub by_address: bool,
}

impl Flow {
    /// The flow of a program whose functions are those that are called or whose address is taken, besides the first.
    #[must_use]
    pub fn new(slots: &[Slot]) -> Self {
        Self::with_functions(slots, &[])
    }

    /// Like [`Flow::new`], with further places where functions begin: those nobody in the program refers to.
    #[must_use]
    pub fn with_functions(slots: &[Slot], functions: &[usize]) -> Self {
        let Scan {
            leaders,
            entries,
            mut problems,
            ..
        } = Scan::new(slots, functions);
        let mut block_of = vec![BlockId(0); slots.len()];
        let mut flow = Self {
            blocks: Vec::new(),
            functions: Vec::new(),
            calls: Vec::new(),
            problems: Vec::new(),
            predecessors: Vec::new(),
            slots: slots.len(),
        };
        for (index, start) in entries.iter().copied().enumerate() {
            let end = entries.get(index + 1).copied().unwrap_or(slots.len());
            let first = flow.blocks.len();
            let mut block_start = start;
            while block_start < end {
                let rest = leaders.get(block_start + 1..end).unwrap_or_default();
                let block_end = rest
                    .iter()
                    .position(|leader| *leader)
                    .map_or(end, |length| block_start + 1 + length);
                if let Some(ids) = block_of.get_mut(block_start..block_end) {
                    ids.fill(BlockId::new(flow.blocks.len()));
                }
                let slots = block_start..block_end;
                flow.blocks.push(Block {
                    slots,
                    function: index,
                    edges: Vec::new(),
                    indirect: false,
                });
                block_start = block_end;
            }
            flow.functions.push(Function {
                slots: start..end,
                blocks: first..flow.blocks.len(),
            });
        }
        flow.connect(slots, &block_of, &mut problems);
        problems.sort_by_key(|problem| problem.at);
        flow.problems = problems;
        flow.predecessors = vec![Vec::new(); flow.blocks.len()];
        for (index, block) in flow.blocks.iter().enumerate() {
            for edge in &block.edges {
                if let Some(predecessors) = flow.predecessors.get_mut(edge.to.index()) {
                    predecessors.push(BlockId::new(index));
                }
            }
        }
        flow
    }

    /// Fills in edges and calls.
    fn connect(&mut self, slots: &[Slot], block_of: &[BlockId], problems: &mut Vec<Problem>) {
        let function_of = |at: usize| Some(self.blocks.get(block_of.get(at)?.index())?.function);
        let mut calls = Vec::new();
        let mut edges: Vec<(Vec<Edge>, bool)> = Vec::new();
        for block in &self.blocks {
            let mut last = None;
            let mut at = block.slots.start;
            while at < block.slots.end {
                let insn = insn_at(slots, at);
                if let Some(callee) = insn
                    .and_then(Insn::lead)
                    .filter(|lead| lead.to_function)
                    .and_then(|lead| lead.slot(at))
                    .and_then(function_of)
                {
                    let by_address = matches!(insn, Some(Insn::LoadAddr { .. }));
                    calls.push(Call {
                        at,
                        caller: block.function,
                        callee,
                        by_address,
                    });
                }
                last = Some((at, insn));
                at += insn.map_or(1, Insn::width);
            }
            let Some((at, insn)) = last else { continue };
            let mut out = Vec::new();
            let mut edge = |to: Option<usize>, kind: EdgeKind| {
                let Some(id) = to.and_then(|to| block_of.get(to)) else {
                    return;
                };
                if to.and_then(function_of) == Some(block.function) {
                    out.push(Edge { to: *id, kind });
                } else if kind != EdgeKind::Next && kind != EdgeKind::NotTaken {
                    problems.push(Problem {
                        at,
                        kind: ProblemKind::IntoOtherFunction,
                    });
                }
            };
            let end = self
                .functions
                .get(block.function)
                .map_or(0, |function| function.slots.end);
            let next = Some(block.slots.end).filter(|next| *next < end);
            let to = insn.and_then(Insn::lead).and_then(|lead| lead.slot(at));
            let falls = match insn {
                Some(Insn::Exit | Insn::JumpIndirect { .. }) => false,
                Some(Insn::Jump { .. } | Insn::JumpLong { .. }) => {
                    edge(to, EdgeKind::Jump);
                    false
                }
                Some(Insn::JumpIf { .. } | Insn::MayGoto { .. }) => {
                    edge(to, EdgeKind::Taken);
                    edge(next, EdgeKind::NotTaken);
                    true
                }
                _ => {
                    edge(next, EdgeKind::Next);
                    true
                }
            };
            if falls && next.is_none() {
                problems.push(Problem {
                    at,
                    kind: ProblemKind::FallsOff,
                });
            }
            edges.push((out, matches!(insn, Some(Insn::JumpIndirect { .. }))));
        }
        for (block, (edges, indirect)) in self.blocks.iter_mut().zip(edges) {
            block.edges = edges;
            block.indirect = indirect;
        }
        self.calls = calls;
    }

    /// The blocks, by place.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// A block.
    ///
    /// # Panics
    ///
    /// If the id is not from this flow.
    #[must_use]
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.index()]
    }

    /// The functions, by place.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Calls and taken addresses, by place: the edges of the call graph.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// What no kernel would accept, by place.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The number of slots of the program.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// The block that a slot belongs to.
    #[must_use]
    pub fn block_at(&self, slot: usize) -> Option<BlockId> {
        let after = self.blocks.partition_point(|block| block.slots.start <= slot);
        let index = after.checked_sub(1)?;
        self.blocks
            .get(index)
            .filter(|block| block.slots.contains(&slot))
            .map(|_| BlockId::new(index))
    }

    /// The blocks that control comes from.
    #[must_use]
    pub fn predecessors(&self, block: BlockId) -> &[BlockId] {
        self.predecessors.get(block.index()).map_or(&[], Vec::as_slice)
    }
}
