//! Distilled bases: what split BTF needs of its base, by name only, so that it outlives the base it was made on.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};

use hashbrown::{HashMap, HashSet};

use crate::{
    Btf, Builder, Error, ErrorKind, IntEncoding, Kind, Type, TypeId,
    record::{self, Reference},
    strings::Room,
};

/// Split BTF on a base of its own; see [`Btf::distill`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Distilled {
    /// What is needed of the base: numbers, and names and sizes of structs, unions and enumerations.
    pub base: Arc<Btf>,
    /// The split BTF on it. The types that were there come first and in their order; after them types of the old base
    /// that have no name to find them by: pointers, arrays, typedefs and the like.
    pub split: Builder,
}

impl Btf {
    /// Takes out of the base what this split BTF needs to be put on another base later, by [`Btf::relocate`]: kernel
    /// modules are shipped like this (`.BTF.base`, kernel 6.11), so that they fit kernels whose types have other
    /// numbers. (What libbpf's `btf__distill_base` does.)
    ///
    /// ```
    /// use std::sync::Arc;
    /// use bpfld_btf::{Btf, Builder, Field, IntEncoding, Kind};
    ///
    /// let mut kernel = Builder::new();
    /// kernel.int("char", 1, IntEncoding::CHAR)?;
    /// let int = kernel.int("int", 4, IntEncoding::SIGNED)?;
    /// let mut module = Builder::split(Arc::new(kernel.finish()?));
    /// module.structure("state", 4, &[Field::new("count", int, 0)])?;
    ///
    /// let distilled = module.finish()?.distill()?;
    /// assert_eq!(distilled.base.len(), 2);
    /// let module = Btf::parse_split(distilled.split.to_bytes(), distilled.base)?;
    ///
    /// // Another kernel, where int has another number.
    /// let mut kernel = Builder::new();
    /// let int = kernel.int("int", 4, IntEncoding::SIGNED)?;
    /// let module = module.relocate(&Arc::new(kernel.finish()?))?.finish()?;
    /// let state = module.ty(module.find("state", Kind::STRUCT).unwrap())?;
    /// assert_eq!(state.members().next().unwrap().type_id, int);
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSplit`] when this BTF has no base; [`ErrorKind::UnexpectedKind`] when it refers to a function,
    /// variable, section or tag of the base; or when it refers to what does not exist.
    #[doc(alias = "btf__distill_base")]
    pub fn distill(&self) -> Result<Distilled, Error> {
        let first = self.first_id().0;
        if self.base().is_none() {
            return Err(Error::new(ErrorKind::NotSplit, 0));
        }
        let mut needed = BTreeSet::new();
        let mut pending = Vec::new();
        for ty in self.own_types() {
            references(&ty, &mut pending)?;
        }
        while let Some(id) = pending.pop() {
            self.check_id(id)?;
            if id.is_void() || id.0 >= first || !needed.insert(id) {
                continue;
            }
            let ty = self.ty(id)?;
            if matches!(ty.kind(), Kind::FUNC | Kind::VAR | Kind::DATASEC | Kind::DECL_TAG) {
                let (kind, expected) = (ty.kind(), "a type");
                return Err(Error::new(ErrorKind::UnexpectedKind { id, kind, expected }, 0));
            }
            if !is_by_name(&ty) {
                references(&ty, &mut pending)?;
            }
        }

        let mut ids = HashMap::new();
        let (mut base, mut rest, mut room) = (Builder::new(), Vec::new(), Room::of(self));
        for id in needed {
            let ty = self.ty(id)?;
            if is_by_name(&ty) {
                ids.insert(id, name_only(&ty, &mut base, &mut room)?);
            } else {
                rest.push(ty);
            }
        }
        let base = Arc::new(base.finish()?);
        let mut split = Builder::split(Arc::clone(&base));
        let new_first = split.next_id().0;
        let own = self.len() - first;
        for (number, ty) in (new_first + own..).zip(&rest) {
            ids.insert(ty.id(), TypeId(number));
        }
        let new = |id: TypeId| match id.0.checked_sub(first) {
            Some(own) => TypeId(new_first + own),
            None => ids.get(&id).copied().unwrap_or_default(),
        };
        for ty in self.own_types().chain(rest.iter().copied()) {
            split.copy_within(&ty, &mut room, |id| Ok(new(id)))?;
        }
        Ok(Distilled { base, split })
    }

    /// Puts split BTF that stands on a [distilled](Btf::distill) base onto a real one: each type of the distilled base
    /// is found in `base` by name and kind. Sizes must agree, but for structs and unions that are not embedded in a
    /// struct or union here: of these only the name counts. (What libbpf's `btf__relocate` does.)
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSplit`] when this BTF has no base; [`ErrorKind::Unmatched`] when `base` has no such type;
    /// [`ErrorKind::Ambiguous`] when an embedded struct or union could be several of it; or when a type refers to what
    /// does not exist.
    #[doc(alias = "btf__relocate")]
    pub fn relocate(&self, base: &Arc<Btf>) -> Result<Builder, Error> {
        let Some(distilled) = self.base() else {
            return Err(Error::new(ErrorKind::NotSplit, 0));
        };
        let embedded = self.embedded()?;
        let mut ids = alloc::vec![TypeId::VOID];
        for ty in distilled.types() {
            ids.push(find_in(base, &ty, embedded.contains(&ty.id()))?);
        }
        let mut builder = Builder::split(Arc::clone(base));
        let (first, new_first) = (self.first_id().0, builder.next_id().0);
        let mut room = Room::of(self);
        for ty in self.own_types() {
            builder.copy_within(&ty, &mut room, |id| match id.0.checked_sub(first) {
                Some(_) if id.0 >= self.len() => Err(Error::new(ErrorKind::TypeId(id), 0)),
                Some(own) => Ok(TypeId(new_first + own)),
                None => Ok(ids.get(id.0 as usize).copied().unwrap_or_default()),
            })?;
        }
        Ok(builder)
    }

    /// The types of the base that are embedded in structs and unions written here.
    fn embedded(&self) -> Result<HashSet<TypeId>, Error> {
        let mut embedded = HashSet::new();
        for ty in self.own_types() {
            for member in ty.members() {
                let mut inner = self.resolve(member.type_id)?;
                // An array of arrays of a struct is as many structs; the chain ends, or is cut off, like any other.
                let mut depth = 0;
                while let Some(array) = inner.array() {
                    inner = self.resolve(array.element)?;
                    depth += 1;
                    if depth > 256 {
                        return Err(Error::new(ErrorKind::Depth(member.type_id), 0));
                    }
                }
                if inner.id() < self.first_id() {
                    embedded.insert(inner.id());
                }
            }
        }
        Ok(embedded)
    }
}

