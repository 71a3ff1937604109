//! What the generator asks of BTF: enumerations, bit fields, and parts of structures laid flat.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use bpfld_btf::{Btf, Builder, Endian, Import, Kind, Type, TypeId};

use super::tables::{FlagMember, FlagSet, FlagSource, Structure, Tables};

/// The kernel's enumeration of helper functions.
pub(super) const HELPERS: &str = "bpf_func_id";

pub(super) struct Abi {
    btf: Btf,
}

/// A field of a structure that was laid flat.
pub(super) struct FlatField {
    /// Name of the innermost named structure around it; empty if there is none.
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) ty: String,
    /// Bytes.
    pub(super) offset: u32,
    /// Bytes.
    pub(super) size: u32,
    /// Stands for all bit fields in its place.
    pub(super) is_bits: bool,
}

/// A structure laid flat.
pub(super) struct Flat {
    pub(super) fields: Vec<FlatField>,
    /// Bytes of the kernel's structure; nothing if only its beginning is taken.
    pub(super) size: Option<u32>,
}

/// Cuts the kernel's BTF down to what the tables name.
pub(super) fn cut(bytes: &[u8], tables: &Tables) -> Result<Vec<u8>> {
    let abi = Abi::parse(bytes.to_vec())?;
    let mut import = Import::new(&abi.btf).forward_behind_pointers();
    let mut builder = Builder::new();
    let mut add = |id| {
        import
            .add(&mut builder, id)
            .map(drop)
            .context("cannot copy a type")
    };
    add(abi.enumeration(HELPERS)?.id())?;
    for vocabulary in &tables.vocabularies {
        add(abi.enumeration(vocabulary.enumeration)?.id())?;
    }
    for set in &tables.flags {
        match set.source {
            FlagSource::Enumeration => add(abi.flag_enumeration(set)?.id())?,
            FlagSource::Bits(structure) => add(abi.structure(structure)?.id())?,
            FlagSource::Macro => {}
        }
    }
    for structure in tables.modules.iter().flat_map(|module| &module.structures) {
        add(abi.structure(structure.root)?.id())?;
    }
    Ok(builder.to_bytes_in(Endian::Little))
}

impl Abi {
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self {
            btf: Btf::parse(bytes).context("cannot read the BTF")?,
        })
    }

    fn enumeration(&self, name: &str) -> Result<Type<'_>> {
        let id = self
            .btf
            .find(name, Kind::ENUM)
            .or_else(|| self.btf.find(name, Kind::ENUM64));
        Ok(self
            .btf
            .ty(id.with_context(|| format!("no enumeration `{name}`"))?)?)
    }

    fn structure(&self, name: &str) -> Result<Type<'_>> {
        let id = self
            .btf
            .find(name, Kind::STRUCT)
            .or_else(|| self.btf.find(name, Kind::UNION));
        Ok(self
            .btf
            .ty(id.with_context(|| format!("no structure `{name}`"))?)?)
    }

    /// The members of an enumeration, without `prefix` where they have it.
    pub(super) fn members(&self, name: &str, prefix: &str) -> Result<Vec<(String, u64)>> {
        values(self.enumeration(name)?, prefix)
    }

    /// The enumeration that has the first member of `set`.
    fn flag_enumeration(&self, set: &FlagSet) -> Result<Type<'_>> {
        let first = set
            .members
            .first()
            .map(|FlagMember { name, .. }| *name)
            .unwrap_or_default();
        let first = format!("{}{first}", set.prefix);
        self.btf
            .types()
            .filter(|ty| ty.kind().is_enumeration())
            .find(|ty| {
                ty.enum_values()
                    .any(|value| value.name().is_ok_and(|name| name == first))
            })
            .with_context(|| format!("no enumeration has a member `{first}`"))
    }

    /// The values of a set of flags that are in BTF, by name without prefix.
    pub(super) fn flag_values(&self, set: &FlagSet) -> Result<BTreeMap<String, u64>> {
        match set.source {
            FlagSource::Enumeration => Ok(values(self.flag_enumeration(set)?, set.prefix)?
                .into_iter()
                .collect()),
            FlagSource::Bits(structure) => self.bit_fields(structure),
            FlagSource::Macro => Ok(BTreeMap::new()),
        }
    }

    /// The bit fields of a structure, in upper case, as bits of the word that holds them.
    fn bit_fields(&self, structure: &str) -> Result<BTreeMap<String, u64>> {
        let mut fields = BTreeMap::new();
        for member in self
            .structure(structure)?
            .members()
            .filter(|member| member.bitfield_size != 0)
        {
            let bits = self.btf.resolve_size(member.type_id)? * 8;
            let mask = u64::MAX >> (64 - u32::from(member.bitfield_size));
            fields.insert(
                member.name()?.to_ascii_uppercase(),
                mask << (member.bit_offset % bits),
            );
        }
        Ok(fields)
    }

    /// Lays flat what the table says of a structure.
    pub(super) fn flat(&self, structure: &Structure) -> Result<Flat> {
        let mut ty = self.structure(structure.root)?;
        for part in &structure.path {
            ty = self.part(ty, part).with_context(|| format!("no part `{part}`"))?;
        }
        let mut walk = Walk {
            abi: self,
            pick: &structure.pick,
            fields: Vec::new(),
            is_short: false,
        };
        walk.walk(ty, 0, "")?;
        let Walk {
            mut fields, is_short, ..
        } = walk;
        if let Some(until) = structure.until {
            let last = fields.iter().position(|field| field.name == until);
            fields.truncate(last.with_context(|| format!("no field `{until}`"))? + 1);
            return Ok(Flat { fields, size: None });
        }
        let size = if is_short {
            None
        } else {
            Some(ty.size_bytes().context("no size")?)
        };
        Ok(Flat { fields, size })
    }

    /// The member of a structure: by its name, else the nameless one that has it.
    fn part<'a>(&'a self, ty: Type<'a>, name: &str) -> Option<Type<'a>> {
        for member in ty.members() {
            let inner = self
                .btf
                .skip_modifiers(member.type_id)
                .ok()
                .filter(|inner| inner.kind().is_composite());
            let Some(inner) = inner else { continue };
            if member.name() == Ok(name) {
                return Some(inner);
            }
            if member.name() != Ok("") {
                continue;
            }
            // A named structure inside of a nameless union, or else the nameless structure with this field.
            if let Some(found) = self.part(inner, name).filter(|_| self.has_composite(inner, name)) {
                return Some(found);
            }
            if self.has(inner, name) {
                return Some(inner);
            }
        }
        None
    }

    fn has_composite(&self, ty: Type<'_>, name: &str) -> bool {
        ty.members().any(|member| {
            member.name() == Ok(name)
                && self
                    .btf
                    .skip_modifiers(member.type_id)
                    .is_ok_and(|inner| inner.kind().is_composite())
        })
    }

    /// Whether a structure has this member, also in nameless ones within.
    fn has(&self, ty: Type<'_>, name: &str) -> bool {
        ty.members().any(|member| {
            member.name() == Ok(name)
                || member.name() == Ok("")
                    && self
                        .btf
                        .skip_modifiers(member.type_id)
                        .is_ok_and(|inner| self.has(inner, name))
        })
    }

    /// The type of a field as it is written in Rust. Pointers are numbers of 8 bytes.
    fn field_type(&self, id: TypeId) -> Result<String> {
        let ty = self.btf.resolve(id)?;
        Ok(match ty.kind() {
            Kind::INT => {
                let int = ty.int().context("no integer")?;
                let size = ty.size_bytes().context("no size")?;
                format!("{}{}", if int.is_signed() { 'i' } else { 'u' }, size * 8)
            }
            Kind::PTR => "u64".to_owned(),
            Kind::ENUM => "u32".to_owned(),
            Kind::ARRAY => {
                let array = ty.array().context("no array")?;
                // Characters are bytes.
                let element = self.field_type(array.element)?.replace("i8", "u8");
                format!("[{element}; {}]", array.len)
            }
            kind => bail!("a field of kind {kind:?}"),
        })
    }
}

