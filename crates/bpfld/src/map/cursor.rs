//! Walking all elements of a map: in batches where the kernel has them, key by key where not.

use bpfld_sys::{self as sys, ElemFlags, Errno, MapType};

use super::Map;
use crate::{Error, ErrorKind, Result};

/// Bytes of keys and values that a batch is made for: small enough to stay in the cache.
const BATCH_BYTES: usize = 128 << 10;

/// A walk over the elements of a map, lending one after the other.
#[derive(Debug)]
pub(super) struct Cursor {
    map: Map,
    take: Take,
    way: Way,
    /// Elements that may still come before the walk is given up as endless.
    left: u64,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// How many elements are in the buffers, and how many of them were lent.
    filled: usize,
    lent: usize,
}

/// Whether elements stay in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    Read,
    Remove,
}

#[derive(Debug)]
enum Way {
    /// By batches.
    Batch(Batch),
    /// By keys. The next key is asked for before an element is lent, so that the borrower may delete it.
    Keys {
        last: Option<Vec<u8>>,
        ahead: Option<Vec<u8>>,
    },
    Ended,
}

#[derive(Debug)]
struct Batch {
    /// Where the kernel goes on; empty before the first batch.
    position: Vec<u8>,
    next_position: Vec<u8>,
    capacity: usize,
    /// No batch follows.
    last: bool,
}

impl Cursor {
    pub(super) fn new(map: &Map, take: Take) -> Cursor {
        let element = map.key_size() + map.value_size();
        let most = usize::try_from(map.max_entries()).unwrap_or(usize::MAX).max(1);
        let capacity = (BATCH_BYTES / element.max(1)).clamp(16, 16 << 10).min(most);
        let batch = Batch {
            position: Vec::new(),
            next_position: vec![0; map.key_size().max(4)],
            capacity,
            last: false,
        };
        Cursor {
            map: map.clone(),
            take,
            way: Way::Batch(batch),
            left: u64::from(map.max_entries()) * 2 + 1024,
            keys: vec![0; capacity * map.key_size()],
            values: vec![0; capacity * map.value_size()],
            filled: 0,
            lent: 0,
        }
    }

    pub(super) fn map(&self) -> &Map {
        &self.map
    }