/// Adds all types that one refers to.
fn references(ty: &Type<'_>, to: &mut Vec<TypeId>) -> Result<(), Error> {
    record::visit(&mut record::words(ty)?, |reference, word| {
        if reference == Reference::Type {
            to.push(TypeId(*word));
        }
        Ok(())
    })
}

/// Whether a type of the base can be found by its name.
fn is_by_name(ty: &Type<'_>) -> bool {
    let kind = ty.kind();
    let has_home = kind.is_composite() || kind.is_enumeration();
    (has_home || matches!(kind, Kind::INT | Kind::FLOAT | Kind::FWD)) && !ty.is_anonymous()
}

/// Adds a type without members and values.
fn name_only(ty: &Type<'_>, to: &mut Builder, room: &mut Room) -> Result<TypeId, Error> {
    if !ty.kind().is_composite() && !ty.kind().is_enumeration() {
        return to.copy_within(ty, room, Ok);
    }
    let name = to.string_within(ty.name_bytes()?, room)?;
    to.push(&[
        name,
        record::info(ty.kind(), 0, false),
        ty.size_bytes().unwrap_or(0),
    ])
}

/// The type of `base` that a type of a distilled base stands for.
fn find_in(base: &Btf, wanted: &Type<'_>, is_embedded: bool) -> Result<TypeId, Error> {
    let kind = wanted.kind();
    let has_same_size = |ty: &Type<'_>| ty.size_bytes() == wanted.size_bytes();
    let encoding = |ty: &Type<'_>| ty.int().map_or(IntEncoding::UNSIGNED, |int| int.encoding);
    let fits = |ty: &Type<'_>| match kind {
        Kind::INT => ty.kind() == kind && has_same_size(ty) && encoding(ty) == encoding(wanted),
        Kind::FLOAT => ty.kind() == kind && has_same_size(ty),
        Kind::ENUM | Kind::ENUM64 => ty.kind().is_enumeration() && has_same_size(ty),
        Kind::STRUCT | Kind::UNION => ty.kind() == kind && (!is_embedded || has_same_size(ty)),
        Kind::FWD => ty.forward_kind() == wanted.forward_kind() || Some(ty.kind()) == wanted.forward_kind(),
        _ => false,
    };
    let found: Vec<Type<'_>> = base.find_all(wanted.name()?).filter(fits).collect();
    match found.as_slice() {
        [] => Err(Error::new(ErrorKind::Unmatched(wanted.id()), 0)),
        [_, _, ..] if is_embedded && kind.is_composite() => {
            Err(Error::new(ErrorKind::Ambiguous(wanted.id()), 0))
        }
        [first, ..] => Ok(found.iter().find(|ty| has_same_size(ty)).unwrap_or(first).id()),
    }
}
