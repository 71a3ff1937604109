//! Relocations: which instruction, or which element of a table, refers to what.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use bpfld_btf::Btf;
use hashbrown::HashMap;

use crate::elf::{Elf, RawRelocation, Section, Symbol};
use crate::externs::Externs;
use crate::map_btf::MAPS;
use crate::map_data::ARENA;
use crate::program::{Code, Function, SLOT, TEXT, function_at};
use crate::struct_ops::function_member;
use crate::{
    Error, ErrorKind, ExternIndex, FunctionIndex, MapDef, MapIndex, MapKind, MemberProgram, Program,
    ProgramIndex, SectionIndex, SlotValue,
};
use bpfld_sys::{MapType, ProgramType};

/// The section of tables of jump targets.
pub(crate) const JUMP_TABLES: &str = ".jumptables";

const SHT_RELA: u32 = goblin::elf::section_header::SHT_RELA;
const SHT_REL: u32 = goblin::elf::section_header::SHT_REL;
/// Section numbers from here on have special meanings.
const FIRST_SPECIAL: u32 = goblin::elf::section_header::SHN_LORESERVE;

/// An instruction that refers to something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeRelocation {
    /// The slot within the section.
    pub(crate) slot: u32,
    pub(crate) target: CodeTarget,
}

/// What an instruction refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CodeTarget {
    Map(MapIndex),
    /// A byte of the value of global data; the instruction's immediate is yet to be added.
    MapValue(MapIndex, u32),
    Extern(ExternIndex),
    /// A byte of a section with functions; the instruction's immediate is yet to be added.
    Function(SectionIndex, u64),
    /// Offset and size of a table of jump targets.
    JumpTable(u32, u32),
}

/// What relocations may refer to, as far as it has been read.
pub(crate) struct Context<'p, 'd> {
    pub(crate) elf: &'p Elf<'d>,
    pub(crate) btf: Option<&'p Btf>,
    pub(crate) functions: &'p [Function],
    pub(crate) programs: &'p [Program],
    pub(crate) externs: &'p Externs,
    pub(crate) code: &'p [Code],
    pub(crate) places: &'p Places,
}

/// Where maps are defined, for quick look-up.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Global data, by section.
    data: HashMap<SectionIndex, MapIndex>,
    /// Definitions, by section and offset.
    definitions: BTreeMap<(SectionIndex, u64), MapIndex>,
    /// For maps of section `.maps`, the size of the variable and the place of its list of values.
    pub(crate) btf_maps: HashMap<MapIndex, (u32, Option<u32>)>,
    arena: Option<MapIndex>,
}

impl Places {
    /// Takes note of the maps.
    pub(crate) fn add(&mut self, maps: &[MapDef]) {
        for (index, map) in maps.iter().enumerate() {
            let index = MapIndex::new(index);
            let Some(section) = map.section else { continue };
            if map.is_global_data() {
                self.data.entry(section).or_insert(index);
            } else {
                self.definitions.entry((section, map.offset)).or_insert(index);
            }
            if map.map_type == MapType::ARENA && self.arena.is_none() {
                self.arena = Some(index);
            }
        }
    }

    /// The definition that begins at or before an offset.
    fn before(&self, section: SectionIndex, offset: u64) -> Option<MapIndex> {
        let (_, index) = self
            .definitions
            .range((section, 0)..=(section, offset))
            .next_back()?;
        Some(*index)
    }
}

impl Context<'_, '_> {
    /// Reads all relocations: those of instructions are returned, by section; the others end up in the maps.
    pub(crate) fn collect(&self, maps: &mut [MapDef]) -> Result<Vec<Vec<CodeRelocation>>, Error> {
        let mut code_relocations: Vec<Vec<CodeRelocation>> = self.code.iter().map(|_| Vec::new()).collect();
        for relocations in &self.elf.sections {
            if !matches!(relocations.kind, SHT_REL | SHT_RELA) {
                continue;
            }
            let section = SectionIndex(relocations.info);
            let Some(section) = self.elf.section(section).filter(|_| section.0 != 0) else {
                continue;
            };
            let is_maps = &*section.name == MAPS;
            let is_struct_ops = crate::struct_ops::is_struct_ops(section);
            if !section.is_executable() && !is_maps && !is_struct_ops {
                continue;
            }
            if relocations.kind == SHT_RELA {
                let detail =
                    "relocations with addends (RELA) are not supported; compilers for BPF write none";
                return Err(Error::new(ErrorKind::Relocation, detail).section(&relocations.name));
            }
            let place = self
                .code
                .binary_search_by_key(&section.index, |code| code.section)
                .unwrap_or(usize::MAX);
            let mut last = None;
            for raw in self.elf.relocations(relocations)? {
                let error = |error: Error| error.section(&section.name).at(raw.offset);
                let symbol = self
                    .elf
                    .symbol(raw.symbol)
                    .ok_or_else(|| error(bad("no such symbol")))?;
                if is_maps {
                    self.map_slot(maps, section, raw, symbol).map_err(error)?;
                } else if is_struct_ops {
                    self.member(maps, section, raw, symbol).map_err(error)?;
                } else if let Some((list, code)) = code_relocations.get_mut(place).zip(self.code.get(place)) {
                    list.extend(
                        self.instruction(&mut last, code, section, raw, symbol)
                            .map_err(error)?,
                    );
                }
            }
        }
        for list in &mut code_relocations {
            list.sort_by_key(|relocation| relocation.slot);
        }
        for map in maps {
            // the last of several for one slot counts
            map.slots.reverse();
            map.slots.sort_by_key(|(slot, _)| *slot);
            map.slots.dedup_by_key(|(slot, _)| *slot);
        }
        Ok(code_relocations)
    }

