//! AF_XDP sockets: the ABI of `<linux/if_xdp.h>` (Linux 4.18), one function for each of its calls.
//!
//! # Safety
//!
//! The kernel reads and writes structures of ours, whose true lengths it is told. The memory of packets it uses for as long as a socket
//! lives, whatever becomes of the mapping: it holds the pages. That memory is a [`SharedMmap`], which expects others to write at any time.

use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Errno;
use crate::layout::layout;
use crate::mmap::{Access, SharedMmap};

const AF_XDP: i32 = 44;
const SOL_XDP: i32 = 283;
/// Numbers of options that not all C libraries know.
const SO_PREFER_BUSY_POLL: i32 = 69;
const SO_BUSY_POLL_BUDGET: i32 = 70;

const XDP_MMAP_OFFSETS: i32 = 1;
const XDP_UMEM_REG: i32 = 4;
const XDP_STATISTICS: i32 = 7;
const XDP_OPTIONS: i32 = 8;
const XDP_MAX_TX_SKB_BUDGET: i32 = 9;

/// The four rings of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingKind {
    /// Packets that came, from the kernel.
    Rx,
    /// Packets to send, to the kernel.
    Tx,
    /// Room for packets to come, to the kernel.
    Fill,
    /// Room of packets that were sent, from the kernel.
    Completion,
}

impl RingKind {
    /// The socket option for the size, and where the ring is mapped.
    const fn numbers(self) -> (i32, u64) {
        match self {
            Self::Rx => (2, 0),
            Self::Tx => (3, 0x8000_0000),
            Self::Fill => (5, 0x1_0000_0000),
            Self::Completion => (6, 0x1_8000_0000),
        }
    }
}

bitflags! {
    /// How a socket is bound.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct BindFlags: u16 {
        /// Shares memory, fill and completion ring with another socket.
        const SHARED_UMEM = 1;
        /// Packets are copied.
        const COPY = 1 << 1;
        /// Packets are not copied, or the call fails.
        const ZEROCOPY = 1 << 2;
        /// Rings say when the kernel wants to be called (5.4).
        const USE_NEED_WAKEUP = 1 << 3;
        /// Packets of several frames (6.6).
        const USE_SG = 1 << 4;
        const _ = !0;
    }

    /// How the memory of packets is used.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct UmemFlags: u32 {
        /// Frames may begin anywhere (5.4).
        const UNALIGNED_CHUNK = 1;
        /// Checksums asked for in metadata are computed by the kernel (6.8).
        const TX_SW_CSUM = 1 << 1;
        /// Metadata of [`UmemReg::tx_metadata_len`] bytes lies before packets to be sent (6.8).
        const TX_METADATA_LEN = 1 << 2;
        const _ = !0;
    }
}

/// The bit in the flags of a ring: the kernel wants to be called (5.4).
pub const RING_NEED_WAKEUP: u32 = 1;
/// The bit in [`Desc::options`]: the packet goes on in the next frame (6.6).
pub const PKT_CONTD: u32 = 1;
/// The bit in [`Desc::options`]: metadata lies before the packet (6.8).
pub const TX_METADATA: u32 = 1 << 1;

/// The memory of packets, as it is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xdp_umem_reg")]
#[repr(C)]
pub struct UmemReg {
    addr: u64,
    len: u64,
    /// Bytes of a frame: 2048 to a page; a power of two unless frames may begin anywhere.
    pub chunk_size: u32,
    /// Bytes that stay free before the kernel's own headroom of 256 bytes where packets are received.
    pub headroom: u32,
    /// [`UmemFlags`] (5.4).
    pub flags: u32,
    /// Bytes of metadata before packets to be sent: a multiple of 8, at most 255 (6.8).
    pub tx_metadata_len: u32,
}

layout! { UmemReg 32: addr 0, len 8, chunk_size 16, headroom 20, flags 24, tx_metadata_len 28 }

