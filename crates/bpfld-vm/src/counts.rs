//! How often instructions were run, and the lines of the source they belong to.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::program::Code;

/// How often each slot of a program was run.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) code: Arc<Code>,
    counts: Vec<u64>,
}

impl Counted {
    /// Nothing was run yet.
    pub(crate) fn new(code: &Arc<Code>) -> Self {
        Self {
            code: Arc::clone(code),
            counts: vec![0; code.slots.len()],
        }
    }

    /// Counts a run of the instruction at a slot.
    pub(crate) fn add(&mut self, slot: u32) {
        if let Some(count) = self.counts.get_mut(slot as usize) {
            *count += 1;
        }
    }

    /// How often the instruction at a slot was run.
    pub(crate) fn at(&self, slot: u32) -> u64 {
        self.counts.get(slot as usize).copied().unwrap_or(0)
    }
}

/// How often each line was run; 0 is the one of what belongs to none.
pub(crate) fn lines(programs: &[Counted]) -> BTreeMap<(String, u32), u64> {
    let mut columns: BTreeMap<(String, u32, u32), u64> = BTreeMap::new();
    for program in programs {
        // the first instruction stands for those that follow it; copies, such as inlined functions, add up
        for line in &program.code.lines {
            let source = program.code.source(line);
            let column = (source.file, source.line, source.column);
            *columns.entry(column).or_default() += program.at(line.slot);
        }
    }
    let mut lines = BTreeMap::new();
    for ((file, line, _), count) in columns {
        let most: &mut u64 = lines.entry((file, line)).or_default();
        *most = count.max(*most);
    }
    lines
}
