//! A whole object file, as data.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bpfld_btf::{Btf, BtfExt, Bytes, TypeId};
use bpfld_insn::{Endian, Slot};

use crate::datasec::DataSection;
use crate::elf::Section;
use crate::info::Info;
use crate::open::OpenOptions;
use crate::program::Code;
use crate::relocation::CodeRelocation;
use crate::{
    Error, Extern, ExternIndex, Function, FunctionIndex, MapDef, MapIndex, Program, ProgramIndex,
    SectionIndex, Variable,
};

/// A compiled BPF object: what its file says, and nothing about any kernel.
///
/// Opening is a pure function of the bytes, works on any host, and takes objects of either byte order; instructions are
/// always in the layout of the host. An object never changes, and can be shared between threads.
///
/// ```
/// # fn main() -> Result<(), bpfld_object::Error> {
/// # let bytes: &'static [u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/maps.el.o"));
/// use bpfld_object::Object;
///
/// let object = Object::parse(bytes)?;
/// for program in object.programs() {
///     println!("{} in {}: {:?}", program.name, program.section, program.spec);
///     let linked = object.link(program)?;
///     println!("{} instructions, {} references", linked.insns.len(), linked.relocations.len());
/// }
/// for map in object.maps() {
///     println!("{}: {}", map.name, map.map_type);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Object {
    pub(crate) name: String,
    pub(crate) endian: Endian,
    pub(crate) license: Option<String>,
    pub(crate) version: Option<u32>,
    pub(crate) sections: Vec<Section>,
    pub(crate) functions: Vec<Function>,
    pub(crate) programs: Vec<Program>,
    pub(crate) maps: Vec<MapDef>,
    pub(crate) externs: Vec<Extern>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) data_sections: Vec<DataSection>,
    pub(crate) tags: Vec<TypeId>,
    pub(crate) code: Vec<Code>,
    /// The relocations of each element of `code`.
    pub(crate) relocations: Vec<Vec<CodeRelocation>>,
    pub(crate) jump_tables: Range<u32>,
    pub(crate) kconfig_map: Option<MapIndex>,
    pub(crate) btf: Option<Arc<Btf>>,
    pub(crate) info: Info,
    pub(crate) bytes: Bytes,
}

impl Object {
    /// Reads an object from a file.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    #[cfg(feature = "std")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Self::options().open(path)
    }

    /// Reads an object from bytes, which are kept.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::parse`].
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        Self::options().parse(bytes)
    }

    /// Options for opening.
    pub fn options() -> OpenOptions {
        OpenOptions::default()
    }

    /// The object's name: of the file up to its first dot, or what the options say; at most 15 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The byte order of the machines that the object is for. Only those of the same order can load it.
    #[must_use]
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The license that the programs are under; it decides which helpers the kernel lets them call. There is no default.
    #[must_use]
    pub fn license(&self) -> Option<&str> {
        self.license.as_deref()
    }

    /// The kernel version in section `version`, which kernels before 5.0 compare with their own for kprobes.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// The sections of the file, by number; the first is a placeholder.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The bytes of a section; none for `.bss` and its like, and for sections that reach beyond the end of the file.
    #[must_use]
    pub fn section_data(&self, section: SectionIndex) -> &[u8] {
        let range = self.sections.get(section.index()).and_then(Section::file_range);
        range
            .and_then(|range| self.bytes.as_slice().get(range))
            .unwrap_or_default()
    }

    /// All functions, programs among them, in the order of their sections and places.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function of this number.
    #[must_use]
    pub fn function(&self, index: FunctionIndex) -> Option<&Function> {
        self.functions.get(index.index())
    }

    /// A function's own instructions, as they stand in the file.
    #[must_use]
    pub fn insns(&self, function: &Function) -> &[Slot] {
        let (start, len) = (function.start as usize, function.len as usize);
        let code = self
            .code_of(function.section)
            .and_then(|place| self.code.get(place));
        code.and_then(|code| code.slots.get(start..)?.get(..len))
            .unwrap_or_default()
    }

    /// All programs, in the order of their sections and places.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The program of this name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| &*program.name == name)
    }

    /// The number of the program of this name.
    #[must_use]
    pub fn program_index(&self, name: &str) -> Option<ProgramIndex> {
        self.programs
            .iter()
            .position(|program| &*program.name == name)
            .map(ProgramIndex::new)
    }

    /// All maps, in the order in which they are created: defined ones, global data, configuration values, struct_ops.
    #[must_use]
    pub fn maps(&self) -> &[MapDef] {
        &self.maps
    }

    /// The map of this name; global data is found by the section's name and by the kernel's.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<&MapDef> {
        self.map_index(name)
            .and_then(|index| self.maps.get(index.index()))
    }

    /// The number of the map of this name, as for [`map`](Self::map).
    #[must_use]
    pub fn map_index(&self, name: &str) -> Option<MapIndex> {
        let by_name = self.maps.iter().position(|map| &*map.name == name);
        let by_kernel_name = || {
            self.maps
                .iter()
                .position(|map| map.is_global_data() && &*map.kernel_name == name)
        };
        by_name.or_else(by_kernel_name).map(MapIndex::new)
    }

    /// What a map's value begins with: the contents of global data, of a struct_ops variable, or of an arena. What is
    /// missing to the map's value size is zeros.
    #[must_use]
    pub fn initial_value(&self, map: &MapDef) -> &[u8] {
        let Range { start, end } = map.contents;
        self.bytes
            .as_slice()
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    /// What the object expects from outside: configuration values first, then kernel symbols, by name.
    #[must_use]
    pub fn externs(&self) -> &[Extern] {
        &self.externs
    }

    /// The extern of this number.
    #[must_use]
    pub fn extern_at(&self, index: ExternIndex) -> Option<&Extern> {
        self.externs.get(index.index())
    }

    /// All global variables, by map and place.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The global variable of this name; of several static ones, the first.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| &*variable.name == name)
    }

    /// The variables that the object's BTF tells of, with sizes, offsets and linkage as they must be for the kernel.
    #[must_use]
    pub fn data_sections(&self) -> &[DataSection] {
        &self.data_sections
    }

    /// The object's own BTF, as it stands in the file.
    #[must_use]
    pub fn btf(&self) -> Option<&Arc<Btf>> {
        self.btf.as_ref()
    }

    /// The object's BTF.ext.
    #[must_use]
    pub fn btf_ext(&self) -> Option<&BtfExt> {
        self.info.ext.as_ref()
    }

    /// The bytes that the object was read from.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The position of a section in `code` and `relocations`.
    pub(crate) fn code_of(&self, section: SectionIndex) -> Option<usize> {
        self.code.binary_search_by_key(&section, |code| code.section).ok()
    }

    /// The relocations of a function, by slot of its section.
    pub(crate) fn relocations_of(&self, function: &Function) -> &[CodeRelocation] {
        let all = self
            .code_of(function.section)
            .and_then(|place| self.relocations.get(place));
        let all = all.map_or(&[][..], Vec::as_slice);
        let from = |slot: u32| all.partition_point(|relocation| relocation.slot < slot);
        all.get(from(function.start)..from(function.start.saturating_add(function.len)))
            .unwrap_or_default()
    }

    pub(crate) fn section_name(&self, section: SectionIndex) -> &str {
        self.sections
            .get(section.index())
            .map_or("?", |section| &section.name)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("name", &self.name)
            .field("endian", &self.endian)
            .field("license", &self.license)
            .field("programs", &self.programs)
            .field("maps", &self.maps)
            .field("externs", &self.externs)
            .finish_non_exhaustive()
    }
}