/// An element of the RX and TX rings. The other two rings have the address alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xdp_desc")]
#[repr(C)]
pub struct Desc {
    /// Where the packet begins in the memory. With [`UmemFlags::UNALIGNED_CHUNK`] the upper 16 bits are to be added to the rest.
    pub addr: u64,
    /// Bytes of the packet.
    pub len: u32,
    /// [`PKT_CONTD`], [`TX_METADATA`].
    pub options: u32,
}

layout! { Desc 16: addr 0, len 8, options 12 }

/// Where the parts of a ring lie in its mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xdp_ring_offset")]
#[repr(C)]
pub struct RingOffsets {
    /// A 32-bit number: elements written so far.
    pub producer: u64,
    /// A 32-bit number: elements read so far.
    pub consumer: u64,
    /// The elements.
    pub desc: u64,
    /// A 32-bit number of flags; 0 where there is none (before 5.4).
    pub flags: u64,
}

/// The same for all rings of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xdp_mmap_offsets")]
#[repr(C)]
pub struct Offsets {
    /// RX ring.
    pub rx: RingOffsets,
    /// TX ring.
    pub tx: RingOffsets,
    /// Fill ring.
    pub fill: RingOffsets,
    /// Completion ring.
    pub completion: RingOffsets,
}

layout! { Offsets 128: rx 0, tx 32, fill 64, completion 96 }

/// What became of packets. Numbers that a kernel does not know are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xdp_statistics")]
#[repr(C)]
pub struct Statistics {
    /// Dropped, for other reasons than the following. Before 5.9 also those that found a ring full or empty.
    pub rx_dropped: u64,
    /// Elements of the fill ring that were no frames.
    pub rx_invalid_descs: u64,
    /// Elements of the TX ring that were no packets.
    pub tx_invalid_descs: u64,
    /// Dropped because the RX ring was full (5.9).
    pub rx_ring_full: u64,
    /// How often the fill ring was found empty (5.9).
    pub rx_fill_ring_empty_descs: u64,
    /// How often the TX ring was found empty (5.9).
    pub tx_ring_empty_descs: u64,
}

layout! { Statistics 48: rx_dropped 0, rx_ring_full 24, tx_ring_empty_descs 40 }

/// What lies before a packet to be sent: what is asked for, and the answer (6.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[doc(alias = "xsk_tx_metadata")]
#[repr(C)]
pub struct TxMetadata {
    /// [`TxMetadataFlags`].
    pub flags: u64,
    /// From where on, in bytes of the packet, the checksum is computed. When the packet was sent this and the next numbers hold
    /// the time, if it was asked for.
    pub csum_start: u16,
    /// Where it goes, in bytes after that.
    pub csum_offset: u16,
    /// Not used.
    pub reserved: u32,
    /// When to send, in nanoseconds of the device's clock (6.14).
    pub launch_time: u64,
}

layout! { TxMetadata 24: flags 0, csum_start 8, csum_offset 10, launch_time 16 }

