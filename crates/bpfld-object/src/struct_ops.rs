//! Tables of functions for the kernel: sections `.struct_ops` and `.struct_ops.link`, one variable for each.

use alloc::vec::Vec;

use bpfld_btf::{Btf, Kind, TypeId};
use bpfld_sys::{MapFlags, MapType};

use crate::datasec::Findings;
use crate::elf::{Elf, Section};
use crate::map::{MAX_MAPS, MAX_NAME};
use crate::map_data::file_range;
use crate::{Error, ErrorKind, MapDef, MapKind};

const STRUCT_OPS: &str = ".struct_ops";
const STRUCT_OPS_LINK: &str = ".struct_ops.link";

/// The largest number of members that a struct may have: many times what kernels have.
const MAX_MEMBERS: usize = 1024;

/// Whether a section holds such tables.
pub(crate) fn is_struct_ops(section: &Section) -> bool {
    let name = section.name.strip_prefix('?').unwrap_or(&section.name);
    section.is_progbits()
        && !section.is_executable()
        && section.size > 0
        && matches!(name, STRUCT_OPS | STRUCT_OPS_LINK)
}

/// Reads the tables of one section.
pub(crate) fn read_maps(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    found: &Findings,
    section: &Section,
) -> Result<Vec<MapDef>, Error> {
    let error = |detail: &'static str| Error::new(ErrorKind::Map, detail).section(&section.name);
    let (Some(btf), Some(data)) = (btf, found.section(&section.name)) else {
        return Err(error("BTF does not tell the variables of the section"));
    };
    let range = file_range(elf, section)?;
    let mut variables: Vec<_> = data.variables.iter().collect();
    if variables.len() > MAX_MAPS {
        return Err(Error::new(ErrorKind::Limit, "too many maps").section(&section.name));
    }
    variables.sort_by_key(|variable| variable.offset);
    let mut maps = Vec::with_capacity(variables.len());
    for variable in variables {
        let bad = |cause| Error::btf("malformed variable", cause).section(&section.name);
        let var = btf.ty(variable.id).map_err(bad)?;
        let name = var.name().map_err(bad)?;
        if name.len() > MAX_NAME {
            return Err(Error::new(ErrorKind::Limit, "a map's name is too long").section(&section.name));
        }
        let ty = var
            .target()
            .map_or(Ok(TypeId::VOID), Ok)
            .and_then(|id| btf.resolve(id))
            .map_err(bad)?;
        let size = ty
            .size_bytes()
            .filter(|_| ty.kind() == Kind::STRUCT && !ty.is_anonymous());
        let size = size.ok_or_else(|| error("the variable is not of a named struct type").symbol(name))?;
        if ty.members().len() > MAX_MEMBERS {
            return Err(error("the struct has too many members").symbol(name));
        }
        let contents = range
            .start
            .checked_add(variable.offset)
            .and_then(|start| Some(start..start.checked_add(size)?))
            .filter(|contents| contents.end <= range.end)
            .ok_or_else(|| error("the variable reaches beyond the end of the section").symbol(name))?;
        let mut def = MapDef::new(name, MapKind::StructOps);
        def.map_type = MapType::STRUCT_OPS;
        def.key_size = 4;
        def.value_size = size;
        def.max_entries = 1;
        def.flags.set(MapFlags::LINK, section.name.ends_with(".link"));
        def.value_type = Some(ty.id());
        def.autocreate = !section.name.starts_with('?');
        def.section = Some(section.index);
        def.offset = u64::from(variable.offset);
        def.contents = contents;
        maps.push(def);
    }
    Ok(maps)
}

/// The number of the member that begins at a byte of a struct, if it is a pointer to a function.
pub(crate) fn function_member(btf: &Btf, struct_type: TypeId, offset: u32) -> Option<u32> {
    let ty = btf.ty(struct_type).ok()?;
    let index = ty
        .members()
        .position(|member| member.byte_offset() == Some(offset))?;
    let member = ty.members().get(index)?;
    let pointer = btf
        .resolve(member.type_id)
        .ok()
        .filter(|ty| ty.kind() == Kind::PTR)?;
    let function = btf.resolve(pointer.target()?).ok()?;
    (function.kind() == Kind::FUNC_PROTO)
        .then(|| u32::try_from(index).ok())
        .flatten()
}
