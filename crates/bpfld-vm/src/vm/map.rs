//! Maps, as the host reads and changes them by key.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_insn::Endian;
use bpfld_sys::{ElemFlags, Errno};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{MapError, Vm};
use crate::map::{Contents, Map as Inner, MapSpec, Put, number_key};

/// A map of a machine. Made by [`Vm::map`].
///
/// Keys and values are plain bytes, or types that can be seen as such; in the order of the guest.
///
/// ```
/// use bpfld_vm::{MapSpec, MapType, Vm};
///
/// let mut vm = Vm::builder().empty(bpfld_insn::Endian::Little);
/// vm.add_map(MapSpec::new("hits", MapType::HASH, 4, 8, 16)).unwrap();
/// let mut hits = vm.map("hits").unwrap();
/// hits.insert(&7u32, &1u64).unwrap();
/// assert_eq!(hits.get::<u64>(&7u32).unwrap(), Some(1));
/// ```
#[derive(Debug)]
pub struct Map<'v> {
    pub(super) vm: &'v mut Vm,
    pub(super) number: usize,
}

impl<'v> Map<'v> {
    pub(super) fn new(vm: &'v mut Vm, number: usize) -> Self {
        Self { vm, number }
    }

    fn endian(&self) -> Endian {
        self.vm.image.endian
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the number was checked when this was made, and maps are never removed"
    )]
    pub(super) fn inner(&self) -> &Inner {
        &self.vm.state.maps[self.number]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the number was checked when this was made, and maps are never removed"
    )]
    pub(super) fn inner_mut(&mut self) -> &mut Inner {
        &mut self.vm.state.maps[self.number]
    }

    /// What it is made as.
    #[must_use]
    pub fn spec(&self) -> &MapSpec {
        &self.inner().spec
    }

    pub(super) fn check(&self, part: &'static str, given: usize) -> Result<(), MapError> {
        let spec = self.spec();
        let expected = match part {
            "key" if spec.key_size > 0 => spec.key_size as usize,
            "key" => given,
            _ => spec.value_size as usize,
        };
        if given == expected {
            return Ok(());
        }
        Err(MapError::Size {
            part,
            expected,
            given,
        })
    }

    /// The bytes of the values of a key, one for each CPU that has its own.
    fn values(&mut self, key: &[u8]) -> Result<Option<Vec<&[u8]>>, MapError> {
        self.check("key", key.len())?;
        let endian = self.endian();
        let Some(place) = self.inner_mut().place(key, endian) else {
            return Ok(None);
        };
        let map = self.inner();
        let copies = 0..map.copies;
        let values = copies.filter_map(|cpu| map.value(&self.vm.state.memory, place, cpu));
        Ok(Some(values.collect()))
    }

    /// The values of a key as bytes: one for each CPU that has its own; none if the key is not there.
    ///
    /// # Errors
    ///
    /// The key has another size.
    pub fn get_bytes(&mut self, key: &[u8]) -> Result<Vec<Vec<u8>>, MapError> {
        let values = self.values(key)?.unwrap_or_default();
        Ok(values.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// The value of a key; of maps with a value for each CPU, that of the first.
    ///
    /// # Errors
    ///
    /// The key or value has another size.
    pub fn get<V: FromBytes>(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
    ) -> Result<Option<V>, MapError> {
        Ok(self.get_per_cpu(key)?.into_iter().next())
    }

    /// The values of a key, one for each CPU; none if the key is not there.
    ///
    /// # Errors
    ///
    /// The key or value has another size.
    pub fn get_per_cpu<V: FromBytes>(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
    ) -> Result<Vec<V>, MapError> {
        self.check("value", size_of::<V>())?;
        let values = self.values(key.as_bytes())?.unwrap_or_default();
        let typed = values.into_iter().map(|value| {
            V::read_from_bytes(value).map_err(|_| MapError::Size {
                part: "value",
                expected: value.len(),
                given: size_of::<V>(),
            })
        });
        typed.collect()
    }

    /// Sets the value of a key, whether it is there or not; for every CPU the same.
    ///
    /// # Errors
    ///
    /// Sizes differ, the map is full, or it has no keys.
    pub fn insert(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
        value: &(impl IntoBytes + Immutable + ?Sized),
    ) -> Result<(), MapError> {
        self.update(key, value, ElemFlags::empty())
    }

    /// Sets the value of a key as flags say; for every CPU the same.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert), and what the flags forbid.
    pub fn update(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
        value: &(impl IntoBytes + Immutable + ?Sized),
        flags: ElemFlags,
    ) -> Result<(), MapError> {
        let (key, value) = (key.as_bytes(), value.as_bytes());
        self.check("key", key.len())?;
        self.check("value", value.len())?;
        let all = value.repeat(self.inner().copies as usize);
        self.put(key, &all, flags)
    }

    /// Sets the values of a key, one for each CPU.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert); there must be a value for each CPU.
    pub fn insert_per_cpu<V: IntoBytes + Immutable>(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
        values: &[V],
    ) -> Result<(), MapError> {
        self.check("value", size_of::<V>())?;
        let copies = self.inner().copies as usize;
        if values.len() != copies {
            return Err(MapError::Size {
                part: "value",
                expected: copies * size_of::<V>(),
                given: size_of_val(values),
            });
        }
        self.put(key.as_bytes(), values.as_bytes(), ElemFlags::empty())
    }

    fn put(&mut self, key: &[u8], values: &[u8], flags: ElemFlags) -> Result<(), MapError> {
        self.check("key", key.len())?;
        let endian = self.endian();
        let number = self.number;
        let state = &mut self.vm.state;
        let Some(map) = state.maps.get_mut(number) else {
            return Err(Errno::EBADF.into());
        };
        let (memory, timers) = (&mut state.memory, &mut state.timers);
        map.update(memory, timers, key, Put::All(values), flags.bits(), endian)?;
        Ok(())
    }

    /// Takes a key out; false if it was not there.
    ///
    /// # Errors
    ///
    /// The key has another size, or keys of this map cannot be taken out.
    pub fn remove(&mut self, key: &(impl IntoBytes + Immutable + ?Sized)) -> Result<bool, MapError> {
        let key = key.as_bytes();
        self.check("key", key.len())?;
        let endian = self.endian();
        let number = self.number;
        let state = &mut self.vm.state;
        let Some(map) = state.maps.get_mut(number) else {
            return Err(Errno::EBADF.into());
        };
        match map.delete(&state.memory, &mut state.timers, key, endian) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// All keys, as bytes.
    #[must_use]
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let keys = self.inner().keys(self.endian());
        keys.into_iter().map(Into::into).collect()
    }

    /// All keys with their values; of maps with a value for each CPU, that of the first.
    ///
    /// # Errors
    ///
    /// Keys or values have another size.
    pub fn entries<K: FromBytes, V: FromBytes>(&mut self) -> Result<Vec<(K, V)>, MapError> {
        let mut out = Vec::new();
        for bytes in self.keys() {
            self.check("key", size_of::<K>())?;
            let key = K::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)?;
            if let Some(value) = self.get(&bytes[..])? {
                out.push((key, value));
            }
        }
        Ok(out)
    }

    /// How many keys there are; of arrays, how many there can be.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.inner().contents {
            Contents::Array => self.spec().max_entries as usize,
            Contents::Hash(hash) | Contents::HashOfMaps(hash, _) => hash.len(),
            Contents::Queue(_, values) | Contents::UserRing(values) => values.len(),
            Contents::Events(events) => events.len(),
            Contents::Programs(slots) | Contents::Maps(slots) => slots.iter().flatten().count(),
            _ => 0,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a program into an element of a program array.
    ///
    /// # Errors
    ///
    /// There is no program of this name, no such element, or this is no program array.
    pub fn set_program(&mut self, index: u32, program: &str) -> Result<(), MapError> {
        let number = match self.vm.programs.get(program) {
            Some(Ok(number)) => *number,
            _ => return Err(MapError::NotFound(program.to_string())),
        };
        if !matches!(self.inner().contents, Contents::Programs(_)) {
            return Err(Errno::EINVAL.into());
        }
        let endian = self.endian();
        Ok(self
            .inner_mut()
            .set_number(&number_key(index, endian), number, endian)?)
    }

    /// Puts a map into an element of a map of maps.
    ///
    /// # Errors
    ///
    /// There is no map of this name, no such element, or this is no map of maps.
    pub fn set_map(
        &mut self,
        key: &(impl IntoBytes + Immutable + ?Sized),
        map: &str,
    ) -> Result<(), MapError> {
        let found = self.vm.state.maps.iter().position(|other| other.spec.name == map);
        let number = found.ok_or_else(|| MapError::NotFound(map.to_string()))?;
        if !matches!(
            self.inner().contents,
            Contents::Maps(_) | Contents::HashOfMaps(..)
        ) {
            return Err(Errno::EINVAL.into());
        }
        let endian = self.endian();
        Ok(self.inner_mut().set_number(key.as_bytes(), number, endian)?)
    }

    /// Fills a value with zeros, for every CPU.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn clear(&mut self, key: &(impl IntoBytes + Immutable + ?Sized)) -> Result<(), MapError> {
        let size = self.spec().value_size as usize * self.inner().copies as usize;
        self.put(key.as_bytes(), &vec![0; size], ElemFlags::empty())
    }
}
