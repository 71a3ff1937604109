//! Maps defined by BTF: section `.maps`, one variable of a struct type for each.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use bpfld_btf::{Btf, Kind, Linkage, Member, Type, TypeId};
use bpfld_sys::{MapFlags, MapType};

use crate::datasec::{DataSection, DataVariable};
use crate::map::{MAX_MAPS, MAX_NAME};
use crate::{Error, ErrorKind, MapDef, MapKind, Pinning, SectionIndex};

/// The section's name.
pub(crate) const MAPS: &str = ".maps";

/// A map and the variable that defines it.
pub(crate) struct BtfMap {
    pub(crate) def: MapDef,
    /// The size of the variable.
    pub(crate) size: u32,
    /// Where in the variable the list of values begins, if there is one.
    pub(crate) values_offset: Option<u32>,
}

/// Reads the definitions, in the order of their places in the section.
pub(crate) fn read_maps(
    btf: &Btf,
    data: &DataSection,
    section: SectionIndex,
    section_size: u64,
    relaxed: bool,
) -> Result<Vec<BtfMap>, Error> {
    let mut variables: Vec<&DataVariable> = data.variables.iter().collect();
    if variables.len() > MAX_MAPS {
        return Err(Error::new(ErrorKind::Limit, "too many maps").section(MAPS));
    }
    variables.sort_by_key(|variable| variable.offset);
    variables
        .into_iter()
        .map(|variable| read_map(btf, variable, section, section_size, relaxed))
        .collect()
}

fn read_map(
    btf: &Btf,
    variable: &DataVariable,
    section: SectionIndex,
    section_size: u64,
    relaxed: bool,
) -> Result<BtfMap, Error> {
    let bad = |cause| {
        Error::btf("malformed map definition", cause)
            .section(MAPS)
            .at(u64::from(variable.offset))
    };
    let var = btf.ty(variable.id).map_err(bad)?;
    let name = var.name().map_err(bad)?;
    let error = |detail: &'static str| Error::map(name, detail).section(MAPS);
    if name.len() > MAX_NAME {
        return Err(Error::new(ErrorKind::Limit, "a map's name is too long").section(MAPS));
    }
    if name.is_empty() {
        return Err(error("the map has no name"));
    }
    if u64::from(variable.offset) + u64::from(variable.size) > section_size {
        return Err(error("the definition reaches beyond the end of the section"));
    }
    // hidden maps may be static by now: what counts is what the source says
    if var.kind() != Kind::VAR || var.linkage() != Some(Linkage::GLOBAL) {
        return Err(error("a map must be a global variable"));
    }
    let struct_type = var
        .target()
        .map_or(Ok(TypeId::VOID), Ok)
        .and_then(|id| btf.resolve(id))
        .map_err(bad)?;
    if struct_type.kind() != Kind::STRUCT {
        return Err(error("a map must be of a struct type"));
    }
    if struct_type.size_bytes().is_none_or(|size| size > variable.size) {
        return Err(error("the struct is larger than the variable"));
    }
    let mut def = Definition {
        btf,
        name,
        relaxed,
        inner: false,
    }
    .read(struct_type, MapKind::Btf)?;
    def.section = Some(section);
    def.offset = u64::from(variable.offset);
    let last = struct_type.members().last();
    let values_offset = last
        .filter(|member| member.name() == Ok("values"))
        .and_then(|member| member.byte_offset());
    Ok(BtfMap {
        def,
        size: variable.size,
        values_offset,
    })
}

/// The definition of one map, being read.
struct Definition<'b> {
    btf: &'b Btf,
    name: &'b str,
    relaxed: bool,
    inner: bool,
}

impl<'b> Definition<'b> {
    fn error(&self, attribute: &str, detail: &str) -> Error {
        Error::map(self.name, format!("attribute {attribute:?}: {detail}")).section(MAPS)
    }

    fn bad<'a>(&'a self, attribute: &'a str) -> impl Fn(bpfld_btf::Error) -> Error + 'a {
        move |cause| {
            Error::btf(format!("attribute {attribute:?}: malformed type"), cause)
                .section(MAPS)
                .symbol(self.name)
        }
    }

