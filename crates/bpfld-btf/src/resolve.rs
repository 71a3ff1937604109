//! Questions that follow references: sizes, what a chain of typedefs stands for.

use crate::{Btf, Error, ErrorKind, IntEncoding, Kind, Type, TypeId};

/// The longest chain of qualifiers, typedefs and arrays that is followed. Compilers make a handful.
pub(crate) const MAX_CHAIN: usize = 256;
/// How deeply types may contain each other: three times as deep as the kernel lets them (`MAX_RESOLVE_DEPTH`).
pub(crate) const MAX_DEPTH: usize = 96;

/// The names under which compilers record `long`, whose size is the size of a pointer.
const LONG: [&str; 11] = [
    "long",
    "long int",
    "int long",
    "unsigned long",
    "long unsigned",
    "unsigned long int",
    "unsigned int long",
    "long unsigned int",
    "long int unsigned",
    "int unsigned long",
    "int long unsigned",
];

impl Btf {
    /// The type that remains when qualifiers (`const`, `volatile`, `restrict`) and type tags are taken off. Typedefs
    /// stay; see [`Btf::resolve`].
    ///
    /// # Errors
    ///
    /// When an id is out of bounds or the chain never ends.
    pub fn skip_modifiers(&self, id: TypeId) -> Result<Type<'_>, Error> {
        self.skip_while(id, Kind::is_modifier)
    }

    /// The type that remains when qualifiers, type tags and typedefs are taken off.
    ///
    /// # Errors
    ///
    /// When an id is out of bounds or the chain never ends.
    pub fn resolve(&self, id: TypeId) -> Result<Type<'_>, Error> {
        self.skip_while(id, |kind| kind.is_modifier() || kind == Kind::TYPEDEF)
    }

    fn skip_while(&self, id: TypeId, skip: impl Fn(Kind) -> bool) -> Result<Type<'_>, Error> {
        let mut at = id;
        for _ in 0..MAX_CHAIN {
            let ty = self.ty(at)?;
            match ty.target() {
                Some(target) if skip(ty.kind()) => at = target,
                _ => return Ok(ty),
            }
        }
        Err(Error::new(ErrorKind::Depth(id), 0))
    }

    /// The size of a type in bytes, through typedefs, qualifiers, variables and arrays.
    ///
    /// # Errors
    ///
    /// When the type has no size (void, functions, forward declarations), the size exceeds 32 bits, or the chain of
    /// types never ends or leaves the BTF.
    pub fn resolve_size(&self, id: TypeId) -> Result<u32, Error> {
        let overflow = || Error::new(ErrorKind::Overflow(id), 0);
        let mut at = id;
        let mut count: u32 = 1;
        for _ in 0..MAX_CHAIN {
            let ty = self.ty(at)?;
            if let Some(size) = ty.size_bytes() {
                return count.checked_mul(size).ok_or_else(overflow);
            }
            if let Some(array) = ty.array() {
                count = count.checked_mul(array.len).ok_or_else(overflow)?;
                at = array.element;
                continue;
            }
            match (ty.kind(), ty.target()) {
                (Kind::PTR, _) => return count.checked_mul(self.pointer_size()).ok_or_else(overflow),
                (kind, Some(target))
                    if kind.is_modifier() || matches!(kind, Kind::TYPEDEF | Kind::VAR | Kind::DECL_TAG) =>
                {
                    at = target;
                }
                _ => return Err(Error::new(ErrorKind::Unsized(id), 0)),
            }
        }
        Err(Error::new(ErrorKind::Depth(id), 0))
    }

    /// The size of a pointer in bytes: that of the type `long`, or 8 if there is none.
    pub fn pointer_size(&self) -> u32 {
        self.known_pointer_size().unwrap_or(8)
    }

    /// The size of a pointer in bytes, if a type `long` (under any of its spellings) tells.
    pub fn known_pointer_size(&self) -> Option<u32> {
        if let Some(size) = self.base().and_then(|base| base.known_pointer_size()) {
            return Some(size);
        }
        self.lazy_pointer_size(|| {
            let is_long = |ty: &Type<'_>| {
                let is_word = matches!(ty.size_bytes(), Some(4 | 8));
                ty.kind() == Kind::INT && is_word && ty.name().is_ok_and(|name| LONG.contains(&name))
            };
            self.own_types().find(is_long).and_then(|ty| ty.size_bytes())
        })
    }

    /// The linkage-free view of an integer type behind typedefs and qualifiers: whether reading it must extend the
    /// sign. Enumerations answer by their own flag; all else is unsigned.
    ///
    /// # Errors
    ///
    /// As for [`Btf::resolve`].
    pub fn is_signed(&self, id: TypeId) -> Result<bool, Error> {
        let ty = self.resolve(id)?;
        Ok(match ty.int() {
            Some(int) => int.encoding.contains(IntEncoding::SIGNED),
            None => ty.is_signed_enum(),
        })
    }

    /// Follows every type id and string offset and checks the kinds that must be: what [`Btf::parse`] leaves to the
    /// moment of use.
    ///
    /// # Errors
    ///
    /// The first reference that leads nowhere.
    pub fn validate(&self) -> Result<(), Error> {
        for ty in self.own_types() {
            self.check_string(ty.name_offset())?;
            if let Some(target) = ty.target() {
                self.check_id(target)?;
            }
            if let (Kind::FUNC, Some(target)) = (ty.kind(), ty.target()) {
                let (id, kind) = (target, self.ty(target)?.kind());
                if kind != Kind::FUNC_PROTO {
                    let kind = ErrorKind::UnexpectedKind {
                        id,
                        kind,
                        expected: "FUNC_PROTO",
                    };
                    return Err(Error::new(kind, 0));
                }
            }
            if let Some(array) = ty.array() {
                self.check_id(array.element)?;
                self.check_id(array.index)?;
            }
            for member in ty.members() {
                self.check_string(member.name_offset)?;
                self.check_id(member.type_id)?;
            }
            for value in ty.enum_values() {
                self.check_string(value.name_offset)?;
            }
            for param in ty.params() {
                self.check_string(param.name_offset)?;
                self.check_id(param.type_id)?;
            }
            for variable in ty.variables() {
                self.check_id(variable.type_id)?;
            }
        }
        Ok(())
    }
}