    /// Key and value of the next element. After an error there is none.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.lent == self.filled && !self.refill()? {
            return Ok(None);
        }
        let (key_size, value_size) = (self.map.key_size(), self.map.value_size());
        let key = &self.keys[self.lent * key_size..][..key_size];
        let value = &self.values[self.lent * value_size..][..value_size];
        self.lent += 1;
        Ok(Some((key, value)))
    }

    /// Reads elements into the buffers; false if there are no more.
    #[cold]
    fn refill(&mut self) -> Result<bool> {
        (self.filled, self.lent) = (0, 0);
        match self.read() {
            Ok(0) => {
                self.way = Way::Ended;
                Ok(false)
            }
            Ok(count) => {
                self.filled = count;
                Ok(true)
            }
            Err(error) => {
                self.way = Way::Ended;
                Err(error)
            }
        }
    }

    /// Reads elements to the start of the buffers, and tells how many; none at the end.
    fn read(&mut self) -> Result<usize> {
        loop {
            let count = match &self.way {
                Way::Ended => 0,
                Way::Keys { .. } => usize::from(self.step_by_key()?),
                Way::Batch(batch) if batch.last => 0,
                Way::Batch(_) => match self.fetch()? {
                    Some(count) => count,
                    None => {
                        self.walk_keys()?;
                        continue;
                    }
                },
            };
            self.left = self
                .left
                .checked_sub(count as u64)
                .ok_or_else(|| self.endless())?;
            return Ok(count);
        }
    }

    /// Reads the next batch, and tells of how many elements it is; `None` if the kernel has no batches for this map.
    fn fetch(&mut self) -> Result<Option<usize>> {
        let Way::Batch(batch) = &mut self.way else {
            return Ok(Some(0));
        };
        let mut interrupted = 0;
        loop {
            let first = batch.position.is_empty();
            let position = (!first).then_some(batch.position.as_slice());
            let call = match self.take {
                Take::Read => sys::map_lookup_batch,
                Take::Remove => sys::map_lookup_and_delete_batch,
            };
            let mut count = u32::try_from(batch.capacity).unwrap_or(u32::MAX);
            let (next, keys, values) = (&mut batch.next_position, &mut self.keys, &mut self.values);
            let result = call(
                self.map.map_fd(),
                position,
                next,
                keys,
                values,
                &mut count,
                ElemFlags::empty(),
            );
            let filled = usize::try_from(count).map_or(0, |count| count.min(batch.capacity));
            if let Err(error) = result {
                match error.errno() {
                    Errno::ENOENT => batch.last = true,
                    // A bucket of the hash holds more elements than the buffers: nothing was read.
                    Errno::ENOSPC => {
                        if !self.grow() {
                            return Err(self.map.failed("read elements", error));
                        }
                        return self.fetch();
                    }
                    // A resizable hash goes on at an element, and that is gone: begin again, as the kernel asks for.
                    // What was read, and perhaps removed, before counts; kernels that give up at once leave the count alone.
                    Errno::EAGAIN if !first => {
                        batch.position.clear();
                        match filled {
                            0 => continue,
                            filled if filled == batch.capacity => continue,
                            filled => return Ok(Some(filled)),
                        }
                    }
                    // Elements vanished while the kernel walked over them; what was read before counts.
                    Errno::EINTR if filled > 0 => {}
                    Errno::EINTR if interrupted < 16 => {
                        interrupted += 1;
                        continue;
                    }
                    Errno::EINVAL | Errno::ENOTSUPP | Errno::EOPNOTSUPP | Errno::EINTR if first => {
                        return Ok(None);
                    }
                    _ => return Err(self.map.failed("read elements", error)),
                }
            }
            batch.position.clone_from(&batch.next_position);
            return Ok(Some(filled));
        }
    }

    /// Makes room for a larger batch; false if no batch could need more.
    fn grow(&mut self) -> bool {
        let Way::Batch(batch) = &mut self.way else {
            return false;
        };
        let most = usize::try_from(self.map.max_entries())
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
            .max(1024);
        if batch.capacity >= most {
            return false;
        }
        batch.capacity = batch.capacity.saturating_mul(4).min(most);
        self.keys.resize(batch.capacity * self.map.key_size(), 0);
        self.values.resize(batch.capacity * self.map.value_size(), 0);
        true
    }

    /// Starts a walk by keys.
    fn walk_keys(&mut self) -> Result<()> {
        let mut first = vec![0; self.map.key_size()];
        let ahead = self.map.next_key(None, &mut first)?.then_some(first);
        self.way = Way::Keys { last: None, ahead };
        Ok(())
    }

    /// Reads the element of the next key to the start of the buffers.
    fn step_by_key(&mut self) -> Result<bool> {
        let (key_size, value_size) = (self.map.key_size(), self.map.value_size());
        loop {
            let Way::Keys { last, ahead } = &mut self.way else {
                return Ok(false);
            };
            let Some(key) = ahead.take() else { return Ok(false) };
            let mut next = vec![0; key_size];
            *ahead = self.map.next_key(Some(&key), &mut next)?.then_some(next);
            let value = &mut self.values[..value_size];
            let found = self.map.lookup_into(&key, value, ElemFlags::empty())?;
            if found {
                if self.take == Take::Remove && !self.map.delete(&key)? {
                    continue;
                }
                self.keys[..key_size].copy_from_slice(&key);
                *last = (self.take == Take::Read).then_some(key);
                return Ok(true);
            }
            if has_places(self.map.map_type()) {
                continue;
            }
            // The key vanished, and the one after a key that is not there is the first of the map. Go on from the last
            // one that was lent, if that is still there.
            if let Some(last) = last.as_ref() {
                let mut next = vec![0; key_size];
                let more = self.map.next_key(Some(last), &mut next)?;
                if self.map.lookup_into(last, value, ElemFlags::empty())? {
                    *ahead = more.then_some(next);
                }
            }
            self.left = self.left.checked_sub(1).ok_or_else(|| self.endless())?;
        }
    }

    fn endless(&self) -> Error {
        let message = "iteration given up: elements come and go faster than they can be read";
        Error::new(
            self.map.subject(),
            ErrorKind::Inconsistent {
                message: message.into(),
            },
        )
    }
}

/// Whether keys are places from 0 on, which are there also when they are empty.
fn has_places(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::PROG_ARRAY
            | MapType::PERF_EVENT_ARRAY
            | MapType::CGROUP_ARRAY
            | MapType::ARRAY_OF_MAPS
            | MapType::DEVMAP
            | MapType::CPUMAP
            | MapType::XSKMAP
            | MapType::SOCKMAP
            | MapType::REUSEPORT_SOCKARRAY
    )
}
