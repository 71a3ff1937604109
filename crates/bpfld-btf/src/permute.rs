//! Giving types new numbers: any order, or that of their names.

use alloc::vec::Vec;

use crate::{
    Builder, Error, ErrorKind, TypeId,
    record::{self, Reference},
};

impl Builder {
    /// The same types in another order: `ids` has the new id of each own type, in the order of the old ones. Strings
    /// stay where they are. (What libbpf's `btf__permute` does.)
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding, Kind, TypeId};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// builder.typedef("pid_t", int)?;
    /// let btf = builder.permute(&[TypeId(2), TypeId(1)])?.finish()?;
    /// assert_eq!(btf.find("pid_t", Kind::TYPEDEF), Some(TypeId(1)));
    /// assert_eq!(btf.ty(TypeId(1))?.target(), Some(TypeId(2)));
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TypeId`] when `ids` is not each own id once, or a type refers to one that does not exist.
    #[doc(alias = "btf__permute")]
    pub fn permute(&self, ids: &[TypeId]) -> Result<Self, Error> {
        let first = self.first_id().0;
        let wrong = |id: TypeId| Error::new(ErrorKind::TypeId(id), 0);
        if ids.len() as u64 != u64::from(self.len() - first) {
            return Err(wrong(TypeId(first.saturating_add(ids.len() as u32))));
        }
        // For each new id the old one.
        let mut old = alloc::vec![TypeId::VOID; ids.len()];
        for (from, to) in (first..).zip(ids) {
            let place = to.0.checked_sub(first).and_then(|own| old.get_mut(own as usize));
            match place {
                Some(place) if place.is_void() => *place = TypeId(from),
                _ => return Err(wrong(*to)),
            }
        }
        let mut builder = self.without_types();
        for id in old {
            let mut words = self.record(id).unwrap_or_default().to_vec();
            record::visit(&mut words, |reference, word| {
                if let (Reference::Type, Some(own)) = (reference, word.checked_sub(first)) {
                    let new = ids.get(own as usize);
                    *word = new.ok_or_else(|| wrong(TypeId(*word)))?.0;
                }
                Ok::<(), Error>(())
            })?;
            builder.push(&words)?;
        }
        Ok(builder)
    }

    /// The new ids, for [`Builder::permute`], by which types are sorted by name, as in the BTF of kernels from 7.0:
    /// those without a name first, equal names by id.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding, TypeId};
    ///
    /// let mut builder = Builder::new();
    /// let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    /// builder.typedef("a", int)?;
    /// builder.pointer(int)?;
    /// assert_eq!(builder.ids_by_name(), [3, 2, 1].map(TypeId));
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    pub fn ids_by_name(&self) -> Vec<TypeId> {
        let first = self.first_id().0;
        let name = |id: &u32| {
            let offset = self.record(TypeId(*id)).and_then(|words| words.first().copied());
            self.any_string_at(offset.unwrap_or(0)).unwrap_or_default()
        };
        let mut sorted: Vec<u32> = (first..self.len()).collect();
        sorted.sort_by(|a, b| name(a).cmp(name(b)));
        let mut ids = alloc::vec![TypeId::VOID; sorted.len()];
        for (new, old) in (first..).zip(sorted) {
            if let Some(place) = ids.get_mut((old - first) as usize) {
                *place = TypeId(new);
            }
        }
        ids
    }
}
