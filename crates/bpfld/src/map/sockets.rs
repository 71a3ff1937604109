//! Typed views of maps that hold sockets.

use std::os::fd::{AsFd, AsRawFd as _};

use bpfld_sys::{ElemFlags, MapType};
use zerocopy::IntoBytes as _;

use super::{
    Map, Plain,
    view::{handle_views, typed_views},
};
use crate::Result;

handle_views! {
    /// Sockets by their place, for programs that redirect what goes through them (4.14).
    ///
    /// The map's programs are attached with [`SkSkb`](crate::SkSkb) and [`SkMsg`](crate::SkMsg).
    ///
    /// ```no_run
    /// use bpfld::SockMap;
    ///
    /// # fn example(socket: std::net::TcpStream) -> Result<(), bpfld::Error> {
    /// let sockets = SockMap::create("sockets", 64)?;
    /// sockets.set(0, &socket)?;
    /// # Ok(())
    /// # }
    /// ```
    SockMap = SOCKMAP;
    /// Sockets of which one is chosen for each new connection or packet to a shared port (4.19).
    ReuseportArray = REUSEPORT_SOCKARRAY;
}

macro_rules! places {
    ($($view:ident = $map_type:ident;)*) => { $(
        impl $view {
            /// Makes a map that belongs to no object.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn create(name: &str, max_entries: u32) -> Result<Self> {
                let map = Map::builder(MapType::$map_type, name).key_size(4).value_size(8);
                map.max_entries(max_entries).create()?.try_into()
            }

            /// Puts a socket into a slot. It leaves the map when it is closed.
            ///
            /// # Errors
            ///
            /// When the kernel takes no such socket, or not in its state.
            pub fn set(&self, index: u32, socket: impl AsFd) -> Result<()> {
                set(&self.map, index.as_bytes(), socket)
            }

            /// Empties a slot; false if it was empty.
            ///
            /// # Errors
            ///
            /// When the kernel refuses.
            pub fn clear(&self, index: u32) -> Result<bool> {
                clear(&self.map, index.as_bytes())
            }

            /// The cookie of the socket in a slot, as `SO_COOKIE` tells it; `None` if it is empty.
            ///
            /// # Errors
            ///
            /// ENOSPC when the map was made with values of four bytes.
            pub fn cookie(&self, index: u32) -> Result<Option<u64>> {
                cookie(&self.map, index.as_bytes())
            }
        }
    )* };
}

places! {
    SockMap = SOCKMAP;
    ReuseportArray = REUSEPORT_SOCKARRAY;
}

typed_views! {
    /// Sockets by any key, for programs that redirect what goes through them (4.18).
    SockHash<K> = SOCKHASH, check_key::<K>;
}

impl<K: Plain> SockHash<K> {
    /// Makes a map that belongs to no object.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn create(name: &str, max_entries: u32) -> Result<Self> {
        const { assert!(size_of::<K>() <= u32::MAX as usize) };
        let map = Map::builder(MapType::SOCKHASH, name)
            .key_size(size_of::<K>() as u32)
            .value_size(8);
        map.max_entries(max_entries).create()?.try_into()
    }

    /// Puts a socket in, in place of the one that may be there. It leaves the map when it is closed.
    ///
    /// # Errors
    ///
    /// When the kernel takes no such socket, or not in its state.
    pub fn insert(&self, key: &K, socket: impl AsFd) -> Result<()> {
        set(&self.map, key.as_bytes(), socket)
    }

    /// Takes a socket out; false if there was none.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove(&self, key: &K) -> Result<bool> {
        clear(&self.map, key.as_bytes())
    }

    /// The cookie of the socket of a key, as `SO_COOKIE` tells it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// ENOSPC when the map was made with values of four bytes.
    pub fn cookie(&self, key: &K) -> Result<Option<u64>> {
        cookie(&self.map, key.as_bytes())
    }
}

fn set(map: &Map, key: &[u8], socket: impl AsFd) -> Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // Values are four bytes, or eight so that cookies can be read.
    match map.value_size() {
        4 => map.update(key, fd.as_bytes(), ElemFlags::empty()),
        _ => map.update(key, i64::from(fd).as_bytes(), ElemFlags::empty()),
    }
}

fn clear(map: &Map, key: &[u8]) -> Result<bool> {
    match map.delete(key) {
        // What the kernel says of an empty slot.
        Err(error) if error.errno() == Some(bpfld_sys::Errno::EINVAL) => Ok(false),
        cleared => cleared,
    }
}

fn cookie(map: &Map, key: &[u8]) -> Result<Option<u64>> {
    let found = map.lookup(key)?;
    Ok(found.and_then(|value| Some(u64::from_ne_bytes(value.try_into().ok()?))))
}
