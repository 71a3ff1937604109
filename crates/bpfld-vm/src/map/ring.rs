//! Ring buffers: records that are reserved, filled, and submitted or discarded, as the kernel keeps account of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Contents, Map};
use crate::address::GuestAddr;
use crate::memory::{Memory, Region};

/// Bytes of the head that each record has.
const HEAD: u64 = 8;

/// The account of a ring buffer.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    size: u64,
    producer: u64,
    consumer: u64,
    records: VecDeque<Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Where it begins, head included, in bytes since ever.
    start: u64,
    len: u32,
    state: RecordState,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordState {
    Reserved,
    Submitted,
    Discarded,
}

/// What `bpf_ringbuf_query` can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingQuery {
    /// Bytes that are not consumed yet, heads included.
    pub available: u64,
    /// Bytes of the buffer.
    pub size: u64,
    /// Bytes consumed since ever.
    pub consumer: u64,
    /// Bytes produced since ever.
    pub producer: u64,
}

impl Ring {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size: size as u64,
            producer: 0,
            consumer: 0,
            records: VecDeque::new(),
        }
    }

    pub(crate) fn query(&self) -> RingQuery {
        RingQuery {
            available: self.producer - self.consumer,
            size: self.size,
            consumer: self.consumer,
            producer: self.producer,
        }
    }

    /// The record that is reserved with its bytes at a place.
    fn record_at(&mut self, place: usize) -> Option<&mut Record> {
        let (place, mask) = (place as u64, self.size - 1);
        let behind = self.producer.wrapping_sub(place.wrapping_sub(HEAD)) & mask;
        let start = self.producer.checked_sub(behind)?;
        let found = self.records.binary_search_by_key(&start, |record| record.start);
        let record = self.records.get_mut(found.ok()?)?;
        let is_here = record.state == RecordState::Reserved && (start + HEAD) & mask == place;
        is_here.then_some(record)
    }

    /// The place of the bytes of a record.
    fn place(&self, record: Record) -> Range<usize> {
        let start = ((record.start + HEAD) & (self.size - 1)) as usize;
        start..start + record.len as usize
    }
}

impl Ring {
    fn bytes(&self, region: Option<&Region>, record: Record) -> Vec<u8> {
        let bytes = region.and_then(|region| region.bytes.get(self.place(record)));
        bytes.unwrap_or_default().to_vec()
    }
}

impl Map {
    fn ring(&mut self) -> Option<&mut Ring> {
        match &mut self.contents {
            Contents::Ring(ring) => Some(ring),
            _ => None,
        }
    }

    /// Reserves a record; the address of its bytes, or `None` if there is no room.
    pub(crate) fn reserve(&mut self, memory: &mut Memory, len: u64) -> Option<u64> {
        let region = self.region;
        let ring = self.ring()?;
        if len > u64::from(u32::MAX / 4) {
            return None;
        }
        let total = (len + HEAD).next_multiple_of(8);
        if total > ring.size || ring.producer + total - ring.consumer > ring.size - 1 {
            return None;
        }
        let record = Record {
            start: ring.producer,
            len: len as u32,
            state: RecordState::Reserved,
        };
        ring.producer += total;
        ring.records.push_back(record);
        let place = ring.place(record);
        let start = place.start as u64;
        memory.region_mut(region)?.reserved.insert(place.start, place.end);
        Some(GuestAddr::new(region, start).0)
    }

    /// Submits or discards the record with these bytes. False if none is reserved there.
    pub(crate) fn finish(&mut self, memory: &mut Memory, address: u64, state: RecordState) -> bool {
        let region = self.region;
        let start = GuestAddr(address).offset() as usize;
        let Some(ring) = self.ring() else { return false };
        let Some(record) = ring.record_at(start) else {
            return false;
        };
        record.state = state;
        if let Some(region) = memory.region_mut(region) {
            region.reserved.remove(&start);
        }
        true
    }

    /// Puts a whole record in; false if there is no room.
    pub(crate) fn output(&mut self, memory: &mut Memory, data: &[u8]) -> bool {
        let Some(address) = self.reserve(memory, data.len() as u64) else {
            return false;
        };
        let start = GuestAddr(address).offset() as usize;
        let region = memory.region_mut(self.region);
        if let Some(place) = region.and_then(|region| region.bytes.get_mut(start..start + data.len())) {
            place.copy_from_slice(data);
        }
        self.finish(memory, address, RecordState::Submitted)
    }

    /// The records that could be taken out now, left where they are.
    pub(crate) fn records(&self, memory: &Memory) -> Vec<Vec<u8>> {
        let Contents::Ring(ring) = &self.contents else {
            return Vec::new();
        };
        let finished = ring
            .records
            .iter()
            .take_while(|record| record.state != RecordState::Reserved);
        finished
            .filter(|record| record.state == RecordState::Submitted)
            .map(|record| ring.bytes(memory.region(self.region), *record))
            .collect()
    }

    /// Takes out all records up to the first that is still being filled.
    pub(crate) fn consume(&mut self, memory: &Memory) -> Vec<Vec<u8>> {
        let region = self.region;
        let Some(ring) = self.ring() else {
            return Vec::new();
        };
        let mut out = Vec::new();
        while let Some(record) = ring.records.front().copied() {
            if record.state == RecordState::Reserved {
                break;
            }
            ring.records.pop_front();
            ring.consumer = record.start + (u64::from(record.len) + HEAD).next_multiple_of(8);
            if record.state == RecordState::Submitted {
                out.push(ring.bytes(memory.region(region), record));
            }
        }
        out
    }
}
