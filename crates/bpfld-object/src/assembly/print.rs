//! An object as assembly: the text that [`ObjectAssembler`](super::ObjectAssembler) takes back.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bpfld_btf::TypeId;
use bpfld_insn::print::name as quoted;
use bpfld_insn::{Dialect, Printer, print};
use bpfld_sys::MapFlags;

use super::map::INTEGERS;
use super::names::{Names, functions_of, variables_of};
use super::notes::notes;
use super::{c_type, data};
use crate::map_data::ARENA;
use crate::program::TEXT;
use crate::{ExternKind, Linkage, MapDef, MapIndex, MapKind, Object, Pinning, SlotValue, Variable};

/// The most elements of a map that are listed with what they hold from the start.
const MAX_VALUES: u32 = 1 << 16;

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
            let notes = notes(self.object, names, place, code, self.lines);
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

fn linkage(f: &mut fmt::Formatter<'_>, name: &str, linkage: Linkage) -> fmt::Result {
    match linkage {
        Linkage::Static => Ok(()),
        Linkage::Global => writeln!(f, ".globl {}", quoted(name)),
        Linkage::Weak => writeln!(f, ".weak {}", quoted(name)),
    }
}
