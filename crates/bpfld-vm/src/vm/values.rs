//! Maps without keys: queues, stacks, filters, ring buffers, events, as the host fills and empties them.

use alloc::vec::Vec;

use bpfld_sys::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Map, MapError};
use crate::map::{Contents, Event, RingQuery};

impl Map<'_> {
    /// Puts a value into a queue, stack or Bloom filter.
    ///
    /// # Errors
    ///
    /// It is full, or no such map.
    pub fn push(&mut self, value: &(impl IntoBytes + Immutable + ?Sized)) -> Result<(), MapError> {
        let value = value.as_bytes();
        self.check("value", value.len())?;
        Ok(self.inner_mut().push(value, 0)?)
    }

    /// Takes the next value out of a queue or stack.
    ///
    /// # Errors
    ///
    /// No such map, or values of another size.
    pub fn pop<V: FromBytes>(&mut self) -> Result<Option<V>, MapError> {
        self.check("value", size_of::<V>())?;
        match self.inner_mut().pop() {
            Ok(value) => Ok(V::read_from_bytes(&value).ok()),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The next value of a queue or stack, left where it is.
    ///
    /// # Errors
    ///
    /// No such map, or values of another size.
    pub fn peek<V: FromBytes>(&self) -> Result<Option<V>, MapError> {
        self.check("value", size_of::<V>())?;
        match self.inner().front() {
            Ok(value) => Ok(V::read_from_bytes(&value).ok()),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a Bloom filter may hold a value.
    #[must_use]
    pub fn may_hold(&self, value: &(impl IntoBytes + Immutable + ?Sized)) -> bool {
        match &self.inner().contents {
            Contents::Bloom(bloom) => bloom.may_hold(value.as_bytes()),
            _ => false,
        }
    }

    /// Takes the records out of a ring buffer, up to the first that is still being filled.
    pub fn take_records(&mut self) -> Vec<Vec<u8>> {
        let number = self.number;
        let state = &mut self.vm.state;
        match state.maps.get_mut(number) {
            Some(map) => map.consume(&state.memory),
            None => Vec::new(),
        }
    }

    /// Puts a sample into a user ring buffer, for programs to take out.
    ///
    /// # Errors
    ///
    /// There is no room, or this is no user ring buffer.
    pub fn put_sample(&mut self, sample: &[u8]) -> Result<(), MapError> {
        /// Bytes of the head that each sample has.
        const HEAD: usize = 8;
        let room = self.spec().max_entries as usize;
        let Contents::UserRing(samples) = &mut self.inner_mut().contents else {
            return Err(Errno::EINVAL.into());
        };
        let taken = |sample: &[u8]| (sample.len() + HEAD).next_multiple_of(HEAD);
        let all: usize = samples.iter().map(|sample| taken(sample)).sum();
        if taken(sample) > room {
            return Err(Errno::E2BIG.into());
        }
        if all + taken(sample) > room {
            return Err(Errno::ENOSPC.into());
        }
        samples.push_back(sample.to_vec());
        Ok(())
    }

    /// How full a ring buffer is.
    #[must_use]
    pub fn ring(&self) -> Option<RingQuery> {
        match &self.inner().contents {
            Contents::Ring(ring) => Some(ring.query()),
            _ => None,
        }
    }

    /// Takes out what programs gave to `bpf_perf_event_output`.
    pub fn take_events(&mut self) -> Vec<Event> {
        let Contents::Events(events) = &mut self.inner_mut().contents else {
            return Vec::new();
        };
        let events = core::mem::take(events);
        let bytes = events.iter().map(|event| event.data.len()).sum();
        self.vm.state.memory.give_back(bytes);
        events
    }
}
