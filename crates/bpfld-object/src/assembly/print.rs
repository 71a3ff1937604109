//! An object as assembly: the text that [`ObjectAssembler`](super::ObjectAssembler) takes back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use bpfld_btf::TypeId;
use bpfld_insn::print::name as quoted;
use bpfld_insn::{Annotate, Dialect, Printer, Slot, SourceLine, Symbol, print};
use bpfld_sys::MapFlags;

use super::map::INTEGERS;
use super::names::Names;
use super::{c_type, data};
use crate::map_data::ARENA;
use crate::program::{SLOT, TEXT, function_at};
use crate::relocation::CodeTarget;
use crate::{
    ExternKind, Linkage, MapDef, MapIndex, MapKind, Object, Pinning, SectionIndex, SlotValue, Variable,
};

/// The most elements of a map that are listed with what they hold from the start.
const MAX_VALUES: u32 = 1 << 16;

/// How many variables before a place are asked whether they reach it.
const MOST_OVERLAPPING: usize = 16;

impl Object {
    /// The object as assembly: sections, functions, maps, data and externs, as text that [`ObjectAssembler`] takes back.
    ///
    /// The object made of it has the same programs, maps and data. What no text can say is listed in comments at the
    /// top: CO-RE relocations, struct_ops, jump tables, declaration tags, and types beyond numbers.
    ///
    /// [`ObjectAssembler`]: crate::ObjectAssembler
    ///
    /// ```
    /// # let bytes: &'static [u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps.el.o"));
    /// # use bpfld_object::Object;
    /// let object = Object::parse(bytes)?;
    /// let text = object.to_assembly().to_string();
    /// assert!(text.contains(".map hash hash"));
    /// let again = Object::parse(text.into_bytes())?;
    /// assert_eq!(again.maps().len(), object.maps().len());
    /// # Ok::<(), bpfld_object::Error>(())
    /// ```
    pub fn to_assembly(&self) -> AssemblyText<'_> {
        AssemblyText {
            object: self,
            dialect: Dialect::Llvm,
            raw: false,
            lines: false,
        }
    }
}

/// An object to be printed as assembly, and how. Made by [`Object::to_assembly`]; printed by `Display`.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct AssemblyText<'a> {
    object: &'a Object,
    dialect: Dialect,
    raw: bool,
    lines: bool,
}

impl AssemblyText<'_> {
    /// Prints instructions in this dialect.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Shows the bytes before each instruction, in the object's byte order.
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Shows source lines, as far as BTF.ext tells them.
    pub fn lines(mut self) -> Self {
        self.lines = true;
        self
    }
}

impl fmt::Display for AssemblyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Names::of(self.object);
        self.head(f)?;
        self.externs(f, &names)?;
        self.maps(f, &names)?;
        self.data(f, &names)?;
        self.code(f, &names)
    }
}

