//! Network devices by name.
//!
//! # Safety
//!
//! if_nametoindex(3) reads a C string of ours, if_indextoname(3) writes one; ioctl(2) reads and writes structures of ours.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};

use crate::Errno;

/// The index of a network device of this thread's network namespace.
///
/// # Errors
///
/// `ENODEV` if there is none of this name.
#[doc(alias = "if_nametoindex")]
pub fn device_index(name: &CStr) -> Result<u32, Errno> {
    // SAFETY: `name` ends with a zero and is borrowed until the call returns; it is read.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(Errno::last()) } else { Ok(index) }
}

/// The name of a network device of this thread's network namespace.
///
/// # Errors
///
/// `ENXIO` if there is none of this index.
#[doc(alias = "if_indextoname")]
pub fn device_name(index: u32) -> Result<CString, Errno> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: there is room for as many bytes as a name and its end have.
    let result = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if result.is_null() {
        return Err(Errno::last());
    }
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| Errno::ENAMETOOLONG)?;
    Ok(name.to_owned())
}

/// How many queues of a network device are in use for packets that come, and for packets that go, by any socket of the same network namespace.
///
/// # Errors
///
/// `ENODEV` if there is none of this name; `EOPNOTSUPP` if it has no queues to be asked for, like loopback.
#[doc(alias = "ETHTOOL_GCHANNELS")]
pub fn queues(socket: impl AsFd, name: &CStr) -> Result<(u32, u32), Errno> {
    /// `struct ethtool_channels`
    #[derive(Default)]
    #[repr(C)]
    struct Channels {
        command: u32,
        most: [u32; 4],
        rx: u32,
        tx: u32,
        other: u32,
        combined: u32,
    }
    /// `struct ifreq`, with an address in it.
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        data: *mut Channels,
        rest: [u64; 2],
    }
    const ETHTOOL_GCHANNELS: u32 = 0x3c;
    const SIOCETHTOOL: u32 = 0x8946;
    let mut channels = Channels {
        command: ETHTOOL_GCHANNELS,
        ..Channels::default()
    };
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut channels,
        rest: [0; 2],
    };
    let bytes = name.to_bytes_with_nul();
    let room = request.name.get_mut(..bytes.len()).ok_or(Errno::ENODEV)?;
    room.copy_from_slice(bytes);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the request is a structure of at least the size that is read, and has the address of another that is read and written; both are ours.
    let result = unsafe { libc::ioctl(fd, SIOCETHTOOL as _, &raw mut request) };
    if result < 0 {
        return Err(Errno::last());
    }
    let Channels { rx, tx, combined, .. } = channels;
    Ok((rx.saturating_add(combined), tx.saturating_add(combined)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_devices() {
        assert_eq!(device_index(c"no such device"), Err(Errno::ENODEV));
        let lo = device_index(c"lo").unwrap();
        assert_eq!(device_name(lo).as_deref(), Ok(c"lo"));
        assert_eq!(device_name(u32::MAX), Err(Errno::ENXIO));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(queues(&socket, c"lo"), Err(Errno::EOPNOTSUPP));
        assert_eq!(queues(&socket, c"no such device"), Err(Errno::ENODEV));
        assert_eq!(
            queues(&socket, c"a name that is much too long"),
            Err(Errno::ENODEV)
        );
    }
}
