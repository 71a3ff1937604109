//! Linking: a program and the subprograms it reaches, as one sequence of instructions.

mod linked;

use alloc::format;
use alloc::vec::Vec;

use bpfld_insn::{Slot, pseudo};
use hashbrown::HashMap;

pub use self::linked::{JumpTable, LinkedFunction, LinkedProgram, Relocation, Target};
use crate::program::{SLOT, function_at};
use crate::relocation::{CodeRelocation, CodeTarget};
use crate::{Error, ErrorKind, ExternIndex, ExternKind, Function, FunctionIndex, Object, Program};

/// The largest program that is linked, in slots: four times what the kernel accepts.
const MAX_SLOTS: usize = 4_000_000;

/// The largest number of jump targets in all tables of a program.
const MAX_JUMP_TARGETS: usize = 1_000_000;

impl Object {
    /// Links a program: appends the subprograms it reaches and moves references, functions' types and source lines to
    /// where things are now.
    ///
    /// # Errors
    ///
    /// If the program calls something that does not exist or is no function, uses an undefined extern, or becomes
    /// too large.
    pub fn link(&self, program: &Program) -> Result<LinkedProgram, Error> {
        self.link_function(program.function)
    }

    /// Links any function as if it were a program.
    ///
    /// # Errors
    ///
    /// As for [`link`](Self::link).
    pub fn link_function(&self, function: FunctionIndex) -> Result<LinkedProgram, Error> {
        let main = self
            .function(function)
            .ok_or_else(|| Error::new(ErrorKind::Program, "no such function"))?;
        let mut linker = Linker {
            object: self,
            out: LinkedProgram {
                name: main.name.clone(),
                insns: Vec::new(),
                relocations: Vec::new(),
                functions: Vec::new(),
                func_info: Vec::new(),
                line_info: Vec::new(),
                jump_tables: Vec::new(),
                exception_callback: None,
            },
            starts: HashMap::new(),
            tables: HashMap::new(),
            jump_targets: 0,
        };
        linker.place(function, main)?;
        if let Some(alias) = function_at(&self.functions, main.section, main.start) {
            linker.starts.insert(alias, 0);
        }
        linker.resolve_all(function)?;
        if let Some(callback) = self.exception_callback(function)? {
            if let Some(start) = self
                .function(callback)
                .filter(|_| !linker.starts.contains_key(&callback))
            {
                linker.place(callback, start)?;
                linker.resolve_all(callback)?;
            }
            linker.out.exception_callback = linker.starts.get(&callback).copied();
        }
        linker.add_info();
        Ok(linker.out)
    }
}

struct Linker<'o> {
    object: &'o Object,
    out: LinkedProgram,
    /// Where functions begin that have been placed.
    starts: HashMap<FunctionIndex, u32>,
    tables: HashMap<(FunctionIndex, u32), u32>,
    /// How many entries they have.
    jump_targets: usize,
}

/// A function whose calls are being resolved.
struct Frame<'o> {
    index: FunctionIndex,
    function: &'o Function,
    start: u32,
    /// The next slot to look at, counted from the function's start.
    next: u32,
    relocations: &'o [CodeRelocation],
}

impl<'o> Linker<'o> {
    /// Appends a function's instructions.
    fn place(&mut self, index: FunctionIndex, function: &'o Function) -> Result<u32, Error> {
        let insns = self.object.insns(function);
        let start = self.out.insns.len();
        if start + insns.len() > MAX_SLOTS {
            return Err(Error::new(ErrorKind::Limit, "the program is too large").symbol(&self.out.name));
        }
        self.out.insns.extend_from_slice(insns);
        let start = start as u32;
        self.out.functions.push(LinkedFunction {
            function: index,
            start,
            len: function.len,
        });
        self.starts.insert(index, start);
        Ok(start)
    }

    /// Resolves the references of a placed function, and of those it brings in: each of these as soon as it is met,
    /// so that the order is that of first use, depth first.
    fn resolve_all(&mut self, index: FunctionIndex) -> Result<(), Error> {
        let mut stack = Vec::new();
        stack.extend(self.frame(index));
        while let Some(mut frame) = stack.pop() {
            if let Some(called) = self.advance(&mut frame)? {
                stack.push(frame);
                stack.extend(self.frame(called));
            }
        }
        Ok(())
    }