impl AssemblyText<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object;
        let core: usize = object
            .functions
            .iter()
            .map(|function| object.info.core_relocations(function).len())
            .sum();
        if core > 0 {
            writeln!(f, "# {core} CO-RE relocations are not in this text")?;
        }
        for map in object.maps.iter().filter(|map| map.kind == MapKind::StructOps) {
            writeln!(f, "# struct_ops map {} is not in this text", map.name)?;
        }
        let is_long = |map: &&MapDef| map.slots.last().is_some_and(|(slot, _)| *slot >= MAX_VALUES);
        for map in object.maps.iter().filter(is_long) {
            writeln!(
                f,
                "# values of map {} beyond {MAX_VALUES} are not in this text",
                map.name
            )?;
        }
        if !object.jump_tables.is_empty() {
            writeln!(f, "# jump tables are not in this text")?;
        }
        let tags = object.tags.len();
        if tags > 0 {
            writeln!(f, "# {tags} declaration tags are not in this text")?;
        }
        if let Some(license) = &object.license {
            writeln!(f, ".license {}", data::text(license.as_bytes()))?;
        }
        if let Some(version) = object.version {
            writeln!(f, ".section version\n.long {version:#x}")?;
        }
        Ok(())
    }

    fn externs(&self, f: &mut fmt::Formatter<'_>, _names: &Names<'_>) -> fmt::Result {
        let btf = self.object.btf.as_deref();
        for item in &self.object.externs {
            let (directive, ty) = match item.kind {
                ExternKind::Kconfig { ty, .. } => (".kconfig", Some(ty)),
                ExternKind::Ksym { ty } => (".ksym", ty),
                ExternKind::Kfunc { prototype } => (".kfunc", Some(prototype)),
                ExternKind::Undefined => (".extern", None),
            };
            write!(f, "{directive} {}", quoted(&item.name))?;
            if let Some((btf, ty)) = btf.zip(ty) {
                write!(f, ", \"{}\"", c_type::text(btf, ty))?;
            }
            writeln!(f)?;
            if item.weak {
                writeln!(f, ".weak {}", quoted(&item.name))?;
            }
        }
        Ok(())
    }

    fn maps(&self, f: &mut fmt::Formatter<'_>, names: &Names<'_>) -> fmt::Result {
        for map in &self.object.maps {
            if !matches!(map.kind, MapKind::Btf | MapKind::Legacy) {
                continue;
            }
            if let Some(inner) = &map.inner {
                self.map(f, inner)?;
                writeln!(f, " template")?;
            }
            self.map(f, map)?;
            if let Some(inner) = &map.inner {
                write!(f, " inner={}", quoted(&inner.name))?;
            }
            self.values(f, map, names)?;
            writeln!(f)?;
        }
        Ok(())
    }

    fn map(&self, f: &mut fmt::Formatter<'_>, map: &MapDef) -> fmt::Result {
        write!(f, ".map {}", quoted(&map.name))?;
        match map.map_type.name() {
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " type={}", map.map_type.0)?,
        }
        for (word, size, ty) in [
            ("key", map.key_size, map.key_type),
            ("value", map.value_size, map.value_type),
        ] {
            match ty.and_then(|ty| self.integer(ty)) {
                Some(integer) => write!(f, " {word}={integer}")?,
                None if size != 0 => write!(f, " {word}={size}")?,
                None => {}
            }
        }
        if map.max_entries != 0 {
            write!(f, " max_entries={}", map.max_entries)?;
        }
        if !map.flags.is_empty() {
            let known: Vec<String> = map
                .flags
                .iter_names()
                .map(|(name, _)| name.to_ascii_lowercase())
                .collect();
            let names: MapFlags = map.flags.iter_names().map(|(_, flag)| flag).collect();
            match names == map.flags {
                true => write!(f, " flags={}", known.join("|"))?,
                false => write!(f, " flags={:#x}", map.flags.bits())?,
            }
        }
        if map.map_extra != 0 {
            write!(f, " map_extra={:#x}", map.map_extra)?;
        }
        if map.numa_node != 0 {
            write!(f, " numa_node={}", map.numa_node)?;
        }
        match map.pinning {
            Pinning::None => Ok(()),
            Pinning::ByName => f.write_str(" pinning=by_name"),
        }
    }

    /// The name of an integer type.
    fn integer(&self, ty: TypeId) -> Option<&'static str> {
        let ty = self.object.btf.as_deref()?.resolve(ty).ok()?;
        let int = ty.int()?;
        let signed = int.encoding.contains(bpfld_btf::IntEncoding::SIGNED);
        let mut rows = INTEGERS.iter();
        rows.find(|(_, size, is_signed)| Some(*size) == ty.size_bytes() && *is_signed == signed)
            .map(|(name, ..)| *name)
    }

    /// What the elements hold from the start.
    fn values(&self, f: &mut fmt::Formatter<'_>, map: &MapDef, names: &Names<'_>) -> fmt::Result {
        if map.slots.is_empty() {
            return Ok(());
        }
        let mut list = Vec::new();
        for (slot, value) in map.slots.iter().filter(|(slot, _)| *slot < MAX_VALUES) {
            let slot = *slot as usize;
            list.resize(slot.max(list.len()), "-");
            let name = match value {
                SlotValue::Map(index) => self.object.maps.get(index.index()).map(|map| &*map.name),
                SlotValue::Program(index) => {
                    let program = self.object.programs.get(index.index());
                    program
                        .and_then(|program| names.functions.get(program.function.index()).map(|name| &**name))
                }
            };
            list.push(name.unwrap_or("-"));
        }
        write!(f, " values={}", data::text(list.join(" ").as_bytes()))
    }

    // data

    fn data(&self, f: &mut fmt::Formatter<'_>, names: &Names<'_>) -> fmt::Result {
        let object = self.object;
        for (index, map) in object.maps.iter().enumerate() {
            let index = MapIndex::new(index);
            let name = match map.kind {
                MapKind::Data | MapKind::Rodata | MapKind::Bss => &*map.name,
                _ if map.contents.start != map.contents.end && map.kind != MapKind::StructOps => ARENA,
                _ => continue,
            };
            writeln!(f, "\n.section {}", data::text(name.as_bytes()))?;
            let contents = object.initial_value(map);
            let size = match name {
                ARENA => contents.len(),
                _ => map.value_size as usize,
            };
            let variables: Vec<(&Variable, &str)> = variables_of(object, names, index).collect();
            let mut at = 0;
            for (nth, (variable, name)) in variables.iter().enumerate() {
                let start = (variable.offset as usize).min(size);
                data::print(f, contents, at..start)?;
                at = start;
                let next = variables.get(nth + 1..).unwrap_or_default();
                let next = next
                    .iter()
                    .map(|(next, _)| next.offset as usize)
                    .find(|next| *next > start);
                linkage(f, name, variable.linkage)?;
                if next.unwrap_or(size).min(size) - start != variable.size as usize {
                    writeln!(f, ".size {}, {}", quoted(name), variable.size)?;
                }
                writeln!(f, "{}:", quoted(name))?;
            }
            data::print(f, contents, at..size)?;
        }
        Ok(())
    }

    // code

    fn code(&self, f: &mut fmt::Formatter<'_>, names: &Names<'_>) -> fmt::Result {
        let mut labels = 0;
        for (place, code) in self.object.code.iter().enumerate() {
            let section = self.object.section_name(code.section);
            match section {
                TEXT => writeln!(f, "\n.text")?,
                _ => writeln!(f, "\n.section {}", data::text(section.as_bytes()))?,
            }
            for (function, name) in functions_of(self.object, names, code.section) {
                linkage(f, name, function.linkage)?;
                writeln!(f, ".type {},@function", quoted(name))?;
            }
            let notes = Notes::new(self, names, place, code.section, &code.slots);
            let mut printer: Printer<'_> = print(&code.slots)
                .dialect(self.dialect)
                .annotate(&notes)
                .labels_after(labels);
            if self.raw {
                printer = printer.indices(true).raw(self.object.endian);
            }
            write!(f, "{printer}")?;
            labels = labels.saturating_add(code.slots.len() as u32 + 1);
        }
        Ok(())
    }
}

