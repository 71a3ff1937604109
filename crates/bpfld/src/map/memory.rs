//! Arrays and arenas as memory shared with programs.
//!
//! # Safety
//!
//! There is none to keep here. Programs and other processes write to this memory at any time, so that no reference into it is
//! handed out but to atomic numbers; all else is copied by atomic operations on numbers of up to 8 bytes. What a copy of a larger value shows
//! may be half old and half new, but any bytes make a [`Plain`] value.

use std::{
    io,
    marker::PhantomData,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
};

use bpfld_sys::{
    Errno, MapFlags, MapType,
    mmap::{Access, SharedMmap, Word, page_size},
};

use super::{Array, Map, Plain};
use crate::{Error, Result, Subject};

/// The memory of an array or arena, shared with the programs that use it. Made by [`Map::memory`].
#[derive(Debug)]
pub struct Memory {
    subject: Subject,
    shared: SharedMmap,
    len: usize,
}

impl Memory {
    pub(super) fn of(map: &Map) -> Result<Memory> {
        let spec = map.spec();
        let element = match spec.map_type {
            MapType::ARENA => page_size(),
            MapType::ARRAY if spec.flags.contains(MapFlags::MMAPABLE) => stride(spec.value_size as usize),
            _ => {
                let message = "cannot be mapped: it must be an arena, or an array made with the flag MMAPABLE (Linux 5.5)";
                return Err(Error::invalid(map.subject(), message));
            }
        };
        if spec.flags.intersects(MapFlags::RDONLY | MapFlags::WRONLY) {
            let message = "cannot be mapped: it was made with the flag RDONLY or WRONLY, and kernels map only what can be \
                           both read and written; a map that is frozen instead is mapped for reading";
            return Err(Error::invalid(map.subject(), message));
        }
        let too_large = || Error::invalid(map.subject(), "is larger than the address space");
        let len = usize::try_from(spec.max_entries)
            .ok()
            .and_then(|count| count.checked_mul(element));
        let len = len.ok_or_else(too_large)?;
        let failed = |errno: Errno| {
            let source = io::Error::from_raw_os_error(errno.0);
            Error::io(map.subject(), "map into memory", source)
        };
        let mapped = match spec.map_type {
            // An arena lies at the same address for programs and processes, which it may ask for.
            MapType::ARENA if spec.map_extra != 0 => {
                let address = usize::try_from(spec.map_extra).map_err(|_| too_large())?;
                SharedMmap::at(map.as_fd(), address, len, Access::ReadWrite)
            }
            _ => SharedMmap::new(map.as_fd(), 0, len, Access::ReadWrite),
        };
        let shared = match mapped {
            // Frozen, or not to be written by us.
            Err(Errno::EPERM | Errno::EACCES) => SharedMmap::new(map.as_fd(), 0, len, Access::Read),
            shared => shared,
        }
        .map_err(failed)?;
        Ok(Memory {
            subject: map.subject(),
            shared,
            len,
        })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes, which the kernel does not allow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it begins in this process.
    #[must_use]
    pub fn address(&self) -> usize {
        self.shared.as_ptr().addr()
    }

    /// Whether it can be written.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.shared.access() == Access::ReadWrite
    }