fn values(ty: Type<'_>, prefix: &str) -> Result<Vec<(String, u64)>> {
    ty.enum_values()
        .map(|value| {
            let name = value.name()?;
            Ok((name.strip_prefix(prefix).unwrap_or(name).to_owned(), value.bits))
        })
        .collect()
}

/// Collects fields.
struct Walk<'a> {
    abi: &'a Abi,
    pick: &'a [&'static str],
    fields: Vec<FlatField>,
    /// A union had no member to take, or one that does not fill it.
    is_short: bool,
}

impl Walk<'_> {
    fn walk(&mut self, ty: Type<'_>, base: u32, parent: &str) -> Result<()> {
        let is_union = ty.kind() == Kind::UNION;
        for member in ty.members() {
            let name = member.name()?;
            let inner = self.abi.btf.resolve(member.type_id)?;
            let is_composite = inner.kind().is_composite();
            let is_picked = |pick: &&'static str| {
                name == *pick || name.is_empty() && is_composite && self.abi.has(inner, pick)
            };
            if is_union && !self.pick.iter().any(is_picked) {
                continue;
            }
            if is_composite {
                self.is_short |= is_union && inner.size_bytes() < ty.size_bytes();
                let parent = if name.is_empty() { parent } else { name };
                self.walk(inner, base + member.bit_offset / 8, parent)?;
            } else {
                self.field(member, base, parent)?;
            }
            if is_union {
                return Ok(());
            }
        }
        self.is_short |= is_union;
        Ok(())
    }

    fn field(&mut self, member: bpfld_btf::Member<'_>, base: u32, parent: &str) -> Result<()> {
        let size = self.abi.btf.resolve_size(member.type_id)?;
        let is_bits = member.bitfield_size != 0;
        let unit = if is_bits { size } else { 1 };
        let offset = base + member.bit_offset / 8 / unit * unit;
        if let Some(last) = self.fields.last() {
            if is_bits && last.is_bits && last.offset == offset {
                return Ok(());
            }
            ensure!(
                offset >= last.offset + last.size,
                "`{}` overlaps `{}`",
                member.name()?,
                last.name
            );
        }
        self.fields.push(FlatField {
            parent: parent.to_owned(),
            name: member.name()?.to_owned(),
            ty: self.abi.field_type(member.type_id)?,
            offset,
            size,
            is_bits,
        });
        Ok(())
    }
}
