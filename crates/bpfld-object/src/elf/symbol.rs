//! A symbol, and what it says of the thing it names.

use goblin::elf::{section_header, sym};

use crate::SectionIndex;

/// A symbol, as far as BPF objects use symbols.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'d> {
    pub(crate) name: &'d str,
    pub(crate) kind: u8,
    pub(crate) binding: u8,
    pub(crate) visibility: u8,
    /// The raw section number: 0 is undefined, 0xff00 and more are special.
    pub(crate) section: u32,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

impl Symbol<'_> {
    pub(crate) fn is_function(&self) -> bool {
        self.kind == sym::STT_FUNC
    }

    pub(crate) fn is_object(&self) -> bool {
        self.kind == sym::STT_OBJECT
    }

    pub(crate) fn is_local(&self) -> bool {
        self.binding == sym::STB_LOCAL
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.binding == sym::STB_WEAK
    }

    /// Visible only within the object that it is linked into, although not static.
    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self.visibility, sym::STV_HIDDEN | sym::STV_INTERNAL)
    }

    pub(crate) fn is_extern(&self) -> bool {
        self.section == section_header::SHN_UNDEF
            && matches!(self.binding, sym::STB_GLOBAL | sym::STB_WEAK)
            && self.kind == sym::STT_NOTYPE
    }

    pub(crate) fn is_in(&self, section: SectionIndex) -> bool {
        self.section == section.0
    }
}
