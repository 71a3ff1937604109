//! Looking up, updating and deleting, with the kernel's answers.

use bpfld_insn::Endian;
use bpfld_sys::{ElemFlags, Errno};

use super::entries::{number, prefix_key};
use super::{Contents, Map};
use crate::address::map_address;
use crate::memory::Memory;
use crate::timer::Timers;

/// A value that goes in: the same for every CPU, of one CPU, or one for each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Put<'a> {
    /// Of one CPU; the others' are zero where the key is new.
    Cpu(u32, &'a [u8]),
    /// As the host gives it: the values of all CPUs one after the other, without padding.
    All(&'a [u8]),
}

impl Map {
    /// The place of the value of a key.
    pub(crate) fn place(&mut self, key: &[u8], endian: Endian) -> Option<u32> {
        let max = self.spec.max_entries;
        let is_trie = self.is_trie();
        match &mut self.contents {
            Contents::Array => Some(number(key, endian)).filter(|index| *index < max),
            Contents::Hash(hash) if is_trie => {
                let len = number(key, endian);
                let longest = (key.len().saturating_sub(4) * 8) as u32;
                if len > longest {
                    return None;
                }
                let prefixes = (0..=len).rev().filter_map(|len| prefix_key(key, len, endian));
                let mut found = None;
                for prefix in prefixes {
                    found = hash.find(&prefix);
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
            Contents::Hash(hash) => hash.find(key),
            _ => None,
        }
    }

    /// What `bpf_map_lookup_elem` returns: the address of the value, or of the inner map; or null.
    pub(crate) fn lookup(&mut self, memory: &Memory, key: &[u8], cpu: u32, endian: Endian) -> u64 {
        match &mut self.contents {
            Contents::Maps(slots) => {
                let inner = slots.get(number(key, endian) as usize).copied().flatten();
                inner.map_or(0, map_address)
            }
            Contents::HashOfMaps(hash, maps) => {
                let place = hash.find(key);
                let inner = place.and_then(|place| maps.get(place as usize).copied().flatten());
                inner.map_or(0, map_address)
            }
            _ => {
                let place = self.place(key, endian);
                place
                    .and_then(|place| self.value_address(memory, place, cpu))
                    .unwrap_or(0)
            }
        }
    }

    /// Sets the value of a key. Timers of the value that was there are gone then.
    pub(crate) fn update(
        &mut self,
        memory: &mut Memory,
        timers: &mut Timers,
        key: &[u8],
        value: Put<'_>,
        flags: u64,
        endian: Endian,
    ) -> Result<(), Errno> {
        let exist = flags & !ElemFlags::F_LOCK.bits();
        let locks = flags != exist;
        if exist > ElemFlags::EXIST.bits() {
            return Err(Errno::EINVAL);
        }
        let max = self.spec.max_entries;
        let (is_trie, is_indexed) = (self.is_trie(), self.is_indexed());
        let room = self.room_of_entry();
        let lock_is_missing = locks && !self.may_lock();
        let normal;
        let (place, is_new) = match &mut self.contents {
            Contents::Array => {
                let index = number(key, endian);
                if index >= max {
                    return Err(Errno::E2BIG);
                }
                if exist == ElemFlags::NOEXIST.bits() {
                    return Err(Errno::EEXIST);
                }
                if lock_is_missing {
                    return Err(Errno::EINVAL);
                }
                (index, false)
            }
            Contents::Hash(_) if lock_is_missing => return Err(Errno::EINVAL),
            Contents::Hash(hash) => {
                if is_indexed && number(key, endian) >= max {
                    return Err(Errno::E2BIG);
                }
                let key = if is_trie {
                    normal = prefix_key(key, number(key, endian), endian).ok_or(Errno::EINVAL)?;
                    &normal[..]
                } else {
                    key
                };
                match (hash.peek(key), exist) {
                    (Some(_), 1) => return Err(Errno::EEXIST),
                    (None, 2) => return Err(Errno::ENOENT),
                    (Some(_), _) => (hash.find(key).ok_or(Errno::ENOENT)?, false),
                    (None, _) => {
                        if hash.grows() {
                            memory.take(room).ok_or(Errno::ENOMEM)?;
                        }
                        (hash.insert(key)?, true)
                    }
                }
            }
            _ => return Err(Errno::ENOTSUPP),
        };
        if is_new {
            self.clear_value(memory, place);
        }
        if !timers.is_empty() {
            timers.forget(self.value_addresses(memory, place));
        }
        match value {
            Put::Cpu(cpu, bytes) => self.put(memory, place, cpu, bytes),
            Put::All(bytes) => {
                let size = self.spec.value_size as usize;
                for (cpu, bytes) in bytes.chunks(size.max(1)).take(self.copies as usize).enumerate() {
                    self.put(memory, place, cpu as u32, bytes);
                }
            }
        }
        Ok(())
    }

    fn put(&self, memory: &mut Memory, place: u32, cpu: u32, bytes: &[u8]) {
        let Some(to) = self.value_mut(memory, place, cpu) else {
            return;
        };
        for (to, from) in to.iter_mut().zip(bytes) {
            *to = *from;
        }
        for range in self.special.iter().flat_map(|special| &special.fields) {
            if let Some(to) = to.get_mut(range.clone()) {
                to.fill(0);
            }
        }
    }

    /// Takes a key out, and the timers of its value with it.
    pub(crate) fn delete(
        &mut self,
        memory: &Memory,
        timers: &mut Timers,
        key: &[u8],
        endian: Endian,
    ) -> Result<(), Errno> {
        if !timers.is_empty()
            && let Contents::Hash(_) = self.contents
            && let Some(place) = self.own_place(key, endian)
        {
            timers.forget(self.value_addresses(memory, place));
        }
        let is_trie = self.is_trie();
        match &mut self.contents {
            Contents::Array => Err(Errno::EINVAL),
            Contents::Hash(hash) if is_trie => {
                let key = prefix_key(key, number(key, endian), endian).ok_or(Errno::EINVAL)?;
                hash.remove(&key).map(drop).ok_or(Errno::ENOENT)
            }
            Contents::Hash(hash) => hash.remove(key).map(drop).ok_or(Errno::ENOENT),
            Contents::HashOfMaps(hash, maps) => {
                let place = hash.remove(key).ok_or(Errno::ENOENT)?;
                if let Some(slot) = maps.get_mut(place as usize) {
                    *slot = None;
                }
                Ok(())
            }
            Contents::Programs(slots) | Contents::Maps(slots) => {
                let slot = slots.get_mut(number(key, endian) as usize).ok_or(Errno::E2BIG)?;
                slot.take().map(drop).ok_or(Errno::ENOENT)
            }
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// Puts a program or a map, by number, into an element.
    pub(crate) fn set_number(&mut self, key: &[u8], value: usize, endian: Endian) -> Result<(), Errno> {
        match &mut self.contents {
            Contents::Programs(slots) | Contents::Maps(slots) => {
                let slot = slots.get_mut(number(key, endian) as usize).ok_or(Errno::E2BIG)?;
                *slot = Some(value);
                Ok(())
            }
            Contents::HashOfMaps(hash, maps) => {
                let place = match hash.find(key) {
                    Some(place) => place,
                    None => hash.insert(key)?,
                } as usize;
                if maps.len() <= place {
                    maps.resize(place + 1, None);
                }
                if let Some(slot) = maps.get_mut(place) {
                    *slot = Some(value);
                }
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }
}