    /// Copies bytes out of it, from an offset on.
    ///
    /// # Errors
    ///
    /// Beyond the end.
    #[inline]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        let within = offset.checked_add(to.len()).is_some_and(|end| end <= self.len);
        if within {
            self.shared.read(offset, to)
        } else {
            None
        }
        .ok_or_else(|| self.beyond(offset, to.len()))
    }

    /// Copies bytes into it, from an offset on.
    ///
    /// # Errors
    ///
    /// Beyond the end, or where the map is frozen.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        if !self.is_writable() {
            return Err(Error::invalid(
                self.subject.clone(),
                "cannot be written from user space: it is read-only or frozen",
            ));
        }
        let within = offset.checked_add(from.len()).is_some_and(|end| end <= self.len);
        if within {
            self.shared.write(offset, from)
        } else {
            None
        }
        .ok_or_else(|| self.beyond(offset, from.len()))
    }

    /// A value at an offset. Aligned numbers are read at once.
    ///
    /// # Errors
    ///
    /// Beyond the end.
    #[inline]
    pub fn get<T: Plain>(&self, offset: usize) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(offset, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Sets a value at an offset. Aligned numbers are written at once.
    ///
    /// # Errors
    ///
    /// Beyond the end, or where the map is frozen.
    #[inline]
    pub fn set<T: Plain>(&self, offset: usize, value: &T) -> Result<()> {
        self.write(offset, value.as_bytes())
    }

    /// A number for atomic operations, as programs do them too; `None` where it is not within, not aligned or not writable.
    #[inline]
    #[must_use]
    pub fn atomic_u32(&self, offset: usize) -> Option<&AtomicU32> {
        self.shared.atomic_u32(offset)
    }

    /// A number for atomic operations, as programs do them too; `None` where it is not within, not aligned or not writable.
    #[inline]
    #[must_use]
    pub fn atomic_u64(&self, offset: usize) -> Option<&AtomicU64> {
        self.shared.atomic_u64(offset)
    }

    #[cold]
    fn beyond(&self, offset: usize, len: usize) -> Error {
        let message = format!(
            "{len} bytes from offset {offset} are beyond its {} bytes",
            self.len
        );
        Error::invalid(self.subject.clone(), message)
    }
}

/// The value at the start of so many words that it fills them.
#[inline]
fn value_of<V: Plain>(words: &[Word]) -> V {
    let mut value = V::new_zeroed();
    for (to, word) in value.as_mut_bytes().chunks_mut(8).zip(words) {
        to.copy_from_slice(&word.load().to_ne_bytes()[..to.len()]);
    }
    value
}

/// Bytes from one element of an array to the next.
fn stride(value_size: usize) -> usize {
    value_size.next_multiple_of(8)
}

/// The elements of an array as memory: no system calls. Made by [`Array::mapped`].
///
/// ```no_run
/// use bpfld::{Array, Map, MapFlags, MapType};
///
/// let map = Map::builder(MapType::ARRAY, "counts").key_size(4).value_size(8).max_entries(16);
/// let counts: Array<u64> = map.flags(MapFlags::MMAPABLE).create()?.try_into()?;
/// let counts = counts.mapped()?;
/// counts.set(3, &7)?;
/// assert_eq!(counts.get(3), Some(7));
/// # Ok::<(), bpfld::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MappedArray<V> {
    memory: Arc<Memory>,
    len: u32,
    value: PhantomData<fn() -> V>,
}

impl<V: Plain> Array<V> {
    /// The elements as memory, for arrays made with [`MapFlags::MMAPABLE`] (5.5).
    ///
    /// # Errors
    ///
    /// When the array was not made for it.
    pub fn mapped(&self) -> Result<MappedArray<V>> {
        Ok(MappedArray {
            memory: Arc::clone(self.map().memory()?),
            len: self.len(),
            value: PhantomData,
        })
    }
}

impl<V: Plain> MappedArray<V> {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no elements, which the kernel does not allow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Value of an element; `None` beyond the end.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<V> {
        if index >= self.len {
            return None;
        }
        let words = stride(size_of::<V>()) / 8;
        let element = self.memory.shared.words().get(index as usize * words..)?;
        Some(value_of(element.get(..words)?))
    }

    /// Sets the value of an element.
    ///
    /// # Errors
    ///
    /// Beyond the end, or where the map is frozen.
    #[inline]
    pub fn set(&self, index: u32, value: &V) -> Result<()> {
        if index >= self.len {
            let message = format!("element {index} is beyond its {} elements", self.len);
            return Err(Error::invalid(self.memory.subject.clone(), message));
        }
        self.memory.set(self.offset(index), value)
    }

    /// The values of all elements.
    pub fn iter(&self) -> impl Iterator<Item = V> {
        let words = stride(size_of::<V>()) / 8;
        let elements = self.memory.shared.words().chunks_exact(words.max(1));
        elements.take(self.len as usize).map(value_of)
    }

    /// The bytes.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn offset(&self, index: u32) -> usize {
        index as usize * stride(size_of::<V>())
    }
}