    /// The relocation of an instruction, unless it belongs to no function: then a weak one was overridden.
    fn instruction(
        &self,
        last: &mut Option<FunctionIndex>,
        code: &Code,
        section: &Section,
        raw: RawRelocation,
        symbol: &Symbol<'_>,
    ) -> Result<Option<CodeRelocation>, Error> {
        if !raw.offset.is_multiple_of(SLOT) || raw.offset >= section.size {
            return Err(bad("not at an instruction"));
        }
        let slot = u32::try_from(raw.offset / SLOT).map_err(|_| bad("not at an instruction"))?;
        // relocations are mostly in order, and so in the same function as the one before
        let is_here = |function: &&Function| function.section == section.index && function.contains(slot);
        let function = match last
            .and_then(|last| self.functions.get(last.index()))
            .filter(is_here)
        {
            Some(function) => function,
            None => {
                let Some(index) = function_at(self.functions, section.index, slot) else {
                    return Ok(None);
                };
                *last = Some(index);
                let Some(function) = self.functions.get(index.index()) else {
                    return Ok(None);
                };
                function
            }
        };
        let insn = code
            .slots
            .get(slot as usize)
            .ok_or_else(|| bad("not at an instruction"))?;
        let has_second = function.contains(slot.saturating_add(1));
        let can_refer = insn.is_call() || (insn.is_ldimm64() && has_second);
        if !can_refer {
            return Err(bad("neither a call nor a 64-bit load").symbol(symbol.name));
        }
        let target = self.target(insn.is_call(), raw.symbol, symbol).map_err(|error| {
            let place = self.elf.section(SectionIndex(symbol.section));
            error.symbol(if symbol.name.is_empty() {
                place.map_or("?", |place| &place.name)
            } else {
                symbol.name
            })
        })?;
        Ok(Some(CodeRelocation { slot, target }))
    }

    fn target(&self, is_call: bool, number: u32, symbol: &Symbol<'_>) -> Result<CodeTarget, Error> {
        if symbol.is_extern() {
            return self
                .externs
                .of_symbol(number)
                .map(CodeTarget::Extern)
                .ok_or_else(|| bad("unnamed extern"));
        }
        if symbol.section == 0 || symbol.section >= FIRST_SPECIAL {
            return Err(bad(
                "the symbol is in no section; is a global variable not initialised?",
            ));
        }
        let index = SectionIndex(symbol.section);
        let place = self
            .elf
            .section(index)
            .ok_or_else(|| bad("the symbol is in a section that does not exist"))?;
        if place.is_executable() || (is_call && &*place.name == TEXT) {
            if !symbol.value.is_multiple_of(SLOT) {
                return Err(bad("not the start of an instruction"));
            }
            return Ok(CodeTarget::Function(index, symbol.value));
        }
        if is_call {
            return Err(bad(format!(
                "call of something in section {:?}, which has no code",
                place.name
            )));
        }
        let offset = |value: u64| u32::try_from(value).map_err(|_| bad("the symbol's value is too large"));
        if &*place.name == ARENA {
            let arena = self
                .places
                .arena
                .ok_or_else(|| bad("a variable of an arena, but no arena is defined"))?;
            return Ok(CodeTarget::MapValue(arena, offset(symbol.value)?));
        }
        if &*place.name == JUMP_TABLES {
            return Ok(CodeTarget::JumpTable(offset(symbol.value)?, offset(symbol.size)?));
        }
        if let Some(map) = self.places.data.get(&index) {
            return Ok(CodeTarget::MapValue(*map, offset(symbol.value)?));
        }
        match self.places.definitions.get(&(index, symbol.value)) {
            Some(map) => Ok(CodeTarget::Map(*map)),
            None if self.places.before(index, u64::MAX).is_some() => Err(bad("no map is defined there")),
            None => Err(bad(format!(
                "section {:?} holds neither maps, nor variables, nor functions",
                place.name
            ))),
        }
    }

