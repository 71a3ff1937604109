//! From bytes to an [`Object`].

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bpfld_btf::{Btf, Bytes};
use bpfld_sys::MapType;

use crate::datasec::Findings;
use crate::elf::Elf;
use crate::externs::Externs;
use crate::info::Info;
use crate::map::KERNEL_NAME_MAX;
use crate::relocation::{Context, JUMP_TABLES, Places};
use crate::{
    Error, ErrorKind, ExternKind, MapDef, MapIndex, MapKind, Object, map_btf, map_data, map_legacy, program,
    struct_ops,
};

/// The longest license that is kept, in bytes.
const LICENSE_MAX: usize = 63;

/// How to open an object; from [`Object::options`].
///
/// ```no_run
/// let object = bpfld_object::Object::options().name("firewall").open("fw.bpf.o")?;
/// # Ok::<(), bpfld_object::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct OpenOptions {
    name: Option<String>,
    /// What the file is called in messages, if it is a text.
    #[cfg(feature = "asm")]
    file: Option<String>,
    relaxed_maps: bool,
    allow_undefined: bool,
}

impl OpenOptions {
    /// The object's name, which is part of the kernel's names for its global data. The default is the file's name up to
    /// its first dot, and empty for bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Ignores attributes of maps that this library does not know, instead of refusing them.
    pub fn relaxed_maps(mut self) -> Self {
        self.relaxed_maps = true;
        self
    }

    /// Accepts externs that another object must define. Programs that use them cannot be linked; this is for looking at
    /// objects that are not whole.
    pub fn allow_undefined(mut self) -> Self {
        self.allow_undefined = true;
        self
    }

    /// Reads an object from a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and for the reasons of [`parse`](Self::parse).
    #[cfg(feature = "std")]
    pub fn open(mut self, path: impl AsRef<std::path::Path>) -> Result<Object, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|cause| Error::io(path, cause))?;
        #[cfg(feature = "asm")]
        {
            self.file = Some(alloc::format!("{}", path.display()));
        }
        if self.name.is_none() {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            self.name = Some(name.split('.').next().unwrap_or_default().to_owned());
        }
        self.parse(bytes).map_err(|error| error.in_file(path))
    }

    /// Reads an object from bytes. They are kept, not copied. With feature `asm`, assembly is taken too, as described at
    /// `ObjectAssembler`: text of which a line begins with a directive such as `.section`.
    ///
    /// # Errors
    ///
    /// If the bytes are no BPF object, or what they describe is malformed, contradictory or beyond the limits.
    pub fn parse(self, bytes: impl Into<Bytes>) -> Result<Object, Error> {
        let Self {
            name,
            #[cfg(feature = "asm")]
            file,
            relaxed_maps,
            allow_undefined,
        } = self;
        let mut name = name.unwrap_or_default();
        let room = name
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|end| *end <= KERNEL_NAME_MAX);
        name.truncate(room.last().unwrap_or(0));

        let bytes = bytes.into();
        #[cfg(feature = "asm")]
        let bytes = assembled(bytes, file.as_deref())?;
        let elf = Elf::parse(bytes.as_slice())?;
        let (functions, code) = program::find_functions(&elf)?;
        let programs = program::find_programs(&functions, &elf.sections);
        let btf = read_btf(&elf, &bytes)?;
        let found = match &btf {
            Some(btf) => Findings::collect(btf, &elf)?,
            None => Findings::default(),
        };
        let info = Info::read(&elf, &bytes, btf.as_deref())?;
        let externs = Externs::collect(&elf, btf.as_deref(), &found)?;
        let undefined = externs
            .list
            .iter()
            .find(|item| item.kind == ExternKind::Undefined);
        if let Some(item) = undefined.filter(|_| !allow_undefined) {
            let detail =
                "defined neither here nor by the kernel; is another object to be linked to this one?";
            return Err(Error::new(ErrorKind::Extern, detail).symbol(&item.name));
        }
        let mut places = Places::default();
        let mut maps = read_maps(
            &elf,
            btf.as_deref(),
            &found,
            &externs,
            &mut places,
            &name,
            relaxed_maps,
        )?;
        let context = Context {
            elf: &elf,
            btf: btf.as_deref(),
            functions: &functions,
            programs: &programs,
            externs: &externs,
            code: &code,
            places: &places,
        };
        let relocations = context.collect(&mut maps)?;
        let jump_tables = elf
            .named(JUMP_TABLES)
            .map(|section| map_data::file_range(&elf, section))
            .transpose()?;
        let license = license(&elf)?;
        let version = version(&elf)?;
        let variables = crate::variables::collect(&elf, btf.as_deref(), &found, &externs, &maps);
        let kconfig_map = maps
            .iter()
            .position(|map| map.kind == MapKind::Kconfig)
            .map(MapIndex::new);
        let (endian, sections) = elf.into_parts();
        Ok(Object {
            name,
            endian,
            license,
            version,
            sections,
            functions,
            programs,
            maps,
            externs: externs.list,
            variables,
            data_sections: found.sections,
            tags: found.tags,
            code,
            relocations,
            jump_tables: jump_tables.unwrap_or(0..0),
            kconfig_map,
            btf,
            info,
            bytes,
        })
    }
}

