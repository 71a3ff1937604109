//! An access path: from a root type through fields and array elements.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{CoreError, MAX_PATH};
use crate::{Array, Btf, CoreKind, CoreRelocation, Kind, TypeId};

/// What a relocation is about, within one BTF: a type, a value of an enumeration, or a field and the way to it.
///
/// `Display` prints it as libbpf does: `<byte_off> [7] struct sk_buff.len (0:5:1 @ offset 112)`.
#[derive(Clone)]
pub struct Spec<'a> {
    pub(super) btf: &'a Btf,
    pub(super) kind: CoreKind,
    pub(super) root: TypeId,
    pub(super) accessors: Vec<Accessor<'a>>,
    pub(super) path: Vec<u32>,
    pub(super) bit_offset: u32,
}

/// A step of an access path that has a meaning in C: a named field, an array element, a value of an enumeration.
/// Steps into anonymous structs and unions are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accessor<'a> {
    /// The struct or union whose field it is; for an array element, the type of the element.
    pub type_id: TypeId,
    /// The number of the field, element or value.
    pub index: u32,
    /// The name of the field or value; `None` for an array element.
    pub name: Option<&'a [u8]>,
}

impl CoreRelocation {
    /// What is asked, with the names that `btf` gives it: the BTF of the object that the relocation is from.
    ///
    /// # Errors
    ///
    /// When the type does not exist or has nothing at the end of the path.
    pub fn spec<'a>(&self, btf: &'a Btf) -> Result<Spec<'a>, CoreError> {
        Spec::parse(btf, self)
    }
}

impl<'a> Spec<'a> {
    pub(super) fn new(btf: &'a Btf, kind: CoreKind, root: TypeId) -> Self {
        Self {
            btf,
            kind,
            root,
            accessors: Vec::new(),
            path: Vec::new(),
            bit_offset: 0,
        }
    }

    /// The BTF this is about.
    pub fn btf(&self) -> &'a Btf {
        self.btf
    }

    /// What is asked.
    pub fn kind(&self) -> CoreKind {
        self.kind
    }

    /// The type that the path starts from.
    pub fn root(&self) -> TypeId {
        self.root
    }

    /// The steps that have a meaning in C. The first is the number of the root, counted as in an array: usually zero.
    pub fn accessors(&self) -> &[Accessor<'a>] {
        &self.accessors
    }

    /// All steps, as indices.
    pub fn path(&self) -> &[u32] {
        &self.path
    }

    /// The offset of the field from the start of the root, in bits.
    pub fn bit_offset(&self) -> u32 {
        self.bit_offset
    }

    pub(super) fn push_path(&mut self, index: u32) -> Result<(), CoreError> {
        if self.path.len() >= MAX_PATH {
            return Err(CoreError::TooDeep);
        }
        self.path.push(index);
        Ok(())
    }

    /// Steps to element `index` of an array of `element`.
    pub(super) fn enter_element(&mut self, element: TypeId, index: u32) -> Result<(), CoreError> {
        self.accessors.push(Accessor {
            type_id: element,
            index,
            name: None,
        });
        let size = self.btf.resolve_size(element)?;
        // Wraps as libbpf's: an offset beyond 512 MiB is a compiler's trick, if anything.
        self.bit_offset = self
            .bit_offset
            .wrapping_add(index.wrapping_mul(size).wrapping_mul(8));
        Ok(())
    }

    /// Follows the path of `relocation` through the object's own BTF.
    pub(super) fn parse(btf: &'a Btf, relocation: &CoreRelocation) -> Result<Self, CoreError> {
        let CoreRelocation {
            type_id,
            access,
            kind,
            ..
        } = *relocation;
        let text = btf.string_bytes(access)?;
        let misfit = || CoreError::Access {
            type_id,
            access: String::from_utf8_lossy(text).into_owned(),
        };
        let mut spec = Self::new(btf, kind, type_id);
        if kind.is_type() {
            return if text == b"0" { Ok(spec) } else { Err(misfit()) };
        }
        for index in text.split(|byte| *byte == b':') {
            spec.push_path(parse_index(index).ok_or_else(misfit)?)?;
        }
        let Some((first, rest)) = spec.path.split_first() else {
            return Err(misfit());
        };
        let (first, rest) = (*first, rest.to_vec());
        let root = btf.resolve(type_id)?;
        if kind.is_enum_value() {
            let value = root.enum_values().get(first as usize);
            let Some(value) = value.filter(|_| rest.is_empty()) else {
                return Err(misfit());
            };
            let name = Some(value.name_bytes()?);
            spec.accessors.push(Accessor {
                type_id: root.id(),
                index: first,
                name,
            });
            return Ok(spec);
        }
        if !kind.is_field() {
            return Err(CoreError::UnknownKind(kind));
        }
        spec.enter_element(root.id(), first)?;
        let mut at = root.id();
        for index in rest {
            let ty = btf.resolve(at)?;
            if ty.kind().is_composite() {
                let member = ty.members().get(index as usize).ok_or_else(misfit)?;
                spec.bit_offset = spec.bit_offset.wrapping_add(member.bit_offset);
                let name = member.name_bytes()?;
                if member.name_offset != 0 {
                    if name.is_empty() {
                        return Err(misfit());
                    }
                    spec.accessors.push(Accessor {
                        type_id: ty.id(),
                        index,
                        name: Some(name),
                    });
                }
                at = member.type_id;
            } else if let Some(array) = ty.array() {
                let element = btf.resolve(array.element)?.id();
                if !spec.admits(array, index)? {
                    return Err(misfit());
                }
                spec.enter_element(element, index)?;
                at = element;
            } else {
                return Err(misfit());
            }
        }
        Ok(spec)
    }

    /// Whether element `index` exists in the array reached so far, which may be a flexible one: the last field of a
    /// struct, of length zero.
    pub(super) fn admits(&self, array: Array, index: u32) -> Result<bool, CoreError> {
        if index < array.len {
            return Ok(true);
        }
        let Some(last) = self
            .accessors
            .last()
            .filter(|last| last.name.is_some() && array.len == 0)
        else {
            return Ok(false);
        };
        Ok(self.btf.ty(last.type_id)?.vlen().checked_sub(1) == Some(last.index))
    }
}

