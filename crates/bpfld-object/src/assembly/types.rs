//! The BTF and BTF.ext of an assembled object: definitions of maps, variables, functions, and the lines of the text.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bpfld_btf::{Builder, Endian as BtfEndian, Error, Field, IntEncoding, Linkage, SectionEntry, TypeId};
use bpfld_insn::Endian;

use super::declaration::Types;
use super::lines::Line;
use super::map::{Data, INTEGERS, Map};

/// The kernel's limits for a line's number and column in line information.
const MAX_LINE: usize = (1 << 22) - 1;
const MAX_COLUMN: usize = (1 << 10) - 1;

/// BTF being built, with what BTF.ext says in its terms.
#[derive(Debug, Default)]
pub(super) struct TypeInfo {
    pub(super) builder: Builder,
    pub(super) types: Types,
    /// The function type that stands for all functions of the text: `int (void)`.
    prototype: Option<TypeId>,
    arrays: BTreeMap<(TypeId, u32), TypeId>,
    /// By name of the section, as string of the BTF: records of 2 and 4 words.
    functions: Vec<(u32, Vec<u32>)>,
    lines: Vec<(u32, Vec<u32>)>,
}

impl TypeInfo {
    /// Whether the kernel takes a name for a variable or function.
    pub(super) fn takes(name: &str) -> bool {
        let mut chars = name.chars();
        chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
            && name.len() < 128
    }

    fn int(&mut self) -> Result<TypeId, Error> {
        self.types
            .integer(&mut self.builder, "int", 4, IntEncoding::SIGNED)
    }

    fn array(&mut self, element: TypeId, len: u32) -> Result<TypeId, Error> {
        if let Some(id) = self.arrays.get(&(element, len)) {
            return Ok(*id);
        }
        let index = self.int()?;
        let id = self.builder.array(element, index, len)?;
        self.arrays.insert((element, len), id);
        Ok(id)
    }

    /// A number, as map definitions encode it: a pointer to an array of that length.
    fn number(&mut self, number: u32) -> Result<TypeId, Error> {
        let int = self.int()?;
        let array = self.array(int, number)?;
        self.builder.pointer(array)
    }

