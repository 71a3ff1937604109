//! AF_XDP sockets: packets past the network stack, in frames that are owned values.
//!
//! ```no_run
//! use bpfld::XdpMode;
//! use bpfld_xsk::{Redirect, Umem, XskSocket};
//!
//! # fn main() -> Result<(), bpfld_xsk::Error> {
//! let umem = Umem::builder().build()?;
//! let mut socket = XskSocket::builder(&umem).bind("eth0", 0)?;
//! let redirect = Redirect::attach("eth0", XdpMode::Auto)?;
//! redirect.insert(&socket)?;
//! while let Some(mut frame) = socket.recv_frame_within(std::time::Duration::from_secs(10))? {
//!     if frame.len() >= 12 {
//!         frame[..12].rotate_left(6); // back to where it came from
//!     }
//!     socket.send_frame(frame)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Umem`] is the memory of packets, cut into frames. A [`Frame`] is the right to use one of them: a slice of bytes with room before and
//!   behind. It is in exactly one place: free, in the program, with the kernel to receive or with the kernel to send. Sending it gives
//!   it up, receiving hands it out, dropping it makes it free; [`Umem::usage`] counts them.
//! - [`XskSocket`] is on a queue of an interface. It takes and gives frames in batches, or one packet at a time, copied or not.
//! - [`XskSet`] is several sockets that take turns: all queues of an interface, most of the time.
//! - [`Redirect`] is the program that gives packets to sockets; or the user has a program and a map, see
//!   [`XskSocket::insert_into`].
//! - With the feature `tokio` packets are awaited: `AsyncXskSocket` and `AsyncXskSet`.
//!
//! No thread runs in the background, and nothing is allocated for a packet.
//!
//! # Kernels
//!
//! AF_XDP came with Linux 4.18; some parts are newer, as the documentation of each says. To make sockets and to redirect packets needs CAP_NET_RAW and
//! CAP_NET_ADMIN with CAP_BPF; a process without rights can use a socket that was passed to it: [`XskBuilder::passed`].
//!
//! # What is not here
//!
//! - Memory in files, or memory that another process made and passed on: whoever else can write to it could change bytes under a slice. Seals do
//!   not help: F_SEAL_FUTURE_WRITE keeps others from mapping a file anew, but not from writing to what they mapped before, and F_SEAL_WRITE, which
//!   tells whether anybody has, forbids our own mapping too. A process without rights makes the memory itself; whoever passes it a
//!   socket can raise its limit of locked memory (prlimit(2), RLIMIT_MEMLOCK), which is all that it needs in addition.
//! - Sharing of one registration among queues (5.10): each queue registers the memory for itself.
//! - Packets of several frames as one value: [`Frame::continues`] tells where they go on.
//! - Questions to the driver: what it can do (netlink's `netdev` family), how its queues are set up (ethtool).
//!
//! # Safety
//!
//! Users write no unsafe code. The kernel writes only to frames that are in its rings, and what it gives back is believed only if it had been given. What
//! remains to be trusted is that nobody else has the socket: see [`XskSocket`](XskSocket#when-it-is-dropped).

#[cfg(feature = "tokio")]
mod asynchronous;
mod batch;
mod builder;
mod channel;
mod code;
mod error;
mod filler;
mod frame;
mod ledger;
mod metadata;
mod packet;
mod queue;
mod queues;
mod redirect;
mod ring;
mod rx_metadata;
mod sender;
mod set;
mod shared;
mod simple;
mod slot;
mod socket;
mod taken;
mod umem;

pub use bpfld_sys::xdp::{RingKind, Statistics};

#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncXskSet, AsyncXskSocket};
pub use batch::Then;
pub use builder::{CopyMode, Direction, XskBuilder};
pub use error::{Error, Result};
pub use frame::Frame;
pub use ledger::Usage;
pub use metadata::TxRequest;
pub use queues::queue_count;
pub use redirect::{Redirect, RedirectBuilder};
pub use rx_metadata::RxMetadata;
pub use set::XskSet;
pub use socket::XskSocket;
pub use umem::{Umem, UmemBuilder};
