//! Typed view of stack traces.

use bpfld_sys::{MapFlags, MapType, StackBuildIdStatus, plain::StackBuildId};
use zerocopy::IntoBytes as _;

use super::{Map, Plain, view::handle_views};
use crate::{Error, Result};

handle_views! {
    /// Stack traces that programs recorded with `bpf_get_stackid`, by their number (4.6).
    ///
    /// [`KernelSymbols`](crate::KernelSymbols) and [`ProcessMemory`](crate::ProcessMemory) find what addresses stand for.
    ///
    /// ```no_run
    /// use bpfld::{KernelSymbols, Map, StackTraces};
    ///
    /// # fn example(map: &Map, id: u32) -> Result<(), bpfld::Error> {
    /// let traces: StackTraces = map.try_into()?;
    /// let symbols = KernelSymbols::read()?;
    /// for address in traces.get(id)?.unwrap_or_default() {
    ///     match symbols.resolve(address) {
    ///         Some(symbol) => println!("{symbol}"),
    ///         None => println!("{address:#x}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    StackTraces = STACK_TRACE;
}

/// Where a frame with a build id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameLocation {
    /// In the file with this build id, so many bytes from its start.
    File {
        /// The file's build id, padded with zeros.
        build_id: [u8; 20],
        /// Bytes from the start of the file.
        offset: u64,
    },
    /// At this address; the kernel could not tell the file.
    Address(u64),
}

impl FrameLocation {
    /// Nothing for the empty frames behind the last one.
    fn of(frame: &StackBuildId) -> Option<Self> {
        match frame.status {
            StackBuildIdStatus::VALID => Some(FrameLocation::File {
                build_id: frame.build_id,
                offset: frame.offset,
            }),
            StackBuildIdStatus::IP => Some(FrameLocation::Address(frame.offset)),
            _ => None,
        }
    }
}

impl StackTraces {
    /// Makes a map that belongs to no object, for traces of so many addresses; `kernel.perf_event_max_stack` (127) is the most.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, depth: u32, max_entries: u32) -> Result<Self> {
        let map = Map::builder(MapType::STACK_TRACE, name).key_size(4);
        map.value_size(depth.saturating_mul(8))
            .max_entries(max_entries)
            .create()?
            .try_into()
    }

    /// The addresses of a trace, the innermost first; `None` if there is no such trace.
    ///
    /// # Errors
    ///
    /// When the map records build ids, or the kernel refuses.
    pub fn get(&self, id: u32) -> Result<Option<Vec<u64>>> {
        if self.has_build_ids() {
            let message = "records build ids: `build_ids` reads them";
            return Err(Error::invalid(self.map.subject(), message));
        }
        let addresses: Option<Vec<u64>> = self.frames(id)?;
        Ok(addresses.map(|mut addresses| {
            let end = addresses.iter().position(|address| *address == 0);
            addresses.truncate(end.unwrap_or(addresses.len()));
            addresses
        }))
    }

    /// The frames of a user trace in a map with the flag [`MapFlags::STACK_BUILD_ID`] (4.17), the innermost first; `None` if there is no such trace.
    ///
    /// # Errors
    ///
    /// When the map records addresses, or the kernel refuses.
    pub fn build_ids(&self, id: u32) -> Result<Option<Vec<FrameLocation>>> {
        if !self.has_build_ids() {
            let message = "records addresses: `get` reads them";
            return Err(Error::invalid(self.map.subject(), message));
        }
        let frames: Option<Vec<StackBuildId>> = self.frames(id)?;
        Ok(frames.map(|frames| frames.iter().map_while(FrameLocation::of).collect()))
    }

    /// Whether it records build ids and offsets in place of addresses.
    #[must_use]
    pub fn has_build_ids(&self) -> bool {
        self.map.spec().flags.contains(MapFlags::STACK_BUILD_ID)
    }

    /// Forgets a trace; false if there was none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove(&self, id: u32) -> Result<bool> {
        self.map.delete(id.as_bytes())
    }

    /// The numbers of all traces (4.17).
    pub fn ids(&self) -> impl Iterator<Item = Result<u32>> {
        self.map
            .keys()
            .map(|key| key.map(|key| key.try_into().map_or(0, u32::from_ne_bytes)))
    }

    fn frames<T: Plain>(&self, id: u32) -> Result<Option<Vec<T>>> {
        let bytes = self.map.lookup(id.as_bytes())?;
        let frames = |bytes: Vec<u8>| {
            bytes
                .chunks_exact(size_of::<T>())
                .filter_map(|frame| T::read_from_bytes(frame).ok())
                .collect()
        };
        Ok(bytes.map(frames))
    }
}