    fn frame(&self, index: FunctionIndex) -> Option<Frame<'o>> {
        let function = self.object.function(index)?;
        let start = *self.starts.get(&index)?;
        Some(Frame {
            index,
            function,
            start,
            next: 0,
            relocations: self.object.relocations_of(function),
        })
    }

    /// Goes through a function until it brings in another one, which is placed and returned.
    fn advance(&mut self, frame: &mut Frame<'o>) -> Result<Option<FunctionIndex>, Error> {
        while frame.next < frame.function.len {
            let slot = frame.next;
            frame.next += 1;
            let at = frame.start + slot;
            let in_section = frame.function.start + slot;
            let Some(insn) = self.out.insns.get(at as usize).copied() else {
                break;
            };
            let mut relocation = None;
            while let Some((first, rest)) = frame.relocations.split_first() {
                if first.slot > in_section {
                    break;
                }
                frame.relocations = rest;
                relocation = Some(first.target);
            }
            let place = |error: Error| {
                let section = self.object.section_name(frame.function.section);
                error.section(section).at(u64::from(in_section) * SLOT)
            };
            let brought = match relocation {
                None if insn.is_subprog_call() && insn.dst() == 0 && insn.offset == 0 => {
                    let target = i64::from(in_section) + i64::from(insn.imm) + 1;
                    self.function_ref(frame.function.section, target, at)
                        .map_err(place)?
                }
                None => None,
                Some(CodeTarget::Function(section, value)) => {
                    let value = (value / SLOT) as i64;
                    let target = match insn.is_call() {
                        true => value + i64::from(insn.imm) + 1,
                        false if i64::from(insn.imm) % SLOT as i64 != 0 => {
                            return Err(place(bad("the reference is not to the start of an instruction")));
                        }
                        false => value + i64::from(insn.imm) / SLOT as i64,
                    };
                    self.function_ref(section, target, at).map_err(place)?
                }
                Some(target) => {
                    let target = self.target(frame, insn, target).map_err(place)?;
                    self.out.relocations.push(Relocation { at, target });
                    None
                }
            };
            if brought.is_some() {
                return Ok(brought);
            }
        }
        Ok(None)
    }

    /// Lets the instruction at `at` refer to a function, and brings that in if need be.
    fn function_ref(
        &mut self,
        section: crate::SectionIndex,
        target: i64,
        at: u32,
    ) -> Result<Option<FunctionIndex>, Error> {
        let slot = u32::try_from(target).ok();
        let found = slot.and_then(|slot| function_at(&self.object.functions, section, slot));
        let (slot, index) = slot
            .zip(found)
            .ok_or_else(|| bad("a call to where no function is"))?;
        let function = self
            .object
            .function(index)
            .ok_or_else(|| bad("a call to where no function is"))?;
        if function.start != slot {
            return Err(bad(format!(
                "a call into the middle of function {:?}",
                function.name
            )));
        }
        let (start, brought) = match self.starts.get(&index) {
            Some(start) => (*start, None),
            None => (self.place(index, function)?, Some(index)),
        };
        if let Some(insn) = self.out.insns.get_mut(at as usize) {
            insn.imm = start.wrapping_sub(at).wrapping_sub(1) as i32;
            let source = if insn.is_call() {
                pseudo::CALL_SUBPROG
            } else {
                pseudo::LOAD_FUNC
            };
            *insn = insn.with_src(source);
        }
        Ok(brought)
    }

    fn target(&mut self, frame: &Frame<'_>, insn: Slot, target: CodeTarget) -> Result<Target, Error> {
        Ok(match target {
            CodeTarget::Map(map) => Target::Map(map),
            CodeTarget::MapValue(map, offset) => Target::MapValue {
                map,
                offset: offset.wrapping_add(insn.imm as u32),
            },
            CodeTarget::Extern(index) => self.extern_target(insn, index)?,
            CodeTarget::JumpTable(offset, size) => Target::JumpTable(self.jump_table(frame, offset, size)?),
            CodeTarget::Function(..) => return Err(bad("unexpected reference to a function")),
        })
    }

    fn extern_target(&self, insn: Slot, index: ExternIndex) -> Result<Target, Error> {
        let item = self
            .object
            .extern_at(index)
            .ok_or_else(|| bad("no such extern"))?;
        let error = |detail: &'static str| bad(detail).symbol(&item.name);
        match (item.kind, insn.is_call()) {
            (ExternKind::Kconfig { offset, .. }, false) => {
                let map = self
                    .object
                    .kconfig_map
                    .ok_or_else(|| error("there is no map of configuration values"))?;
                Ok(Target::MapValue { map, offset })
            }
            (ExternKind::Ksym { .. }, false) => Ok(Target::Ksym(index)),
            (ExternKind::Kfunc { .. }, true) => Ok(Target::Kfunc(index)),
            (ExternKind::Kfunc { .. }, false) => Ok(Target::KfuncAddress(index)),
            (ExternKind::Undefined, _) => Err(error("must be defined by another object")),
            (ExternKind::Kconfig { .. } | ExternKind::Ksym { .. }, true) => {
                Err(error("a variable cannot be called"))
            }
        }
    }

    /// The table at `offset`, with jump targets counted from the program's start.
    fn jump_table(&mut self, frame: &Frame<'_>, offset: u32, size: u32) -> Result<u32, Error> {
        if let Some(table) = self.tables.get(&(frame.index, offset)) {
            return Ok(*table);
        }
        let object = self.object;
        let all = object.bytes.as_slice();
        let bytes = offset
            .checked_add(object.jump_tables.start)
            .and_then(|start| Some((start, start.checked_add(size)?)))
            .filter(|(_, end)| {
                *end <= object.jump_tables.end && offset.is_multiple_of(8) && size.is_multiple_of(8)
            })
            .and_then(|(start, end)| all.get(start as usize..end as usize));
        let bytes = bytes.ok_or_else(|| bad("the jump table is misaligned or not whole"))?;
        let (start, len) = (u64::from(frame.function.start), u64::from(frame.function.len));
        self.jump_targets += bytes.len() / 8;
        if self.jump_targets > MAX_JUMP_TARGETS {
            return Err(Error::new(ErrorKind::Limit, "too many jump targets"));
        }
        let mut targets = Vec::with_capacity(bytes.len() / 8);
        for entry in bytes.as_chunks::<8>().0 {
            let entry = match object.endian {
                bpfld_insn::Endian::Little => u64::from_le_bytes(*entry),
                bpfld_insn::Endian::Big => u64::from_be_bytes(*entry),
            };
            let slot = (entry / SLOT)
                .checked_sub(start)
                .filter(|slot| *slot < len && entry % SLOT == 0);
            let slot = slot.ok_or_else(|| bad("a jump table leads out of its function"))?;
            targets.push(frame.start + slot as u32);
        }
        let number = self.out.jump_tables.len() as u32;
        self.out.jump_tables.push(JumpTable {
            targets,
            offset,
            function: frame.index,
        });
        self.tables.insert((frame.index, offset), number);
        Ok(number)
    }

    /// Adds what BTF.ext knows of the functions. The kernel wants all or nothing.
    fn add_info(&mut self) {
        let info = &self.object.info;
        let functions =
            |linked: &LinkedFunction| self.object.function(linked.function).map(|f| (f, linked.start));
        for (function, start) in self.out.functions.iter().filter_map(functions) {
            let core = info.core_relocations(function).into_iter();
            let core = core.map(|(slot, record)| Relocation {
                at: start + slot,
                target: Target::Core(record),
            });
            self.out.relocations.extend(core);
        }
        // stable: CO-RE comes last, but changes no instruction that another reference changes
        self.out.relocations.sort_by_key(|relocation| relocation.at);
        for (function, start) in self.out.functions.iter().filter_map(functions) {
            let records = info.function_info(function, start);
            if records.first().is_none_or(|first| first.slot != start) {
                self.out.func_info.clear();
                break;
            }
            self.out.func_info.extend(records);
        }
        for (function, start) in self.out.functions.iter().filter_map(functions) {
            let records = info.source_lines(function, start);
            if records.is_empty() {
                self.out.line_info.clear();
                break;
            }
            self.out.line_info.extend(records);
        }
    }
}

fn bad(detail: impl Into<alloc::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Relocation, detail)
}
