//! The members that C has by name: also those of structs and unions without a name, at any depth.

use alloc::{vec, vec::Vec};
use core::iter::FusedIterator;

use hashbrown::HashSet;

use crate::{Btf, Error, ErrorKind, Member, Type, TypeId, parts::Members};

impl<'a> Type<'a> {
    /// The members that have a name, those of members without a name in their place, as C has it. Offsets are from the start of
    /// this type.
    ///
    /// A struct or union that several members without a name share, which no C compiler makes, is looked into once.
    pub fn named_members(&self) -> NamedMembers<'a> {
        NamedMembers {
            btf: self.btf(),
            id: self.id(),
            open: vec![(self.members(), 0)],
            seen: HashSet::new(),
        }
    }

    /// The member of this name, be it one of a struct or union without a name within, and at which offset from the start of this
    /// type.
    ///
    /// ```
    /// use bpfld_btf::{Builder, Field, IntEncoding};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// let inner = builder.union("", 4, &[Field::new("raw", int, 0)])?;
    /// let outer = builder.structure("outer", 8, &[Field::new("a", int, 0), Field::new("", inner, 4)])?;
    /// let btf = builder.finish()?;
    /// let raw = btf.ty(outer)?.member("raw")?.unwrap();
    /// assert_eq!((raw.type_id, raw.byte_offset()), (int, Some(4)));
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When something is out of bounds that is met before the member.
    pub fn member(&self, name: &str) -> Result<Option<Member<'a>>, Error> {
        for member in self.named_members() {
            let member = member?;
            if member.name_bytes()? == name.as_bytes() {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}

/// The members of a type by name; see [`Type::named_members`]. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct NamedMembers<'a> {
    btf: &'a Btf,
    id: TypeId,
    /// The types that we are within: what is left of their members, and where they begin, in bits.
    open: Vec<(Members<'a>, u32)>,
    /// The types without a name that were looked into.
    seen: HashSet<TypeId>,
}

impl<'a> NamedMembers<'a> {
    /// The next member with a name.
    fn step(&mut self) -> Result<Option<Member<'a>>, Error> {
        while let Some((members, start)) = self.open.last_mut() {
            let Some(mut member) = members.next() else {
                self.open.pop();
                continue;
            };
            let offset = start.checked_add(member.bit_offset);
            member.bit_offset = offset.ok_or_else(|| Error::new(ErrorKind::Overflow(self.id), 0))?;
            if !member.name_bytes()?.is_empty() {
                return Ok(Some(member));
            }
            let inner = self.btf.resolve(member.type_id)?;
            if inner.kind().is_composite() && self.seen.insert(inner.id()) {
                self.open.push((inner.members(), member.bit_offset));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for NamedMembers<'a> {
    type Item = Result<Member<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.step().transpose();
        if matches!(next, Some(Err(_))) {
            self.open.clear();
        }
        next
    }
}

impl FusedIterator for NamedMembers<'_> {}
