//! Making the BTF of an object fit for a kernel: what compilers leave open, and what old kernels do not know.

mod context;
mod downgrade;
mod features;
mod fixups;

pub use self::{
    downgrade::sanitize,
    features::{BtfFeature, BtfFeatures},
    fixups::Placement,
};
use crate::{Btf, Builder, Endian, Error, Kind, TypeId, record};

/// A copy of an object's BTF that is being made ready for a kernel. Type ids and string offsets stay as they are, so
/// that BTF.ext and whatever else refers to them stays valid; new types and strings are added at the end.
///
/// ```
/// use bpfld_btf::{Btf, BtfFeatures, Draft, Endian, Placement};
///
/// # fn example(btf: &Btf) -> Result<Vec<u8>, bpfld_btf::Error> {
/// let mut draft = Draft::new(btf)?;
/// draft.place_variables(
///     |section| (section == ".data").then_some(8),
///     |variable| (variable == "counter").then_some(Placement { offset: 4, is_hidden: false }),
/// )?;
/// draft.allocate_ksyms()?;
/// draft.downgrade(BtfFeatures::ALL)?;
/// # Ok(
/// draft.to_bytes()
/// # )
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Draft {
    builder: Builder,
    has_layout: bool,
}

impl Draft {
    /// Copies `btf`.
    ///
    /// # Errors
    ///
    /// When it is split BTF, or has kinds that this build does not know and so cannot rewrite.
    pub fn new(btf: &Btf) -> Result<Self, Error> {
        Ok(Self {
            builder: Builder::edit(btf)?,
            has_layout: btf.has_layout(),
        })
    }

    /// The result, in the byte order of this machine: what this machine's kernel takes.
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        self.to_bytes_in(Endian::NATIVE)
    }

    /// The result, in the given byte order.
    pub fn to_bytes_in(&self, endian: Endian) -> alloc::vec::Vec<u8> {
        if self.has_layout {
            return self.builder.clone().with_layout().to_bytes_in(endian);
        }
        self.builder.to_bytes_in(endian)
    }

    /// The result, ready to be looked into.
    ///
    /// # Errors
    ///
    /// When it has become larger than the format can address.
    pub fn finish(&self) -> Result<Btf, Error> {
        Btf::parse(self.to_bytes())
    }

    fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (1..self.builder.len()).map(TypeId)
    }

    fn head(&self, id: TypeId) -> Option<[u32; 3]> {
        self.builder.record(id)?.first_chunk().copied()
    }

    fn kind(&self, id: TypeId) -> Option<Kind> {
        self.head(id).map(|[_, info, _]| record::kind_of(info))
    }

    fn name(&self, id: TypeId) -> Option<&str> {
        let [name, ..] = self.head(id)?;
        core::str::from_utf8(self.builder.string_at(name)?).ok()
    }

    /// Head and body of a record, to be changed.
    fn record_mut(&mut self, id: TypeId) -> Option<(&mut [u32; 3], &mut [u32])> {
        self.builder.record_mut(id)?.split_first_chunk_mut()
    }
}
