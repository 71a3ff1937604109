//! What the kernel tells of maps, BTF objects and tokens.
//!
//! One command describes every kind of object, and the kernel takes the structure for that of the kind it finds. Where a structure
//! holds addresses, a descriptor of another kind would have them read as something else; each function here
//! says why that does no harm.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::info::{BtfInfo, MapInfo, TokenInfo};
use crate::syscall::{address_mut, bpf, length, raw};
use crate::{Command, Errno, Error, attr};

const COMMAND: Command = Command::OBJ_GET_INFO_BY_FD;

/// Describes an object; returns how many bytes the kernel knows of `info`.
///
/// # Safety
///
/// The addresses in `info` must be valid for what the kernel writes there, whatever kind of object `object` is.
pub(super) unsafe fn describe<T: FromBytes + IntoBytes + Immutable>(
    object: BorrowedFd<'_>,
    info: &mut T,
) -> Result<u32, Error> {
    let mut attr = attr::ObjGetInfoByFd {
        bpf_fd: raw(object),
        info_len: length(COMMAND, size_of::<T>())?,
        info: address_mut(std::slice::from_mut(info)),
    };
    // SAFETY: `info` is borrowed mutably and its length is told; the addresses in it are the caller's care.
    unsafe { bpf(COMMAND, &mut attr, 0, None) }?;
    Ok(attr.info_len)
}

/// Describes a map. Since Linux 4.13.
///
/// ```no_run
/// use bpfld_sys::{MapFlags, map_get_fd_by_id, map_info};
///
/// let info = map_info(map_get_fd_by_id(1, MapFlags::empty())?)?;
/// println!("{} with keys of {} bytes", info.map_type, info.key_size);
/// # Ok::<(), bpfld_sys::Error>(())
/// ```
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2). Another kind of object gives meaningless numbers.
#[doc(alias = "BPF_OBJ_GET_INFO_BY_FD")]
pub fn map_info(map: impl AsFd) -> Result<MapInfo, Error> {
    let mut info = MapInfo::default();
    // SAFETY: all zeros: there are no addresses, whatever the kind.
    unsafe { describe(map.as_fd(), &mut info) }?;
    Ok(info)
}

/// The SHA-256 of a frozen map's contents, for maps made for one signed program. Since Linux 6.18.
///
/// # Errors
///
/// `EINVAL` if the kind of the map has none, `EPERM` if it is not frozen, `E2BIG` before Linux 6.18.
pub fn map_hash(map: impl AsFd) -> Result<[u8; 32], Error> {
    let mut hash = [0; 32];
    let mut info = MapInfo {
        hash: address_mut(&mut hash),
        hash_size: 32,
        ..Default::default()
    };
    // SAFETY: the only address is that of `hash`, with its length. Programs do not read an address there, and the structures of other kinds are
    // shorter, so that the kernel refuses what is not zero.
    unsafe { describe(map.as_fd(), &mut info) }?;
    Ok(hash)
}

/// Describes a BTF object; its bytes and name come from [`btf_data`] and [`btf_name`]. Since Linux 4.18.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2). Another kind of object gives meaningless numbers.
pub fn btf_info(btf: impl AsFd) -> Result<BtfInfo, Error> {
    let mut info = BtfInfo::default();
    // SAFETY: all zeros: there are no addresses, whatever the kind.
    unsafe { describe(btf.as_fd(), &mut info) }?;
    Ok(info)
}

/// Copies the bytes of a BTF object into `data`, as many as fit; returns how many there are. Since Linux 4.18.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2). Another kind of object gives a meaningless number.
pub fn btf_data(btf: impl AsFd, data: &mut [u8]) -> Result<u32, Error> {
    /// The beginning of [`BtfInfo`], as Linux 4.18 has it.
    #[derive(FromBytes, IntoBytes, Immutable)]
    #[repr(C)]
    struct Head {
        btf: u64,
        btf_size: u32,
        id: u32,
    }
    let mut info = Head {
        btf: 0,
        btf_size: length(COMMAND, data.len())?,
        id: 0,
    };
    info.btf = address_mut(data);
    // SAFETY: the only address is that of `data`, with its length. No other kind of object reads an address in its first 16 bytes.
    unsafe { describe(btf.as_fd(), &mut info) }?;
    Ok(info.btf_size)
}

/// The name of a BTF object: `vmlinux`, a kernel module, or nothing for a user's. Since Linux 5.11. `buffer` holds it.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2); `E2BIG` before Linux 5.11.
pub fn btf_name(btf: impl AsFd, buffer: &mut [u8; BTF_NAME_ROOM]) -> Result<&CStr, Error> {
    buffer.fill(0);
    let mut info = BtfInfo {
        name_len: BTF_NAME_LEN,
        name: address_mut(buffer),
        ..Default::default()
    };
    // SAFETY: the only address is that of `buffer`. As a link of many kernel functions, the kernel would take it for an array of `name_len`
    // addresses of 8 bytes: there is room for these. As a program, it would take `name_len` for an address: one in the
    // first page, which is never mapped. Others read no address there, or with its length.
    unsafe { describe(btf.as_fd(), &mut info) }?;
    CStr::from_bytes_until_nul(buffer).map_err(|_| Error::new(COMMAND, Errno::ENAMETOOLONG))
}

/// Bytes that [`btf_name`] tells the kernel of: names of kernel modules are shorter.
const BTF_NAME_LEN: u32 = 64;

/// Bytes that [`btf_name`] needs.
pub const BTF_NAME_ROOM: usize = 512;

/// Describes a token. Since Linux 6.17.
///
/// # Errors
///
/// `EINVAL` if it is no object of bpf(2), or a token before Linux 6.17. Another kind of object gives meaningless numbers.
pub fn token_info(token: impl AsFd) -> Result<TokenInfo, Error> {
    let mut info = TokenInfo::default();
    // SAFETY: all zeros: there are no addresses, whatever the kind.
    unsafe { describe(token.as_fd(), &mut info) }?;
    Ok(info)
}
