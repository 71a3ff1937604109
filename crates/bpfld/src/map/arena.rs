//! Memory that programs and this process share, with pointers in it.

use std::sync::Arc;

use super::{Map, Memory, Plain, view::handle_views};
use crate::{Error, Result};

handle_views! {
    /// Memory shared with programs, which have pointers into it (6.9): at the same addresses for both.
    ///
    /// Pages are there once a program has allocated them, or this process has touched them (unless the map was made with
    /// [`MapFlags::SEGV_ON_FAULT`](crate::MapFlags::SEGV_ON_FAULT)).
    ///
    /// ```no_run
    /// use bpfld::{Arena, Map};
    ///
    /// # fn example(map: &Map, head: u64) -> Result<(), bpfld::Error> {
    /// let arena: Arena = map.try_into()?;
    /// // A list that a program made: each element begins with the address of the next.
    /// let mut at = head;
    /// while at != 0 {
    ///     println!("{at:#x}");
    ///     at = arena.read(at)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    Arena = ARENA;
}

impl Arena {
    /// Makes an arena that belongs to no object, of so many pages.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, pages: u32) -> Result<Self> {
        let map = Map::builder(bpfld_sys::MapType::ARENA, name).max_entries(pages);
        map.flags(bpfld_sys::MapFlags::MMAPABLE).create()?.try_into()
    }

    /// Its bytes, mapped at the first call.
    ///
    /// # Errors
    ///
    /// When it cannot be mapped.
    pub fn memory(&self) -> Result<&Arc<Memory>> {
        self.map.memory()
    }

    /// The address of its first byte, for programs and this process.
    ///
    /// # Errors
    ///
    /// When it cannot be mapped.
    pub fn address(&self) -> Result<u64> {
        Ok(self.memory()?.address() as u64)
    }

    /// A value at an address, as programs hand it over. Only the lower half of the address counts, as it does for programs.
    ///
    /// # Errors
    ///
    /// When it lies outside.
    pub fn read<T: Plain>(&self, address: u64) -> Result<T> {
        self.memory()?.get(self.offset(address)?)
    }

    /// Sets a value at an address.
    ///
    /// # Errors
    ///
    /// When it lies outside.
    pub fn write<T: Plain>(&self, address: u64, value: &T) -> Result<()> {
        self.memory()?.set(self.offset(address)?, value)
    }

    fn offset(&self, address: u64) -> Result<usize> {
        // Arenas lie within 4 GiB, and programs' pointers may lack the upper half.
        let offset = (address as u32).wrapping_sub(self.address()? as u32) as usize;
        if offset >= self.memory()?.len() {
            let message = format!("address {address:#x} lies outside");
            return Err(Error::invalid(self.map.subject(), message));
        }
        Ok(offset)
    }
}