    fn read(&self, ty: Type<'b>, kind: MapKind) -> Result<MapDef, Error> {
        let mut def = MapDef::new(self.name, kind);
        let mut members = ty.members();
        while let Some(member) = members.next() {
            let attribute = member.name().map_err(self.bad("?"))?;
            match attribute {
                "type" => def.map_type = MapType(self.number(attribute, &member)?),
                "max_entries" => def.max_entries = self.number(attribute, &member)?,
                "map_flags" => def.flags = MapFlags::from_bits_retain(self.number(attribute, &member)?),
                "numa_node" => def.numa_node = self.number(attribute, &member)?,
                "map_extra" => def.map_extra = self.wide_number(attribute, &member)?,
                "key_size" => {
                    def.key_size = self.agreed(attribute, def.key_size, self.number(attribute, &member)?)?;
                }
                "value_size" => {
                    def.value_size =
                        self.agreed(attribute, def.value_size, self.number(attribute, &member)?)?;
                }
                "key" => {
                    let (id, size) = self.pointee(attribute, &member)?;
                    def.key_size = self.agreed(attribute, def.key_size, size)?;
                    def.key_type = Some(id);
                }
                "value" => {
                    let (id, size) = self.pointee(attribute, &member)?;
                    def.value_size = self.agreed(attribute, def.value_size, size)?;
                    def.value_type = Some(id);
                }
                "values" if !members.is_empty() => return Err(self.error(attribute, "must be the last")),
                "values" => self.values(attribute, &member, &mut def)?,
                "pinning" if self.inner => return Err(self.error(attribute, "an inner map cannot be pinned")),
                "pinning" => {
                    def.pinning = match self.number(attribute, &member)? {
                        0 => Pinning::None,
                        1 => Pinning::ByName,
                        other => {
                            return Err(self.error(attribute, &format!("unknown way of pinning {other}")));
                        }
                    }
                }
                _ if self.relaxed => {}
                _ => return Err(self.error(attribute, "unknown attribute")),
            }
        }
        if def.map_type == MapType(0) {
            return Err(Error::map(self.name, "the map has no type").section(MAPS));
        }
        Ok(def)
    }

    /// A number, encoded as the length of the array that a pointer points to.
    fn number(&self, attribute: &str, member: &Member<'b>) -> Result<u32, Error> {
        let bad = self.bad(attribute);
        let ty = self.btf.resolve(member.type_id).map_err(&bad)?;
        let pointee = ty.target().filter(|_| ty.kind() == Kind::PTR);
        let pointee = pointee.ok_or_else(|| self.error(attribute, "not encoded as pointer to an array"))?;
        let array = self.btf.ty(pointee).map_err(&bad)?.array();
        Ok(array
            .ok_or_else(|| self.error(attribute, "not encoded as pointer to an array"))?
            .len)
    }

    /// A number, encoded as above or as the only value of an enumeration.
    fn wide_number(&self, attribute: &str, member: &Member<'b>) -> Result<u64, Error> {
        let ty = self.btf.resolve(member.type_id).map_err(self.bad(attribute))?;
        if !ty.kind().is_enumeration() {
            return self.number(attribute, member).map(u64::from);
        }
        let mut values = ty.enum_values();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value.bits),
            _ => Err(self.error(attribute, "the enumeration must have one value")),
        }
    }

    /// The type that a member points to, and its size.
    fn pointee(&self, attribute: &str, member: &Member<'b>) -> Result<(TypeId, u32), Error> {
        let bad = self.bad(attribute);
        let ty = self.btf.ty(member.type_id).map_err(&bad)?;
        let pointee = ty.target().filter(|_| ty.kind() == Kind::PTR);
        let pointee = pointee.ok_or_else(|| self.error(attribute, "not a pointer to the type"))?;
        Ok((pointee, self.btf.resolve_size(pointee).map_err(&bad)?))
    }

    fn agreed(&self, attribute: &str, before: u32, now: u32) -> Result<u32, Error> {
        if before == 0 || before == now {
            return Ok(now);
        }
        Err(self.error(
            attribute,
            &format!("sizes {before} and {now} contradict each other"),
        ))
    }

    /// What the elements are: inner maps, or programs.
    fn values(&self, attribute: &str, member: &Member<'b>, def: &mut MapDef) -> Result<(), Error> {
        let bad = self.bad(attribute);
        if self.inner {
            return Err(self.error(attribute, "an inner map cannot have inner maps"));
        }
        if !def.is_map_of_maps() && def.map_type != MapType::PROG_ARRAY {
            return Err(self.error(attribute, "only maps of maps and program arrays have values"));
        }
        def.value_size = self.agreed(attribute, def.value_size, 4)?;
        let array = self
            .btf
            .ty(member.type_id)
            .map_err(&bad)?
            .array()
            .filter(|array| array.len == 0);
        let array = array.ok_or_else(|| self.error(attribute, "not an array of length zero"))?;
        let pointer = self.btf.resolve(array.element).map_err(&bad)?;
        let pointee = pointer.target().filter(|_| pointer.kind() == Kind::PTR);
        let pointee = pointee.ok_or_else(|| self.error(attribute, "not an array of pointers"))?;
        let ty = self.btf.resolve(pointee).map_err(&bad)?;
        if def.map_type == MapType::PROG_ARRAY {
            return match ty.kind() {
                Kind::FUNC_PROTO => Ok(()),
                _ => Err(self.error(attribute, "not pointers to functions")),
            };
        }
        if ty.kind() != Kind::STRUCT {
            return Err(self.error(attribute, "not pointers to map definitions"));
        }
        let name = format!("{}.inner", self.name);
        let inner = Definition {
            btf: self.btf,
            name: &name,
            relaxed: self.relaxed,
            inner: true,
        };
        def.inner = Some(Box::new(inner.read(ty, MapKind::Inner)?));
        Ok(())
    }
}