/// A non-negative decimal number that fits in 31 bits.
fn parse_index(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = core::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|index| *index <= i32::MAX as u32)
}

/// The name of a kind as libbpf prints it.
fn kind_text(kind: Kind) -> impl fmt::Display {
    struct Lower(Kind);
    impl fmt::Display for Lower {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Some(name) = self.0.name() else {
                return write!(f, "unknown");
            };
            name.chars()
                .try_for_each(|c| fmt::Write::write_char(f, c.to_ascii_lowercase()))
        }
    }
    Lower(kind)
}

impl fmt::Display for Spec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            btf,
            kind,
            root,
            accessors,
            path,
            bit_offset,
        } = self;
        write!(f, "<{}> [{root}] ", kind.name().unwrap_or("unknown"))?;
        let Ok(ty) = btf.ty(*root) else {
            return write!(f, "<no such type>");
        };
        let name = ty.name_bytes().unwrap_or_default();
        let name = if name.is_empty() { b"<anon>" } else { name };
        write!(f, "{} {}", kind_text(ty.kind()), String::from_utf8_lossy(name))?;
        if kind.is_enum_value() {
            let index = path.first().copied().unwrap_or(0) as usize;
            let value = btf.resolve(*root).ok().and_then(|ty| ty.enum_values().get(index));
            let Some(value) = value else { return Ok(()) };
            return write!(f, "::{} = {}", value.name().unwrap_or("?"), value.value());
        }
        if !kind.is_field() {
            return Ok(());
        }
        for (at, accessor) in accessors.iter().enumerate() {
            match accessor.name {
                Some(name) => write!(f, ".{}", String::from_utf8_lossy(name))?,
                None if at > 0 || accessor.index > 0 => write!(f, "[{}]", accessor.index)?,
                None => {}
            }
        }
        write!(f, " (")?;
        for (at, index) in path.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{index}")?;
        }
        match bit_offset % 8 {
            0 => write!(f, " @ offset {})", bit_offset / 8),
            bits => write!(f, " @ offset {}.{bits})", bit_offset / 8),
        }
    }
}

impl fmt::Debug for Spec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spec({self})")
    }
}
