//! Maps, as far as the file defines them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use bpfld_btf::TypeId;
use bpfld_sys::{MapFlags, MapType};

use crate::{MapIndex, ProgramIndex, SectionIndex};

/// The longest name of a map that the kernel takes, in bytes.
pub const KERNEL_NAME_MAX: usize = 15;
/// The longest name of a map, and of a section of variables, that is read: BTF shares names at no cost, we copy them.
pub(crate) const MAX_NAME: usize = 512;
/// The largest number of maps.
pub(crate) const MAX_MAPS: usize = 1 << 16;

/// The definition of a map.
///
/// Sizes, types and flags are as the object says; what depends on the kernel or the machine (the page size for ring
/// buffers, the number of CPUs for perf event arrays) is left to the loader.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MapDef {
    /// The map's name: of the variable, or for global data, of the section (`.rodata`).
    pub name: Box<str>,
    /// The name for the kernel, at most [`KERNEL_NAME_MAX`] bytes. Global data has the object's name in it: `my_objec.rodata`.
    pub kernel_name: Box<str>,
    /// What the map is to the object.
    pub kind: MapKind,
    /// The type. Zero (`UNSPEC`) if the object leaves it to the user.
    pub map_type: MapType,
    /// The size of a key in bytes.
    pub key_size: u32,
    /// The size of a value in bytes.
    pub value_size: u32,
    /// How many entries there is room for. Zero where the object leaves it open.
    pub max_entries: u32,
    /// The flags.
    pub flags: MapFlags,
    /// A number whose meaning depends on the type: hash functions of a Bloom filter, address of an arena (kernel 5.16).
    pub map_extra: u64,
    /// The NUMA node that `BPF_F_NUMA_NODE` among the flags speaks of (kernel 4.14).
    pub numa_node: u32,
    /// Whether the map is to be shared through the BPF file system.
    pub pinning: Pinning,
    /// The BTF type of a key, if the object tells it.
    pub key_type: Option<TypeId>,
    /// The BTF type of a value, if the object tells it. For global data, the section's `DATASEC`; for struct_ops, the struct.
    pub value_type: Option<TypeId>,
    /// For maps of maps, the definition that inner maps must have.
    pub inner: Option<Box<MapDef>>,
    /// Elements that are filled in when the map is created (maps of maps), or programs are loaded (program arrays):
    /// index and content.
    pub slots: Vec<(u32, SlotValue)>,
    /// For struct_ops, the members that are programs.
    pub members: Vec<MemberProgram>,
    /// Whether the map is created by default: not if it is a struct_ops map and its section name has a leading `?`.
    pub autocreate: bool,
    /// The section with the definition or data; `None` for `.kconfig`, which has none.
    pub section: Option<SectionIndex>,
    /// Where in the section.
    pub offset: u64,
    /// Bytes of a legacy definition that have no agreed meaning.
    pub legacy_tail: Vec<u8>,
    /// The initial value's bytes in the file.
    pub(crate) contents: Range<u32>,
}

/// What a map is to the object that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapKind {
    /// Defined by BTF, in section `.maps`.
    Btf,
    /// A record in section `maps`, as before BTF.
    Legacy,
    /// The definition within a map of maps.
    Inner,
    /// Global variables: `.data`, `.data.*`
    Data,
    /// Constants: `.rodata`, `.rodata.*`. To be frozen when filled.
    Rodata,
    /// Global variables that begin as zeros: `.bss`, `.bss.*`
    Bss,
    /// Values of the kernel's configuration: `.kconfig`. To be frozen when filled.
    Kconfig,
    /// A table of functions for the kernel: `.struct_ops`, `.struct_ops.link`
    StructOps,
}

/// Whether and how a map is pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pinning {
    /// Not at all.
    #[default]
    None,
    /// By its name, in a folder of the loader's choice. A map that is already there is used instead of a new one.
    ByName,
}

/// What an element holds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotValue {
    /// Another map of this object.
    Map(MapIndex),
    /// A program of this object.
    Program(ProgramIndex),
}

/// A member of a struct_ops map that is to point at a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemberProgram {
    /// The number of the member in the map's [`value_type`](MapDef::value_type).
    pub member: u32,
    /// Where in the value, in bytes.
    pub offset: u32,
    /// The program.
    pub program: ProgramIndex,
}

impl MapDef {
    pub(crate) fn new(name: &str, kind: MapKind) -> Self {
        Self {
            name: name.into(),
            kernel_name: kernel_name(name),
            kind,
            map_type: MapType(0),
            key_size: 0,
            value_size: 0,
            max_entries: 0,
            flags: MapFlags::empty(),
            map_extra: 0,
            numa_node: 0,
            pinning: Pinning::None,
            key_type: None,
            value_type: None,
            inner: None,
            slots: Vec::new(),
            members: Vec::new(),
            autocreate: true,
            section: None,
            offset: 0,
            legacy_tail: Vec::new(),
            contents: 0..0,
        }
    }

    /// Whether the map holds global variables (or constants, or configuration values), and is made by the compiler.
    #[must_use]
    pub fn is_global_data(&self) -> bool {
        matches!(
            self.kind,
            MapKind::Data | MapKind::Rodata | MapKind::Bss | MapKind::Kconfig
        )
    }

    /// Whether the map is filled once and then frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        matches!(self.kind, MapKind::Rodata | MapKind::Kconfig)
    }

    pub(crate) fn is_map_of_maps(&self) -> bool {
        matches!(self.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
    }
}

/// The first 15 bytes of a name; what the kernel would refuse becomes an underscore.
pub(crate) fn kernel_name(name: &str) -> Box<str> {
    let valid = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
            c
        } else {
            '_'
        }
    };
    name.bytes()
        .take(KERNEL_NAME_MAX)
        .map(|byte| valid(char::from(byte)))
        .collect()
}

/// The next size that the kernel takes for a ring buffer: a power of two times the page size. Zero stays zero, and what
/// is too large stays as it is: both are for the kernel to refuse.
#[must_use]
pub fn ring_size(size: u32, page: u32) -> u32 {
    if size == 0 || page == 0 {
        return size;
    }
    size.div_ceil(page)
        .checked_next_power_of_two()
        .and_then(|pages| pages.checked_mul(page))
        .unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_rounded_up() {
        #[track_caller]
        fn check(size: u32, expected: u32) {
            assert_eq!(ring_size(size, 4096), expected);
        }
        check(0, 0);
        check(1, 4096);
        check(4096, 4096);
        check(4097, 8192);
        check(3 * 4096, 4 * 4096);
        check(1 << 31, 1 << 31);
        check((1 << 31) + 1, (1 << 31) + 1);
        check(u32::MAX, u32::MAX);
    }
}