bitflags! {
    /// What is asked for when a packet is sent (6.8).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TxMetadataFlags: u64 {
        /// The time when it was sent.
        const TIMESTAMP = 1;
        /// A checksum.
        const CHECKSUM = 1 << 1;
        /// To be sent at a time (6.14).
        const LAUNCH_TIME = 1 << 2;
        const _ = !0;
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Address {
    family: u16,
    flags: u16,
    ifindex: u32,
    queue: u32,
    shared: u32,
}

layout! { Address 16: family 0, flags 2, ifindex 4, queue 8, shared 12 }

/// Makes a socket. Needs CAP_NET_RAW.
///
/// # Errors
///
/// `EAFNOSUPPORT` before Linux 4.18, or without `CONFIG_XDP_SOCKETS`; `EPERM`; `EMFILE`.
#[doc(alias = "AF_XDP")]
pub fn socket() -> Result<OwnedFd, Errno> {
    // SAFETY: it takes numbers only.
    let fd = unsafe { libc::socket(AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just made this descriptor for us and told nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives a socket the memory of its packets. The kernel reads and writes it as long as the socket lives, and counts its pages against the
/// limit of locked memory.
///
/// # Errors
///
/// `EINVAL` for sizes that do not fit, or flags that the kernel does not know; `EBUSY` if the socket has memory; `ENOBUFS` beyond the limit of locked memory.
#[doc(alias = "XDP_UMEM_REG")]
pub fn register(socket: impl AsFd, memory: &SharedMmap, wanted: &UmemReg) -> Result<(), Errno> {
    let wanted = UmemReg {
        addr: memory.as_ptr().expose_provenance() as u64,
        len: memory.len() as u64,
        ..*wanted
    };
    set(socket.as_fd(), SOL_XDP, XDP_UMEM_REG, &wanted)
}

/// Makes a ring of some elements, a power of two.
///
/// # Errors
///
/// `EINVAL` if it is none; `EBUSY` when the socket is bound; `ENOMEM`.
pub fn set_ring_size(socket: impl AsFd, ring: RingKind, elements: u32) -> Result<(), Errno> {
    set(socket.as_fd(), SOL_XDP, ring.numbers().0, &elements)
}

/// Where the parts of rings lie.
///
/// # Errors
///
/// `ENOPROTOOPT` or `EOPNOTSUPP` if it is no such socket.
#[doc(alias = "XDP_MMAP_OFFSETS")]
pub fn offsets(socket: impl AsFd) -> Result<Offsets, Errno> {
    /// As kernels before 5.4 have it: rings without flags.
    const OLD: usize = 4 * 24;
    let mut new = Offsets::default();
    let len = get(socket.as_fd(), SOL_XDP, XDP_MMAP_OFFSETS, new.as_mut_bytes())?;
    if len == size_of::<Offsets>() {
        return Ok(new);
    }
    let bytes = new
        .as_bytes()
        .get(..OLD)
        .filter(|_| len == OLD)
        .ok_or(Errno::EINVAL)?;
    let word = |at: usize| {
        let bytes = bytes.as_chunks().0.get(at);
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    let ring = |at: usize| RingOffsets {
        producer: word(at),
        consumer: word(at + 1),
        desc: word(at + 2),
        flags: 0,
    };
    Ok(Offsets {
        rx: ring(0),
        tx: ring(3),
        fill: ring(6),
        completion: ring(9),
    })
}

/// Maps a ring.
///
/// # Errors
///
/// `EINVAL` if the socket has no such ring, or it is smaller.
pub fn map_ring(socket: impl AsFd, ring: RingKind, len: usize) -> Result<SharedMmap, Errno> {
    SharedMmap::new(socket, ring.numbers().1, len, Access::ReadWrite)
}

/// Binds a socket to a queue of an interface. `shared` is a bound socket whose memory and, for the same queue, whose rings it shares.
///
/// # Errors
///
/// `ENODEV` if there is no such interface; `EINVAL` for a queue that it does not have, or rings that are missing; `EOPNOTSUPP` if the driver cannot do what the
/// flags want; `EBUSY` if another socket has the queue; `ENETDOWN`.
pub fn bind(
    socket: impl AsFd,
    ifindex: u32,
    queue: u32,
    flags: BindFlags,
    shared: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let address = Address {
        family: AF_XDP as u16,
        flags: flags.bits(),
        ifindex,
        queue,
        shared: shared.map_or(0, |fd| fd.as_raw_fd().cast_unsigned()),
    };
    let len = size_of::<Address>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the address is a structure of `len` bytes, which is read.
    let result = unsafe { libc::bind(fd, (&raw const address).cast(), len) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Has the kernel send what is in the TX ring.
///
/// # Errors
///
/// `EAGAIN` if there is more than it sends at once; `EBUSY` or `ENOBUFS` if the device is; `ENETDOWN`; `ENXIO` when the interface is gone.
pub fn wake_tx(socket: impl AsFd) -> Result<(), Errno> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: there are neither bytes nor an address.
    let result = unsafe { libc::sendto(fd, std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Has the kernel look into the fill ring, or poll the device. Since Linux 5.11; before that poll(2) does.
///
/// # Errors
///
/// `EOPNOTSUPP` before Linux 5.11; `ENETDOWN`; `ENXIO` when the interface is gone.
pub fn wake_rx(socket: impl AsFd) -> Result<(), Errno> {
    let fd = socket.as_fd().as_raw_fd();
    let none = std::ptr::null_mut;
    // SAFETY: there is no room for bytes, and no address.
    let result = unsafe { libc::recvfrom(fd, none(), 0, libc::MSG_DONTWAIT, none().cast(), none().cast()) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// What became of packets so far.
///
/// # Errors
///
/// `ENOPROTOOPT` or `EOPNOTSUPP` if it is no such socket.
#[doc(alias = "XDP_STATISTICS")]
pub fn statistics(socket: impl AsFd) -> Result<Statistics, Errno> {
    let mut answer = Statistics::default();
    get(socket.as_fd(), SOL_XDP, XDP_STATISTICS, answer.as_mut_bytes())?;
    Ok(answer)
}

/// Whether packets are not copied. Since Linux 5.3.
///
/// # Errors
///
/// `ENOPROTOOPT` on older kernels.
#[doc(alias = "XDP_OPTIONS")]
pub fn is_zero_copy(socket: impl AsFd) -> Result<bool, Errno> {
    let mut flags = 0u32;
    get(socket.as_fd(), SOL_XDP, XDP_OPTIONS, flags.as_mut_bytes())?;
    Ok(flags & 1 != 0)
}

/// Lets the application poll the device rather than interrupts (5.11): for how many microseconds at a call, and how many packets at once.
///
/// # Errors
///
/// `ENOPROTOOPT` on older kernels; `EPERM` for more than what the system's settings allow, without CAP_NET_ADMIN.
#[doc(alias = "SO_PREFER_BUSY_POLL")]
pub fn prefer_busy_poll(socket: impl AsFd, microseconds: u32, packets: u32) -> Result<(), Errno> {
    let socket = socket.as_fd();
    set(socket, libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, &1i32)?;
    set(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &microseconds)?;
    set(socket, libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, &packets)
}

/// How many packets one call sends at most when they are copied (6.17): 32 unless said otherwise, which is also the least, up to what the
/// TX ring holds.
///
/// # Errors
///
/// `ENOPROTOOPT` on older kernels; `EACCES` for another number, or without a TX ring.
#[doc(alias = "XDP_MAX_TX_SKB_BUDGET")]
pub fn set_tx_budget(socket: impl AsFd, packets: u32) -> Result<(), Errno> {
    set(socket.as_fd(), SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &packets)
}

/// The error that waits at a socket, which is taken from it: `ENETDOWN` when its interface is gone.
///
/// # Errors
///
/// `ENOTSOCK` if it is no socket.
pub fn take_error(socket: impl AsFd) -> Result<Option<Errno>, Errno> {
    let mut errno = 0i32;
    get(
        socket.as_fd(),
        libc::SOL_SOCKET,
        libc::SO_ERROR,
        errno.as_mut_bytes(),
    )?;
    Ok((errno != 0).then_some(Errno(errno)))
}

/// The byte of a packet's metadata where the time begins at which it was sent.
pub const TX_TIMESTAMP_OFFSET: usize = offset_of!(TxMetadata, csum_start);

fn set<T: IntoBytes + Immutable>(
    socket: BorrowedFd<'_>,
    level: i32,
    option: i32,
    value: &T,
) -> Result<(), Errno> {
    let (address, len) = (std::ptr::from_ref(value), size_of::<T>() as libc::socklen_t);
    // SAFETY: `address` is that of `len` bytes, which are read.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, address.cast(), len) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Returns how many bytes were written.
fn get(socket: BorrowedFd<'_>, level: i32, option: i32, value: &mut [u8]) -> Result<usize, Errno> {
    let mut len = value.len() as libc::socklen_t;
    let address = value.as_mut_ptr().cast();
    // SAFETY: there are `len` bytes at `address` to write to.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, address, &raw mut len) };
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(len as usize)
    }
}