/// The functions of a section, with their names here.
fn functions_of<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    section: SectionIndex,
) -> impl Iterator<Item = (&'a crate::Function, &'a str)> {
    let functions = &object.functions;
    let from = functions.partition_point(|function| function.section < section);
    let named = functions.iter().zip(&names.functions).skip(from);
    named
        .take_while(move |(function, _)| function.section == section)
        .map(|(function, name)| (function, &**name))
}

/// The variables of a map, with their names here, by place.
fn variables_of<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    map: MapIndex,
) -> impl Iterator<Item = (&'a Variable, &'a str)> {
    let variables = &object.variables;
    let from = variables.partition_point(|variable| variable.map < map);
    let named = variables.iter().zip(&names.variables).skip(from);
    named
        .take_while(move |(variable, _)| variable.map == map)
        .map(|(variable, name)| (variable, &**name))
}

fn linkage(f: &mut fmt::Formatter<'_>, name: &str, linkage: Linkage) -> fmt::Result {
    match linkage {
        Linkage::Static => Ok(()),
        Linkage::Global => writeln!(f, ".globl {}", quoted(name)),
        Linkage::Weak => writeln!(f, ".weak {}", quoted(name)),
    }
}

/// What is known about the instructions of a section.
struct Notes<'a> {
    functions: Vec<(u32, &'a str)>,
    symbols: Vec<(u32, (&'a str, i64))>,
    comments: Vec<(u32, String)>,
    sources: Vec<(u32, SourceLine<'a>)>,
}

impl<'a> Notes<'a> {
    fn new(
        text: &AssemblyText<'a>,
        names: &'a Names<'_>,
        place: usize,
        section: SectionIndex,
        slots: &[Slot],
    ) -> Self {
        let object = text.object;
        let mut notes = Self {
            functions: Vec::new(),
            symbols: Vec::new(),
            comments: Vec::new(),
            sources: Vec::new(),
        };
        for (function, name) in functions_of(object, names, section) {
            if notes
                .functions
                .last()
                .is_none_or(|(start, _)| *start != function.start)
            {
                notes.functions.push((function.start, name));
            } else {
                notes.comments.push((function.start, format!("also {name}")));
            }
            if text.lines {
                notes.sources(object, function);
            }
            let Some(btf) = object.btf.as_deref() else {
                continue;
            };
            for (slot, record) in object.info.core_relocations(function) {
                let spec = record
                    .spec(btf)
                    .map_or_else(|error| error.to_string(), |spec| spec.to_string());
                notes
                    .comments
                    .push((function.start + slot, format!("CO-RE: {spec}")));
            }
        }
        for relocation in object.relocations.get(place).map_or(&[][..], Vec::as_slice) {
            let Some(slot) = slots.get(relocation.slot as usize) else {
                continue;
            };
            match symbol(object, names, relocation.target, *slot) {
                Ok(symbol) => notes.symbols.push((relocation.slot, symbol)),
                Err(lost) => notes.comments.push((relocation.slot, lost)),
            }
        }
        notes.symbols.sort_by_key(|(at, _)| *at);
        notes.comments.sort_by_key(|(at, _)| *at);
        notes.sources.sort_by_key(|(at, _)| *at);
        notes
    }

    fn sources(&mut self, object: &'a Object, function: &crate::Function) {
        let string = |offset| {
            let btf = object.btf.as_deref();
            btf.and_then(|btf| btf.string(offset).ok()).unwrap_or("")
        };
        let mut before = None;
        for line in object.info.source_lines(function, function.start) {
            let source = SourceLine {
                file: string(line.file),
                line: line.line(),
                text: string(line.text).trim(),
            };
            if before != Some(source) {
                self.sources.push((line.slot, source));
            }
            before = Some(source);
        }
    }
}

/// The name of what an instruction refers to, and the bytes from its start; or what cannot be said.
fn symbol<'a>(
    object: &'a Object,
    names: &'a Names<'_>,
    target: CodeTarget,
    slot: Slot,
) -> Result<(&'a str, i64), String> {
    match target {
        CodeTarget::Map(map) => {
            let map = object.maps.get(map.index());
            map.map(|map| (&*map.name, 0)).ok_or_else(String::new)
        }
        CodeTarget::Extern(index) => {
            let item = object.extern_at(index);
            item.map(|item| (&*item.name, 0)).ok_or_else(String::new)
        }
        CodeTarget::MapValue(map, offset) => {
            let offset = offset.wrapping_add(slot.imm as u32);
            let variables: &[Variable] = &object.variables;
            let after =
                variables.partition_point(|variable| (variable.map, variable.offset) <= (map, offset));
            let before = variables
                .get(..after)
                .unwrap_or_default()
                .iter()
                .zip(&names.variables);
            let holds =
                |variable: &Variable| variable.map == map && offset - variable.offset < variable.size.max(1);
            // of several, the one that begins last; few overlap
            let mut holders = before
                .rev()
                .take(MOST_OVERLAPPING)
                .filter(|(variable, _)| holds(variable));
            if let Some((variable, name)) = holders.next() {
                return Ok((name, i64::from(offset - variable.offset)));
            }
            match object.maps.get(map.index()) {
                Some(map) if map.is_global_data() => Ok((&map.name, offset.into())),
                Some(_) => Ok((ARENA, offset.into())),
                None => Err(String::new()),
            }
        }
        CodeTarget::Function(section, value) => {
            let (start, imm) = ((value / SLOT) as i64, i64::from(slot.imm));
            let at = match slot.is_call() {
                true => start + imm + 1,
                false => start + imm / SLOT as i64,
            };
            let index = u32::try_from(at)
                .ok()
                .and_then(|at| function_at(&object.functions, section, at));
            let function = index.and_then(|index| object.function(index));
            match (
                function,
                index.and_then(|index| names.functions.get(index.index())),
            ) {
                (Some(function), Some(name)) => Ok((name, (at - i64::from(function.start)) * SLOT as i64)),
                _ => Err(format!("refers to slot {at} of {}", object.section_name(section))),
            }
        }
        CodeTarget::JumpTable(offset, _) => Err(format!("refers to the jump table at {offset}")),
    }
}

/// The entry of a slot in a list that is sorted by slot.
fn find<T>(list: &[(u32, T)], at: usize) -> Option<&T> {
    let at = u32::try_from(at).ok()?;
    let place = list.binary_search_by_key(&at, |(slot, _)| *slot).ok()?;
    list.get(place).map(|(_, value)| value)
}

impl Annotate for Notes<'_> {
    fn function(&self, at: usize) -> Option<&str> {
        find(&self.functions, at).copied()
    }

    fn symbol(&self, at: usize) -> Option<Symbol<'_>> {
        find(&self.symbols, at).map(|(name, offset)| Symbol {
            name,
            offset: *offset,
        })
    }

    fn source(&self, at: usize) -> Option<SourceLine<'_>> {
        find(&self.sources, at).copied()
    }

    fn comment(&self, at: usize) -> Option<&str> {
        find(&self.comments, at).map(String::as_str)
    }
}