    /// An element of a map that is filled from the start.
    fn map_slot(
        &self,
        maps: &mut [MapDef],
        section: &Section,
        raw: RawRelocation,
        symbol: &Symbol<'_>,
    ) -> Result<(), Error> {
        let found = self.places.before(section.index, raw.offset).and_then(|index| {
            let (size, values) = *self.places.btf_maps.get(&index)?;
            let start = maps.get(index.index())?.offset;
            (raw.offset - start + 8 <= u64::from(size)).then_some((index.index(), values))
        });
        let (index, values) = found.ok_or_else(|| bad("no map is defined there").symbol(symbol.name))?;
        let target_map = self.places.definitions.get(&(section.index, symbol.value));
        let target_map = target_map.filter(|_| symbol.is_in(section.index));
        let Some(map) = maps.get_mut(index) else {
            return Ok(());
        };
        let error = |detail: &'static str| Error::map(&map.name, detail);
        let values = values.ok_or_else(|| error("only `values` can be initialised"))?;
        let offset = (raw.offset - map.offset)
            .checked_sub(u64::from(values))
            .filter(|offset| offset % 8 == 0);
        let offset = offset.ok_or_else(|| error("only `values` can be initialised"))?;
        let slot = u32::try_from(offset / 8).map_err(|_| error("too many values"))?;
        let value = if map.is_map_of_maps() {
            if map.map_type == MapType::HASH_OF_MAPS && map.key_size != 4 {
                return Err(error("a hash of maps that is initialised needs keys of 4 bytes"));
            }
            let target = target_map.ok_or_else(|| error("a value is no map of this section"))?;
            SlotValue::Map(*target)
        } else if map.map_type == MapType::PROG_ARRAY {
            SlotValue::Program(
                self.program(symbol)
                    .ok_or_else(|| error("a value is no program"))?,
            )
        } else {
            return Err(error("only maps of maps and program arrays can be initialised"));
        };
        map.slots.push((slot, value));
        Ok(())
    }

    /// A member of a struct_ops map that is a program.
    fn member(
        &self,
        maps: &mut [MapDef],
        section: &Section,
        raw: RawRelocation,
        symbol: &Symbol<'_>,
    ) -> Result<(), Error> {
        let index = self
            .places
            .before(section.index, raw.offset)
            .map_or(usize::MAX, MapIndex::index);
        let map = maps.get_mut(index).filter(|map| {
            map.kind == MapKind::StructOps && raw.offset - map.offset < u64::from(map.value_size)
        });
        let map = map.ok_or_else(|| bad("no map is defined there").symbol(symbol.name))?;
        let error = |detail: &'static str| Error::map(&map.name, detail);
        let offset = u32::try_from(raw.offset - map.offset).unwrap_or(u32::MAX);
        let member = self
            .btf
            .zip(map.value_type)
            .and_then(|(btf, ty)| function_member(btf, ty, offset));
        let member = member.ok_or_else(|| error("the initialised member is no pointer to a function"))?;
        let program = self
            .program(symbol)
            .ok_or_else(|| error("a member is no program").symbol(symbol.name))?;
        let spec = self
            .programs
            .get(program.index())
            .and_then(|program| program.spec.as_ref());
        if spec.is_none_or(|spec| spec.program_type != ProgramType::STRUCT_OPS) {
            return Err(error("a member is a program of another type than struct_ops"));
        }
        map.members.retain(|other| other.member != member);
        map.members.push(MemberProgram {
            member,
            offset,
            program,
        });
        Ok(())
    }

    /// The program that begins at a symbol.
    fn program(&self, symbol: &Symbol<'_>) -> Option<ProgramIndex> {
        let slot = u32::try_from(symbol.value / SLOT)
            .ok()
            .filter(|_| symbol.value.is_multiple_of(SLOT))?;
        let function = function_at(self.functions, SectionIndex(symbol.section), slot)?;
        if self.functions.get(function.index())?.start != slot {
            return None;
        }
        // programs are in the order of functions; of several names for one function, the symbol's own is preferred
        let first = self
            .programs
            .partition_point(|program| program.function < function);
        let same = |program: &&Program| {
            let place =
                |index: FunctionIndex| self.functions.get(index.index()).map(|f| (f.section, f.start));
            place(program.function) == place(function)
        };
        let mut aliases = self.programs.get(first..)?.iter().take_while(same);
        let count = aliases.clone().count();
        let named = aliases
            .position(|program| *program.name == *symbol.name)
            .unwrap_or(0);
        (count > 0).then(|| ProgramIndex::new(first + named))
    }
}

fn bad(detail: impl Into<alloc::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Relocation, detail)
}
