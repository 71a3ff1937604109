//! Where instructions of a program went: what jump tables are made of.

use bpfld_sys::{ElemFlags, plain::InsnArrayValue};
use zerocopy::IntoBytes as _;

use super::{Map, view::handle_views};
use crate::Result;

handle_views! {
    /// Places in a program, which the verifier keeps up to date while it rewrites the program (6.19).
    ///
    /// A program jumps through them with `gotox`; the loader makes them for the tables of an object.
    InsnArray = INSN_ARRAY;
}

/// Where an instruction is. Made by [`InsnArray::get`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsnPlace {
    /// Instruction in the program as it was given to the kernel.
    pub original: u32,
    /// Instruction in the program after the verifier's changes; nothing if it was removed, or no program has the map.
    pub translated: Option<u32>,
    /// Offset in the machine code; 0 where there is none.
    pub machine_code: u32,
}

impl InsnArray {
    /// Makes a map that belongs to no object. It must be filled and frozen before a program that uses it is loaded.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, len: u32) -> Result<Self> {
        let map = Map::builder(bpfld_sys::MapType::INSN_ARRAY, name).key_size(4);
        let map = map
            .value_size(size_of::<InsnArrayValue>() as u32)
            .max_entries(len);
        map.create()?.try_into()
    }

    /// Number of places.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.map.max_entries()
    }

    /// Whether there are no places, which the kernel does not allow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names an instruction of the program that will be loaded.
    ///
    /// # Errors
    ///
    /// E2BIG beyond the end, EPERM once the map is frozen.
    pub fn set(&self, index: u32, original: u32) -> Result<()> {
        let mut value = InsnArrayValue::default();
        value.orig_off = original;
        self.map
            .update(index.as_bytes(), value.as_bytes(), ElemFlags::empty())
    }

    /// Where an instruction is; `None` beyond the end.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn get(&self, index: u32) -> Result<Option<InsnPlace>> {
        let mut value = InsnArrayValue::default();
        let found = self
            .map
            .lookup_into(index.as_bytes(), value.as_mut_bytes(), ElemFlags::empty())?;
        Ok(found.then_some(InsnPlace {
            original: value.orig_off,
            translated: Some(value.xlated_off).filter(|at| *at != u32::MAX),
            machine_code: value.jitted_off,
        }))
    }
}