    /// The struct that defines a map, and its size; the list of values behind it is of size zero.
    pub(super) fn map(&mut self, map: &Map<'_>, inner: Option<&Map<'_>>) -> Result<(TypeId, u32), Error> {
        let mut members = Vec::new();
        members.push(("type", self.number(map.map_type)?));
        for (data, size, pointer) in [(map.key, "key_size", "key"), (map.value, "value_size", "value")] {
            match data {
                None => {}
                Some(Data::Size(bytes)) => members.push((size, self.number(bytes)?)),
                Some(Data::Integer(row)) => {
                    let (name, bytes, signed) = INTEGERS.get(row).copied().unwrap_or(("u8", 1, false));
                    let encoding = if signed {
                        IntEncoding::SIGNED
                    } else {
                        IntEncoding::UNSIGNED
                    };
                    let int = self.types.integer(&mut self.builder, name, bytes, encoding)?;
                    members.push((pointer, self.builder.pointer(int)?));
                }
            }
        }
        let numbers = [
            ("max_entries", map.max_entries),
            ("map_flags", map.flags),
            ("numa_node", map.numa_node),
            ("pinning", map.pinning),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                members.push((name, self.number(number)?));
            }
        }
        if let Some(extra) = map.map_extra {
            let id = match u32::try_from(extra) {
                Ok(extra) => self.number(extra)?,
                Err(_) => {
                    let sign = bpfld_btf::Sign::Unsigned;
                    self.builder
                        .enumeration64("", 8, sign, &[("value", extra.into())])?
                }
            };
            members.push(("map_extra", id));
        }
        let size = 8 * members.len() as u32;
        if map.values.is_some() || inner.is_some() {
            let target = match inner {
                Some(inner) => {
                    let shape = Map {
                        values: None,
                        pinning: None,
                        ..inner.clone()
                    };
                    self.map(&shape, None)?.0
                }
                None => self.prototype()?,
            };
            let pointer = self.builder.pointer(target)?;
            members.push(("values", self.array(pointer, 0)?));
        }
        let offsets = (0_u32..).step_by(8);
        let fields: Vec<Field<'_>> = members
            .iter()
            .zip(offsets)
            .map(|((name, id), offset)| Field::new(name, *id, offset))
            .collect();
        Ok((self.builder.structure("", size, &fields)?, size))
    }

    /// A variable of this size: an integer where one fits, else bytes.
    pub(super) fn variable(
        &mut self,
        name: &str,
        size: u32,
        offset: u32,
        linkage: Linkage,
    ) -> Result<TypeId, Error> {
        let integer = match size {
            1 => "u8",
            2 => "u16",
            4 => "u32",
            8 => "u64",
            _ => "",
        };
        let ty = if integer.is_empty() || !offset.is_multiple_of(size) {
            let byte = self
                .types
                .integer(&mut self.builder, "u8", 1, IntEncoding::UNSIGNED)?;
            self.array(byte, size)?
        } else {
            self.types
                .integer(&mut self.builder, integer, size, IntEncoding::UNSIGNED)?
        };
        self.builder.variable(name, ty, linkage)
    }

    /// A section of variables.
    pub(super) fn section(&mut self, name: &str, size: u32, entries: &[SectionEntry]) -> Result<(), Error> {
        if !entries.is_empty() {
            self.builder.section(name, size, entries)?;
        }
        Ok(())
    }

    fn prototype(&mut self) -> Result<TypeId, Error> {
        if let Some(id) = self.prototype {
            return Ok(id);
        }
        let int = self.int()?;
        let id = self.builder.prototype(int, &[])?;
        self.prototype = Some(id);
        Ok(id)
    }

    /// A function at a slot of a section. What it takes and returns is not known; only programs are global to the
    /// verifier, so that it looks at all others where they are called.
    pub(super) fn function(
        &mut self,
        section: &str,
        slot: usize,
        name: &str,
        linkage: Linkage,
    ) -> Result<(), Error> {
        let prototype = self.prototype()?;
        let id = self.builder.function(name, linkage, prototype)?;
        let section = self.builder.string(section)?;
        block(&mut self.functions, section).extend([byte_offset(slot), id.0]);
        Ok(())
    }

    /// Where in the text the instruction at a slot of a section stands.
    pub(super) fn line(
        &mut self,
        section: &str,
        slot: usize,
        file: &str,
        line: Line<'_>,
    ) -> Result<(), Error> {
        let section = self.builder.string(section)?;
        let file = self.builder.string(file)?;
        let text = self.builder.string(line.text)?;
        let place = (line.line.min(MAX_LINE) << 10 | line.column.min(MAX_COLUMN)) as u32;
        block(&mut self.lines, section).extend([byte_offset(slot), file, text, place]);
        Ok(())
    }

    /// The bytes of sections `.BTF` and `.BTF.ext`.
    pub(super) fn to_bytes(&self, endian: Endian) -> (Vec<u8>, Vec<u8>) {
        let btf_endian = match endian {
            Endian::Little => BtfEndian::Little,
            Endian::Big => BtfEndian::Big,
        };
        const HEADER: u32 = 24;
        let functions = table(&self.functions, 2);
        let lines = table(&self.lines, 4);
        let (functions_len, lines_len) = (4 * functions.len() as u32, 4 * lines.len() as u32);
        let magic_version_flags = match endian {
            Endian::Little => 0x0001_eb9f,
            Endian::Big => 0xeb9f_0100,
        };
        let header = [
            magic_version_flags,
            HEADER,
            0,
            functions_len,
            functions_len,
            lines_len,
        ];
        let words = header.iter().chain(&functions).chain(&lines);
        let ext = words.flat_map(|word| match endian {
            Endian::Little => word.to_le_bytes(),
            Endian::Big => word.to_be_bytes(),
        });
        (self.builder.to_bytes_in(btf_endian), ext.collect())
    }
}

fn byte_offset(slot: usize) -> u32 {
    u32::try_from(slot.saturating_mul(8)).unwrap_or(u32::MAX)
}

/// The records of a section.
fn block(blocks: &mut Vec<(u32, Vec<u32>)>, section: u32) -> &mut Vec<u32> {
    let at = blocks
        .iter()
        .rposition(|(name, _)| *name == section)
        .unwrap_or_else(|| {
            blocks.push((section, Vec::new()));
            blocks.len() - 1
        });
    &mut blocks[at].1
}

/// A table of BTF.ext: the size of a record, then for each section its name, the number of records, and these.
fn table(blocks: &[(u32, Vec<u32>)], words: u32) -> Vec<u32> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut table = Vec::from([4 * words]);
    for (section, records) in blocks {
        table.extend([*section, records.len() as u32 / words]);
        table.extend(records);
    }
    table
}
