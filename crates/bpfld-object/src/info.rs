//! BTF.ext: functions, source lines and CO-RE relocations, found by section and instruction.

use alloc::vec::Vec;
use core::ops::Range;

use bpfld_btf::{Btf, BtfExt, Bytes, CoreRelocation, ExtRecord, ExtTable, FuncInfo, LineInfo, TypeId};
use hashbrown::HashMap;

use crate::elf::Elf;
use crate::program::{Function, SLOT};
use crate::{Error, SectionIndex};

/// A function's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The slot at which the function begins.
    pub slot: u32,
    /// The function in the object's BTF.
    pub type_id: TypeId,
}

/// The source line of an instruction and those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceLine {
    /// The slot of the first instruction.
    pub slot: u32,
    /// The file's name, as string of the object's BTF.
    pub file: u32,
    /// The line's text, as string of the object's BTF.
    pub text: u32,
    /// Line number times 1024 plus column.
    pub line_column: u32,
}

impl SourceLine {
    /// The line number, from 1; 0 if unknown.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line_column >> 10
    }

    /// The column, from 1; 0 if unknown.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.line_column & 0x3ff
    }
}

/// BTF.ext, with the parts of its tables by section.
#[derive(Debug, Default)]
pub(crate) struct Info {
    pub(crate) ext: Option<BtfExt>,
    functions: Blocks,
    lines: Blocks,
    core: Blocks,
}

/// The number of the first part of a table for each section.
type Blocks = HashMap<SectionIndex, usize>;

impl Info {
    pub(crate) fn read(elf: &Elf<'_>, bytes: &Bytes, btf: Option<&Btf>) -> Result<Self, Error> {
        // BTF.ext means nothing without the strings of BTF
        let Some(btf) = btf else {
            return Ok(Self::default());
        };
        let Some(ext) = read_ext(elf, bytes)? else {
            return Ok(Self::default());
        };
        let functions = blocks(ext.func_info(), btf, elf)?;
        let lines = blocks(ext.line_info(), btf, elf)?;
        let core = blocks(ext.core_relos(), btf, elf)?;
        Ok(Self {
            functions,
            lines,
            core,
            ext: Some(ext),
        })
    }

    /// The records of a function, moved to where the function begins now.
    pub(crate) fn function_info(&self, function: &Function, start: u32) -> Vec<FunctionInfo> {
        let table = self.ext.as_ref().map(BtfExt::func_info);
        let records = records(table, &self.functions, function);
        records
            .map(|(slot, FuncInfo { type_id, .. })| FunctionInfo {
                slot: start + slot,
                type_id,
            })
            .collect()
    }

    /// The source lines of a function, moved to where the function begins now.
    pub(crate) fn source_lines(&self, function: &Function, start: u32) -> Vec<SourceLine> {
        let table = self.ext.as_ref().map(BtfExt::line_info);
        let line = |(slot, info): (u32, LineInfo)| SourceLine {
            slot: start + slot,
            file: info.file,
            text: info.text,
            line_column: info.line_column,
        };
        records(table, &self.lines, function).map(line).collect()
    }

    /// The CO-RE relocations of a function, with the slots that they are about, counted from the function's start.
    pub(crate) fn core_relocations(&self, function: &Function) -> Vec<(u32, CoreRelocation)> {
        records(self.ext.as_ref().map(BtfExt::core_relos), &self.core, function).collect()
    }
}

/// BTF.ext of the object, if it can be read. Without it programs load all the same, unless CO-RE is needed.
fn read_ext(elf: &Elf<'_>, bytes: &Bytes) -> Result<Option<BtfExt>, Error> {
    let Some(part) = elf.shared(bytes, ".BTF.ext")? else {
        return Ok(None);
    };
    let ext = BtfExt::parse(part).map_err(|cause| Error::btf("malformed", cause).section(".BTF.ext"))?;
    Ok(Some(ext))
}

fn blocks<R: ExtRecord>(table: ExtTable<'_, R>, btf: &Btf, elf: &Elf<'_>) -> Result<Blocks, Error> {
    let mut blocks = Blocks::new();
    for (number, block) in table.sections().enumerate() {
        let name = block
            .name(btf)
            .map_err(|cause| Error::btf("a section has no name", cause).section(".BTF.ext"))?;
        if let Some(section) = elf.named(name) {
            blocks.entry(section.index).or_insert(number);
        }
    }
    Ok(blocks)
}

/// The records of a function, which are sorted by instruction, with slots counted from the function's start.
fn records<'a, R: ExtRecord + 'a>(
    table: Option<ExtTable<'a, R>>,
    blocks: &Blocks,
    function: &Function,
) -> impl Iterator<Item = (u32, R)> + use<'a, R> {
    let block = blocks
        .get(&function.section)
        .and_then(|number| table?.sections().nth(*number));
    let start = u64::from(function.start) * SLOT;
    let end = start + u64::from(function.len) * SLOT;
    let range = block.map_or(0..0, |block| {
        let first_from = |limit: u64| {
            lower_bound(block.len(), |at| {
                block
                    .words(at)
                    .next()
                    .is_some_and(|offset| u64::from(offset) < limit)
            })
        };
        first_from(start)..first_from(end)
    });
    let records = range.filter_map(move |at| block?.get(at).zip(block?.words(at).next()));
    records.map(move |(record, offset)| ((u64::from(offset).saturating_sub(start) / SLOT) as u32, record))
}

/// The first position in `0..len` that is not `before`.
fn lower_bound(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let Range { mut start, mut end } = 0..len;
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle) {
            start = middle + 1
        } else {
            end = middle
        }
    }
    start
}
