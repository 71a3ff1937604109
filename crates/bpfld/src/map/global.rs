//! Global variables of a program that is loaded.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
};

use bpfld_sys::{ElemFlags, MapFlags, MapType};
use zerocopy::IntoBytes;

use super::{Map, Memory, Plain, layout::check_variable};
use crate::{Error, Result, Subject};

/// A global variable, shared with the programs that use it.
///
/// Where the kernel allows it (5.5) reading and writing are memory accesses, else two system calls on the whole section, between
/// which a change by a program is lost.
///
/// ```no_run
/// # fn example(loaded: &bpfld::Loaded) -> Result<(), bpfld::Error> {
/// let packets = loaded.global::<u64>("packets")?;
/// packets.set(&0)?;
/// println!("{}", packets.get()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Global<T> {
    name: String,
    map: Map,
    memory: Option<Arc<Memory>>,
    offset: usize,
    value: PhantomData<fn() -> T>,
}

impl<T: Plain> Global<T> {
    /// A variable of `size` bytes at an offset in the only value of a map, or in an arena.
    pub(crate) fn new(name: &str, map: &Map, offset: usize, size: usize) -> Result<Self> {
        check_variable::<T>(map, name, size)?;
        let mappable = map.spec().flags.contains(MapFlags::MMAPABLE);
        let memory = mappable.then(|| map.memory().cloned()).transpose()?;
        let room = match &memory {
            // It has no values, but memory as a whole.
            Some(memory) if map.map_type() == MapType::ARENA => memory.len(),
            _ => map.value_size(),
        };
        if offset.checked_add(size).is_none_or(|end| end > room) {
            let message = format!("lies beyond the end of map '{}'", map.name());
            return Err(Error::invalid(Subject::Global(name.to_owned()), message));
        }
        Ok(Global {
            name: name.to_owned(),
            map: map.clone(),
            memory,
            offset,
            value: PhantomData,
        })
    }

    /// Name of the variable.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Value now. Numbers are read at once; larger values may be half changed where a program writes meanwhile.
    ///
    /// # Errors
    ///
    /// Only where it takes a system call, which the kernel may refuse.
    pub fn get(&self) -> Result<T> {
        if let Some(memory) = &self.memory {
            return memory.get(self.offset);
        }
        let section = self.section()?;
        let mut value = T::new_zeroed();
        value
            .as_mut_bytes()
            .copy_from_slice(&section[self.offset..][..size_of::<T>()]);
        Ok(value)
    }

    /// Sets the value. Numbers are written at once.
    ///
    /// # Errors
    ///
    /// When the variable is constant (`.rodata` after the load), and where it takes a system call, which the kernel may refuse.
    pub fn set(&self, value: &T) -> Result<()> {
        if let Some(memory) = &self.memory {
            if !memory.is_writable() {
                let message = "is constant once the object is loaded; set it on the loader before";
                return Err(Error::invalid(Subject::Global(self.name.clone()), message));
            }
            return memory.set(self.offset, value);
        }
        let mut section = self.section()?;
        section[self.offset..][..size_of::<T>()].copy_from_slice(value.as_bytes());
        self.map.update(0u32.as_bytes(), &section, ElemFlags::empty())
    }

    /// The variable for atomic operations, as programs do them too; `None` where it is not mapped, not writable or not of 4 bytes.
    #[must_use]
    pub fn atomic_u32(&self) -> Option<&AtomicU32> {
        self.memory
            .as_ref()
            .filter(|_| size_of::<T>() == 4)?
            .atomic_u32(self.offset)
    }

    /// The variable for atomic operations, as programs do them too; `None` where it is not mapped, not writable or not of 8 bytes.
    #[must_use]
    pub fn atomic_u64(&self) -> Option<&AtomicU64> {
        self.memory
            .as_ref()
            .filter(|_| size_of::<T>() == 8)?
            .atomic_u64(self.offset)
    }

    fn section(&self) -> Result<Vec<u8>> {
        let missing = || Error::invalid(self.map.subject(), "has no value");
        self.map.lookup(0u32.as_bytes())?.ok_or_else(missing)
    }
}