/// Whether somebody wrote it.
#[cfg(feature = "asm")]
fn is_text(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|char| !char.is_control() || char.is_ascii_whitespace())
}

/// The bytes of an object file: those given, or what the assembly in them becomes.
#[cfg(feature = "asm")]
fn assembled(bytes: Bytes, file: Option<&str>) -> Result<Bytes, Error> {
    use crate::assembly::{ObjectAssembler, is_assembly};

    let text = match core::str::from_utf8(bytes.as_slice()) {
        Ok(text) if is_assembly(text.as_bytes()) => text,
        Ok(text) if is_text(text) => {
            let message = "neither an ELF file nor assembly, of which a line begins with a directive such as `.section`";
            return Err(Error::elf(message));
        }
        _ => return Ok(bytes),
    };
    let mut assembler = ObjectAssembler::new();
    if let Some(file) = file {
        assembler = assembler.name(file);
    }
    let made = assembler.assemble(text).map_err(Error::text)?;
    Ok(made.bytes.into())
}

fn read_btf(elf: &Elf<'_>, bytes: &Bytes) -> Result<Option<Arc<Btf>>, Error> {
    let Some(part) = elf.shared(bytes, ".BTF")? else {
        return Ok(None);
    };
    let btf = Btf::parse(part).map_err(|cause| Error::btf("malformed", cause).section(".BTF"))?;
    Ok(Some(Arc::new(btf)))
}

/// The license, up to a zero byte. There is no default: the object's author did not grant one.
fn license(elf: &Elf<'_>) -> Result<Option<String>, Error> {
    let Some(section) = elf.named("license") else {
        return Ok(None);
    };
    let data = elf.section_data(section)?;
    let text = data.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = text.get(..LICENSE_MAX).unwrap_or(text);
    match core::str::from_utf8(text) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Error::new(ErrorKind::Section, "the license is not UTF-8").section("license")),
    }
}

fn version(elf: &Elf<'_>) -> Result<Option<u32>, Error> {
    let Some(section) = elf.named("version") else {
        return Ok(None);
    };
    match <[u8; 4]>::try_from(elf.section_data(section)?) {
        Ok(version) => Ok(Some(elf.u32(version))),
        Err(_) => Err(Error::new(ErrorKind::Section, "the version is not of 4 bytes").section("version")),
    }
}

/// All maps, in the order in which they are created: defined ones, global data, configuration values, struct_ops.
fn read_maps(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    found: &Findings,
    externs: &Externs,
    places: &mut Places,
    object: &str,
    relaxed: bool,
) -> Result<Vec<MapDef>, Error> {
    let mut maps = Vec::new();
    if let Some(section) = elf
        .named(map_legacy::LEGACY_MAPS)
        .filter(|section| section.is_progbits())
    {
        maps = map_legacy::read_maps(elf, section)?;
    }
    if let Some(section) = elf.named(map_btf::MAPS) {
        let Some((btf, data)) = btf.zip(found.section(map_btf::MAPS)) else {
            return Err(
                Error::new(ErrorKind::Btf, "BTF does not tell what maps there are").section(map_btf::MAPS),
            );
        };
        for map in map_btf::read_maps(btf, data, section.index, section.size, relaxed)? {
            places
                .btf_maps
                .insert(MapIndex::new(maps.len()), (map.size, map.values_offset));
            maps.push(map.def);
        }
    }
    arena_data(elf, &mut maps)?;
    for section in &elf.sections {
        if let Some(kind) = map_data::data_kind(section) {
            maps.push(map_data::data_map(
                elf,
                object,
                section,
                kind,
                found.section(&section.name),
            )?);
        }
    }
    if externs.kconfig_size > 0 {
        maps.push(map_data::kconfig_map(
            object,
            externs.kconfig_size,
            found.section(crate::datasec::KCONFIG),
        ));
    }
    for section in elf
        .sections
        .iter()
        .filter(|section| struct_ops::is_struct_ops(section))
    {
        maps.extend(struct_ops::read_maps(elf, btf, found, section)?);
    }
    places.add(&maps);
    Ok(maps)
}

/// Gives the arena the variables that live in it.
fn arena_data(elf: &Elf<'_>, maps: &mut [MapDef]) -> Result<(), Error> {
    let mut arenas = maps.iter_mut().filter(|map| map.map_type == MapType::ARENA);
    let arena = arenas.next();
    if let Some(second) = arenas.next() {
        return Err(Error::map(&second.name, "an object can have one arena only"));
    }
    let data = elf
        .named(map_data::ARENA)
        .filter(|section| section.is_progbits() && section.size > 0);
    match (arena, data) {
        (Some(arena), Some(section)) => arena.contents = map_data::file_range(elf, section)?,
        (None, Some(section)) => {
            let detail = "variables of an arena need a map of type arena";
            return Err(Error::new(ErrorKind::Map, detail).section(&section.name));
        }
        _ => {}
    }
    Ok(())
}
