//! Maps that the compiler makes: global variables, constants, configuration values, and arenas.

use alloc::boxed::Box;
use core::ops::Range;

use bpfld_sys::{MapFlags, MapType};

use crate::datasec::{DataSection, KCONFIG};
use crate::elf::{Elf, Section};
use crate::map::{KERNEL_NAME_MAX, kernel_name};
use crate::{Error, ErrorKind, MapDef, MapKind};

/// The section of variables that live in an arena.
pub(crate) const ARENA: &str = ".addr_space.1";

/// What kind of global data a section holds, if any.
pub(crate) fn data_kind(section: &Section) -> Option<MapKind> {
    if section.is_executable() || section.size == 0 {
        return None;
    }
    let is = |base: &str| {
        section
            .name
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if section.is_progbits() {
        if is(".data") {
            return Some(MapKind::Data);
        }
        return is(".rodata").then_some(MapKind::Rodata);
    }
    (section.is_nobits() && is(".bss")).then_some(MapKind::Bss)
}

/// The map for a section of global data.
pub(crate) fn data_map(
    elf: &Elf<'_>,
    object: &str,
    section: &Section,
    kind: MapKind,
    data: Option<&DataSection>,
) -> Result<MapDef, Error> {
    let size = u32::try_from(section.size).map_err(|_| {
        Error::new(ErrorKind::Limit, "global data of 4 GiB or more fits in no map").section(&section.name)
    })?;
    let mut def = array_map(object, &section.name, kind, size, data);
    def.section = Some(section.index);
    def.contents = file_range(elf, section)?;
    Ok(def)
}

/// The map for the configuration values.
pub(crate) fn kconfig_map(object: &str, size: u32, data: Option<&DataSection>) -> MapDef {
    let mut def = array_map(object, KCONFIG, MapKind::Kconfig, size, data);
    // externs are public by nature
    def.flags.set(MapFlags::MMAPABLE, data.is_some());
    def
}

fn array_map(object: &str, name: &str, kind: MapKind, size: u32, data: Option<&DataSection>) -> MapDef {
    let mut def = MapDef::new(name, kind);
    def.kernel_name = data_kernel_name(object, name);
    def.map_type = MapType::ARRAY;
    def.key_size = 4;
    def.value_size = size;
    def.max_entries = 1;
    def.value_type = data.map(|data| data.id);
    def.flags.set(MapFlags::RDONLY_PROG, def.is_frozen());
    // only what somebody outside can know of is worth a mapping
    def.flags.set(
        MapFlags::MMAPABLE,
        data.is_some_and(DataSection::has_public_variable),
    );
    def
}

/// The bytes of a section, as a range of the file.
pub(crate) fn file_range(elf: &Elf<'_>, section: &Section) -> Result<Range<u32>, Error> {
    elf.section_data(section)?;
    let range = section.file_range().unwrap_or(0..0);
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Ok(offset(range.start)..offset(range.end))
}

/// The kernel's name for global data: as much of the object's name as there is room for, and the section's. Sections
/// of one dot leave it at most 8 characters; those of more dots stand alone.
fn data_kernel_name(object: &str, section: &str) -> Box<str> {
    let suffix = section.len().clamp(7, KERNEL_NAME_MAX);
    let is_custom = section.get(1..).is_some_and(|rest| rest.contains('.'));
    let room = if is_custom { 0 } else { KERNEL_NAME_MAX - suffix };
    let mut name = alloc::string::String::new();
    name.extend(object.chars().scan(0, |len, c| {
        *len += c.len_utf8();
        (*len <= room).then_some(c)
    }));
    name.push_str(section);
    kernel_name(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_names() {
        let name = |section| data_kernel_name("my_object_name", section).into_string();
        assert_eq!(name(".rodata"), "my_objec.rodata");
        assert_eq!(name(".bss"), "my_objec.bss");
        assert_eq!(name(".kconfig"), "my_obje.kconfig");
        assert_eq!(name(".rodata.abracadabra"), ".rodata.abracad");
        assert_eq!(name(".rodata.str1.1"), ".rodata.str1.1");
        assert_eq!(&*data_kernel_name("x", ".data"), "x.data");
        assert_eq!(&*data_kernel_name("a-b", ".data"), "a_b.data");
        assert_eq!(&*data_kernel_name("", ".data"), ".data");
    }
}
