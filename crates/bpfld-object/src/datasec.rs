//! What the object's own BTF says about sections: the variables of each, with offsets and linkage from the symbols.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_btf::{Btf, Kind, Linkage, Type, TypeId};
use hashbrown::HashMap;

use crate::elf::{Elf, Symbol};
use crate::map::MAX_NAME;
use crate::{Error, ErrorKind, SectionIndex};

/// The section that BTF invents for externs from the kernel's configuration.
pub(crate) const KCONFIG: &str = ".kconfig";
/// The section that BTF invents for externs from the kernel's symbols.
pub(crate) const KSYMS: &str = ".ksyms";

/// A `DATASEC` of the object's BTF, with what the compiler left open filled in from the ELF file.
///
/// Compilers write sizes and offsets of zero; the kernel wants the true ones. And what is hidden from other objects
/// counts as static.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataSection {
    /// The `DATASEC`.
    pub id: TypeId,
    /// The section's name.
    pub name: Box<str>,
    /// The section of that name, if there is one.
    pub section: Option<SectionIndex>,
    /// The size in bytes: what BTF says, or else the section's.
    pub size: u32,
    /// The variables, in the order of BTF.
    pub variables: Vec<DataVariable>,
}

/// A variable of a [`DataSection`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataVariable {
    /// The variable's (or among externs, function's) own type.
    pub id: TypeId,
    /// Where in the section, in bytes.
    pub offset: u32,
    /// The size in bytes.
    pub size: u32,
    /// The linkage; static for a variable that is hidden, too.
    pub linkage: Linkage,
}

/// What one pass over the object's types finds.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) sections: Vec<DataSection>,
    /// Declaration tags.
    pub(crate) tags: Vec<TypeId>,
}

impl Findings {
    pub(crate) fn collect(btf: &Btf, elf: &Elf<'_>) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut sections = Vec::new();
        for ty in btf.own_types() {
            match ty.kind() {
                Kind::DATASEC => sections.push(ty),
                Kind::DECL_TAG => found.tags.push(ty.id()),
                _ => {}
            }
        }
        if sections.is_empty() {
            return Ok(found);
        }
        let symbols = GlobalSymbols::new(elf);
        for ty in sections {
            found.sections.push(data_section(btf, elf, &symbols, ty)?);
        }
        Ok(found)
    }

    pub(crate) fn section(&self, name: &str) -> Option<&DataSection> {
        self.sections.iter().find(|section| &*section.name == name)
    }
}

impl DataSection {
    /// Whether it holds declarations of things outside of the object.
    #[must_use]
    pub fn is_extern(&self) -> bool {
        matches!(&*self.name, KCONFIG | KSYMS)
    }

    /// Whether a variable of it is of interest to others than its own source file.
    pub(crate) fn has_public_variable(&self) -> bool {
        self.variables
            .iter()
            .any(|variable| variable.linkage != Linkage::STATIC)
    }
}

/// Global and weak data symbols by name.
struct GlobalSymbols<'e, 'd>(HashMap<&'d str, &'e Symbol<'d>>);

impl<'e, 'd> GlobalSymbols<'e, 'd> {
    fn new(elf: &'e Elf<'d>) -> Self {
        let mut map = HashMap::new();
        for symbol in elf
            .symbols
            .iter()
            .filter(|symbol| symbol.is_object() && !symbol.is_local())
        {
            map.entry(symbol.name).or_insert(symbol);
        }
        Self(map)
    }
}

fn data_section(
    btf: &Btf,
    elf: &Elf<'_>,
    symbols: &GlobalSymbols<'_, '_>,
    ty: Type<'_>,
) -> Result<DataSection, Error> {
    let name = ty
        .name()
        .map_err(|cause| Error::btf("a section has no valid name", cause))?;
    if name.len() > MAX_NAME {
        return Err(Error::new(
            ErrorKind::Limit,
            "a section's name in BTF is too long",
        ));
    }
    let section = elf.named(name);
    let is_extern = matches!(name, KCONFIG | KSYMS);
    let stated = ty.size_bytes().unwrap_or(0);
    let open = stated == 0 && !is_extern;
    let size = match section {
        Some(section) if open => u32::try_from(section.size).unwrap_or(u32::MAX),
        _ => stated,
    };
    let mut variables = Vec::with_capacity(ty.variables().len());
    for variable in ty.variables() {
        let bad = |cause| Error::btf("malformed variable", cause).section(name);
        let own = btf.ty(variable.type_id).map_err(bad)?;
        let linkage = own.linkage().unwrap_or(Linkage::STATIC);
        let mut fixed = DataVariable {
            id: variable.type_id,
            offset: variable.offset,
            size: variable.size,
            linkage,
        };
        if !is_extern && own.kind() == Kind::VAR && linkage == Linkage::GLOBAL {
            let symbol = symbols.0.get(own.name().map_err(bad)?);
            if let Some(symbol) =
                symbol.filter(|symbol| section.is_none_or(|section| symbol.is_in(section.index)))
            {
                if open {
                    fixed.offset = u32::try_from(symbol.value).unwrap_or(u32::MAX);
                }
                if symbol.is_hidden() {
                    fixed.linkage = Linkage::STATIC;
                }
            }
        }
        variables.push(fixed);
    }
    Ok(DataSection {
        id: ty.id(),
        name: name.into(),
        section: section.map(|section| section.index),
        size,
        variables,
    })
}
