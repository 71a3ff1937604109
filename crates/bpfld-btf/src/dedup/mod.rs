//! Merging types that are the same: what makes one BTF of those of many compilation units.

mod compact;
mod equivalence;
mod map;
mod pass;
mod table;
mod types;

use alloc::vec::Vec;

use self::{pass::Pass, types::Types};
use crate::{Builder, Error, TypeId};

/// What [`Builder::dedup`] has made.
#[derive(Clone, Debug)]
pub struct Deduplicated {
    /// The types that are left.
    pub builder: Builder,
    /// For each old id, by number, the id of the type that stands for it now. Those of a base are among them.
    pub ids: Vec<TypeId>,
}

impl Builder {
    /// Merges types that are the same, by the rules of libbpf: numbers, enumerations and forward declarations that are
    /// equal; structs, unions and typedefs whose whole graphs of referenced types agree, a forward declaration agreeing
    /// with what it declares; forward declarations with the only struct or union of their name; then whatever refers
    /// to the same types in the same way. Variables and sections stay as they are.
    ///
    /// Split BTF is compared with its base too, which stays as it is: types that the base has are left out here.
    ///
    /// ```
    /// use bpfld_btf::{Builder, IntEncoding, TypeId};
    ///
    /// let mut builder = Builder::new();
    /// for _ in 0..2 {
    ///     let int = builder.int("int", 4, IntEncoding::SIGNED)?;
    ///     builder.pointer(int)?;
    /// }
    /// let merged = builder.dedup()?;
    /// assert_eq!(merged.builder.len(), 3);
    /// assert_eq!(merged.ids, [0, 1, 2, 1, 2].map(TypeId));
    /// # Ok::<(), bpfld_btf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a type refers to one that does not exist, or types other than structs and unions contain each other in a
    /// circle.
    pub fn dedup(&self) -> Result<Deduplicated, Error> {
        let mut pass = Pass::new(Types::new(self)?);
        pass.enter_base();
        pass.merge_primitives();
        pass.merge_graphs();
        pass.resolve_forwards();
        pass.merge_references()?;
        pass.compact(self)
    }
}
