//! Externs: what an object expects from outside: configuration values, kernel symbols, kernel functions.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bpfld_btf::{Btf, IntEncoding, Kind, Linkage, TypeId};
use hashbrown::HashMap;

use crate::datasec::{Findings, KCONFIG, KSYMS};
use crate::elf::Elf;
use crate::{Error, ErrorKind, ExternIndex};

/// The most bytes of all configuration values together: strings are as long as the object says.
const MAX_KCONFIG: u32 = 1 << 20;

/// Something that the object uses and does not define.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extern {
    /// The name.
    pub name: Box<str>,
    /// What it is.
    pub kind: ExternKind,
    /// Whether the object can do without: it then reads as zero.
    pub weak: bool,
    /// The declaration in the object's BTF: a variable or function. `None` without BTF.
    pub declaration: Option<TypeId>,
}

/// The kinds of externs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternKind {
    /// A value of the kernel's configuration (`__kconfig`): a variable in the map `.kconfig`.
    Kconfig {
        /// The variable's type in the object's BTF.
        ty: TypeId,
        /// How to understand the value.
        value: KconfigValue,
        /// Where in the map's value, in bytes.
        offset: u32,
        /// The size in bytes.
        size: u32,
    },
    /// A variable of the kernel (`__ksym`).
    Ksym {
        /// Its type in the object's BTF, without qualifiers and typedefs; `None` if declared as `void`: then only its
        /// address is asked for, which `/proc/kallsyms` tells.
        ty: Option<TypeId>,
    },
    /// A function of the kernel (`__ksym`), kernel 5.13.
    Kfunc {
        /// Its prototype in the object's BTF.
        prototype: TypeId,
    },
    /// Something that another object must define. Programs that use it cannot be linked.
    Undefined,
}

/// The types that a configuration value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KconfigValue {
    /// A character or a number of 1 byte.
    Char {
        /// Whether it is signed.
        signed: bool,
    },
    /// `y` or `n`.
    Bool,
    /// A number of 2, 4 or 8 bytes.
    Int {
        /// Whether it is signed.
        signed: bool,
    },
    /// `y`, `m` or `n`.
    Tristate,
    /// A string, cut off where the variable ends.
    String,
}

impl Extern {
    /// The name without a flavour (`___` and what follows), under which the kernel knows it.
    #[must_use]
    pub fn essential_name(&self) -> &str {
        // as for CO-RE: three underscores between characters that are none
        let bytes = self.name.as_bytes();
        let flavour = bytes
            .windows(5)
            .rposition(|w| w[0] != b'_' && w[1..4] == *b"___" && w[4] != b'_');
        flavour.map_or(&self.name, |at| &self.name[..=at])
    }

    fn order(&self) -> (u8, core::cmp::Reverse<u32>, u32, &str) {
        match self.kind {
            // `offset` holds the alignment until places are assigned
            ExternKind::Kconfig { offset, size, .. } => (0, core::cmp::Reverse(offset), size, &self.name),
            _ => (1, core::cmp::Reverse(0), 0, &self.name),
        }
    }
}

/// The externs of an object, and which symbol stands for which.
#[derive(Debug, Default)]
pub(crate) struct Externs {
    pub(crate) list: Vec<Extern>,
    by_symbol: HashMap<u32, ExternIndex>,
    /// The size of the map `.kconfig`; zero if there is none.
    pub(crate) kconfig_size: u32,
}

impl Externs {
    pub(crate) fn collect(elf: &Elf<'_>, btf: Option<&Btf>, found: &Findings) -> Result<Self, Error> {
        let declared = Declarations::new(btf, found)?;
        let mut list = Vec::new();
        for (index, symbol) in elf.symbols.iter().enumerate() {
            if symbol.is_extern() && !symbol.name.is_empty() {
                let (kind, declaration) = declared.kind(symbol.name)?;
                let name = symbol.name.into();
                list.push((
                    index as u32,
                    Extern {
                        name,
                        kind,
                        weak: symbol.is_weak(),
                        declaration,
                    },
                ));
            }
        }
        list.sort_by(|(_, a), (_, b)| a.order().cmp(&b.order()));
        let mut externs = Self::default();
        for (symbol, mut item) in list {
            if let ExternKind::Kconfig { offset, size, .. } = &mut item.kind {
                let place =
                    |end: u32, align: u32, size| end.checked_next_multiple_of(align)?.checked_add(size);
                let end = place(externs.kconfig_size, *offset, *size);
                let end = end.filter(|end| *end <= MAX_KCONFIG).ok_or_else(|| {
                    Error::new(ErrorKind::Limit, "configuration values exceed 1 MiB").symbol(&item.name)
                })?;
                *offset = end - *size;
                externs.kconfig_size = end;
            }
            externs
                .by_symbol
                .insert(symbol, ExternIndex::new(externs.list.len()));
            externs.list.push(item);
        }
        Ok(externs)
    }

    pub(crate) fn of_symbol(&self, symbol: u32) -> Option<ExternIndex> {
        self.by_symbol.get(&symbol).copied()
    }
}

