//! Typed views of maps that packets are sent on through: devices, CPUs, AF_XDP sockets.

use std::os::fd::{AsFd, AsRawFd as _};

use bpfld_sys::{ElemFlags, MapType};
use zerocopy::IntoBytes as _;

use super::{Map, view::handle_views};
use crate::{Error, Program, Result};

handle_views! {
    /// Network devices by their place, for `bpf_redirect_map` (4.14).
    ///
    /// ```no_run
    /// use bpfld::DevMap;
    ///
    /// let ports = DevMap::create("ports", 16)?;
    /// ports.set(0, 2, None)?; // the interface with index 2
    /// assert_eq!(ports.get(0)?.map(|port| port.ifindex), Some(2));
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    DevMap = DEVMAP;
    /// Network devices by any number, for `bpf_redirect_map` (5.4).
    DevMapHash = DEVMAP_HASH;
    /// Queues of CPUs, for `bpf_redirect_map` (4.15).
    ///
    /// ```no_run
    /// use bpfld::CpuMap;
    ///
    /// let queues = CpuMap::create("queues", 4)?;
    /// queues.set(1, 192, None)?; // 192 packets may wait for CPU 1
    /// # Ok::<(), bpfld::Error>(())
    /// ```
    CpuMap = CPUMAP;
    /// AF_XDP sockets by their place, mostly the queue they are bound to, for `bpf_redirect_map` (4.18).
    XskMap = XSKMAP;
}

/// Where a slot of a [`DevMap`] or [`DevMapHash`] sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Port {
    /// Index of the network interface.
    pub ifindex: u32,
    /// Id of the program that runs there before a packet is sent (5.8).
    pub program: Option<u32>,
}

/// What waits in a slot of a [`CpuMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuQueue {
    /// Packets that may wait.
    pub size: u32,
    /// Id of the program that runs there for each packet (5.9).
    pub program: Option<u32>,
}

macro_rules! targets {
    ($($view:ident = $map_type:ident, $target:ident { $number:ident }, $since:literal;)*) => { $(
        impl $view {
            /// Makes a map that belongs to no object, whose slots may have programs where kernels know them.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn create(name: &str, max_entries: u32) -> Result<Self> {
                let with_size = |size| {
                    Map::builder(MapType::$map_type, name).key_size(4).value_size(size).max_entries(max_entries).create()
                };
                match with_size(8) {
                    Err(error) if error.errno() == Some(bpfld_sys::Errno::EINVAL) => with_size(4)?,
                    map => map?,
                }
                .try_into()
            }

            /// Fills a slot, with a program to run there if given.
            ///
            /// # Errors
            ///
            #[doc = concat!("When the map was made without room for programs (Linux ", $since, "), or the kernel refuses.")]
            pub fn set(&self, key: u32, $number: u32, program: Option<&Program>) -> Result<()> {
                set(&self.map, key, $number, program)
            }

            /// What is in a slot; `None` if it is empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn get(&self, key: u32) -> Result<Option<$target>> {
                Ok(self.map.lookup(key.as_bytes())?.map(|value| $target::of(&value)))
            }

            /// Empties a slot; false if it was empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn clear(&self, key: u32) -> Result<bool> {
                self.map.delete(key.as_bytes())
            }

            /// The slots that are not empty.
            pub fn iter(&self) -> impl Iterator<Item = Result<(u32, $target)>> {
                self.map.entries().map(|entry| entry.map(|(key, value)| (word(&key, 0), $target::of(&value))))
            }
        }
    )* };
}

targets! {
    DevMap = DEVMAP, Port { ifindex }, "5.8";
    DevMapHash = DEVMAP_HASH, Port { ifindex }, "5.8";
    CpuMap = CPUMAP, CpuQueue { size }, "5.9";
}

impl Port {
    fn of(value: &[u8]) -> Self {
        Port {
            ifindex: word(value, 0),
            program: Some(word(value, 1)).filter(|id| *id != 0),
        }
    }
}

impl CpuQueue {
    fn of(value: &[u8]) -> Self {
        CpuQueue {
            size: word(value, 0),
            program: Some(word(value, 1)).filter(|id| *id != 0),
        }
    }
}

impl XskMap {
    /// Makes a map that belongs to no object.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, max_entries: u32) -> Result<Self> {
        let map = Map::builder(MapType::XSKMAP, name).key_size(4).value_size(4);
        map.max_entries(max_entries).create()?.try_into()
    }

    /// Puts a socket into a slot. It leaves the map when it is closed.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP when it is no AF_XDP socket; E2BIG beyond the end.
    pub fn set(&self, index: u32, socket: impl AsFd) -> Result<()> {
        let fd = socket.as_fd().as_raw_fd();
        self.map
            .update(index.as_bytes(), fd.as_bytes(), ElemFlags::empty())
    }

    /// Empties a slot. Whether there was a socket the kernel does not tell.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn clear(&self, index: u32) -> Result<()> {
        self.map.delete(index.as_bytes()).map(|_| ())
    }
}

fn set(map: &Map, key: u32, number: u32, program: Option<&Program>) -> Result<()> {
    let words = [
        number.to_ne_bytes(),
        // No program is 0 here, or any negative number.
        program
            .map_or(-1, |program| program.as_fd().as_raw_fd())
            .to_ne_bytes(),
    ];
    let value = match map.value_size() {
        4 if program.is_none() => words[..1].as_bytes(),
        8 => words.as_bytes(),
        size => {
            let message = format!("has values of {size} bytes, without room for programs");
            return Err(Error::invalid(map.subject(), message));
        }
    };
    map.update(key.as_bytes(), value, ElemFlags::empty())
}

/// A word of a value; 0 beyond its end.
fn word(value: &[u8], index: usize) -> u32 {
    let bytes = value.as_chunks().0.get(index);
    bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}