/// What BTF declares as extern, by name.
struct Declarations<'b> {
    btf: Option<&'b Btf>,
    by_name: HashMap<&'b str, (TypeId, bool)>,
}

impl<'b> Declarations<'b> {
    fn new(btf: Option<&'b Btf>, found: &Findings) -> Result<Self, Error> {
        let mut by_name = HashMap::new();
        let sections = found.sections.iter().filter(|section| section.is_extern());
        for (section, btf) in sections.zip(core::iter::repeat(btf)) {
            let Some(btf) = btf else { continue };
            for variable in section
                .variables
                .iter()
                .filter(|variable| variable.linkage == Linkage::EXTERN)
            {
                let bad = |cause| Error::btf("malformed extern", cause).section(&section.name);
                let name = btf.ty(variable.id).and_then(|ty| ty.name()).map_err(bad)?;
                by_name
                    .entry(name)
                    .or_insert((variable.id, &*section.name == KCONFIG));
            }
        }
        Ok(Self { btf, by_name })
    }

    fn kind(&self, name: &str) -> Result<(ExternKind, Option<TypeId>), Error> {
        let (Some(btf), Some(&(id, is_kconfig))) = (self.btf, self.by_name.get(name)) else {
            return Ok((ExternKind::Undefined, None));
        };
        let section = if is_kconfig { KCONFIG } else { KSYMS };
        let bad = |cause| {
            Error::btf("malformed declaration", cause)
                .section(section)
                .symbol(name)
        };
        let unsupported = |detail: &'static str| {
            Error::new(ErrorKind::Extern, detail)
                .section(section)
                .symbol(name)
        };
        let declaration = btf.ty(id).map_err(bad)?;
        let ty = declaration
            .target()
            .ok_or_else(|| unsupported("not a variable or function"))?;
        let kind = match (declaration.kind(), is_kconfig) {
            (Kind::VAR, true) => {
                let value = kconfig_value(btf, ty)
                    .map_err(bad)?
                    .ok_or_else(|| unsupported("a configuration value cannot have this type"))?;
                let size = btf.resolve_size(ty).map_err(bad)?;
                let align = btf.align_of(ty).map_err(bad)?.max(1);
                ExternKind::Kconfig {
                    ty,
                    value,
                    offset: align,
                    size,
                }
            }
            (Kind::VAR, false) => {
                let ty = btf.resolve(ty).map_err(bad)?.id();
                ExternKind::Ksym {
                    ty: (!ty.is_void()).then_some(ty),
                }
            }
            (Kind::FUNC, false) => ExternKind::Kfunc { prototype: ty },
            (Kind::FUNC, true) => return Err(unsupported("a function cannot be a configuration value")),
            _ => return Err(unsupported("not a variable or function")),
        };
        Ok((kind, Some(id)))
    }
}

fn kconfig_value(btf: &Btf, id: TypeId) -> Result<Option<KconfigValue>, bpfld_btf::Error> {
    let ty = btf.resolve(id)?;
    let size = ty.size_bytes().unwrap_or(0);
    Ok(match ty.kind() {
        Kind::INT => {
            let encoding = ty.int().map(|int| int.encoding).unwrap_or_default();
            let signed = encoding.contains(IntEncoding::SIGNED);
            match size {
                1 if encoding.contains(IntEncoding::BOOL) => Some(KconfigValue::Bool),
                _ if encoding.contains(IntEncoding::BOOL) => None,
                1 => Some(KconfigValue::Char { signed }),
                2 | 4 | 8 => Some(KconfigValue::Int { signed }),
                _ => None,
            }
        }
        Kind::ENUM if size != 4 => None,
        Kind::ENUM | Kind::ENUM64 => (ty.name()? == "libbpf_tristate").then_some(KconfigValue::Tristate),
        Kind::ARRAY => match ty.array().filter(|array| array.len != 0) {
            Some(array) => {
                let element = btf.resolve(array.element)?;
                let is_char = element.kind() == Kind::INT
                    && element.size_bytes() == Some(1)
                    && !element
                        .int()
                        .is_some_and(|int| int.encoding.contains(IntEncoding::BOOL));
                is_char.then_some(KconfigValue::String)
            }
            None => None,
        },
        _ => None,
    })
}

impl core::fmt::Display for Extern {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = match self.kind {
            ExternKind::Kconfig { .. } => "configuration value",
            ExternKind::Ksym { .. } => "kernel symbol",
            ExternKind::Kfunc { .. } => "kernel function",
            ExternKind::Undefined => "undefined symbol",
        };
        f.write_str(kind)?;
        f.write_str(" ")?;
        f.write_str(self.name.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn flavours() {
        let name = |name: &str| {
            let item = Extern {
                name: name.into(),
                kind: ExternKind::Undefined,
                weak: false,
                declaration: None,
            };
            item.essential_name().to_string()
        };
        assert_eq!(name("bpf_cgroup_release___weak"), "bpf_cgroup_release");
        assert_eq!(name("a___b___c"), "a___b");
        assert_eq!(name("a____b"), "a____b");
        assert_eq!(name("___b"), "___b");
        assert_eq!(name("a___"), "a___");
    }
}
